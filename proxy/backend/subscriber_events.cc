// Keyspace events of several nodes: who listens for them where.
//
// A wish for a channel that may have events is settled when every primary has been asked, so that
// from the acknowledgement on none is missed; one that cannot be reached is not waited for. What
// the map changes, feeds follow: what happens at a node before its feed is there is lost, as is
// what a node tells nobody while it fails over.
#include <algorithm>
#include <utility>

#include "plugins/text.h"
#include "proxy/backend/subscriber.h"
#include "proxy/backend/upstream.h"
#include "routing/keyspace_event.h"

namespace weir {

// It is asked for from now on, or not any more.
void Subscriber::ListenForEvents(Channel* channel, bool listen) {
  if (of_slots() || channel->kind == ChannelKind::kShard) return;
  if (!listen) {
    if (event_channels_.erase(channel) == 0) return;
    for (const auto& feed : feeds_) feed->Remove(channel->kind, channel->name);
    return;
  }
  const bool hears = channel->kind == ChannelKind::kPattern ? MayMatchKeyspaceEvents(channel->name)
                                                            : IsKeyspaceEvent(channel->name);
  if (!hears || !event_channels_.insert(channel).second) return;
  for (const auto& feed : feeds_) feed->Add(channel->kind, channel->name);
  TendFeeds();
}

bool Subscriber::FeedsHave(const std::vector<Channel*>& channels) const {
  return std::all_of(channels.begin(), channels.end(), [this](Channel* channel) {
    if (!event_channels_.contains(channel)) return true;
    return std::all_of(feeds_.begin(), feeds_.end(), [channel](const auto& feed) {
      return feed->Settled(channel->kind, channel->name);
    });
  });
}

// One at each primary but that of the subscriber's own connection, if there is anything to hear.
void Subscriber::TendFeeds() {
  if (of_slots() || (event_channels_.empty() && feeds_.empty())) return;
  const NodeMap& map = upstream_->map();
  const bool wanted = !event_channels_.empty() && map.primaries().size() > 1;
  if (wanted && feeds_epoch_ == map.epoch() && feeds_besides_ == link_.address()) return;
  std::vector<Node> nodes;
  for (const NodeIndex i : map.primaries()) {
    const Node& node = map.node(i)->address;
    if (wanted && node.Address() != link_.address()) nodes.push_back(node);
  }
  feeds_epoch_ = wanted ? map.epoch() : 0;
  feeds_besides_ = link_.address();
  const auto is_at = [](const auto& feed, const Node& node) {
    return feed->node().host == node.host && feed->node().port == node.port;
  };
  for (auto& feed : feeds_) {
    const bool stays = std::any_of(nodes.begin(), nodes.end(),
                                   [&](const Node& node) { return is_at(feed, node); });
    if (stays) continue;
    feed->Close();
    closed_feeds_.push_back(std::move(feed));
  }
  std::erase(feeds_, nullptr);
  for (const Node& node : nodes) {
    const bool is_there = std::any_of(feeds_.begin(), feeds_.end(),
                                      [&](const auto& feed) { return is_at(feed, node); });
    if (!is_there) AddFeed(node);
  }
  OnFeedChanged();
}

void Subscriber::AddFeed(const Node& node) {
  EventFeedOwner* const self = this;
  feeds_.push_back(std::make_unique<EventFeed>(context_, self, &upstream_->config(), counts_, key_,
                                               message_bytes_max_, node));
  for (const Channel* channel : event_channels_) {
    feeds_.back()->Add(channel->kind, channel->name);
  }
}

void Subscriber::OnEvent(const PubsubFrame& frame, Chunk* chunk, std::string_view bytes) {
  TakeMessage(frame, chunk, bytes);
}

void Subscriber::OnEventTooLarge(const PubsubFrame& frame) { OnFrameTooLarge(frame); }

void Subscriber::OnEventsRead() { FlushRun(); }

void Subscriber::OnFeedChanged() {
  for (const WishPtr& wish : std::exchange(wait_for_feeds_, {})) Evaluate(wish);
}

void Subscriber::OnFeedLost(std::string_view cause) {
  FlushRun();
  bool any = false;
  const bool closes = upstream_->config().on_subscriber_loss == SubscriberLoss::kClose;
  for (const Channel* channel : event_channels_) {
    any |= channel->client_count() != 0;
    if (closes) LoseClientsOf(*channel);
  }
  if (any) context_->stats.subscriber_gaps.Add();
  if (upstream_->is_cluster()) {
    upstream_->WantRefresh(Concat("a connection for keyspace events failed: ", cause));
  }
}

void Subscriber::Close() {
  link_.Close();
  for (const auto& feed : feeds_) feed->Close();
}

bool Subscriber::gone() const {
  const auto is_gone = [](const auto& feed) { return feed->gone(); };
  return link_.gone() && std::all_of(feeds_.begin(), feeds_.end(), is_gone) &&
         std::all_of(closed_feeds_.begin(), closed_feeds_.end(), is_gone);
}

}  // namespace weir
