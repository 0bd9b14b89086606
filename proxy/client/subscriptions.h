// A session's subscriptions: what it listens to, and its SUBSCRIBE and UNSUBSCRIBE commands under
// way. Only a session that has ever subscribed has one.
//
// A command takes effect at its place in reply order: when all replies before it are said, upstream
// has acknowledged what it needs, and not before. In one step the channels are joined or left and
// the acknowledgements are said, so no message comes before its channel's acknowledgement, or after
// the one that ends it. What the client sends behind such a command waits until it has taken
// effect, other commands of this kind excepted.
//
// Messages go straight to the session's output, except in the middle of a reply: there they
// wait for its end.
//
// Upstream is asked for channels as soon as no earlier request of the client is on a link: asked
// before, it could subscribe before it runs that request, which may be PUBSUB NUMSUB.
#ifndef WEIR_PROXY_CLIENT_SUBSCRIPTIONS_H_
#define WEIR_PROXY_CLIENT_SUBSCRIPTIONS_H_

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "proxy/backend/request.h"
#include "proxy/backend/subscriber.h"
#include "proxy/net/slice_queue.h"

namespace weir {

class Session;

// More than a client may have: an error line.
std::string TooManySubscriptionsLine(size_t max);

class Subscriptions final : public SubscriptionClient {
 public:
  explicit Subscriptions(Session* session);
  ~Subscriptions();  // leaves all

  // Commands of the session's, `request` at the end of its queue. `silent`: an error is not said
  // (the acknowledgements always are). The names are copied.
  void Subscribe(Request* request, bool silent, ChannelKind kind,
                 const std::vector<std::string_view>& names);
  // No names: all.
  void Unsubscribe(Request* request, bool silent, ChannelKind kind,
                   const std::vector<std::string_view>& names);
  // The same for those that `exec`, which is answered, brings with it: the reply to each goes to
  // `reply`, and FinishAwaited(exec) follows the last.
  void ChangeWithin(Request* exec, bool subscribes, ChannelKind kind,
                    const std::vector<std::string_view>& names, std::string* reply);
  // All commands whose turn it is take effect. Called at the end of the turn.
  void Run();
  // RESET: forgets all channels without a word, and answers `request` once upstream has forgotten
  // them too, so that nobody counts this client any more.
  void Reset(Request* request, std::string reply);
  void SwitchProtocol(int protocol_version);

  // Commands are under way.
  bool busy() const { return !commands_.empty() || resetting_; }
  // What the client sends next waits until they are not.
  void HoldInput();
  bool subscribed() const {
    return count(ChannelKind::kChannel) + count(ChannelKind::kPattern) +
               count(ChannelKind::kShard) !=
           0;
  }
  size_t count(ChannelKind kind) const { return names_[static_cast<size_t>(kind)].size(); }
  // Nothing is left to be remembered.
  bool unused() const { return !subscribed() && !busy() && fences_.empty() && waiting_.empty(); }
  // How many channels it will have at most once all its commands have taken effect.
  size_t count_max() const;

  // Whether a message published there reaches this client.
  bool Hears(ChannelKind kind, std::string_view channel) const;
  // Holds `request`, whose reply is there, until what was published before it was handed on. False:
  // there is nothing to wait for.
  bool Await(Request* request);

  // In the middle of a reply no message may be said; its end was said now.
  void OnReplySaid();
  // Closes the session if it is to be closed. True if it was.
  bool CloseIfLost();
  // Once a second or so: the soft bound.
  void Sweep(uint64_t now_ms);

  // ---- SubscriptionClient
  void OnMessages(Chunk* chunk, std::string_view bytes, uint32_t messages) override;
  void OnMessage(const Slice& head, const Slice& rest) override;
  void OnSettled() override;
  void OnSubscriptionLost() override;
  void OnMessageTooLarge() override { Lose(Lost::kOutput); }

 private:
  static constexpr size_t kSlicesMin = 64;  // fewer are not worth being compacted

  struct Command {
    Request* request;
    ChannelKind kind;
    bool subscribes;
    bool silent;
    std::string* within = nullptr;  // null: it is a request of its own
    bool begun = false;             // channels are wanted or left
    std::vector<std::string> names;
    std::vector<Subscriber::WishPtr> wishes;  // that it waits for
    std::string reply;
  };
  struct Joined {
    Channel* channel;
    uint64_t order;  // of subscribing: that is also the order of leaving all
  };
  // A request whose reply waits.
  struct Fence {
    Request* request;
    std::vector<Subscriber::WishPtr> wishes;
    std::string reply;  // RESET's
  };
  enum class Lost : uint8_t { kNo, kOutput, kUpstream };
  using Names = absl::flat_hash_map<std::string_view, Joined, NameHash>;

  bool Perform(Command& command);
  void Want(Command& command);
  void LeaveAll(std::vector<Subscriber::WishPtr>* wishes);
  static std::vector<Channel*> ChannelsOf(const Command& command);
  void Join(Command& command);
  void Leave(Command& command);
  void LeaveChannels(std::vector<Channel*> channels, std::vector<Subscriber::WishPtr>* wishes);
  std::vector<Channel*> InOrder(ChannelKind kind) const;
  void EndFences();
  void NoteSubscribed();
  // Where messages go now.
  SliceQueue& Output();
  void CheckOutput();
  void Lose(Lost why);
  uint64_t NowMs() const;

  Session* const session_;
  std::array<Names, kChannelKinds> names_;
  std::deque<Command> commands_;
  std::vector<Fence> fences_;
  SliceQueue waiting_;  // messages for the end of the reply in progress
  uint64_t joined_ = 0;
  uint64_t over_soft_since_ms_ = 0;  // 0: not over the soft bound when last seen
  size_t slices_compacted_ = 0;      // that were left by the last compaction
  Lost lost_ = Lost::kNo;
  bool resetting_ = false;
  bool holds_input_ = false;
  bool counted_ = false;  // as one of the worker's subscribers
};

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_SUBSCRIPTIONS_H_
