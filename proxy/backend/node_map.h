// The nodes of an upstream and which of them serves each slot, as one worker knows it.
//
// A snapshot numbers its nodes anew each time. Here a node keeps its number for as long as it is
// known, because link keys and sessions refer to it, and the number of one that has left is used
// again. A redirect patches its slot at once, without waiting for the next snapshot, which then
// replaces all of it.
#ifndef WEIR_PROXY_BACKEND_NODE_MAP_H_
#define WEIR_PROXY_BACKEND_NODE_MAP_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "proxy/backend/node_state.h"
#include "routing/topology.h"

namespace weir {

// Stays at its address as long as it has a number.
struct MappedNode {
  Node address;
  NodeState state;
  size_t links = 0;   // that refer to it
  bool left = false;  // not in the newest snapshot: no new links
};

class NodeMap {
 public:
  // Nodes that redirects may add to those of the snapshots; one more is not followed.
  static constexpr size_t kNodesMax = 4096;

  explicit NodeMap(const Topology& first);

  // Null: nobody has this number now.
  MappedNode* node(NodeIndex i) { return i < nodes_.size() ? nodes_[i].get() : nullptr; }
  const MappedNode* node(NodeIndex i) const {
    return i < nodes_.size() ? nodes_[i].get() : nullptr;
  }
  // Numbers are below this.
  size_t size() const { return nodes_.size(); }

  // HOT. REQUIRES: several nodes. kNoNode: nobody is known to serve the slot.
  NodeIndex PrimaryOf(uint16_t slot) const { return slots_[slot]; }
  // A primary for what has no key: the same for the same `number` until nodes change. With a single
  // node that; kNoNode: there is none.
  NodeIndex Steady(uint64_t number) const {
    return primaries_.empty() ? kNoNode : primaries_[number % primaries_.size()];
  }
  const std::vector<NodeIndex>& primaries() const { return primaries_; }
  bool serves_slots() const { return serves_slots_; }
  // Another number after each change of a slot's node or of the nodes themselves.
  uint64_t epoch() const { return epoch_; }

  // Takes a newer snapshot and answers who has left with it. REQUIRES: Topology::Cluster.
  std::vector<NodeIndex> Adopt(const Topology& newer);
  // The number of the node at this address; kNoNode: it has none.
  NodeIndex Find(const Node& address) const;
  // The number of the node at this address, a new one if it was not known, and it is here (again)
  // until a snapshot says otherwise. kNoNode: kNodesMax are.
  NodeIndex FindOrAdd(const Node& address);
  // This node serves the slot from now on. False: that was known.
  bool Patch(uint16_t slot, NodeIndex node);
  // Gives the numbers of those that left and have no links any more to others.
  void ForgetIfUnused(NodeIndex i);

 private:
  void FindPrimaries();

  std::vector<std::unique_ptr<MappedNode>> nodes_;
  std::vector<NodeIndex> slots_;      // empty: a single node
  std::vector<NodeIndex> primaries_;  // that serve slots, or all nodes while nobody is known to
  bool serves_slots_ = false;         // it is known who serves at least one
  uint64_t epoch_ = 1;
};

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_NODE_MAP_H_
