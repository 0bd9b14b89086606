// ReplicaSet: which of some servers is the primary and which are its replicas, by their own words.
//
// Each server is asked ROLE. Who says "master" is the primary. After a failover by hand or by a
// supervisor, two may say so for a while: then whoever the others call their primary; else who is
// known as the primary now; else the first. A replica whose link to its primary is down is not
// read from.
#ifndef WEIR_ROUTING_REPLICA_SET_H_
#define WEIR_ROUTING_REPLICA_SET_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "resp/reply_tree.h"
#include "routing/address_map.h"
#include "routing/topology.h"

namespace weir {

// A reply to ROLE. https://redis.io/commands/role
struct RoleReport {
  bool is_primary = false;
  int64_t offset = 0;              // of replication
  HostPort primary{};              // of a replica: whom it copies
  bool connected = true;           // a replica whose copy is complete and link up
  std::vector<HostPort> replicas;  // of a primary
};
// INVALID_ARGUMENT for anything else, a sentinel's answer among it.
absl::StatusOr<RoleReport> ParseRole(const Reply& reply);

// One of the servers that the configuration names, and what it said.
struct ReplicaSetMember {
  HostPort address{};
  std::optional<RoleReport> role{};  // nothing: no answer, or none that ParseRole takes
};

struct ReplicaSet {
  // The primary first; empty: none of the members is one. Those without an answer are replicas that
  // have failed.
  std::vector<Node> nodes;
  std::string why;  // "127.0.0.1:6380 says it is the primary", for logs and errors
};
// `known`: what is believed now; null at the first time.
ReplicaSet MakeReplicaSet(absl::Span<const ReplicaSetMember> members, const Topology* known);

// The same primary and the same replicas with the same health, in whatever order.
bool SameReplicaSet(const std::vector<Node>& nodes, const Topology& topology);

}  // namespace weir

#endif  // WEIR_ROUTING_REPLICA_SET_H_
