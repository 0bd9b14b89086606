#include "routing/cluster_view.h"

#include <charconv>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "routing/slot.h"
#include "routing/text.h"

namespace weir {
namespace {

// One node as a server names it, before it has a place in the view.
struct SaidNode {
  std::string_view id;
  bool host_missing = true;  // it left the host out
  std::string_view host;
  std::string_view ip;  // beside a host that is a name; "": not said
  int64_t port = 0;
  bool is_primary = false;
  NodeHealth health = NodeHealth::kOnline;
  std::string_view zone;
};

struct SlotRange {
  int64_t first;
  int64_t last;
};

absl::Status Malformed(std::string_view command, std::string_view what) {
  return absl::InvalidArgumentError(Concat(command, ": expected ", what));
}

// Gathers nodes and slots; each node once, however often and in whatever order it is named.
class ViewBuilder {
 public:
  explicit ViewBuilder(const ViewSource& source) : source_(source) {
    view_.slots.assign(kSlotCount, kNoNode);
  }

  // Its place; kNoNode if it has no address, or if there are too many.
  NodeIndex Add(const SaidNode& said) {
    std::string_view host = said.host_missing ? source_.asked.host : said.host;
    if (said.host == "?") host = said.ip;
    if (host.empty() || host == "?" || said.port <= 0 || said.port > UINT16_MAX) return kNoNode;
    HostPort address{std::string(host), static_cast<uint16_t>(said.port)};
    if (source_.address_map != nullptr) address = source_.address_map->Apply(std::move(address));
    const std::string text = AddressText(address.host, address.port);
    // A node that was reset keeps its address and gets another id, and is named by both for a
    // while.
    if (const auto known = places_.find(text); known != places_.end()) return known->second;
    // No two have one name, unless the server is mad: then the first is meant.
    if (const auto known = ids_.find(said.id); !said.id.empty() && known != ids_.end()) {
      return known->second;
    }
    if (view_.nodes.size() == kClusterNodesMax) {
      too_many_ = true;
      return kNoNode;
    }
    const auto place = static_cast<NodeIndex>(view_.nodes.size());
    places_.emplace(text, place);
    if (!said.id.empty()) ids_.emplace(said.id, place);
    view_.nodes.push_back({.id = std::string(said.id),
                           .host = std::move(address.host),
                           .port = address.port,
                           .role = said.is_primary ? NodeRole::kPrimary : NodeRole::kReplica,
                           .health = said.health,
                           .zone = std::string(said.zone)});
    return place;
  }

  void SetPrimary(NodeIndex replica, NodeIndex primary) {
    if (replica == kNoNode || replica == primary) return;
    if (view_.nodes[replica].role == NodeRole::kReplica) view_.nodes[replica].primary = primary;
  }

  // False for slots that do not exist. What two nodes claim stays the first one's.
  bool Assign(SlotRange range, NodeIndex primary) {
    if (range.first < 0 || range.last < range.first || range.last >= kSlotCount) return false;
    for (auto slot = static_cast<size_t>(range.first); slot <= static_cast<size_t>(range.last);
         ++slot) {
      if (view_.slots[slot] == kNoNode) view_.slots[slot] = primary;
    }
    return true;
  }

  absl::StatusOr<ClusterView> Finish() {
    if (too_many_) return absl::InvalidArgumentError("a cluster of more than 4096 nodes");
    // Whoever serves slots is a primary, whatever it was called in another place.
    for (const NodeIndex owner : view_.slots) {
      if (owner == kNoNode) continue;
      view_.nodes[owner].role = NodeRole::kPrimary;
      view_.nodes[owner].primary = kNoNode;
    }
    return std::move(view_);
  }

