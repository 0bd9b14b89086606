// Numbers for nodes, and nodes for slots.
#include "proxy/backend/node_map.h"

#include <algorithm>

namespace weir {

NodeMap::NodeMap(const Topology& first) {
  if (first.is_single()) {
    FindOrAdd(first.node(0));
    primaries_ = {0};
    return;
  }
  slots_.assign(first.slots().size(), kNoNode);
  Adopt(first);
}

NodeIndex NodeMap::FindOrAdd(const Node& address) {
  size_t free = nodes_.size();
  for (size_t i = nodes_.size(); i-- > 0;) {
    const MappedNode* node = nodes_[i].get();
    if (node == nullptr) {
      free = i;
    } else if (node->address.host == address.host && node->address.port == address.port) {
      nodes_[i]->left = false;
      return static_cast<NodeIndex>(i);
    }
  }
  if (free >= kNodesMax) return kNoNode;
  if (free == nodes_.size()) nodes_.emplace_back();
  nodes_[free] = std::make_unique<MappedNode>();
  nodes_[free]->address = address;
  nodes_[free]->state.address = address.Address();
  ++epoch_;
  return static_cast<NodeIndex>(free);
}

NodeIndex NodeMap::Find(const Node& address) const {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    const MappedNode* node = nodes_[i].get();
    if (node != nullptr && node->address.host == address.host &&
        node->address.port == address.port) {
      return static_cast<NodeIndex>(i);
    }
  }
  return kNoNode;
}

std::vector<NodeIndex> NodeMap::Adopt(const Topology& newer) {
  std::vector<bool> stays(nodes_.size());
  std::vector<NodeIndex> numbers;
  for (const Node& node : newer.nodes()) {
    // One that the cluster takes for dead is as good as gone.
    const NodeIndex i = node.health == NodeHealth::kFailed ? kNoNode : FindOrAdd(node);
    numbers.push_back(i);
    if (i == kNoNode) continue;
    if (i >= stays.size()) stays.resize(nodes_.size());
    stays[i] = true;
    nodes_[i]->address.role = node.role;
    nodes_[i]->address.id = node.id;
    nodes_[i]->left = false;
  }
  bool changed = false;
  for (size_t slot = 0; slot < slots_.size(); ++slot) {
    const NodeIndex of = newer.PrimaryOf(static_cast<uint16_t>(slot));
    const NodeIndex to = of == kNoNode ? kNoNode : numbers[of];
    changed |= slots_[slot] != to;
    slots_[slot] = to;
  }
  std::vector<NodeIndex> left;
  stays.resize(nodes_.size());
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i] == nullptr || stays[i] || nodes_[i]->left) continue;
    nodes_[i]->left = true;
    left.push_back(static_cast<NodeIndex>(i));
  }
  if (changed || !left.empty()) ++epoch_;
  FindPrimaries();
  return left;
}

void NodeMap::FindPrimaries() {
  std::vector<bool> serves(nodes_.size());
  for (const NodeIndex i : slots_) {
    if (i != kNoNode) serves[i] = true;
  }
  const bool any = std::find(serves.begin(), serves.end(), true) != serves.end();
  serves_slots_ = any;
  std::vector<NodeIndex> primaries;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i] == nullptr || nodes_[i]->left || (any && !serves[i])) continue;
    primaries.push_back(static_cast<NodeIndex>(i));
  }
  if (primaries == primaries_) return;
  primaries_ = std::move(primaries);
  ++epoch_;
}

bool NodeMap::Patch(uint16_t slot, NodeIndex node) {
  if (slots_[slot] == node) return false;
  slots_[slot] = node;
  ++epoch_;
  if (std::find(primaries_.begin(), primaries_.end(), node) == primaries_.end()) FindPrimaries();
  return true;
}

void NodeMap::ForgetIfUnused(NodeIndex i) {
  MappedNode* node = this->node(i);
  if (node == nullptr || !node->left || node->links != 0) return;
  std::replace(slots_.begin(), slots_.end(), i, kNoNode);
  nodes_[i].reset();
  ++epoch_;
}

}  // namespace weir
