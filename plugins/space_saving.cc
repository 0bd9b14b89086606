#include "plugins/space_saving.h"

#include <algorithm>
#include <utility>

namespace weir {
namespace {

// Debian's abseil looks keys up by a string_view of its own.
absl::string_view Key(std::string_view key) { return {key.data(), key.size()}; }

}  // namespace

void SpaceSaving::Add(std::string_view key, uint64_t weight) {
  total_ += weight;
  const auto found = counter_of_.find(Key(key));
  if (found != counter_of_.end()) {
    Heavy& heavy = counters_[found->second];
    heavy.estimate += weight;
    heavy.largest = std::max(heavy.largest, weight);
    return SiftDown(place_of_[found->second]);
  }
  if (counters_.size() < counters_max_) {
    const auto counter = static_cast<uint32_t>(counters_.size());
    counters_.push_back(
        {.key = std::string(key), .estimate = weight, .error = 0, .largest = weight});
    heap_.push_back(counter);
    place_of_.push_back(counter);
    counter_of_.emplace(counters_.back().key, counter);
    return SiftUp(counter);
  }
  const uint32_t counter = heap_[0];
  Heavy& smallest = counters_[counter];
  counter_of_.erase(smallest.key);
  smallest.key = key;
  smallest.error = smallest.estimate;
  smallest.estimate += weight;
  smallest.largest = weight;
  counter_of_.emplace(smallest.key, counter);
  SiftDown(0);
}

void SpaceSaving::Clear() {
  counters_.clear();
  heap_.clear();
  place_of_.clear();
  counter_of_.clear();
  total_ = 0;
}

void SpaceSaving::SiftDown(size_t place) {
  const uint32_t counter = heap_[place];
  const uint64_t estimate = counters_[counter].estimate;
  const auto at = [this](size_t i) { return counters_[heap_[i]].estimate; };
  for (size_t child = 2 * place + 1; child < heap_.size(); child = 2 * place + 1) {
    if (child + 1 < heap_.size() && at(child + 1) < at(child)) ++child;
    if (at(child) >= estimate) break;
    Put(place, heap_[child]);
    place = child;
  }
  Put(place, counter);
}

void SpaceSaving::SiftUp(size_t place) {
  const uint32_t counter = heap_[place];
  const uint64_t estimate = counters_[counter].estimate;
  while (place != 0) {
    const size_t parent = (place - 1) / 2;
    if (counters_[heap_[parent]].estimate <= estimate) break;
    Put(place, heap_[parent]);
    place = parent;
  }
  Put(place, counter);
}

std::vector<SpaceSaving::Heavy> SpaceSaving::Merge(const std::vector<const SpaceSaving*>& all,
                                                   size_t n) {
  uint64_t unseen = 0;
  for (const SpaceSaving* one : all) unseen += one->Unseen();
  // Each begins with what it may have where it has no counter, which those that have one take back.
  absl::flat_hash_map<std::string, Heavy> merged;
  for (const SpaceSaving* one : all) {
    for (const Heavy& heavy : one->counters_) {
      Heavy& sum = merged.try_emplace(heavy.key, Heavy{heavy.key, unseen, unseen, 0}).first->second;
      sum.estimate += heavy.estimate - one->Unseen();
      sum.error = sum.error - one->Unseen() + heavy.error;
      sum.largest = std::max(sum.largest, heavy.largest);
    }
  }
  std::vector<Heavy> heaviest;
  for (auto& [key, heavy] : merged) heaviest.push_back(std::move(heavy));
  const auto heavier = [](const Heavy& a, const Heavy& b) {
    return a.estimate != b.estimate ? a.estimate > b.estimate : a.key < b.key;
  };
  n = std::min(n, heaviest.size());
  std::partial_sort(heaviest.begin(), heaviest.begin() + static_cast<std::ptrdiff_t>(n),
                    heaviest.end(), heavier);
  heaviest.resize(n);
  return heaviest;
}

}  // namespace weir
