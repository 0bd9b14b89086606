// Subscribes once to what many clients want, and hands each message to all of them.
//
// There is one for each worker, upstream and credentials, and for the shard channels of several
// nodes one more for each node that has some. A channel is subscribed to upstream for its first
// client and unsubscribed from after its last:
//
//                       a client wants it: SUBSCRIBE is sent
//        (not known) ------------------------------------------> asked
//             ^                                                    | acknowledged
//             | acknowledged                                       v
//          leaving <------------------------------------------- held
//                       nobody wants it any more: UNSUBSCRIBE is sent
//
// Commands upstream stand in one queue in the order of their replies. A client's SUBSCRIBE is a
// Wish: it is settled when upstream has acknowledged all of its channels, or refused one of them,
// and until it is dropped it keeps its channels wanted. All its new channels are asked for in one
// command, since Redis refuses a command as a whole.
//
// After a break all channels that are wanted are subscribed to again. What was published meanwhile
// is lost to the clients: that gap is counted, or they are closed, as on_subscriber_loss says.
//
// Messages of one channel that stand one behind the other are handed on together, as one slice of
// the chunk that they were read into. Redis' RESP2 and RESP3 messages differ in their first byte:
// it is changed in place where all receivers speak RESP3, and in a copy for all of them together
// where some do not.
//
// What is published is heard at any of a cluster's nodes, keyspace events only at the node that has
// the key. Of channels that may have any there are feeds at all other primaries, too: see
// event_feed.h and subscriber_events.cc.
//
// A shard channel is at the node that serves its slot. Where the slot goes all its channels go,
// with who listens and who waits for them: see subscriber_slots.cc.
#ifndef WEIR_PROXY_BACKEND_SUBSCRIBER_H_
#define WEIR_PROXY_BACKEND_SUBSCRIBER_H_

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "proxy/backend/event_feed.h"
#include "proxy/backend/subscriber_link.h"
#include "proxy/backend/subscription_counts.h"
#include "resp/pubsub_frame.h"

namespace weir {

class Subscriber;
class Upstream;
struct UpstreamConfig;

// A client's part. None of these calls may subscribe, unsubscribe or close the session before it
// returns.
class SubscriptionClient {
 public:
  // Whole messages in the client's protocol; `bytes` of `chunk` are to be shared.
  virtual void OnMessages(Chunk* chunk, std::string_view bytes, uint32_t messages) = 0;
  // Two parts of one message.
  virtual void OnMessage(const Slice& head, const Slice& rest) = 0;
  // A wish, an unsubscription or a fence was settled.
  virtual void OnSettled() = 0;
  // Its subscriptions cannot be kept up: it is to be closed.
  virtual void OnSubscriptionLost() = 0;
  // A message was larger than it may have unread.
  virtual void OnMessageTooLarge() = 0;

 protected:
  ~SubscriptionClient() = default;
};

// Knows the other subscribers of shard channels.
class SlotNeighbours {
 public:
  // The one at that node for the same clients as `of`'s; null: that would be more connections than
  // links_max.
  virtual Subscriber* SubscriberAt(const Subscriber& of, const Node& node) = 0;

 protected:
  ~SlotNeighbours() = default;
};

// Lives as long as it is wanted, asked for or held.
struct Channel {
  Subscriber* subscriber;  // the one that it is at now
  ChannelKind kind;
  uint16_t slot = 0;       // of a shard channel, where there are several nodes
  uint64_t moved_ms = 0;   // when a node last said that it is another's; on the loop's clock
  uint32_t hops = 0;       // how often since the last pause
  bool asked = false;      // what the last command that was sent about it makes of it
  bool held = false;       // what the last reply says
  uint32_t in_flight = 0;  // commands about it without a reply
  uint32_t wishes = 0;
  uint64_t last_command = 0;  // number of the last one
  std::string name;
  // By protocol: [0] RESP2, [1] RESP3.
  std::array<absl::flat_hash_set<SubscriptionClient*>, 2> clients;

