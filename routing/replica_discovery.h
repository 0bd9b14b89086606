// Who belongs to a primary and its replicas, learnt from what they say of each other.
//
// Each server that is known is asked ROLE: a primary names its replicas, a replica its primary. The
// replicas that the primary names are asked next, and forgotten when it does not name them any more
// and they do not say either that they follow it; while nobody says that it is the primary, nobody
// is forgotten. The servers of the configuration stay, and whom one of those calls its primary is
// asked, too. Not whom others call so: a replica that was given to another deployment would lead
// there.
//
// One server may have several addresses: a name in the configuration, a number in ROLE, a socket.
// Those that answer with the same run id (INFO server) are one, and the first of them that answers
// stands for all; the others are asked on, so that they stay known for what they are.
#ifndef WEIR_ROUTING_REPLICA_DISCOVERY_H_
#define WEIR_ROUTING_REPLICA_DISCOVERY_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "routing/address_map.h"
#include "routing/replica_set.h"

namespace weir {

// One address that is asked.
struct DiscoveredServer {
  HostPort address{};
  bool configured = false;           // it stays, whatever is said of it
  std::optional<RoleReport> role{};  // in this round; its addresses as weir reaches them
  std::string run_id{};              // of this round or an earlier one; "": never said
};

// Addresses that are asked at most; more are not learnt.
inline constexpr size_t kDiscoveredMax = 256;

// "run_id" of INFO server, its text without RESP around it; "" if it is not there.
std::string ParseRunId(std::string_view info);

// Each server once, under one address, which all roles then use of it. Configured ones first.
std::vector<ReplicaSetMember> DistinctServers(absl::Span<const DiscoveredServer> servers);

// Whom to ask in the next round, configured ones first; `set` is what MakeReplicaSet made of
// DistinctServers(servers).
std::vector<HostPort> WhoToAsk(absl::Span<const DiscoveredServer> servers, const ReplicaSet& set);

}  // namespace weir

#endif  // WEIR_ROUTING_REPLICA_DISCOVERY_H_
