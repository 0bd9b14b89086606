// What WEIR UPSTREAMS, WEIR TOPOLOGY and WEIR HEALTH say, as lines of "name=value" words.
#ifndef WEIR_PROXY_UPSTREAM_REPORT_H_
#define WEIR_PROXY_UPSTREAM_REPORT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "proxy/backend/replica_lags.h"
#include "proxy/config.h"
#include "proxy/node_states.h"
#include "routing/topology.h"
#include "routing/upstream_url.h"

namespace weir {

// Of one upstream; all must outlive the call.
struct ReportedUpstream {
  const UpstreamConfig* config;
  const UpstreamUrl* url;
  const Topology* topology;
  const ReplicaLags* lags;  // null: they are not measured
  uint64_t now_ms;          // on uv_hrtime's clock
};

// A line for each upstream: its kind, where it is (without secrets), how many of its nodes are up,
// which listeners lead to it.
std::vector<std::string> ReportUpstreams(const std::vector<ReportedUpstream>& upstreams,
                                         const std::vector<ListenerConfig>& listeners,
                                         const std::vector<NodeStates::State>& states);

// A line for each node: its role, whose replica it is, which slots it serves, what the others say
// of its health, whether weir reaches it, and how far it is behind (max_lag_ms).
std::vector<std::string> ReportTopology(const ReportedUpstream& upstream,
                                        const std::vector<NodeStates::State>& states);

// A line for each node that weir has had to do with, why it cannot be reached, and how many workers
// have ejected it.
std::vector<std::string> ReportHealth(const std::vector<NodeStates::State>& states);

}  // namespace weir

#endif  // WEIR_PROXY_UPSTREAM_REPORT_H_
