#include "routing/replica_discovery.h"

#include <algorithm>
#include <utility>

namespace weir {
namespace {

// Which of the servers stands for server `i`.
size_t StandIn(absl::Span<const DiscoveredServer> servers, size_t i) {
  const std::string& run_id = servers[i].run_id;
  if (run_id.empty()) return i;
  size_t first = i;
  for (size_t j = servers.size(); j-- > 0;) {
    if (servers[j].run_id != run_id) continue;
    // One that is silent now only if all are.
    if (servers[j].role.has_value() || !servers[first].role.has_value()) first = j;
  }
  return first;
}

// The address under which that server is known.
HostPort KnownAs(absl::Span<const DiscoveredServer> servers, const HostPort& address) {
  for (size_t i = 0; i < servers.size(); ++i) {
    if (servers[i].address == address) return servers[StandIn(servers, i)].address;
  }
  return address;
}

// Whether it copies the primary, or one that does.
bool Follows(absl::Span<const DiscoveredServer> servers, const DiscoveredServer& server,
             const HostPort& primary) {
  const DiscoveredServer* at = &server;
  for (size_t hops = 0; hops < servers.size(); ++hops) {
    if (!at->role.has_value() || at->role->is_primary) return false;
    const HostPort next = KnownAs(servers, at->role->primary);
    if (next == primary) return true;
    const auto found = std::find_if(servers.begin(), servers.end(),
                                    [&](const auto& each) { return each.address == next; });
    if (found == servers.end()) return false;
    at = &*found;
  }
  return false;  // in a circle
}

}  // namespace

std::string ParseRunId(std::string_view info) {
  constexpr std::string_view kField = "\nrun_id:";
  const size_t at = info.find(kField);
  if (at == std::string_view::npos) return "";
  const std::string_view rest = info.substr(at + kField.size());
  return std::string(rest.substr(0, rest.find_first_of("\r\n")));
}

std::vector<ReplicaSetMember> DistinctServers(absl::Span<const DiscoveredServer> servers) {
  std::vector<ReplicaSetMember> distinct;
  for (size_t i = 0; i < servers.size(); ++i) {
    if (StandIn(servers, i) != i) continue;
    ReplicaSetMember member{.address = servers[i].address, .role = servers[i].role};
    if (member.role.has_value()) {
      member.role->primary = KnownAs(servers, member.role->primary);
      for (HostPort& replica : member.role->replicas) replica = KnownAs(servers, replica);
    }
    distinct.push_back(std::move(member));
  }
  return distinct;
}

std::vector<HostPort> WhoToAsk(absl::Span<const DiscoveredServer> servers, const ReplicaSet& set) {
  const bool sure = !set.nodes.empty();
  const HostPort primary =
      sure ? HostPort{set.nodes.front().host, set.nodes.front().port} : HostPort();
  std::vector<HostPort> wanted;
  const auto want = [&](const HostPort& address) {
    const bool is_new = std::find(wanted.begin(), wanted.end(), address) == wanted.end();
    if (is_new && wanted.size() < kDiscoveredMax) wanted.push_back(address);
  };
  for (const DiscoveredServer& server : servers) {
    if (server.configured) want(server.address);
  }
  for (const DiscoveredServer& server : servers) {
    const bool is_replica = server.role.has_value() && !server.role->is_primary;
    if (server.configured && is_replica) want(server.role->primary);
    if (sure && server.role.has_value() && KnownAs(servers, server.address) == primary) {
      want(server.address);
      for (const HostPort& replica : server.role->replicas) want(replica);
    }
  }
  for (const DiscoveredServer& server : servers) {
    if (!sure || Follows(servers, server, primary)) want(server.address);
  }
  return wanted;
}

}  // namespace weir
