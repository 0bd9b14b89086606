// CircuitBreaker: whether requests are sent to a node, by how the last ones fared.
//
//            consecutive_failures                     a probe is due
//   kClosed ---------------------> kOpen (ejected) -----------------> kHalfOpen
//     ^  |                           ^                                   |
//     |  | slow start:               |            it failed              |
//     |  | a growing share           +-----------------------------------+
//     |  v                                                               |
//     +------------------------- it succeeded ---------------------------+
//
// Failures are of requests that were sent: no answer in time, a connection that broke before one.
// (Who cannot be connected to is a matter of the links, which try again by themselves.) An ejection
// lasts base_ms times the number of ejections in a row, at most max_ms; they are in a row as long
// as the node does not stay for max_ms. Then one probe decides. After it returns, a node has a
// share of its usual requests that grows from kShareMin to all within slow_start_ms, because its
// caches are cold. The terms are Envoy's (outlier detection, slow start); the machine is that of
// M. Nygard ("Release It!", 2007).
//
// Pure: times are the caller's, in milliseconds of any one clock, and never go back.
#ifndef WEIR_ROUTING_CIRCUIT_BREAKER_H_
#define WEIR_ROUTING_CIRCUIT_BREAKER_H_

#include <cstdint>
#include <vector>

#include "routing/topology.h"

namespace weir {

struct BreakerLimits {
  uint32_t consecutive_failures = 5;  // REQUIRES: not 0
  uint64_t base_ms = 1000;
  uint64_t max_ms = 30000;
  uint64_t slow_start_ms = 10000;  // 0: all of its share at once
};

class CircuitBreaker {
 public:
  enum class State : uint8_t { kClosed, kOpen, kHalfOpen };
  static constexpr uint32_t kShareMin = 10;  // per cent
  static constexpr uint32_t kShareFull = 100;
  // Connections that break within this time have broken of one cause.
  static constexpr uint64_t kOneBreakMs = 50;

  explicit CircuitBreaker(const BreakerLimits& limits) : limits_(limits) {}

  State state() const { return state_; }
  // No requests but the probe.
  bool ejects() const { return state_ != State::kClosed; }

  // A request failed. `answered_ms`: when the node last answered any; 0: never. True: the node is
  // ejected because of it.
  bool OnFailure(uint64_t now_ms, uint64_t answered_ms);
  // The same for a connection that broke before requests on it were answered. All that break within
  // kOneBreakMs of the first are one failure: however many there are to a node, it restarts once.
  bool OnBreak(uint64_t now_ms, uint64_t answered_ms);
  // kOpen, and its time is over: then it is kHalfOpen, and the caller owes it one OnProbe.
  bool TakeProbe(uint64_t now_ms);
  void OnProbe(uint64_t now_ms, bool succeeded);
  // It can be connected to again, after it could not, or belongs to its upstream again, after it
  // had left: a reason for a slow start.
  void OnReachable(uint64_t now_ms);
  // It has left: who says one day that it is back is believed without a probe.
  void OnLeft();

  // How much of its usual share of requests it is to have now, in per cent.
  uint32_t Share(uint64_t now_ms) const;
  // Until its next probe is due; 0: now, or it is not ejected.
  uint64_t EjectedForMs(uint64_t now_ms) const;

 private:
  void Eject(uint64_t now_ms);

  BreakerLimits limits_;
  State state_ = State::kClosed;
  uint32_t failures_ = 0;   // in a row
  uint32_t ejections_ = 0;  // likewise
  uint64_t last_failure_ms_ = 0;
  uint64_t last_break_ms_ = 0;  // that counted; 0: none did
  uint64_t eject_until_ms_ = 0;
  uint64_t returned_ms_ = 0;  // 0: it was never away
};

// Nodes to choose from evenly, each by its share in per cent: one with a tenth of the usual share
// stands there once for ten times of one with all of it. `nodes` itself where all have all.
// REQUIRES: as many shares, 1 to 100.
std::vector<NodeIndex> WithShares(std::vector<NodeIndex> nodes,
                                  const std::vector<uint32_t>& shares);

}  // namespace weir

#endif  // WEIR_ROUTING_CIRCUIT_BREAKER_H_
