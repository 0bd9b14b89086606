// How long a busy worker lets events gather.
#include "proxy/coalescing.h"

#include <algorithm>

namespace weir {
namespace {

constexpr uint64_t kPauseMinUs = 20;  // a shorter one costs as much as it saves
constexpr uint64_t kReadsGatheredMin = 3;
constexpr uint64_t kShareOfCycle = 8;

}  // namespace

uint64_t CoalescingPauseUs(const ReadLoad& load, uint64_t max_us) {
  if (load.reads == 0) return 0;
  const uint64_t cycle_us = load.window_us * load.clients / load.reads;
  const uint64_t pause_us = std::min(max_us, cycle_us / kShareOfCycle);
  const bool gathers_enough = pause_us * load.reads >= kReadsGatheredMin * load.window_us;
  return pause_us >= kPauseMinUs && gathers_enough ? pause_us : 0;
}

uint64_t Coalescing::OnTurnEnd(uint64_t now_ms) {
  const uint64_t reads_in_turn = reads_ - reads_before_turn_;
  if (const uint64_t window = now_ms / kWindowMs; window != window_) {
    // After a longer silence the load is another.
    const bool next = window == window_ + 1;
    pause_us_ = next ? CoalescingPauseUs({kWindowMs * 1000, reads_, clients_}, max_us_) : 0;
    window_ = window;
    reads_ = clients_ = 0;
  }
  reads_before_turn_ = reads_;
  return reads_in_turn < kReadsEnough ? pause_us_ : 0;
}

}  // namespace weir
