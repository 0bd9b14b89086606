// Rounds of ROLE.
#include "proxy/backend/replica_watch.h"

#include <algorithm>
#include <utility>

#include "plugins/text.h"
#include "proxy/backend/call.h"
#include "proxy/log.h"
#include "resp/reply_writer.h"

namespace weir {

ReplicaWatch::ReplicaWatch(LoopContext* context, Upstream* upstream, const AddressMap* address_map,
                           OnTopology on_topology, OnNode on_node, OnRound on_round)
    : Watch(context, upstream, std::move(on_topology), std::move(on_node), std::move(on_round)),
      address_map_(address_map),
      discovers_(upstream->config().discover_replicas) {
  for (const UpstreamUrl::Endpoint& endpoint : upstream->url().endpoints) {
    members_.push_back(
        {.number = ++numbers_,
         .said = {.address = {.host = endpoint.host, .port = endpoint.port}, .configured = true}});
  }
}

ReplicaWatch::~ReplicaWatch() = default;

void ReplicaWatch::OnTimer() { open_ ? End() : Begin(); }

void ReplicaWatch::Refresh() {
  if (stopped_) return;
  if (open_) {
    again_ = true;
    return;
  }
  const uint64_t now_ms = context_->NowMs();
  if (ended_ms_ == 0 || now_ms - ended_ms_ >= kPauseMs) return Begin();
  Arm(ended_ms_ + kPauseMs - now_ms);
}

void ReplicaWatch::Begin() {
  again_ = false;
  open_ = true;
  for (Member& member : members_) {
    member.answered = false;
    member.said.role.reset();
  }
  Arm(kRoundMs);
  for (Member& member : members_) Ask(member);
}

ReplicaWatch::Member* ReplicaWatch::Find(uint64_t number) {
  const auto found = std::find_if(members_.begin(), members_.end(),
                                  [&](const Member& member) { return member.number == number; });
  return found == members_.end() ? nullptr : &*found;
}

// One that has not answered the last time is not asked again: its answer, when it comes, counts.
void ReplicaWatch::Ask(Member& member) {
  if (!member.asked) Ask(member, {"ROLE"}, &ReplicaWatch::OnRole);
}

void ReplicaWatch::Ask(Member& member, std::initializer_list<std::string_view> args,
                       void (ReplicaWatch::*then)(Member&, std::string_view)) {
  const HostPort& address = member.said.address;
  const NodeIndex node = upstream_->FindOrAdd(Node{.host = address.host, .port = address.port});
  if (node == kNoNode) return;
  member.asked = true;
  LinkKey key = upstream_->BaseKey();
  key.node = node;
  LinkGroup* group = upstream_->Hold(key);
  std::string request;
  AppendRequest(&request, args);
  CallUpstream(context_, upstream_, group, std::move(request), /*retryable=*/true,
               [this, then, number = member.number](std::string_view reply) {
                 Member* const of = Find(number);
                 if (of == nullptr) return;  // forgotten meanwhile
                 of->asked = false;
                 if (!stopped_) (this->*then)(*of, reply);
               });
  group->Release();
}

void ReplicaWatch::OnRole(Member& member, std::string_view reply) {
  const absl::StatusOr<Reply> tree = ParseReply(reply);
  absl::StatusOr<RoleReport> role = tree.ok() ? ParseRole(*tree) : tree.status();
  if (reply.starts_with('-')) {
    Report(member, false, std::string(reply.substr(1, reply.find_first_of("\r\n") - 1)));
  } else if (!role.ok()) {
    Report(member, false, std::string(Message(role.status())));
  } else {
    Report(member, true, "");
  }
  if (!open_) return;
  if (!role.ok()) return OnAnswered(member);
  if (address_map_ != nullptr) {
    role->primary = address_map_->Apply(std::move(role->primary));
    for (HostPort& replica : role->replicas) replica = address_map_->Apply(std::move(replica));
  }
  member.said.role = *std::move(role);
  if (!discovers_) return OnAnswered(member);
  Ask(member, {"INFO", "server"}, &ReplicaWatch::OnServerInfo);
}

void ReplicaWatch::OnServerInfo(Member& member, std::string_view reply) {
  if (const auto info = ParseReply(reply); info.ok() && info->is_text()) {
    member.said.run_id = ParseRunId(info->string);
  }
  // An answer of an earlier round says nothing of the role in this one.
  if (open_) member.said.role.has_value() ? OnAnswered(member) : Ask(member);
}

void ReplicaWatch::OnAnswered(Member& member) {
  member.answered = true;
  const bool all = std::all_of(members_.begin(), members_.end(),
                               [](const Member& each) { return each.answered; });
  if (all) End();
}

// Other names of a server that is known are nobody's business.
void ReplicaWatch::Report(const Member& member, bool up, const std::string& cause) {
  const HostPort& address = member.said.address;
  const bool in_topology = known_ != nullptr && known_->Find(address.host, address.port) != kNoNode;
  if (!member.said.configured && !in_topology) return;
  on_node_(AddressText(address.host, address.port), up, cause);
}

// Who is new is asked in the next round. True: somebody is.
bool ReplicaWatch::SetMembers(const std::vector<HostPort>& addresses) {
  std::vector<Member> members;
  bool learnt = false;
  for (const HostPort& address : addresses) {
    const auto known = std::find_if(members_.begin(), members_.end(), [&](const Member& member) {
      return member.said.address == address;
    });
    if (known != members_.end()) {
      members.push_back(std::move(*known));
    } else {
      members.push_back({.number = ++numbers_, .said = {.address = address}});
      learnt = true;
    }
  }
  members_ = std::move(members);
  return learnt;
}

void ReplicaWatch::End() {
  open_ = false;
  ended_ms_ = context_->NowMs();
  std::vector<DiscoveredServer> servers;
  for (const Member& member : members_) {
    servers.push_back(member.said);
    if (!member.answered) servers.back().role.reset();  // it has not said yet who it is
  }
  ReplicaSet set = MakeReplicaSet(DistinctServers(servers), known_.get());
  const bool sure = !set.nodes.empty();
  bool learnt = false;
  if (discovers_) {
    const std::vector<HostPort> wanted = WhoToAsk(servers, set);
    learnt = SetMembers(wanted);
    // Who has left, perhaps for another deployment, is not read from any more.
    std::erase_if(servers, [&](const DiscoveredServer& server) {
      return std::find(wanted.begin(), wanted.end(), server.address) == wanted.end();
    });
    set = MakeReplicaSet(DistinctServers(servers), known_.get());
  }
  if (sure && (known_ == nullptr || !SameReplicaSet(set.nodes, *known_))) {
    known_ = Topology::Replicated(std::move(set.nodes), ++versions_);
    Log(LogLevel::kInfo, "topology",
        {{"upstream", upstream_->config().name},
         {"primary", known_->node(0).Address()},
         {"replicas", known_->nodes().size() - 1},
         {"version", versions_},
         {"why", set.why}});
    on_topology_(known_);
  }
  const UpstreamConfig& config = upstream_->config();
  const int64_t interval_ms = config.health_check_interval_ms != 0
                                  ? config.health_check_interval_ms
                                  : config.topology_refresh_interval_ms;
  if (again_ || learnt) {
    Arm(kPauseMs);
  } else if (!sure) {
    Arm(kUnsureMs);
  } else if (interval_ms != 0) {
    Arm(static_cast<uint64_t>(interval_ms));
  }
  // Who was just learnt may be the primary.
  if (known_ == nullptr && learnt) return;
  on_round_(known_ != nullptr ? "" : set.why);
}

}  // namespace weir
