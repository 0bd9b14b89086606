// One worker's subscribers: one for each upstream and credentials, and for shard channels of
// several nodes one more for each of the nodes; made when first wanted.
#ifndef WEIR_PROXY_BACKEND_SUBSCRIBERS_H_
#define WEIR_PROXY_BACKEND_SUBSCRIBERS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "proxy/backend/link_key.h"
#include "proxy/backend/subscriber.h"

namespace weir {

class Upstream;

class Subscribers final : private SlotNeighbours {
 public:
  // `context` outlives it. `message_bytes_max`: larger messages are skipped, and who wants them
  // closed.
  Subscribers(LoopContext* context, size_t message_bytes_max)
      : context_(context), message_bytes_max_(message_bytes_max) {}

  // For a client whose links have this key. `upstream` and `counts` outlive all of it. Null: that
  // would be more connections than links_max.
  Subscriber* Get(Upstream* upstream, SubscriptionCounts* counts, const LinkKey& links);
  // Wants shard channels of an upstream with several nodes: one wish for each slot, in the order of
  // their first names. Empty: that would be more connections than links_max.
  std::vector<Subscriber::WishPtr> WantShards(Upstream* upstream, SubscriptionCounts* counts,
                                              const LinkKey& links, SubscriptionClient* client,
                                              const std::vector<std::string_view>& names);
  // The upstream's nodes, or what they serve, have changed.
  void OnMapChanged(const Upstream* upstream);
  // A few times a second.
  void OnTick(uint64_t now_ms);
  // Closes all connections; their handles leave the loop a little later.
  void Close();

 private:
  struct Key {
    Upstream* upstream;
    LinkKey link;
    std::string at;  // of shard channels: the node; else empty
    bool operator==(const Key&) const = default;
    template <typename H>
    friend H AbslHashValue(H h, const Key& k) {
      return H::combine(std::move(h), k.upstream, k.link, k.at);
    }
  };

  static Key KeyFor(Upstream* upstream, const LinkKey& links);
  Subscriber* Make(Key key, SubscriptionCounts* counts, const Node* at);
  Subscriber* ForSlot(Upstream* upstream, SubscriptionCounts* counts, const LinkKey& links,
                      uint16_t slot);
  Subscriber* SubscriberAt(const Subscriber& of, const Node& node) override;
  std::vector<Subscriber*> All() const;

  LoopContext* const context_;
  const size_t message_bytes_max_;
  absl::flat_hash_map<Key, std::unique_ptr<Subscriber>> all_;
};

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_SUBSCRIBERS_H_
