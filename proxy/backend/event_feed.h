// Listens at one more node for keyspace events, which a node tells only its own subscribers.
//
// A subscriber listens at one node of several, since what is published is heard at all of them. Of
// the channels and patterns on which there may be events it has a feed at each other primary: a
// connection that subscribes to the same. What is published comes there, too, and is dropped, so
// that nobody hears it twice.
#ifndef WEIR_PROXY_BACKEND_EVENT_FEED_H_
#define WEIR_PROXY_BACKEND_EVENT_FEED_H_

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "proxy/backend/subscriber_link.h"
#include "proxy/backend/subscription_counts.h"

namespace weir {

// Calls come from the loop. None may destroy the feed.
class EventFeedOwner {
 public:
  // As SubscriberLinkOwner::OnFrame.
  virtual void OnEvent(const PubsubFrame& frame, Chunk* chunk, std::string_view bytes) = 0;
  virtual void OnEventTooLarge(const PubsubFrame& frame) = 0;
  // All that one read brought was told.
  virtual void OnEventsRead() = 0;
  // Settled() may say something else now.
  virtual void OnFeedChanged() = 0;
  // It broke, and events may be missed; it subscribes again by itself.
  virtual void OnFeedLost(std::string_view cause) = 0;

 protected:
  ~EventFeedOwner() = default;
};

class EventFeed final : private SubscriberLinkOwner {
 public:
  // All outlive it. It connects at once.
  EventFeed(LoopContext* context, EventFeedOwner* owner, const UpstreamConfig* config,
            SubscriptionCounts* counts, const LinkKey& key, size_t frame_bytes_max, Node node);
  ~EventFeed();

  // REQUIRES: it is no shard channel.
  void Add(ChannelKind kind, std::string_view name);
  void Remove(ChannelKind kind, std::string_view name);
  // Whether the node has answered, or cannot be asked now: then it has nothing to tell either.
  bool Settled(ChannelKind kind, std::string_view name) const;

  const Node& node() const { return node_; }
  void OnTick(uint64_t now_ms);
  void Close();
  bool gone() const { return link_.gone(); }  // after Close()

 private:
  struct Entry {
    bool asked = false;
    bool held = false;
    uint32_t in_flight = 0;  // commands about it without a reply
  };
  struct Command {
    ChannelKind kind;
    std::string name;  // empty: a PING
    bool subscribes;
    uint64_t sent_ms;
  };
  using Entries = absl::flat_hash_map<std::string, Entry, NameHash, std::equal_to<>>;

  void OnLinkReady() override;
  void OnFrame(const PubsubFrame& frame, Chunk* chunk, std::string_view bytes) override;
  void OnFrameTooLarge(const PubsubFrame& frame) override;
  void OnReadEnd() override;
  void OnLinkDown(std::string_view cause, bool was_ready, std::string_view refused) override;
  void Send(ChannelKind kind, std::string_view name, bool subscribes);
  void TakeReply(const PubsubFrame& frame);
  void SetHeld(ChannelKind kind, std::string_view name, Entry* entry, bool held);
  bool ForgetConnection();

  LoopContext* const context_;
  EventFeedOwner* const owner_;
  const UpstreamConfig* const config_;
  SubscriptionCounts* const counts_;
  const Node node_;
  SubscriberLink link_;
  std::array<Entries, 2> entries_;  // channels, patterns
  std::deque<Command> commands_;    // in the order of their replies
  bool failed_ = false;             // the last attempt to connect
  bool changed_ = false;            // in this read
  uint64_t last_ping_ms_ = 0;
};

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_EVENT_FEED_H_
