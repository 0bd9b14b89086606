// Topology: an immutable snapshot of an upstream: its nodes and which of them serves each slot.
#ifndef WEIR_ROUTING_TOPOLOGY_H_
#define WEIR_ROUTING_TOPOLOGY_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

using NodeIndex = uint16_t;  // into Topology::nodes(), stable within one snapshot
inline constexpr NodeIndex kNoNode = UINT16_MAX;

enum class NodeRole : uint8_t { kPrimary, kReplica };
std::string_view NodeRoleName(NodeRole role);  // "primary"

// What the deployment itself says of a node; whether weir can reach it is another matter.
enum class NodeHealth : uint8_t { kOnline, kLoading, kFailed };
std::string_view NodeHealthName(NodeHealth health);  // "online"

struct Node {
  std::string id{};    // as the cluster names it; "" where nodes have no names
  std::string host{};  // name or IP address without brackets; for a unix socket its path
  uint16_t port = 0;   // 0: a unix socket
  NodeRole role = NodeRole::kPrimary;
  NodeIndex primary = kNoNode;  // of a replica
  NodeHealth health = NodeHealth::kOnline;
  std::string zone{};  // availability zone; "": not known

  bool is_unix() const { return port == 0; }
  std::string Address() const;  // "127.0.0.1:6379", "[::1]:6379", "unix:/run/redis.sock"
};

// Of the node's id, or of its address where it has none; the same in every process.
uint64_t NodeHash(const Node& node);

// "127.0.0.1:6379", "[::1]:6379", for port 0 "unix:/run/redis.sock".
std::string AddressText(std::string_view host, uint16_t port);

// Made by the control thread and posted to the workers; shared by threads without locks.
class Topology {
 public:
  // One server, serving every key.
  static std::shared_ptr<const Topology> Single(Node node);
  // Several nodes with a map of 16,384 slots to primaries (kNoNode: not served). `version` grows
  // with each snapshot of the same upstream. REQUIRES: slots is of that size, all indexes, those of
  // replicas' primaries too, are of nodes.
  static std::shared_ptr<const Topology> Cluster(std::vector<Node> nodes,
                                                 std::vector<NodeIndex> slots, uint64_t version);
  // The same with one slot at another node, as a MOVED says. REQUIRES: not is_single(), node is of
  // nodes(), slot < 16384.
  std::shared_ptr<const Topology> WithSlot(uint16_t slot, NodeIndex node) const;

  const std::vector<Node>& nodes() const { return nodes_; }
  const Node& node(NodeIndex i) const { return nodes_[i]; }
  bool is_single() const { return slots_.empty(); }
  // The primary that serves the slot, kNoNode if none does. REQUIRES: slot < 16384.
  NodeIndex PrimaryOf(uint16_t slot) const { return is_single() ? NodeIndex{0} : slots_[slot]; }
  // By slot, of 16,384; empty for a single node.
  const std::vector<NodeIndex>& slots() const { return slots_; }
  uint64_t version() const { return version_; }

  // Of a cluster: the primaries that serve slots, and of each primary its replicas, in the order of
  // nodes(). Empty for what is none, and for a single node.
  const std::vector<NodeIndex>& primaries() const { return primaries_; }
  const std::vector<NodeIndex>& replicas(NodeIndex primary) const { return replicas_[primary]; }
  // The node with this address; kNoNode if there is none.
  NodeIndex Find(std::string_view host, uint16_t port) const;
  // A number that differs (but for chance) when another node, by its id or else its address, serves
  // any slot: alike in every process that knows the same. 0 for a single node.
  uint64_t fingerprint() const { return fingerprint_; }

 private:
  Topology() = default;
  void Index();

  std::vector<Node> nodes_;
  std::vector<NodeIndex> slots_;  // empty: a single node
  std::vector<NodeIndex> primaries_;
  std::vector<std::vector<NodeIndex>> replicas_;  // by node
  uint64_t fingerprint_ = 0;
  uint64_t version_ = 0;
};

}  // namespace weir

#endif  // WEIR_ROUTING_TOPOLOGY_H_
