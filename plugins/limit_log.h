// The exact log of one limit for many keys: when each point of the last period was taken.
//
// A word is not enough for that, so this is the one limit of scope local with locks: keys lie in 64
// stripes, by their hash, each with a mutex and its own part of the memory. Of a key it keeps a
// ring of `points` times, the oldest first:
//
//   hash -> stripe -> entry: [begin, count] -> [time][time][time] … as many as the limit has points
//
// What is older than a period is dropped when the key is seen next. Where a stripe has no free
// entry, one of those that the hand of a clock points to next is forgotten: of kLooked, the first
// that holds nothing, or else the one that holds least.
#ifndef WEIR_PLUGINS_LIMIT_LOG_H_
#define WEIR_PLUGINS_LIMIT_LOG_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "plugins/limit_algorithm.h"
#include "plugins/limit_table.h"

namespace weir {

class LimitLog {
 public:
  // A log takes no more than 8 bytes for each of so many times (1 GiB), over all its keys.
  static constexpr uint64_t kTimesMax = uint64_t{1} << 27;
  static constexpr uint64_t kPointsMax = 10000;  // as in Redis

  // Room for `keys_max` keys, and some more; memory is taken as it is used.
  // REQUIRES: shape.points <= kPointsMax, shape.points * keys_max <= kTimesMax.
  LimitLog(const LimitShape& shape, size_t keys_max);
  LimitLog(const LimitLog&) = delete;
  LimitLog& operator=(const LimitLog&) = delete;

  // From any thread, as all of these. `slot` of the result is the time under which the points
  // stand, for Refund: later than `now_ns` if a thread whose clock is ahead came first. Costs of 0
  // take nothing. `take.word` means nothing.
  LimitTable::Result Take(uint64_t hash, uint64_t now_ns, uint64_t cost);
  // What Take would answer; changes nothing that counts.
  LimitTake Peek(uint64_t hash, uint64_t now_ns, uint64_t cost);
  // Takes `cost` points out that stand under that time, as far as they are still there.
  void Refund(uint64_t hash, uint64_t taken_at, uint64_t cost);
  LimitLook Look(uint64_t hash, uint64_t now_ns);

  // Keys that are kept, whether anything of them still counts or not. For tests.
  size_t CountKeys();
  size_t keys_max() const { return kStripes * entries_max_; }

 private:
  static constexpr size_t kStripes = 64;
  static constexpr size_t kLooked = 16;
  struct Entry {
    uint64_t hash = 0;
    uint32_t begin = 0;  // of the oldest in the ring
    uint32_t count = 0;
  };
  struct Unmap {
    size_t bytes;
    void operator()(uint64_t* times) const;
  };
  struct alignas(64) Stripe {
    std::mutex mutex;
    absl::flat_hash_map<uint64_t, uint32_t> index;  // by hash: which entry
    std::vector<Entry> entries;
    uint32_t hand = 0;
    std::unique_ptr<uint64_t[], Unmap> times{nullptr, Unmap{0}};  // of entry i: from i * points
  };

  Stripe& StripeOf(uint64_t hash) { return stripes_[hash >> 58]; }
  uint64_t& TimeAt(Stripe& stripe, uint32_t entry, uint64_t i) const;
  void DropOld(Stripe& stripe, uint32_t entry, uint64_t now_ns) const;
  LimitTake Decide(Stripe& stripe, const uint32_t* entry, uint64_t now_ns, uint64_t cost) const;
  const uint32_t* Find(Stripe& stripe, uint64_t hash, uint64_t now_ns) const;
  uint32_t MakeEntry(Stripe& stripe, uint64_t hash, uint64_t now_ns, bool* evicted) const;

  const uint64_t points_;
  const uint64_t period_ns_;
  const size_t entries_max_;  // of a stripe
  std::array<Stripe, kStripes> stripes_;
};

}  // namespace weir

#endif  // WEIR_PLUGINS_LIMIT_LOG_H_
