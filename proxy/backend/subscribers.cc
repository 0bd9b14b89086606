#include "proxy/backend/subscribers.h"

#include "proxy/backend/upstream.h"

namespace weir {

Subscriber* Subscribers::Get(Upstream* upstream, SubscriptionCounts* counts, const LinkKey& links) {
  // Channels are the same in all dbs, and the messages in both protocols nearly so.
  Key key{upstream, links};
  key.link.db = 0;
  key.link.node = 0;  // whichever; it chooses itself
  key.link.protocol_version = 2;
  const auto found = all_.find(key);
  if (found != all_.end()) return found->second.get();
  if (all_.size() + upstream->links() >= static_cast<size_t>(upstream->config().links_max)) {
    return nullptr;
  }
  auto made =
      std::make_unique<Subscriber>(context_, upstream, counts, key.link, message_bytes_max_);
  return all_.emplace(std::move(key), std::move(made)).first->second.get();
}

void Subscribers::OnTick(uint64_t now_ms) {
  for (auto it = all_.begin(); it != all_.end();) {
    Subscriber& subscriber = *it->second;
    subscriber.OnTick(now_ms);
    if (subscriber.gone() && subscriber.unused()) {
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
