// Topology: an immutable snapshot of an upstream: its nodes and which of them serves each slot.
#ifndef WEIR_ROUTING_TOPOLOGY_H_
#define WEIR_ROUTING_TOPOLOGY_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "routing/ketama.h"
#include "routing/slot.h"

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
  // Independent servers, all primaries, among which keys are dealt by `ketama`, made for as many.
  // What a slot is in a cluster, a server's place is here: keys of one server may stand together in
  // a command. REQUIRES: at most 16,384 nodes.
  static std::shared_ptr<const Topology> Sharded(std::vector<Node> nodes, Ketama ketama);
  // One primary that serves every key, and its replicas. It has one slot, 0, so that any keys may
  // stand together in a command; the map gives it all 16,384. The primary is nodes.front(); no
  // nodes: nobody is known yet.
  static std::shared_ptr<const Topology> Replicated(std::vector<Node> nodes, uint64_t version);
  // The same with one slot at another node, as a MOVED says. REQUIRES: not is_single(), node is of
  // nodes(), slot < 16384.
  std::shared_ptr<const Topology> WithSlot(uint16_t slot, NodeIndex node) const;

  const std::vector<Node>& nodes() const { return nodes_; }
  const Node& node(NodeIndex i) const { return nodes_[i]; }
  bool is_single() const { return slots_.empty(); }
  bool is_sharded() const { return ketama_.has_value(); }
  bool is_replicated() const { return replicated_; }
  // HOT. The slot of a key, for a cluster that of slot.h. REQUIRES: not is_single().
  uint16_t SlotOf(std::string_view key) const {
    if (replicated_) return 0;
    return ketama_.has_value() ? ketama_->ServerOf(key) : KeySlot(key);
  }
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

 private:
  Topology() = default;
  void Index();

  std::vector<Node> nodes_;
  std::vector<NodeIndex> slots_;  // empty: a single node
  std::optional<Ketama> ketama_;  // of sharded servers
  bool replicated_ = false;
  std::vector<NodeIndex> primaries_;
  std::vector<std::vector<NodeIndex>> replicas_;  // by node
  uint64_t version_ = 0;
};

}  // namespace weir

#endif  // WEIR_ROUTING_TOPOLOGY_H_
