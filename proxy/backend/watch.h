// Watch: whoever finds out which nodes an upstream of several has, and what each of them is.
//
// Lives on the control thread's loop, one for an upstream: TopologyWatch asks a cluster's nodes,
// SentinelWatch sentinels, ReplicaWatch the servers themselves. Each works in rounds of questions:
// from time to time, and soon after somebody has reason to doubt what is known.
#ifndef WEIR_PROXY_BACKEND_WATCH_H_
#define WEIR_PROXY_BACKEND_WATCH_H_

#include <uv.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "routing/topology.h"

namespace weir {

struct LoopContext;
class Upstream;

class Watch {
 public:
  using OnTopology = std::function<void(std::shared_ptr<const Topology>)>;
  using OnNode = std::function<void(const std::string& node, bool up, const std::string& cause)>;
  // After each round, with why there is no topology yet, or an empty text.
  using OnRound = std::function<void(const std::string& why)>;

  // All outlive it. `upstream` is the control thread's own, of the data nodes; its owner sets its
  // snapshot to what on_topology hands it, before that returns.
  Watch(LoopContext* context, Upstream* upstream, OnTopology on_topology, OnNode on_node,
        OnRound on_round);
  virtual ~Watch() = default;
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // Begins a round as soon as the last one allows; many calls are one.
  virtual void Refresh() = 0;
  // No more calls after this; its handles leave the loop a little later.
  virtual void Stop();
  // Whether it has said anything on OnTopology.
  bool known() const { return known_ != nullptr; }

 protected:
  // Calls OnTimer once then, instead of when it was armed for before; with a period, again and
  // again.
  void Arm(uint64_t delay_ms, uint64_t period_ms = 0);
  virtual void OnTimer() = 0;

  LoopContext* const context_;
  Upstream* const upstream_;
  const OnTopology on_topology_;
  const OnNode on_node_;
  const OnRound on_round_;
  std::shared_ptr<const Topology> known_;  // null: none yet
  uint64_t versions_ = 0;
  bool stopped_ = false;

 private:
  uv_timer_t timer_;
};

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_WATCH_H_