  size_t client_count() const { return clients[0].size() + clients[1].size(); }
  bool wanted() const { return wishes != 0 || client_count() != 0; }
};

class Subscriber final : private SubscriberLinkOwner, private EventFeedOwner {
 public:
  // What a client waits for. The client shares it with the subscriber and forgets it by Drop().
  struct Wish {
    SubscriptionClient* client = nullptr;  // null: forgotten
    // Wanted until Drop; empty: it unsubscribes. Shard channels are all of one slot.
    std::vector<Channel*> channels;
    uint64_t deadline_ms = 0;  // 0: none
    uint64_t since_ms = 0;
    uint32_t resends = 0;  // after refusals of nodes that do not serve the slot, or not now
    bool settled = false;
    std::list<std::shared_ptr<Wish>>::iterator at;  // in waiting_, while it is listed
    bool listed = false;
    std::string error;  // settled, but refused: an error with its '-', without CRLF
  };
  using WishPtr = std::shared_ptr<Wish>;

  // All outlive it.
  Subscriber(LoopContext* context, Upstream* upstream, SubscriptionCounts* counts, LinkKey key,
             size_t message_bytes_max);
  // For shard channels at this node.
  Subscriber(LoopContext* context, Upstream* upstream, SubscriptionCounts* counts, LinkKey key,
             size_t message_bytes_max, SlotNeighbours* neighbours, Node node);
  ~Subscriber();

  // Wants these channels for `client`; duplicates are welcome. May be settled already.
  WishPtr Want(SubscriptionClient* client, ChannelKind kind,
               const std::vector<std::string_view>& names);
  // Forgets a wish, at whichever subscriber its channels are now. REQUIRES: it has channels.
  static void Drop(const WishPtr& wish);

  // REQUIRES: the channel is wanted, by a wish of the client's.
  void Join(Channel* channel, SubscriptionClient* client, int protocol_version);
  // The channel may be gone afterwards, once ReleaseUnwanted is called.
  void Leave(Channel* channel, SubscriptionClient* client);
  // Unsubscribes from those of them that nobody wants. Null: there was nothing to tell upstream;
  // otherwise it is settled when upstream has done it. The channels are no longer the caller's.
  // REQUIRES: they are of one kind, shard channels of one slot.
  WishPtr ReleaseUnwanted(SubscriptionClient* client, const std::vector<Channel*>& channels);
  void SwitchProtocol(Channel* channel, SubscriptionClient* client, int protocol_version);
  // Settled when all messages published before it have been handed on. Null: nothing to wait for.
  WishPtr Fence(SubscriptionClient* client);

  void OnTick(uint64_t now_ms);
  // It may be another node's turn to serve some slot, or to be subscribed at.
  void OnMapChanged();
  bool has_slot(uint16_t slot) const;  // somebody wants a shard channel of it here
  // Nobody wants anything of it.
  bool unused() const;
  // Closes the connection; nothing of it is in the loop any more once gone() says so.
  void Close();
  bool gone() const;
  const UpstreamConfig& config() const;
  Upstream* upstream() const { return upstream_; }
  SubscriptionCounts* counts() const { return counts_; }
  const LinkKey& key() const { return key_; }

 private:
  enum class Verb : uint8_t { kSubscribe, kUnsubscribe, kPing };
  // A command upstream without all of its replies.
  struct Command {
    Verb verb;
    ChannelKind kind;
    bool restores;  // after a break: nobody waits for it, those who have it already rely on it
    std::vector<Channel*> channels;
    size_t acknowledged = 0;
    bool fenced = false;  // of SUNSUBSCRIBE: a PING is behind it, whose reply ends it
    std::string refused;  // then, what was said instead of acknowledgements
    uint64_t sent_ms;
    WishPtr owner;                 // whose error it is, if refused
    std::vector<WishPtr> waiting;  // all who wait for it, the owner among them
  };
  using ChannelMap = absl::flat_hash_map<std::string_view, std::unique_ptr<Channel>, NameHash>;

  // subscriber.cc: wishes and commands.
  Channel* Find(ChannelKind kind, std::string_view name);
  Channel* FindOrMake(ChannelKind kind, std::string_view name);
  void EraseIfUnused(Channel* channel);
  void Evaluate(const WishPtr& wish);
  void Settle(const WishPtr& wish, std::string_view error);
  void Unlist(const WishPtr& wish);
  Command& SendCommand(Verb verb, ChannelKind kind, std::vector<Channel*> channels);
  void SetHeld(Channel* channel, bool held);
  void EndCommand(std::string_view error);
  void OnRestoreRefused(Command& command);
  void FailWaiting(uint64_t now_ms);
  uint64_t PatienceMs() const;
  std::string DownLine() const;
  const Node* At() const;
  void CloseIfIdle(uint64_t now_ms);
  void ForgetChannel(Channel* channel);

