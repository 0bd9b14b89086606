// What the control thread knows of an upstream, posted to the workers whole and never changed.
#ifndef WEIR_PROXY_BACKEND_SNAPSHOT_H_
#define WEIR_PROXY_BACKEND_SNAPSHOT_H_

#include <memory>

#include "proxy/client/local_commands.h"
#include "routing/command_class.h"
#include "routing/topology.h"

namespace weir {

struct UpstreamSnapshot {
  std::shared_ptr<const RoutingTable> routing;
  std::shared_ptr<const Topology> topology;
  ServerFacts server;
};

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_SNAPSHOT_H_
