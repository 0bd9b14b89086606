// How many subscribe to what behind this process: counted over all workers, for the replies that
// tell a client a number of receivers.
//
// Redis counts connections, and all of a worker's clients stand behind one connection. So from the
// number that Redis gives, weir takes its own connections (`held`) and adds its clients (`local`).
#ifndef WEIR_PROXY_BACKEND_SUBSCRIPTION_COUNTS_H_
#define WEIR_PROXY_BACKEND_SUBSCRIPTION_COUNTS_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "resp/pubsub_frame.h"

namespace weir {

struct SubscriptionCount {
  int64_t local = 0;  // clients that subscribe to it
  int64_t held = 0;   // weir's own connections that do, at the node that is published at
  int64_t feeds = 0;  // and at other nodes, for keyspace events

  // What a client is to be told where the node that is published at says `counted`.
  int64_t Correct(int64_t counted) const { return local + (counted > held ? counted - held : 0); }
  // Where all nodes together do.
  int64_t CorrectOfAll(int64_t counted) const {
    return local + (counted > held + feeds ? counted - held - feeds : 0);
  }
};

// Finds a string by any kind of view of it.
struct NameHash {
  using is_transparent = void;
  size_t operator()(std::string_view name) const {
    return absl::Hash<absl::string_view>()(absl::string_view(name.data(), name.size()));
  }
};

// One for each upstream. Any thread may call anything; only publishing and subscribing take its
// lock.
class SubscriptionCounts {
 public:
  // HOT. False: nobody subscribes to anything, all numbers are right as they are.
  bool any() const { return any_.load(std::memory_order_relaxed); }

  void Add(ChannelKind kind, std::string_view name, int64_t local, int64_t held) {
    Add(kind, name, {.local = local, .held = held});
  }
  void Add(ChannelKind kind, std::string_view name, SubscriptionCount more);
  // Where any of a cluster's nodes will do, all workers are at the same: which one, follows from
  // this number (Upstream::MessageNode). Who finds that one dead begins the next turn, unless
  // another worker was first.
  uint32_t turn() const { return turn_.load(std::memory_order_relaxed); }
  void EndTurn(uint32_t ended, uint32_t next) { turn_.compare_exchange_strong(ended, next); }

  // Of that name alone.
  SubscriptionCount Of(ChannelKind kind, std::string_view name) const;
  // Of all that a message published to the channel reaches: patterns too, unless it is a shard's.
  SubscriptionCount Receivers(ChannelKind kind, std::string_view channel) const;

 private:
  using Names = absl::flat_hash_map<std::string, SubscriptionCount, NameHash, std::equal_to<>>;

  mutable std::mutex mutex_;
  std::array<Names, kChannelKinds> names_;  // guarded by mutex_
  std::atomic<bool> any_{false};
  std::atomic<uint32_t> turn_{0};
};

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_SUBSCRIPTION_COUNTS_H_
