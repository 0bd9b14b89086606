// How long a busy worker lets events gather.
#include "proxy/coalescing.h"

#include <algorithm>

namespace weir {
namespace {

constexpr uint64_t kPauseMinUs = 20;  // a shorter one costs as much as it saves
constexpr uint64_t kReadsGatheredMin = 3;
constexpr uint64_t kShareOfCycle = 8;
constexpr uint64_t kPipelineDepth = 16;  // requests in a read that the bound is meant for
constexpr uint64_t kLongerAtMost = 4;

}  // namespace

uint64_t CoalescingPauseUs(const ReadLoad& load, uint64_t max_us) {
  if (load.reads == 0) return 0;
  const uint64_t cycle_us = load.window_us * load.clients / load.reads;
  const uint64_t bound_us = std::clamp(max_us * load.requests / (load.reads * kPipelineDepth),
                                       max_us, max_us * kLongerAtMost);
  const uint64_t pause_us = std::min(bound_us, cycle_us / kShareOfCycle);
  const bool gathers_enough = pause_us * load.reads >= kReadsGatheredMin * load.window_us;
  return pause_us >= kPauseMinUs && gathers_enough ? pause_us : 0;
}

uint64_t Coalescing::OnTurnEnd(uint64_t now_ms) {
  const uint64_t reads_in_turn = load_.reads - reads_before_turn_;
  if (const uint64_t window = now_ms / kWindowMs; window != window_) {
    // After a longer silence the load is another.
    const bool next = window == window_ + 1;
    load_.window_us = kWindowMs * 1000;
    pause_us_ = next ? CoalescingPauseUs(load_, max_us_) : 0;
    window_ = window;
    load_ = {};
  }
  reads_before_turn_ = load_.reads;
  return reads_in_turn < kReadsEnough ? pause_us_ : 0;
}

}  // namespace weir
