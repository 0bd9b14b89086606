// Rounds of questions to sentinels.
#include "proxy/backend/sentinel_watch.h"

#include <algorithm>
#include <utility>

#include "plugins/text.h"
#include "proxy/backend/call.h"
#include "proxy/log.h"
#include "resp/reply_writer.h"
#include "routing/replica_set.h"

namespace weir {

SentinelWatch::SentinelWatch(LoopContext* context, Upstream* upstream,
                             const AddressMap* address_map, OnTopology on_topology, OnNode on_node,
                             OnRound on_round)
    : Watch(context, upstream, std::move(on_topology), std::move(on_node), std::move(on_round)),
      address_map_(address_map) {
  Arm(kTickMs, kTickMs);
  for (const UpstreamUrl::Endpoint& endpoint : upstream->url().endpoints) {
    AddPeer({.host = endpoint.host, .port = endpoint.port});
  }
}

SentinelWatch::~SentinelWatch() = default;

void SentinelWatch::Stop() {
  Watch::Stop();
  for (const auto& peer : peers_) peer->Close();
}

void SentinelWatch::AddPeer(HostPort address) {
  const auto is_it = [&](const auto& peer) {
    return peer->address() == address && !peer->closed();
  };
  if (peers_.size() >= kSentinelsMax || std::any_of(peers_.begin(), peers_.end(), is_it)) return;
  peers_.push_back(std::make_unique<SentinelPeer>(
      context_, upstream_->config(), std::move(address), upstream_->url().primary_name,
      address_map_,
      [this] {
        if (open_ && !confirming_ && !stopped_) Evaluate(/*late=*/false);
      },
      [this](std::string_view channel, std::string_view message) { OnNews(channel, message); }));
}

// ---- when

void SentinelWatch::Refresh() {
  if (stopped_) return;
  if (open_) {
    again_ = true;
  } else {
    due_ms_ = context_->NowMs();
    if (began_ms_ == 0 || due_ms_ - began_ms_ >= kPauseMs) Begin();
  }
}

void SentinelWatch::OnTimer() {
  const uint64_t now_ms = context_->NowMs();
  for (const auto& peer : peers_) peer->OnTick(now_ms);
  std::erase_if(peers_, [](const auto& peer) { return peer->closed() && peer->gone(); });
  if (open_ && !confirming_ && now_ms - began_ms_ >= kRoundMs) return Evaluate(/*late=*/true);
  if (confirming_ && now_ms - began_ms_ >= 2 * kRoundMs) {
    return End(false, "the primary that the sentinels name does not answer ROLE");
  }
  if (!open_ && due_ms_ != 0 && now_ms >= due_ms_ && now_ms - began_ms_ >= kPauseMs) Begin();
}

void SentinelWatch::OnNews(std::string_view channel, std::string_view message) {
  const std::string& name = upstream_->url().primary_name;
  if (channel == "+switch-master") {
    std::optional<HostPort> primary = ParseSwitchMaster(message, name);
    if (!primary.has_value()) return;
    expected_ = address_map_ == nullptr ? *primary : address_map_->Apply(*std::move(primary));
    // Whatever is under way asks about what was before; the old primary may not even answer.
    return Begin();
  } else if (!channel.empty() && !ConcernsPrimary(message, name)) {
    return;
  }
  Refresh();
}

// ---- a round

void SentinelWatch::Begin() {
  again_ = confirming_ = false;
  open_ = true;
  due_ms_ = 0;
  ++round_;
  began_ms_ = context_->NowMs();
  for (const auto& peer : peers_) {
    if (!peer->asking() && !peer->closed()) peer->Ask();
  }
}

// Ends the round once enough is known.
void SentinelWatch::Evaluate(bool late) {
  std::vector<SentinelView> views;
  size_t waiting = 0;
  size_t all = 0;
  std::string cause;
  for (const auto& peer : peers_) {
    if (peer->closed()) continue;
    ++all;
    if (peer->asking()) {
      ++waiting;
    } else if (peer->view().has_value()) {
      views.push_back(*peer->view());
    } else {
      cause = Concat(AddressText(peer->address().host, peer->address().port), ": ", peer->cause());
    }
  }
  const bool last = late || waiting == 0;
  const SentinelView* best = BelieveSentinel(views, epoch_);
  const bool unexpected = best != nullptr && expected_.has_value() && best->primary != *expected_;
  if (!last && (best == nullptr || unexpected || views.size() * 2 <= all)) return;
  LearnSentinels(views);
  if (best != nullptr) return Confirm(*best);
  End(false, views.empty() ? Concat("no sentinel answers: ", cause)
                           : "the sentinels know less than weir does");
}

void SentinelWatch::Confirm(const SentinelView& view) {
  confirming_ = true;
  const NodeIndex node =
      upstream_->FindOrAdd(Node{.host = view.primary.host, .port = view.primary.port});
  if (node == kNoNode) return End(false, "there are too many nodes");
  LinkKey key = upstream_->BaseKey();
  key.node = node;
  LinkGroup* group = upstream_->Hold(key);
  std::string request;
  AppendRequest(&request, {"ROLE"});
  CallUpstream(context_, upstream_, group, std::move(request), /*retryable=*/true,
               [this, view, round = round_](std::string_view reply) {
                 if (!stopped_ && open_ && round == round_) OnRole(view, reply);
               });
  group->Release();
}

void SentinelWatch::OnRole(const SentinelView& view, std::string_view reply) {
  const std::string address = AddressText(view.primary.host, view.primary.port);
  const absl::StatusOr<Reply> tree = ParseReply(reply);
  const absl::StatusOr<RoleReport> role =
      tree.ok() ? ParseRole(*tree) : absl::StatusOr<RoleReport>(tree.status());
  if (reply.starts_with('-')) {
    const std::string cause(reply.substr(1, reply.find_first_of("\r\n") - 1));
    on_node_(address, false, cause);
    return End(false, Concat("the primary that the sentinels name, ", address, ", says: ", cause));
  }
  if (!role.ok() || !role->is_primary) {
    return End(false,
               Concat("the sentinels call ", address, " the primary, but it says that it is none"));
  }
  on_node_(address, true, "");
  epoch_ = view.epoch;
  if (expected_.has_value() && *expected_ == view.primary) expected_.reset();
  std::vector<Node> nodes = NodesOf(view);
  if (known_ == nullptr || !SameReplicaSet(nodes, *known_)) {
    known_ = Topology::Replicated(std::move(nodes), ++versions_);
    Log(LogLevel::kInfo, "topology",
        {{"upstream", upstream_->config().name},
         {"primary", address},
         {"replicas", known_->nodes().size() - 1},
         {"sentinels", peers_.size()},
         {"epoch", epoch_},
         {"version", versions_}});
    on_topology_(known_);
  }
  End(true, "");
}

void SentinelWatch::End(bool sure, std::string why) {
  open_ = confirming_ = false;
  const uint64_t now_ms = context_->NowMs();
  const auto interval_ms = static_cast<uint64_t>(upstream_->config().topology_refresh_interval_ms);
  if (again_) {
    due_ms_ = now_ms;
  } else if (!sure || expected_.has_value()) {
    // What a sentinel has announced may be undone before it is seen.
    if (sure && now_ms - began_ms_ >= kRoundMs) expected_.reset();
    due_ms_ = now_ms + kUnsureMs;
  } else if (known_ != nullptr &&
             std::any_of(known_->nodes().begin(), known_->nodes().end(),
                         [](const Node& node) { return node.health != NodeHealth::kOnline; })) {
    // After a failover the replicas come back one by one.
    due_ms_ = now_ms + kRoundMs;
  } else if (interval_ms != 0) {
    due_ms_ = now_ms + interval_ms - context_->random() % (interval_ms / 4 + 1);
  }
  on_round_(known_ != nullptr ? "" : why);
}

// ---- who

void SentinelWatch::LearnSentinels(const std::vector<SentinelView>& views) {
  std::vector<HostPort> named;
  for (const SentinelView& view : views) {
    named.insert(named.end(), view.sentinels.begin(), view.sentinels.end());
  }
  const auto& endpoints = upstream_->url().endpoints;
  for (const auto& peer : peers_) {
    const HostPort& address = peer->address();
    const bool configured = std::any_of(endpoints.begin(), endpoints.end(), [&](const auto& each) {
      return each.host == address.host && each.port == address.port;
    });
    // One that answers is there, whatever the others know.
    if (configured || peer->closed() || peer->asking() || peer->view().has_value()) continue;
    if (std::find(named.begin(), named.end(), address) == named.end()) peer->Close();
  }
  for (HostPort& address : named) AddPeer(std::move(address));
}

}  // namespace weir
