#include "routing/replica_set.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "routing/text.h"

namespace weir {
namespace {

// ROLE writes ports as text in a primary's list and as numbers elsewhere.
bool ReadPort(const Reply& reply, uint16_t* port) {
  int64_t number = reply.integer;
  if (reply.is_text()) {
    const absl::StatusOr<HostPort> parsed = ParseHostPort(Concat("h:", reply.string));
    number = parsed.ok() ? parsed->port : 0;
  }
  if (number <= 0 || number > UINT16_MAX) return false;
  *port = static_cast<uint16_t>(number);
  return true;
}

absl::Status Malformed() { return absl::InvalidArgumentError("ROLE: expected a role"); }

absl::StatusOr<RoleReport> ParsePrimary(const std::vector<Reply>& fields) {
  if (fields.size() < 3 || !fields[2].is(Reply::Type::kArray)) return Malformed();
  RoleReport report;
  report.is_primary = true;
  report.offset = fields[1].integer;
  for (const Reply& replica : fields[2].elements) {
    HostPort address;
    if (replica.elements.size() < 2 || !ReadPort(replica.elements[1], &address.port)) continue;
    address.host = replica.elements[0].string;
    report.replicas.push_back(std::move(address));
  }
  return report;
}

absl::StatusOr<RoleReport> ParseReplica(const std::vector<Reply>& fields) {
  RoleReport report;
  if (fields.size() < 5 || !ReadPort(fields[2], &report.primary.port)) return Malformed();
  report.primary.host = fields[1].string;
  report.connected = fields[3].string == "connected";
  report.offset = fields[4].integer;
  return report;
}

// How many of the others copy this one.
size_t CountFollowers(absl::Span<const ReplicaSetMember> members, const HostPort& primary) {
  return static_cast<size_t>(
      std::count_if(members.begin(), members.end(), [&](const ReplicaSetMember& member) {
        return member.role.has_value() && !member.role->is_primary &&
               member.role->primary == primary;
      }));
}

bool IsKnownPrimary(const Topology* known, const HostPort& address) {
  if (known == nullptr || known->primaries().empty()) return false;
  const Node& primary = known->node(known->primaries().front());
  return primary.host == address.host && primary.port == address.port;
}

}  // namespace

absl::StatusOr<RoleReport> ParseRole(const Reply& reply) {
  if (!reply.is(Reply::Type::kArray) || reply.elements.empty()) return Malformed();
  const std::string& role = reply.elements.front().string;
  if (role == "master" || role == "primary") return ParsePrimary(reply.elements);
  if (role == "slave" || role == "replica") return ParseReplica(reply.elements);
  return absl::InvalidArgumentError("ROLE: it is neither a primary nor a replica");
}

ReplicaSet MakeReplicaSet(absl::Span<const ReplicaSetMember> members, const Topology* known) {
  const ReplicaSetMember* primary = nullptr;
  size_t best_followers = 0;
  bool best_known = false;
  size_t claims = 0;
  for (const ReplicaSetMember& member : members) {
    if (!member.role.has_value() || !member.role->is_primary) continue;
    ++claims;
    const size_t followers = CountFollowers(members, member.address);
    const bool is_known = IsKnownPrimary(known, member.address);
    if (primary == nullptr ||
        std::pair(followers, is_known) > std::pair(best_followers, best_known)) {
      primary = &member;
      best_followers = followers;
      best_known = is_known;
    }
  }
  ReplicaSet set;
  if (primary == nullptr) {
    set.why = "none of them says that it is the primary";
    return set;
  }
  set.why = Concat(AddressText(primary->address.host, primary->address.port),
                   " says that it is the primary");
  if (claims > 1)
    set.why += Concat(", as do ", claims - 1, " more, and ", best_followers, " follow it");
  set.nodes.push_back({.host = primary->address.host, .port = primary->address.port});
  for (const ReplicaSetMember& member : members) {
    if (&member == primary) continue;
    // Another one that calls itself primary has data of its own: not this one's replica.
    const bool follows = member.role.has_value() && !member.role->is_primary;
    NodeHealth health = NodeHealth::kFailed;
    if (follows) health = member.role->connected ? NodeHealth::kOnline : NodeHealth::kLoading;
    set.nodes.push_back({.host = member.address.host,
                         .port = member.address.port,
                         .role = NodeRole::kReplica,
                         .primary = 0,
                         .health = health});
  }
  return set;
}

bool SameReplicaSet(const std::vector<Node>& nodes, const Topology& topology) {
  if (!topology.is_replicated() || nodes.size() != topology.nodes().size()) return false;
  return std::all_of(nodes.begin(), nodes.end(), [&](const Node& node) {
    const NodeIndex place = topology.Find(node.host, node.port);
    return place != kNoNode && topology.node(place).role == node.role &&
           topology.node(place).health == node.health;
  });
}

}  // namespace weir