  // subscriber_events.cc: keyspace events of several nodes.
  void ListenForEvents(Channel* channel, bool listen);
  bool FeedsHave(const std::vector<Channel*>& channels) const;
  void TendFeeds();
  void AddFeed(const Node& node);
  void OnEvent(const PubsubFrame& frame, Chunk* chunk, std::string_view bytes) override;
  void OnEventTooLarge(const PubsubFrame& frame) override;
  void OnEventsRead() override;
  void OnFeedChanged() override;
  void OnFeedLost(std::string_view cause) override;

  // subscriber_slots.cc: shard channels of several nodes.
  bool of_slots() const { return neighbours_ != nullptr; }
  bool TakeRefusal(const Command& command, std::string_view error);
  void RetryOrGiveUp(const WishPtr& wish, std::string_view error);
  void TakeFencedReply(const PubsubFrame& frame, std::string_view bytes);
  void TakeLeft(const PubsubFrame& frame);
  void ReviewSoon(Channel* channel);
  bool IsLeaving(const Channel* channel) const;
  void Review();
  void AskAgain();
  void GiveSlot(uint16_t slot, Subscriber* to);
  void GiveWishes(uint16_t slot, Subscriber* to);
  Channel* LeaveStub(Channel* channel);
  void Adopt(std::unique_ptr<Channel> channel);
  void AdoptWish(const WishPtr& wish);
  void ReplaceInCommands(Channel* before, Channel* now);
  void NoteGap(Channel* channel);

  // subscriber_messages.cc: what is read.
  void OnLinkReady() override;
  void OnFrame(const PubsubFrame& frame, Chunk* chunk, std::string_view bytes) override;
  void OnFrameTooLarge(const PubsubFrame& frame) override;
  void OnReadEnd() override;
  void OnLinkDown(std::string_view cause, bool was_ready, std::string_view refused) override;
  void TakeReply(const PubsubFrame& frame, std::string_view bytes);
  void TakeMessage(const PubsubFrame& frame, Chunk* chunk, std::string_view bytes);
  void FlushRun();
  void HandOnToResp3(uint32_t messages);
  void Restore();
  void RestoreThese(ChannelKind kind, std::vector<Channel*>* batch);
  bool ForgetConnection(std::deque<Command>* commands);
  void SettleForgotten(const std::deque<Command>& commands);
  void LoseClients();
  static void LoseClientsOf(const Channel& channel);
  void TryAnotherNode();

  LoopContext* const context_;
  Upstream* const upstream_;
  SubscriptionCounts* const counts_;
  const LinkKey key_;
  const size_t message_bytes_max_;
  SlotNeighbours* const neighbours_ = nullptr;  // null: it has all kinds of channels
  const Node node_;                             // of shard channels of several nodes
  SubscriberLink link_;
  std::array<ChannelMap, kChannelKinds> channels_;
  absl::flat_hash_map<uint16_t, absl::flat_hash_set<Channel*>> by_slot_;  // shard channels
  uint64_t reviewed_epoch_ = 0;  // of the map by which all slots were last looked at
  uint64_t review_ms_ = 0;       // when to look again, and ask again; 0: no need
  bool review_now_ = false;      // at the end of this read
  bool gap_noted_ = false;       // in this read
  // Channels and patterns that may have keyspace events, and were asked for.
  absl::flat_hash_set<Channel*> event_channels_;
  std::vector<std::unique_ptr<EventFeed>> feeds_;         // at the primaries other than link_'s
  std::vector<std::unique_ptr<EventFeed>> closed_feeds_;  // until they have left the loop
  std::vector<WishPtr> wait_for_feeds_;
  uint64_t feeds_epoch_ = 0;   // of the map that feeds_ is made by
  std::string feeds_besides_;  // link_'s address then
  std::deque<Command> commands_;
  uint64_t first_command_ = 1;     // the number of commands_.front()
  std::list<WishPtr> waiting_;     // not settled, the oldest first
  std::vector<WishPtr> stranded_;  // to be evaluated when the link is ready
  uint64_t down_since_ms_ = 0;     // 0: not known to be down
  uint64_t last_ping_ms_ = 0;
  uint64_t used_ms_ = 0;  // when it was last not unused
  std::string cause_;     // why it is down

  // Messages of one channel that stand one behind the other in a chunk.
  Channel* run_channel_ = nullptr;
  Chunk* run_chunk_ = nullptr;
  std::string_view run_;
  std::vector<size_t> run_starts_;  // of its messages
  ChunkRef push_byte_;              // ">"
};

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_SUBSCRIBER_H_
