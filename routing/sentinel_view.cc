#include "routing/sentinel_view.h"

#include <charconv>
#include <utility>

#include "absl/status/status.h"
#include "routing/text.h"

namespace weir {
namespace {

absl::Status Malformed(std::string_view command, std::string_view what) {
  return absl::InvalidArgumentError(Concat("SENTINEL ", command, ": expected ", what));
}

std::string_view Field(const Reply& entry, std::string_view name) {
  const Reply* value = entry.Find(name);
  return value != nullptr && value->is_text() ? std::string_view(value->string)
                                              : std::string_view();
}

// "s_down,slave,disconnected" has the flag "slave".
bool HasFlag(std::string_view flags, std::string_view flag) {
  while (!flags.empty()) {
    const size_t comma = std::min(flags.find(','), flags.size());
    if (flags.substr(0, comma) == flag) return true;
    flags.remove_prefix(std::min(comma + 1, flags.size()));
  }
  return false;
}

template <typename Number>
bool ReadNumber(std::string_view text, Number* number) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, *number);
  return result.ec == std::errc() && result.ptr == end;
}

bool ReadAddress(std::string_view host, std::string_view port, HostPort* address) {
  if (host.empty() || !ReadNumber(port, &address->port) || address->port == 0) return false;
  address->host = host;
  return true;
}

HostPort Mapped(const AddressMap* map, HostPort address) {
  return map == nullptr ? address : map->Apply(std::move(address));
}

NodeHealth HealthOf(const Reply& replica) {
  const std::string_view flags = Field(replica, "flags");
  if (HasFlag(flags, "s_down") || HasFlag(flags, "o_down") || HasFlag(flags, "disconnected")) {
    return NodeHealth::kFailed;
  }
  // It has no copy, or an old one that it does not keep up.
  return Field(replica, "master-link-status") == "ok" ? NodeHealth::kOnline : NodeHealth::kLoading;
}

// Cuts the next word of a message off.
std::string_view NextWord(std::string_view* text) {
  const size_t blank = std::min(text->find(' '), text->size());
  const std::string_view word = text->substr(0, blank);
  text->remove_prefix(std::min(blank + 1, text->size()));
  return word;
}

}  // namespace

absl::Status ReadSentinelMaster(const Reply& reply, const AddressMap* map, SentinelView* view) {
  if (!reply.is(Reply::Type::kArray) ||
      !ReadAddress(Field(reply, "ip"), Field(reply, "port"), &view->primary)) {
    return Malformed("MASTER", "its address");
  }
  view->primary = Mapped(map, std::move(view->primary));
  view->primary_down = HasFlag(Field(reply, "flags"), "o_down");
  ReadNumber(Field(reply, "config-epoch"), &view->epoch);
  return absl::OkStatus();
}

absl::Status ReadSentinelAddress(const Reply& reply, const AddressMap* map, SentinelView* view) {
  if (reply.elements.size() != 2 ||
      !ReadAddress(reply.elements[0].string, reply.elements[1].string, &view->primary)) {
    return Malformed("GET-MASTER-ADDR-BY-NAME", "its address");
  }
  view->primary = Mapped(map, std::move(view->primary));
  return absl::OkStatus();
}

absl::Status ReadSentinelReplicas(const Reply& reply, const AddressMap* map, SentinelView* view) {
  if (!reply.is(Reply::Type::kArray) || reply.elements.size() > kSentinelNodesMax) {
    return Malformed("REPLICAS", "a list of at most 1024 replicas");
  }
  view->replicas.clear();
  for (const Reply& replica : reply.elements) {
    HostPort address;
    if (!ReadAddress(Field(replica, "ip"), Field(replica, "port"), &address)) continue;
    address = Mapped(map, std::move(address));
    view->replicas.push_back({.host = std::move(address.host),
                              .port = address.port,
                              .role = NodeRole::kReplica,
                              .primary = 0,
                              .health = HealthOf(replica)});
  }
  return absl::OkStatus();
}

absl::Status ReadSentinelSentinels(const Reply& reply, SentinelView* view) {
  if (!reply.is(Reply::Type::kArray) || reply.elements.size() > kSentinelNodesMax) {
    return Malformed("SENTINELS", "a list of at most 1024 sentinels");
  }
  view->sentinels.clear();
  for (const Reply& sentinel : reply.elements) {
    HostPort address;
    if (!ReadAddress(Field(sentinel, "ip"), Field(sentinel, "port"), &address)) continue;
    view->sentinels.push_back(std::move(address));
  }
  return absl::OkStatus();
}

const SentinelView* BelieveSentinel(absl::Span<const SentinelView> views, uint64_t known_epoch) {
  const SentinelView* best = nullptr;
  for (const SentinelView& view : views) {
    if (view.epoch >= known_epoch && (best == nullptr || view.epoch > best->epoch)) best = &view;
  }
  return best;
}

std::vector<Node> NodesOf(const SentinelView& view) {
  std::vector<Node> nodes = {{.host = view.primary.host, .port = view.primary.port}};
  for (const Node& replica : view.replicas) {
    // Just after a switch the new primary may still stand among the replicas.
    const bool is_primary = replica.host == view.primary.host && replica.port == view.primary.port;
    if (!is_primary) nodes.push_back(replica);
  }
  return nodes;
}

std::optional<HostPort> ParseSwitchMaster(std::string_view message, std::string_view name) {
  if (NextWord(&message) != name) return std::nullopt;
  NextWord(&message);
  NextWord(&message);
  const std::string_view host = NextWord(&message);
  HostPort address;
  if (!ReadAddress(host, NextWord(&message), &address)) return std::nullopt;
  return address;
}

bool ConcernsPrimary(std::string_view message, std::string_view name) {
  const std::string_view kind = NextWord(&message);
  if (kind == "master") return NextWord(&message) == name;
  const size_t at = message.find(" @ ");
  if (at == std::string_view::npos) return false;
  message.remove_prefix(at + 3);
  return NextWord(&message) == name;
}

}  // namespace weir
