// Topology: an immutable snapshot of an upstream: its nodes and which of them serves each slot.
#ifndef WEIR_ROUTING_TOPOLOGY_H_
#define WEIR_ROUTING_TOPOLOGY_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace weir {

using NodeIndex = uint16_t;  // into Topology::nodes(), stable within one snapshot
inline constexpr NodeIndex kNoNode = UINT16_MAX;

enum class NodeRole : uint8_t { kPrimary, kReplica };

struct Node {
  std::string id{};    // as the cluster names it; "" for a single node
  std::string host{};  // name or IP address without brackets; for a unix socket its path
  uint16_t port = 0;   // 0: a unix socket
  NodeRole role = NodeRole::kPrimary;
  NodeIndex primary = kNoNode;  // of a replica

  bool is_unix() const { return port == 0; }
  std::string Address() const;  // "127.0.0.1:6379", "[::1]:6379", "unix:/run/redis.sock"
};

// Made by the control thread and posted to the workers; shared by threads without locks.
class Topology {
 public:
  // One server, serving every key.
  static std::shared_ptr<const Topology> Single(Node node);
  // Several nodes with a map of 16,384 slots to primaries (kNoNode: not served). `version` grows
  // with each snapshot of the same upstream. REQUIRES: slots is of that size, all indexes are of
  // nodes.
  static std::shared_ptr<const Topology> Cluster(std::vector<Node> nodes,
                                                 std::vector<NodeIndex> slots, uint64_t version);

  const std::vector<Node>& nodes() const { return nodes_; }
  const Node& node(NodeIndex i) const { return nodes_[i]; }
  bool is_single() const { return slots_.empty(); }
  // The primary that serves the slot, kNoNode if none does. REQUIRES: slot < 16384.
  NodeIndex PrimaryOf(uint16_t slot) const { return is_single() ? NodeIndex{0} : slots_[slot]; }
  uint64_t version() const { return version_; }

 private:
  Topology() = default;

  std::vector<Node> nodes_;
  std::vector<NodeIndex> slots_;  // empty: a single node
  uint64_t version_ = 0;
};

}  // namespace weir

#endif  // WEIR_ROUTING_TOPOLOGY_H_
