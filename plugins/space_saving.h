// The heaviest keys of a stream, in bounded memory: Space-Saving.
//
// A. Metwally, D. Agrawal, A. El Abbadi: "Efficient Computation of Frequent and Top-k Elements in
// Data Streams", ICDT 2005; with weights as in R. Berinde, P. Indyk, G. Cormode, M. Strauss:
// "Space-optimal Heavy Hitters with Strong Error Bounds", PODS 2009. There are m counters. A key
// that has one adds to it; another takes over the smallest counter with all that it holds, which
// from then on is that key's possible error. So of all that was ever added, N in sum,
//
//   true <= estimate,  estimate - error <= true,  error <= N / m,
//
// and whatever has more than N / m in truth has a counter.
#ifndef WEIR_PLUGINS_SPACE_SAVING_H_
#define WEIR_PLUGINS_SPACE_SAVING_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace weir {

class SpaceSaving {
 public:
  struct Heavy {
    std::string key;
    uint64_t estimate = 0;
    uint64_t error = 0;    // the true weight is at least estimate - error
    uint64_t largest = 0;  // the largest that was added at once since the key has its counter
  };

  explicit SpaceSaving(size_t counters_max) : counters_max_(counters_max) {}

  // O(log m).
  void Add(std::string_view key, uint64_t weight);
  // All counters, in no order.
  const std::vector<Heavy>& counters() const { return counters_; }
  uint64_t total() const { return total_; }  // N
  void Clear();

  // What one that saw all the streams could say of them: those of equal keys together, and for a
  // key that is in one but not in another, which was full, the other's smallest counter as well,
  // for it may have had as much there. The bounds above hold with N / m summed over all. Heaviest
  // first, no more than `n`.
  static std::vector<Heavy> Merge(const std::vector<const SpaceSaving*>& all, size_t n);

 private:
  // What a key without a counter may have at most.
  uint64_t Unseen() const {
    return counters_.size() < counters_max_ ? 0 : counters_[heap_[0]].estimate;
  }
  void Put(size_t place, uint32_t counter) {
    heap_[place] = counter;
    place_of_[counter] = static_cast<uint32_t>(place);
  }
  void SiftDown(size_t place);
  void SiftUp(size_t place);

  const size_t counters_max_;
  uint64_t total_ = 0;
  std::vector<Heavy> counters_;
  std::vector<uint32_t> heap_;                             // of counters, the smallest first
  std::vector<uint32_t> place_of_;                         // in heap_, by counter
  absl::flat_hash_map<std::string, uint32_t> counter_of_;  // by key
};

}  // namespace weir

#endif  // WEIR_PLUGINS_SPACE_SAVING_H_
