// One worker's subscribers: one for each upstream and credentials, made when first wanted.
#ifndef WEIR_PROXY_BACKEND_SUBSCRIBERS_H_
#define WEIR_PROXY_BACKEND_SUBSCRIBERS_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "proxy/backend/link_key.h"
#include "proxy/backend/subscriber.h"

namespace weir {

class Upstream;

class Subscribers {
 public:
  // `context` outlives it. `message_bytes_max`: larger messages are skipped, and who wants them
  // closed.
  Subscribers(LoopContext* context, size_t message_bytes_max)
      : context_(context), message_bytes_max_(message_bytes_max) {}

  // For a client whose links have this key. `upstream` and `counts` outlive all of it. Null: that
  // would be more connections than links_max.
  Subscriber* Get(Upstream* upstream, SubscriptionCounts* counts, const LinkKey& links);
  // A few times a second.
  void OnTick(uint64_t now_ms);
  // Closes all connections; their handles leave the loop a little later.
  void Close();

 private:
  struct Key {
    Upstream* upstream;
    LinkKey link;
    bool operator==(const Key&) const = default;
    template <typename H>
    friend H AbslHashValue(H h, const Key& k) {
      return H::combine(std::move(h), k.upstream, k.link);
    }
  };

  LoopContext* const context_;
  const size_t message_bytes_max_;
  absl::flat_hash_map<Key, std::unique_ptr<Subscriber>> all_;
};

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_SUBSCRIBERS_H_
