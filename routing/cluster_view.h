// ClusterView: what one node of a cluster says of the cluster, read from its own words.
//
// CLUSTER SHARDS (Redis 7, Valkey) is asked first, because it tells how each node is; CLUSTER SLOTS
// is what older servers have. Both leave the host out where they mean "the one that you asked":
// an empty string or null, and '?' where cluster-preferred-endpoint-type asks for a hostname that
// was never set. Fields that weir has no word for are skipped; nothing said is trusted to be sane.
// https://redis.io/commands/cluster-shards, https://redis.io/commands/cluster-slots
#ifndef WEIR_ROUTING_CLUSTER_VIEW_H_
#define WEIR_ROUTING_CLUSTER_VIEW_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "resp/reply_tree.h"
#include "routing/address_map.h"
#include "routing/topology.h"

namespace weir {

inline constexpr size_t kClusterNodesMax = 4096;  // a view with more is not believed

// Where a view came from, and how to read it.
struct ViewSource {
  HostPort asked;                           // stands where the node leaves its host out
  bool tls = false;                         // SHARDS: take tls-port
  const AddressMap* address_map = nullptr;  // not owned; null: none
};

struct ClusterView {
  // Primaries and replicas that have an address, addresses mapped; those in handshake or without
  // one (noaddr) are left out. A primary without slots is one too. No two have the same address or
  // id.
  std::vector<Node> nodes;
  std::vector<NodeIndex> slots;  // 16,384; kNoNode: served by none
};

// INVALID_ARGUMENT says what was not as expected.
absl::StatusOr<ClusterView> ParseClusterShards(const Reply& reply, const ViewSource& source);
absl::StatusOr<ClusterView> ParseClusterSlots(const Reply& reply, const ViewSource& source);

// Of CLUSTER INFO's text.
struct ClusterInfo {
  bool ok = false;         // cluster_state
  uint64_t epoch = 0;      // cluster_current_epoch
  bool is_cluster = true;  // false: "cluster support disabled", or no text of this kind
};
ClusterInfo ParseClusterInfo(const Reply& reply);

}  // namespace weir

#endif  // WEIR_ROUTING_CLUSTER_VIEW_H_
