// The algorithms of rate limiting, as arithmetic on one 64-bit word a key. No clock, no memory.
//
//   algorithm        the word                               what it allows
//   gcra             when the bucket will be full again     `burst` at once, and `points` a period;
//                    (the "theoretical arrival time")       evenly, with no edge anywhere
//   token_bucket     the same                               the same: a bucket of `burst` tokens,
//                                                           refilled evenly, decides alike
//   fixed_window     window | count                         `points` in each period by the clock,
//   so
//                                                           up to twice that around an edge
//   sliding_window   window | count before | count          `points` in any period, if the last
//                                                           window's requests came evenly
//   concurrency      count                                  `points` at the same time
//
// A word of 0 is a key never seen, and so is any word that IsFresh says is. Times are nanoseconds
// on a clock that starts near 0 and never goes back by much: a word written by a thread whose clock
// is a little ahead is believed.
//
// GCRA is the generic cell rate algorithm of ATM (ITU-T I.371, annex A, "virtual scheduling"). Its
// time is counted in 1/64 ns, into which a period's points are rounded up, so never more than
// `points` pass, and at a billion a second at most 1.6 % less. The sliding window is the estimate
// from two counters that Cloudflare described in "How we built rate limiting capable of scaling to
// millions of domains" (2017).
#ifndef WEIR_PLUGINS_LIMIT_ALGORITHM_H_
#define WEIR_PLUGINS_LIMIT_ALGORITHM_H_

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir {

// In the order of kLimitAlgorithms. kSlidingLog keeps every arrival, which no word can: see
// limit_log.h.
enum class LimitAlgorithm : uint8_t {
  kGcra,
  kTokenBucket,
  kFixedWindow,
  kSlidingWindow,
  kSlidingLog,
  kConcurrency,
};
inline constexpr const char* kLimitAlgorithms =
    "gcra|token_bucket|fixed_window|sliding_window|sliding_log|concurrency";
std::string_view LimitAlgorithmName(LimitAlgorithm algorithm);

// What a limit is, for people and for the arithmetic.
struct LimitShape {
  LimitAlgorithm algorithm = LimitAlgorithm::kGcra;
  uint64_t points = 1;
  uint64_t period_ms = 1000;
  uint64_t burst = 0;  // of gcra and token_bucket: how many at once; 0: as many as points
  uint64_t capacity() const { return burst == 0 ? points : burst; }
};

// Never: what costs more than there will ever be room for.
inline constexpr uint64_t kNeverNs = UINT64_MAX;

struct LimitTake {
  bool allowed = false;
  uint64_t word = 0;     // allowed: the new one
  uint64_t wait_ns = 0;  // allowed: until its turn; else: until it might be, or kNeverNs
};

struct LimitLook {
  uint64_t remaining = 0;
  uint64_t reset_ns = 0;  // until all of it is there again
};

class LimitMath {
 public:
  static constexpr uint64_t kPeriodMsMax = uint64_t{30} * 24 * 3600 * 1000;
  static constexpr uint64_t kPointsMax = 1'000'000'000;
  static constexpr uint64_t kSlidingPointsMax = (1 << 20) - 1;  // bits of a counter

  // What is wrong with it, as "expected …, found …"; empty: nothing. kSlidingLog has no word.
  static std::string Check(const LimitShape& shape);

  // REQUIRES: Check(shape) is empty and it is not a kSlidingLog.
  explicit LimitMath(const LimitShape& shape);

  // HOT. Takes `cost` points if they are there, or (gcra and token_bucket only) will be within
  // `wait_max_ns`: they are then taken now, and the request is to wait that long.
  LimitTake Take(uint64_t word, uint64_t now_ns, uint64_t cost, uint64_t wait_max_ns = 0) const {
    if (shape_.algorithm <= LimitAlgorithm::kTokenBucket) [[likely]]
      return TakeGcra(word, now_ns, cost, wait_max_ns);
    return TakeOther(word, now_ns, cost);
  }
  // The word after `cost` points that were taken at `taken_ns` are given back. Those of a window
  // that is over are not: they no longer count.
  uint64_t Refund(uint64_t word, uint64_t taken_ns, uint64_t cost) const;
  LimitLook Look(uint64_t word, uint64_t now_ns) const;
  // Whether forgetting the key changes nothing.
  bool IsFresh(uint64_t word, uint64_t now_ns) const { return Debt(word, now_ns) == 0; }
  // How much is lost by forgetting it; for comparing keys of the same limit.
  uint64_t Debt(uint64_t word, uint64_t now_ns) const;

  const LimitShape& shape() const { return shape_; }

 private:
  static constexpr uint64_t kTicksPerNs = 64;

  // A window's number and counters, unpacked for the window that `now` is in.
  struct Window {
    uint64_t number = 0;
    uint64_t before = 0;
    uint64_t count = 0;
    uint64_t elapsed_ns = 0;
  };
  Window FixedAt(uint64_t word, uint64_t now_ns) const;
  Window SlidingAt(uint64_t word, uint64_t now_ns) const;
  static uint64_t PackFixed(const Window& window);
  static uint64_t PackSliding(const Window& window);
  bool SlidingFits(const Window& window, uint64_t cost) const;
  uint64_t SlidingWait(const Window& window, uint64_t cost) const;

  LimitTake TakeGcra(uint64_t word, uint64_t now_ns, uint64_t cost, uint64_t wait_max_ns) const {
    const uint64_t now = now_ns * kTicksPerNs;
    // More than the whole can never be had, and its product might not fit.
    if (cost > shape_.capacity()) [[unlikely]]
      return {false, word, kNeverNs};
    const uint64_t full_at = std::max(word, now) + cost * ticks_a_point_;
    const uint64_t from = now + ticks_of_all_;
    if (full_at <= from) [[likely]]
      return {true, full_at, 0};
    const uint64_t wait_ns = (full_at - from + kTicksPerNs - 1) / kTicksPerNs;
    return {wait_ns <= wait_max_ns, full_at, wait_ns};
  }
  LimitTake TakeOther(uint64_t word, uint64_t now_ns, uint64_t cost) const;

  LimitShape shape_;
  uint64_t period_ns_;
  uint64_t ticks_a_point_ = 0;
  uint64_t ticks_of_all_ = 0;
};

}  // namespace weir

#endif  // WEIR_PLUGINS_LIMIT_ALGORITHM_H_
