// Watch: whoever finds out which nodes an upstream of several has, and what each of them is.
//
// Lives on the control thread's loop, one for an upstream: TopologyWatch asks a cluster's nodes,
// SentinelWatch sentinels, ReplicaWatch the servers themselves. Each works in rounds of questions:
// from time to time, and soon after somebody has reason to doubt what is known.
#ifndef WEIR_PROXY_BACKEND_WATCH_H_
#define WEIR_PROXY_BACKEND_WATCH_H_

#include <functional>
#include <memory>
#include <string>

#include "routing/topology.h"

namespace weir {

class Watch {
 public:
  using OnTopology = std::function<void(std::shared_ptr<const Topology>)>;
  using OnNode = std::function<void(const std::string& node, bool up, const std::string& cause)>;
  // After each round, with why there is no topology yet, or an empty text.
  using OnRound = std::function<void(const std::string& why)>;

  virtual ~Watch() = default;
  // Begins a round as soon as the last one allows; many calls are one.
  virtual void Refresh() = 0;
  // No more calls after this; its handles leave the loop a little later.
  virtual void Stop() = 0;
  // Whether it has said anything on OnTopology.
  virtual bool known() const = 0;
};

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_WATCH_H_
