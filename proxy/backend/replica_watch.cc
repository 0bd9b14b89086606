// Rounds of ROLE.
#include "proxy/backend/replica_watch.h"

#include <algorithm>
#include <utility>

#include "plugins/text.h"
#include "proxy/backend/call.h"
#include "proxy/log.h"
#include "resp/reply_writer.h"

namespace weir {

ReplicaWatch::ReplicaWatch(LoopContext* context, Upstream* upstream, OnTopology on_topology,
                           OnNode on_node, OnRound on_round)
    : Watch(context, upstream, std::move(on_topology), std::move(on_node), std::move(on_round)) {
  for (const UpstreamUrl::Endpoint& endpoint : upstream->url().endpoints) {
    members_.push_back({.address = {.host = endpoint.host, .port = endpoint.port}});
  }
  asked_.resize(members_.size());
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
  ++round_;
  answered_.assign(members_.size(), false);
  for (ReplicaSetMember& member : members_) member.role.reset();
  Arm(kRoundMs);
  for (size_t i = 0; i < members_.size(); ++i) Ask(i);
}

// One that has not answered the last time is not asked again: its answer, when it comes, counts.
void ReplicaWatch::Ask(size_t member) {
  if (asked_[member]) return;
  const HostPort& address = members_[member].address;
  const NodeIndex node = upstream_->FindOrAdd(Node{.host = address.host, .port = address.port});
  if (node == kNoNode) return;
  asked_[member] = true;
  LinkKey key = upstream_->BaseKey();
  key.node = node;
  LinkGroup* group = upstream_->Hold(key);
  std::string request;
  AppendRequest(&request, {"ROLE"});
  CallUpstream(context_, upstream_, group, std::move(request), /*retryable=*/true,
               [this, member](std::string_view reply) {
                 asked_[member] = false;
                 if (!stopped_) OnRole(member, reply);
               });
  group->Release();
}

void ReplicaWatch::OnRole(size_t member, std::string_view reply) {
  const HostPort& address = members_[member].address;
  const std::string name = AddressText(address.host, address.port);
  const absl::StatusOr<Reply> tree = ParseReply(reply);
  absl::StatusOr<RoleReport> role = tree.ok() ? ParseRole(*tree) : tree.status();
  if (reply.starts_with('-')) {
    on_node_(name, false, std::string(reply.substr(1, reply.find_first_of("\r\n") - 1)));
  } else if (!role.ok()) {
    on_node_(name, false, std::string(Message(role.status())));
  } else {
    on_node_(name, true, "");
  }
  if (!open_) return;
  answered_[member] = true;
  if (role.ok()) members_[member].role = *std::move(role);
  if (std::find(answered_.begin(), answered_.end(), false) == answered_.end()) End();
}

void ReplicaWatch::End() {
  open_ = false;
  ended_ms_ = context_->NowMs();
  ReplicaSet set = MakeReplicaSet(members_, known_.get());
  const bool sure = !set.nodes.empty();
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
  if (again_) {
    Arm(kPauseMs);
  } else if (!sure) {
    Arm(kUnsureMs);
  } else if (interval_ms != 0) {
    Arm(static_cast<uint64_t>(interval_ms));
  }
  on_round_(known_ != nullptr ? "" : set.why);
}

}  // namespace weir
