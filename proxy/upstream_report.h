// What WEIR UPSTREAMS, WEIR TOPOLOGY and WEIR HEALTH say, as lines of "name=value" words.
#ifndef WEIR_PROXY_UPSTREAM_REPORT_H_
#define WEIR_PROXY_UPSTREAM_REPORT_H_

#include <string>
#include <vector>

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
};

// A line for each upstream: its kind, where it is (without secrets), how many of its nodes are up,
// which listeners lead to it.
std::vector<std::string> ReportUpstreams(const std::vector<ReportedUpstream>& upstreams,
                                         const std::vector<ListenerConfig>& listeners,
                                         const std::vector<NodeStates::State>& states);

// A line for each node: its role, whose replica it is, which slots it serves, what the others say
// of its health, and whether weir reaches it.
std::vector<std::string> ReportTopology(const ReportedUpstream& upstream,
                                        const std::vector<NodeStates::State>& states);

// A line for each node that weir has had to do with, and why it cannot be reached.
std::vector<std::string> ReportHealth(const std::vector<NodeStates::State>& states);

}  // namespace weir

#endif  // WEIR_PROXY_UPSTREAM_REPORT_H_
