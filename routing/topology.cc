#include "routing/topology.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace weir {

std::string Node::Address() const {
  if (is_unix()) return absl::StrCat("unix:", host);
  const bool ipv6 = host.find(':') != std::string::npos;
  return ipv6 ? absl::StrCat("[", host, "]:", port) : absl::StrCat(host, ":", port);
}

std::shared_ptr<const Topology> Topology::Single(Node node) {
  std::shared_ptr<Topology> topology(new Topology);
  topology->nodes_.push_back(std::move(node));
  return topology;
}

std::shared_ptr<const Topology> Topology::Cluster(std::vector<Node> nodes,
                                                  std::vector<NodeIndex> slots, uint64_t version) {
  std::shared_ptr<Topology> topology(new Topology);
  topology->nodes_ = std::move(nodes);
  topology->slots_ = std::move(slots);
  topology->version_ = version;
  return topology;
}

}  // namespace weir
