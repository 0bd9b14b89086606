// Counters that one thread writes and any thread reads, without a locked instruction.
#ifndef WEIR_PLUGINS_COUNTER_H_
#define WEIR_PLUGINS_COUNTER_H_

#include <atomic>
#include <cstdint>

namespace weir {

// Written by its owner's thread only, so a relaxed load and store make an increment.
class Counter {
 public:
  void Add(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  uint64_t Get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  void Set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  void Add(int64_t n) { Set(Get() + static_cast<uint64_t>(n)); }
  uint64_t Get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

}  // namespace weir

#endif  // WEIR_PLUGINS_COUNTER_H_
