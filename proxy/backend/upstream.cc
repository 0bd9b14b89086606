// An upstream's links: opened on first use, shared by key, closed when unused.
#include "proxy/backend/upstream.h"

#include <algorithm>
#include <utility>

#include "plugins/text.h"

namespace weir {
// ---- LinkGroup

Link* LinkGroup::Open(size_t index) {
  const bool own = key_.tracker != 0;
  if (!upstream_->HasRoomFor(own)) return nullptr;
  Link* link = upstream_->MakeLink(this, own);
  if (own) {
    std::fill(shared_.begin(), shared_.end(), link);
  } else {
    shared_[index] = link;
  }
  return link;
}

Link* LinkGroup::TakeExclusive() {
  while (!idle_exclusive_.empty()) {
    Link* link = idle_exclusive_.back();
    idle_exclusive_.pop_back();
    if (link->state() == Link::State::kReady) return link;
    link->CloseNow("-ERR weir: the link broke while it was idle");
  }
  return upstream_->HasRoomFor(/*own=*/true) ? upstream_->MakeLink(this, /*own=*/true) : nullptr;
}

Link* LinkGroup::TakeForProbe() { return upstream_->MakeLink(this, /*own=*/true); }

void LinkGroup::GiveBack(Link* link, bool clean) {
  if (clean && link->idle() && link->state() == Link::State::kReady) {
    idle_exclusive_.push_back(link);
  } else {
    link->CloseNow("-ERR weir: the link was closed");
  }
}

void LinkGroup::SetAside(Link* link) {
  std::replace(shared_.begin(), shared_.end(), link, static_cast<Link*>(nullptr));
  link->Retire();
}

void LinkGroup::Release() {
  --holders_;
  upstream_->EraseIfUnused(this);
}

// ---- Upstream

Upstream::Upstream(LoopContext* context, const UpstreamConfig* config, int index, UpstreamUrl url,
                   std::shared_ptr<const UpstreamSnapshot> snapshot, Standstill* standstill,
                   OnNodeState on_node_state, OnReconnected on_reconnected)
    : context_(context),
      config_(config),
      index_(index),
      url_(std::move(url)),
      snapshot_(std::move(snapshot)),
      standstill_(standstill),
      on_node_state_(std::move(on_node_state)),
      on_reconnected_(std::move(on_reconnected)),
      map_(*snapshot_->topology) {}

Upstream::~Upstream() = default;

void Upstream::SetSnapshot(std::shared_ptr<const UpstreamSnapshot> snapshot) {
  // Requests that wait to be sent again count, too.
  const bool none_waits = context_->stats.requests_in_flight.Get() == 0;
  if (requests_in_flight() == 0 && none_waits) old_snapshots_.clear();
  const auto before = std::exchange(snapshot_, std::move(snapshot));
  if (before->routing != snapshot_->routing) old_snapshots_.push_back(before);
  if (!is_cluster()) return;
  const uint64_t epoch = map_.epoch();
  const std::vector<NodeIndex> primaries = map_.primaries();
  for (const NodeIndex left : map_.Adopt(*snapshot_->topology)) {
    KeepBreaker(left);
    AbandonLinksTo(left, "it has left, or is taken for dead by the others");
  }
  for (size_t i = 0; i < map_.size(); ++i) {
    MappedNode* node = map_.node(static_cast<NodeIndex>(i));
    if (node != nullptr && !node->left) GiveBreaker(&node->state);
  }
  UpdateReaders();
  if (map_.epoch() != epoch) TellTrackers();
  // A cluster's replica must have been told READONLY to be read from, which a primary's link was
  // not.
  if (!snapshot_->topology->is_replicated() && !reads_elsewhere()) return;
  for (const NodeIndex node : primaries) {
    const auto& now = map_.primaries();
    const bool demoted = std::find(now.begin(), now.end(), node) == now.end();
    if (demoted) AbandonLinksTo(node, "another node is the primary now");
  }
}

void Upstream::TellTrackers() {
  for (const auto& [client, owner] : trackers_) owner->OnNodesChanged();
}

void Upstream::AbandonLinksTo(NodeIndex node, std::string_view cause) {
  std::vector<Link*> gone;
  for (const auto& [link, owned] : links_) {
    if (link->key().node == node) gone.push_back(link);
  }
  for (Link* link : gone) {
    LinkGroup* group = groups_.find(link->key())->second.get();
    std::replace(group->shared_.begin(), group->shared_.end(), link, static_cast<Link*>(nullptr));
    std::erase(group->idle_exclusive_, link);
    link->Abandon(cause);
  }
  map_.ForgetIfUnused(node);
}

void Upstream::CloseDoubted() {
  for (const NodeIndex node : std::exchange(doubted_, {})) {
    if (map_.node(node) != nullptr) AbandonLinksTo(node, "it says that it is a replica");
  }
}

void Upstream::AddAddressMapping(std::string_view mapping) {
  const size_t between = mapping.find('=');
  address_map_.Add(mapping.substr(0, between), mapping.substr(between + 1)).IgnoreError();
}

NodeIndex Upstream::NodeOf(const Redirect& redirect, NodeIndex said_by) {
  HostPort named{.host = std::string(redirect.host), .port = redirect.port};
  if (named.host.empty()) {
    const MappedNode* node = map_.node(said_by);
    if (node == nullptr) return kNoNode;
    named.host = node->address.host;
  }
  if (!address_map_.empty()) named = address_map_.Apply(std::move(named));
  Node address;
  address.host = std::move(named.host);
  address.port = named.port;
  return map_.FindOrAdd(address);
}

NodeIndex Upstream::MessageNode(uint32_t turn) {
  if (url_.kind != UpstreamKind::kCluster) return map_.Steady(0);
  if (message_epoch_ == map_.epoch() && message_turn_ == turn) [[likely]]
    return message_node_;
  message_epoch_ = map_.epoch();
  message_turn_ = turn;
  message_node_ = kNoNode;
  // Rendezvous hashing: others that come and go seldom change who it is.
  uint64_t best = 0;
  for (const NodeIndex i : map_.primaries()) {
    const Node& at = map_.node(i)->address;
    uint64_t rank =
        NodeHash(Node{.host = at.host, .port = at.port}) + turn * uint64_t{0x9e3779b97f4a7c15};
    rank = (rank ^ (rank >> 32)) * uint64_t{0xd6e8feb86659fd93};
    rank = (rank ^ (rank >> 32)) * uint64_t{0xd6e8feb86659fd93};
    if (message_node_ != kNoNode && rank <= best) continue;
    best = rank;
    message_node_ = i;
  }
  return message_node_;
}

void Upstream::WantRefresh(std::string_view why) {
  if (on_refresh_wanted_ == nullptr) return;
  const uint64_t now_ms = context_->NowMs();
  if (refresh_wanted_ms_ != 0 && now_ms - refresh_wanted_ms_ < kRefreshPauseMs) return;
  refresh_wanted_ms_ = now_ms;
  on_refresh_wanted_(why);
}

std::string Upstream::NodeAddress(NodeIndex i) const {
  const MappedNode* node = map_.node(i);
  return node == nullptr ? "" : node->state.address;
}

LinkKey Upstream::BaseKey() const {
  LinkKey key;
  key.node = map_.Steady(0);
  key.db = url_.db;
  key.user = url_.user;
  key.password = url_.password;
  return key;
}

LinkGroup* Upstream::Hold(const LinkKey& key) {
  auto& group = groups_[key];
  if (group == nullptr) {
    group = std::make_unique<LinkGroup>(this, key);
    group->shared_.resize(2 * static_cast<size_t>(config_->connections_per_node));
  }
  group->Hold();
  return group.get();
}

void Upstream::EraseIfUnused(LinkGroup* group) {
  if (group->holders_ == 0 && group->links_ == 0) groups_.erase(LinkKey(group->key_));
}

// One that waits for its next client, of any group, makes room for another.
bool Upstream::CloseAnIdleOwnLink() {
  for (const auto& [key, group] : groups_) {
    if (group->idle_exclusive_.empty()) continue;
    Link* link = group->idle_exclusive_.back();
    group->idle_exclusive_.pop_back();
    link->CloseNow("-ERR weir: the link was idle");
    return true;
  }
  return false;
}

bool Upstream::HasRoomFor(bool own) {
  if (!own) return links_.size() - own_links_ < static_cast<size_t>(config_->links_max);
  return own_links_ < static_cast<size_t>(config_->pinned_connections_max) || CloseAnIdleOwnLink();
}

// Null: the node has left.
Link* Upstream::MakeLink(LinkGroup* group, bool own) {
  MappedNode* node = map_.node(group->key_.node);
  if (node == nullptr || node->left) return nullptr;
  const uint64_t client = group->key_.tracker;
  const auto tracker = client == 0 ? trackers_.end() : trackers_.find(client);
  if (client != 0 && tracker == trackers_.end()) return nullptr;
  ++node->links;
  auto link = std::make_unique<Link>(context_, this, &node->state, &node->address, config_,
                                     group->key_, own, is_cluster() && (!own || client != 0));
  if (confirms_primaries_ && snapshot_->topology->is_replicated() &&
      node->address.role == NodeRole::kPrimary) {
    link->ConfirmPrimary();
  }
  if (url_.kind == UpstreamKind::kCluster && node->address.role == NodeRole::kReplica) {
    link->ReadFromReplica();
  }
  GiveBreaker(&node->state);
  Link* raw = link.get();
  links_.emplace(raw, std::move(link));
  ++group->links_;
  if (own) ++own_links_;
  if (client != 0) {
    raw->SetHolder(tracker->second);
    tracker->second->OnTrackedLinkMade(*raw);
  }
  return raw;
}

void Upstream::OnLinkConnected(Link& link) {
  ++connections_made_;
  if (std::exchange(broke_, false) && on_reconnected_ != nullptr) on_reconnected_();
  on_node_state_(config_->name, link.node().address, true, "");
  NodeState& node = map_.node(link.key().node)->state;
  if (std::exchange(node.was_unreachable, false)) node.breaker->OnReachable(context_->NowMs());
}

void Upstream::OnLinkFailed(Link& link, std::string_view cause) {
  broke_ = true;
  if (link.node().unreachable_since_ms != 0) {
    on_node_state_(config_->name, link.node().address, false, std::string(cause));
    NodeState& node = map_.node(link.key().node)->state;
    node.was_unreachable = node.breaker != nullptr;
  }
  if (is_cluster()) WantRefresh(Concat("the connection to ", link.node().address, " failed"));
}

void Upstream::OnLinkClosed(Link& link) {
  const auto group = groups_.find(link.key());
  LinkGroup* of = group->second.get();
  std::replace(of->shared_.begin(), of->shared_.end(), &link, static_cast<Link*>(nullptr));
  std::erase(of->idle_exclusive_, &link);
  --of->links_;
  if (link.own()) --own_links_;
  if (std::erase(busy_links_, &link) != 0) standstill_->busy_links.fetch_sub(1);
  const NodeIndex node = link.key().node;
  links_.erase(&link);
  --map_.node(node)->links;
  if (is_cluster()) map_.ForgetIfUnused(node);
  EraseIfUnused(of);
}

uint64_t Upstream::requests_in_flight() const {
  uint64_t n = 0;
  for (const auto& [link, owned] : links_) n += link->in_flight();
  return n;
}

void Upstream::ForEachLink(const std::function<void(const Link&)>& visit) const {
  for (const auto& [link, owned] : links_) visit(*link);
}

void Upstream::RelieveBusyLinks() {
  const uint64_t before_ns = context_->NowNs() - kBusyMs * 1'000'000;
  for (const auto& [key, group] : groups_) {
    for (Link* link : std::vector<Link*>(group->shared_)) {
      if (link == nullptr || link->own() || busy_links_.size() >= kBusyLinksMax) continue;
      if (!link->RunsScriptSince(before_ns)) continue;
      busy_links_.push_back(link);
      standstill_->busy_links.fetch_add(1);
      context_->stats.links_busy.Add();
      group->SetAside(link);
    }
  }
}

void Upstream::CloseIdle() {
  if (config_->idle_link_timeout_ms == 0) return;
  const uint64_t now_ms = context_->NowMs();
  const auto idle_ms = static_cast<uint64_t>(config_->idle_link_timeout_ms);
  std::vector<Link*> idle;
  for (const auto& [link, owned] : links_) {
    if (link->idle() && !link->held() && now_ms - link->last_used_ms() > idle_ms)
      idle.push_back(link);
  }
  for (Link* link : idle) {
    LinkGroup* group = groups_.find(link->key())->second.get();
    std::replace(group->shared_.begin(), group->shared_.end(), link, static_cast<Link*>(nullptr));
    std::erase(group->idle_exclusive_, link);
    link->CloseNow("-ERR weir: the link was idle");
  }
}

void Upstream::Close() {
  std::vector<Link*> all;
  for (const auto& [link, owned] : links_) all.push_back(link);
  for (Link* link : all) link->CloseNow("-DOWN weir: shutting down");
}

}  // namespace weir