 private:
  const ViewSource& source_;
  ClusterView view_;
  absl::flat_hash_map<std::string, NodeIndex> places_;    // by address
  absl::flat_hash_map<std::string_view, NodeIndex> ids_;  // views of the reply
  bool too_many_ = false;
};

std::string_view TextOf(const Reply* reply) {
  return reply != nullptr && reply->is_text() ? std::string_view(reply->string)
                                              : std::string_view();
}

int64_t NumberOf(const Reply* reply) {
  return reply != nullptr && reply->is(Reply::Type::kInteger) ? reply->integer : 0;
}

NodeHealth HealthOf(std::string_view text) {
  if (text == "loading") return NodeHealth::kLoading;
  return text == "fail" || text == "failed" ? NodeHealth::kFailed : NodeHealth::kOnline;
}

SaidNode ReadShardNode(const Reply& node, bool tls) {
  SaidNode said;
  said.id = TextOf(node.Find("id"));
  said.host = TextOf(node.Find("endpoint"));
  said.host_missing = said.host.empty();
  said.ip = TextOf(node.Find("ip"));
  said.port = NumberOf(node.Find(tls ? "tls-port" : "port"));
  const std::string_view role = TextOf(node.Find("role"));
  said.is_primary = role == "master" || role == "primary";
  said.health = HealthOf(TextOf(node.Find("health")));
  said.zone = TextOf(node.Find("availability-zone"));
  return said;
}

absl::Status AddShard(const Reply& shard, const ViewSource& source, ViewBuilder* builder) {
  const Reply* slots = shard.Find("slots");
  const Reply* nodes = shard.Find("nodes");
  if (slots == nullptr || !slots->is(Reply::Type::kArray) || nodes == nullptr ||
      !nodes->is(Reply::Type::kArray) || slots->elements.size() % 2 != 0) {
    return Malformed("CLUSTER SHARDS", "slots and nodes in each shard");
  }
  NodeIndex primary = kNoNode;
  std::vector<NodeIndex> places;
  for (const Reply& node : nodes->elements) {
    const SaidNode said = ReadShardNode(node, source.tls);
    const NodeIndex place = builder->Add(said);
    places.push_back(place);
    // After a failover both may be called primary for a moment; the failed one no longer serves.
    if (said.is_primary && (primary == kNoNode || said.health != NodeHealth::kFailed)) {
      primary = place;
    }
  }
  for (const NodeIndex place : places) builder->SetPrimary(place, primary);
  for (size_t i = 0; i < slots->elements.size(); i += 2) {
    const Reply& first = slots->elements[i];
    const Reply& last = slots->elements[i + 1];
    if (!first.is(Reply::Type::kInteger) || !last.is(Reply::Type::kInteger) ||
        !builder->Assign({first.integer, last.integer}, primary)) {
      return Malformed("CLUSTER SHARDS", "ranges of slots from 0 to 16383");
    }
  }
  return absl::OkStatus();
}

// [host, port, id, [name, value, …]]: the id since Redis 4, the list since Redis 7.
SaidNode ReadSlotsNode(const Reply& node) {
  SaidNode said;
  const std::vector<Reply>& fields = node.elements;
  if (fields.size() < 2) return said;
  said.host = TextOf(&fields[0]);
  said.host_missing = said.host.empty();
  said.port = NumberOf(&fields[1]);
  if (fields.size() > 2) said.id = TextOf(&fields[2]);
  if (fields.size() > 3) {
    said.ip = TextOf(fields[3].Find("ip"));
    said.zone = TextOf(fields[3].Find("availability-zone"));
  }
  return said;
}

absl::Status AddRange(const Reply& range, ViewBuilder* builder) {
  const std::vector<Reply>& fields = range.elements;
  if (fields.size() < 3 || !fields[0].is(Reply::Type::kInteger) ||
      !fields[1].is(Reply::Type::kInteger)) {
    return Malformed("CLUSTER SLOTS", "a first slot, a last slot and nodes in each entry");
  }
  NodeIndex primary = kNoNode;
  for (size_t i = 2; i < fields.size(); ++i) {
    SaidNode said = ReadSlotsNode(fields[i]);
    said.is_primary = i == 2;
    const NodeIndex place = builder->Add(said);
    if (i == 2) {
      primary = place;
    } else {
      builder->SetPrimary(place, primary);
    }
  }
  if (!builder->Assign({fields[0].integer, fields[1].integer}, primary)) {
    return Malformed("CLUSTER SLOTS", "ranges of slots from 0 to 16383");
  }
  return absl::OkStatus();
}

// The value of a "name:value" line; "" if there is none.
std::string_view Field(std::string_view text, std::string_view name) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find("\r\n", at), text.size());
    const std::string_view line = text.substr(at, end - at);
    if (line.starts_with(name) && line.substr(name.size()).starts_with(':')) {
      return line.substr(name.size() + 1);
    }
    at = end + 2;
  }
  return {};
}

}  // namespace

absl::StatusOr<ClusterView> ParseClusterShards(const Reply& reply, const ViewSource& source) {
  if (!reply.is(Reply::Type::kArray)) return Malformed("CLUSTER SHARDS", "a list of shards");
  ViewBuilder builder(source);
  // Those with slots first: of two nodes with one address the one that serves is the one that is.
  for (const bool with_slots : {true, false}) {
    for (const Reply& shard : reply.elements) {
      const Reply* slots = shard.Find("slots");
      if ((slots != nullptr && !slots->elements.empty()) != with_slots) continue;
      if (absl::Status status = AddShard(shard, source, &builder); !status.ok()) return status;
    }
  }
  return builder.Finish();
}

absl::StatusOr<ClusterView> ParseClusterSlots(const Reply& reply, const ViewSource& source) {
  if (!reply.is(Reply::Type::kArray)) return Malformed("CLUSTER SLOTS", "a list of slot ranges");
  ViewBuilder builder(source);
  for (const Reply& range : reply.elements) {
    if (absl::Status status = AddRange(range, &builder); !status.ok()) return status;
  }
  return builder.Finish();
}

ClusterInfo ParseClusterInfo(const Reply& reply) {
  ClusterInfo info;
  const std::string_view state = Field(TextOf(&reply), "cluster_state");
  info.is_cluster = !state.empty();
  info.ok = state == "ok";
  const std::string_view epoch = Field(TextOf(&reply), "cluster_current_epoch");
  std::from_chars(epoch.data(), epoch.data() + epoch.size(), info.epoch);
  return info;
}

}  // namespace weir
