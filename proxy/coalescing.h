// When a busy worker lets events gather before its next turn.
//
// A worker that sleeps until the next byte comes is woken for each request, wakes the node for
// each, and is woken again for its reply: with many clients and no pipelines nearly all of the time
// of all three goes into waking each other. A short pause after a turn lets several requests come
// together; each process then wakes once for all of them. Network cards do the same with their
// interrupts (ethtool's adaptive coalescing).
//
// The pause follows the load of the last window, so that it costs next to no latency:
//
//   cycle = clients x (time between two reads): how often one client comes round.
//   pause = cycle / 8, at most coalesce_max_us
//
// (Clients that send pipelines wait for all of their replies, so where a read brings many requests
// the bound is up to four times as long.)
//
// and none at all when it would gather fewer than three reads, or a turn brings many anyway.
#ifndef WEIR_PROXY_COALESCING_H_
#define WEIR_PROXY_COALESCING_H_

#include <cstdint>

namespace weir {

// What clients sent in a window.
struct ReadLoad {
  uint64_t window_us = 0;
  uint64_t reads = 0;    // that brought bytes
  uint64_t clients = 0;  // that at least one of them came from
  uint64_t requests = 0;
};

// The pause after each turn under this load; 0: none.
uint64_t CoalescingPauseUs(const ReadLoad& load, uint64_t max_us);

// One worker's; single-threaded.
class Coalescing {
 public:
  void set_max_us(uint64_t max_us) { max_us_ = max_us; }

  // A client brought bytes at `now_ms`; the last time before was `last_ms`.
  void OnRead(uint64_t last_ms, uint64_t now_ms) {
    ++load_.reads;
    if (last_ms / kWindowMs != now_ms / kWindowMs) ++load_.clients;
  }
  void OnRequests(uint64_t n) { load_.requests += n; }
  // At the end of a turn: how long to wait before the next; 0: not at all.
  uint64_t OnTurnEnd(uint64_t now_ms);

 private:
  static constexpr uint64_t kWindowMs = 8;
  static constexpr uint64_t kReadsEnough = 16;  // in one turn: they gather without help

  uint64_t max_us_ = 0;
  uint64_t window_ = 0;  // its number
  ReadLoad load_;
  uint64_t reads_before_turn_ = 0;
  uint64_t pause_us_ = 0;  // by the last window's load
};

}  // namespace weir

#endif  // WEIR_PROXY_COALESCING_H_
