// A histogram of durations that one thread fills and any thread reads.
#ifndef WEIR_PLUGINS_HISTOGRAM_H_
#define WEIR_PLUGINS_HISTOGRAM_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "plugins/counter.h"

namespace weir {

// Upper bounds of the buckets, included. They span what Redis takes, from a batch on the same
// machine to a command that should not have been sent; above the last is one bucket more.
inline constexpr std::array<uint64_t, 19> kHistogramBoundsNs = {
    10'000,        25'000,        50'000,        100'000,       250'000,
    500'000,       1'000'000,     2'500'000,     5'000'000,     10'000'000,
    25'000'000,    50'000'000,    100'000'000,   250'000'000,   500'000'000,
    1'000'000'000, 2'500'000'000, 5'000'000'000, 10'000'000'000};
inline constexpr size_t kHistogramBuckets = kHistogramBoundsNs.size() + 1;

namespace histogram_internal {
// By a value's bit width: the first bucket that a value of that width may belong to.
inline constexpr std::array<uint8_t, 65> kFirstBucket = [] {
  std::array<uint8_t, 65> first{};
  for (size_t width = 0; width < first.size(); ++width) {
    const uint64_t least = width == 0 ? 0 : uint64_t{1} << (width - 1);
    while (first[width] < kHistogramBoundsNs.size() && kHistogramBoundsNs[first[width]] < least) {
      ++first[width];
    }
  }
  return first;
}();
}  // namespace histogram_internal

// Its bit width brings a value within two comparisons of its bucket.
constexpr size_t HistogramBucket(uint64_t ns) {
  size_t bucket = histogram_internal::kFirstBucket[static_cast<size_t>(std::bit_width(ns))];
  while (bucket < kHistogramBoundsNs.size() && ns > kHistogramBoundsNs[bucket]) ++bucket;
  return bucket;
}

// A histogram at one moment.
struct HistogramCounts {
  std::array<uint64_t, kHistogramBuckets> buckets{};  // not cumulative; the last has no bound
  uint64_t sum_ns = 0;

  void Add(const HistogramCounts& other) {
    for (size_t i = 0; i < buckets.size(); ++i) buckets[i] += other.buckets[i];
    sum_ns += other.sum_ns;
  }
  uint64_t count() const {
    uint64_t count = 0;
    for (const uint64_t n : buckets) count += n;
    return count;
  }
};

class Histogram {
 public:
  // `times` durations of `ns` each.
  void Record(uint64_t ns, uint64_t times) {
    buckets_[HistogramBucket(ns)].Add(times);
    sum_ns_.Add(ns * times);
  }

  // The sum may be of a moment a little after the buckets'.
  HistogramCounts Read() const {
    HistogramCounts counts;
    for (size_t i = 0; i < buckets_.size(); ++i) counts.buckets[i] = buckets_[i].Get();
    counts.sum_ns = sum_ns_.Get();
    return counts;
  }

 private:
  std::array<Counter, kHistogramBuckets> buckets_;
  Counter sum_ns_;
};

}  // namespace weir

#endif  // WEIR_PLUGINS_HISTOGRAM_H_
