// The state of one limit for many keys: a fixed table that all workers share without locks.
//
// A key is the 64-bit hash of what is counted; its state is one word (limit_algorithm.h). Both lie
// side by side and change together by one 16-byte compare-and-swap, so a slot that was given to
// another key in between is noticed. Four slots make a cache line, a bucket; a key may be in either
// of three buckets, which lets the table fill to its bound before all three are full.
//
//   hash -> bucket a: [hash word][hash word][hash word][hash word]   the one with most room
//        -> bucket b: [hash word][hash word][hash word][hash word]   takes a new key
//        -> bucket c: [hash word][hash word][hash word][hash word]
//
// A slot whose word is fresh (all points are there) is as good as free. If all three are full
// of keys that are not, the one that has least to lose is forgotten and counted; of a concurrency
// limit none is, because its requests would be given back to a key that does not know them.
//
// Two workers that see a key for the first time at the same moment may, if other slots become fresh
// just then, put it in two places: the second is found by nobody, and a request that was counted
// there is not counted elsewhere. That is the only error, and at most one request a worker and a
// key's first appearance. So that a place is not lost then, those at work are given back where they
// were counted.
#ifndef WEIR_PLUGINS_LIMIT_TABLE_H_
#define WEIR_PLUGINS_LIMIT_TABLE_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "plugins/limit_algorithm.h"

namespace weir {

class LimitTable {
 public:
  struct Result {
    LimitTake take;
    bool evicted = false;    // another key that was not fresh was forgotten for it
    bool untracked = false;  // allowed, but there was no room to count it
    size_t slot = 0;         // allowed and tracked: where, for Release
  };

  // Room for at least `keys_max` keys, in at most 48 bytes each; memory is taken as it is used.
  LimitTable(const LimitMath& math, size_t keys_max);
  LimitTable(const LimitTable&) = delete;
  LimitTable& operator=(const LimitTable&) = delete;

  // HOT. From any thread, as all of these. See LimitMath::Take.
  Result Take(uint64_t hash, uint64_t now_ns, uint64_t cost, uint64_t wait_max_ns = 0);
  // What Take would answer; changes nothing.
  LimitTake Peek(uint64_t hash, uint64_t now_ns, uint64_t cost, uint64_t wait_max_ns = 0) const;
  // Gives back what was taken at `taken_ns`; nothing if the key was forgotten.
  void Refund(uint64_t hash, uint64_t taken_ns, uint64_t cost);
  // Gives a place of a concurrency limit back. REQUIRES: `slot` is what Take said, once.
  void Release(size_t slot);
  LimitLook Look(uint64_t hash, uint64_t now_ns) const;

  const LimitMath& math() const { return math_; }
  size_t bytes() const { return (bucket_mask_ + 1) * sizeof(Bucket); }
  // Keys that are not fresh. Reads the whole table: for tests and rare questions.
  size_t CountKeys(uint64_t now_ns) const;

 private:
  static constexpr size_t kSlots = 4;
  static constexpr int kChoices = 3;
  struct alignas(16) Slot {
    uint64_t hash;  // 0: free
    uint64_t word;
  };
  struct alignas(64) Bucket {
    Slot slots[kSlots];
  };
  struct Unmap {
    size_t bytes;
    void operator()(Bucket* buckets) const;
  };

  // From different bits of the hash; for some keys two of them are the same.
  Bucket& BucketOf(uint64_t hash, int choice) const {
    return buckets_[std::rotr(hash, 21 * choice) & bucket_mask_];
  }
  Slot* Find(uint64_t hash) const;
  // A slot that the key may take, and what is in it. With `forget`: if need be, one that is in use.
  Slot* FindRoom(uint64_t hash, uint64_t now_ns, bool forget, Slot* found, bool* evicts) const;
  static Slot Read(const Slot& slot);
  static bool Swap(Slot* slot, const Slot& from, const Slot& to);

  const LimitMath math_;
  size_t bucket_mask_;
  std::unique_ptr<Bucket[], Unmap> buckets_;
};

}  // namespace weir

#endif  // WEIR_PLUGINS_LIMIT_TABLE_H_
