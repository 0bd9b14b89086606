#include "proxy/backend/subscribers.h"

#include <algorithm>
#include <utility>

#include "proxy/backend/upstream.h"

namespace weir {

// Channels are the same in all dbs, and the messages in both protocols nearly so.
Subscribers::Key Subscribers::KeyFor(Upstream* upstream, const LinkKey& links) {
  Key key{upstream, links, ""};
  key.link.db = 0;
  key.link.node = 0;  // whichever; it chooses itself
  key.link.protocol_version = 2;
  return key;
}

// `at` null: for all kinds of channels.
Subscriber* Subscribers::Make(Key key, SubscriptionCounts* counts, const Node* at) {
  Upstream* const upstream = key.upstream;
  if (all_.size() + upstream->links() >= static_cast<size_t>(upstream->config().links_max)) {
    return nullptr;
  }
  std::unique_ptr<Subscriber> made;
  if (at == nullptr) {
    made = std::make_unique<Subscriber>(context_, upstream, counts, key.link, message_bytes_max_);
  } else {
    SlotNeighbours* const neighbours = this;
    made = std::make_unique<Subscriber>(context_, upstream, counts, key.link, message_bytes_max_,
                                        neighbours, *at);
  }
  return all_.emplace(std::move(key), std::move(made)).first->second.get();
}

Subscriber* Subscribers::Get(Upstream* upstream, SubscriptionCounts* counts, const LinkKey& links) {
  Key key = KeyFor(upstream, links);
  const auto found = all_.find(key);
  return found != all_.end() ? found->second.get() : Make(std::move(key), counts, nullptr);
}

Subscriber* Subscribers::SubscriberAt(const Subscriber& of, const Node& node) {
  Key key{of.upstream(), of.key(), node.Address()};
  const auto found = all_.find(key);
  return found != all_.end() ? found->second.get() : Make(std::move(key), of.counts(), &node);
}

// The one where the slot's channels are, so that all of them are at the same; else that of the node
// that serves it. Of a slot that nobody serves any node knows most.
Subscriber* Subscribers::ForSlot(Upstream* upstream, SubscriptionCounts* counts,
                                 const LinkKey& links, uint16_t slot) {
  Key key = KeyFor(upstream, links);
  for (const auto& [other, subscriber] : all_) {
    const bool same = other.upstream == upstream && other.link == key.link && !other.at.empty();
    if (same && subscriber->has_slot(slot)) return subscriber.get();
  }
  const NodeMap& map = upstream->map();
  NodeIndex serves = map.PrimaryOf(slot);
  if (serves == kNoNode) serves = upstream->MessageNode(counts->turn());
  // Nobody is known at all: a node that cannot be reached waits for a map like any other.
  const MappedNode* node = map.node(serves);
  const Node at = node == nullptr ? Node() : node->address;
  key.at = at.Address();
  const auto found = all_.find(key);
  return found != all_.end() ? found->second.get() : Make(std::move(key), counts, &at);
}

std::vector<Subscriber::WishPtr> Subscribers::WantShards(
    Upstream* upstream, SubscriptionCounts* counts, const LinkKey& links,
    SubscriptionClient* client, const std::vector<std::string_view>& names) {
  const Topology& topology = *upstream->snapshot().topology;
  std::vector<std::pair<uint16_t, std::vector<std::string_view>>> by_slot;
  absl::flat_hash_map<uint16_t, size_t> place;
  for (const std::string_view name : names) {
    const uint16_t slot = topology.SlotOf(name);
    const auto [at, is_new] = place.try_emplace(slot, by_slot.size());
    if (is_new) by_slot.push_back({slot, {}});
    by_slot[at->second].second.push_back(name);
  }
  std::vector<Subscriber::WishPtr> wishes;
  for (const auto& [slot, its] : by_slot) {
    Subscriber* const subscriber = ForSlot(upstream, counts, links, slot);
    if (subscriber == nullptr) {
      for (const Subscriber::WishPtr& wish : wishes) Subscriber::Drop(wish);
      return {};
    }
    wishes.push_back(subscriber->Want(client, ChannelKind::kShard, its));
  }
  return wishes;
}

// Slots that move may make more of them.
std::vector<Subscriber*> Subscribers::All() const {
  std::vector<Subscriber*> all;
  for (const auto& [key, subscriber] : all_) all.push_back(subscriber.get());
  return all;
}

void Subscribers::OnMapChanged(const Upstream* upstream) {
  for (Subscriber* subscriber : All()) {
    if (subscriber->upstream() == upstream) subscriber->OnMapChanged();
  }
}

void Subscribers::OnTick(uint64_t now_ms) {
  for (Subscriber* subscriber : All()) subscriber->OnTick(now_ms);
  for (auto it = all_.begin(); it != all_.end();) {
    if (it->second->gone() && it->second->unused()) {
      all_.erase(it++);
    } else {
      ++it;
    }
  }
}

void Subscribers::Close() {
  for (auto& [key, subscriber] : all_) subscriber->Close();
}

}  // namespace weir
