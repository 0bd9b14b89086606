#include "routing/topology.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace weir {
namespace {

// FNV-1a, and the finalizer of splitmix64 (Steele, Lea, Flood 2014). Every weir must get the same
// numbers, so no library's hash will do: they are seeded.
uint64_t HashText(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

std::string_view NodeRoleName(NodeRole role) {
  return role == NodeRole::kPrimary ? "primary" : "replica";
}

std::string_view NodeHealthName(NodeHealth health) {
  constexpr std::string_view kNames[] = {"online", "loading", "failed"};
  return kNames[static_cast<size_t>(health)];
}

std::string AddressText(std::string_view host, uint16_t port) {
  const absl::string_view name(host.data(), host.size());
  if (port == 0) return absl::StrCat("unix:", name);
  const bool ipv6 = host.find(':') != std::string_view::npos;
  return ipv6 ? absl::StrCat("[", name, "]:", port) : absl::StrCat(name, ":", port);
}

std::string Node::Address() const { return AddressText(host, port); }

uint64_t NodeHash(const Node& node) {
  return Mix(HashText(node.id.empty() ? node.Address() : node.id));
}

std::shared_ptr<const Topology> Topology::Single(Node node) {
  std::shared_ptr<Topology> topology(new Topology);
  topology->nodes_.push_back(std::move(node));
  topology->replicas_.resize(1);
  return topology;
}

std::shared_ptr<const Topology> Topology::Cluster(std::vector<Node> nodes,
                                                  std::vector<NodeIndex> slots, uint64_t version) {
  std::shared_ptr<Topology> topology(new Topology);
  topology->nodes_ = std::move(nodes);
  topology->slots_ = std::move(slots);
  topology->version_ = version;
  topology->Index();
  return topology;
}

std::shared_ptr<const Topology> Topology::Sharded(std::vector<Node> nodes, Ketama ketama) {
  std::shared_ptr<Topology> topology(new Topology);
  topology->slots_.assign(kSlotCount, kNoNode);
  for (size_t i = 0; i < nodes.size(); ++i) topology->slots_[i] = static_cast<NodeIndex>(i);
  topology->nodes_ = std::move(nodes);
  topology->ketama_ = std::move(ketama);
  topology->Index();
  return topology;
}

std::shared_ptr<const Topology> Topology::Replicated(std::vector<Node> nodes, uint64_t version) {
  std::shared_ptr<Topology> topology(new Topology);
  if (!nodes.empty()) {
    nodes.front().role = NodeRole::kPrimary;
    nodes.front().primary = kNoNode;
  }
  for (size_t i = 1; i < nodes.size(); ++i) {
    nodes[i].role = NodeRole::kReplica;
    nodes[i].primary = 0;
  }
  topology->nodes_ = std::move(nodes);
  topology->slots_.assign(kSlotCount, topology->nodes_.empty() ? kNoNode : 0);
  topology->version_ = version;
  topology->replicated_ = true;
  topology->Index();
  return topology;
}

std::shared_ptr<const Topology> Topology::WithSlot(uint16_t slot, NodeIndex node) const {
  std::shared_ptr<Topology> topology(new Topology);
  topology->nodes_ = nodes_;
  topology->slots_ = slots_;
  topology->slots_[slot] = node;
  topology->ketama_ = ketama_;
  topology->replicated_ = replicated_;
  topology->version_ = version_;
  topology->Index();
  return topology;
}

void Topology::Index() {
  std::vector<bool> serves(nodes_.size(), false);
  for (const NodeIndex owner : slots_) {
    if (owner != kNoNode) serves[owner] = true;
  }
  replicas_.resize(nodes_.size());
  for (size_t i = 0; i < nodes_.size(); ++i) {
    const auto index = static_cast<NodeIndex>(i);
    if (serves[i]) primaries_.push_back(index);
    if (nodes_[i].role == NodeRole::kReplica && nodes_[i].primary != kNoNode) {
      replicas_[nodes_[i].primary].push_back(index);
    }
  }
}

NodeIndex Topology::Find(std::string_view host, uint16_t port) const {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].port == port && nodes_[i].host == host) return static_cast<NodeIndex>(i);
  }
  return kNoNode;
}

}  // namespace weir
