// One client's conversation: reads requests, keeps their order, writes replies in it.
//
// Requests stand in a queue in the order in which they came, and that is the order of the replies,
// whoever gives them. A reply for the head goes straight to the output; any other waits in its
// request. The queue is made of runs (see proxy/backend/request.h).
//
// Reading is paused by a set of reasons and runs exactly when the set is empty:
//
//   reason       is set when                                    and cleared when
//   kDepth       pipeline_depth_max requests are unanswered     half of them are
//   kOutput      the client leaves replies unread               it has read most of them
//   kLinkFull    the link takes no more                         it does again
//   kOrder       the next request goes to another link          all before it are answered
//   kAsk         an answer decides how to go on (AUTH, SELECT,  it came
//                SUBSCRIBE)
//   kHold        a plugin holds the request                     it lets go
//   kMemory      the worker's buffers are at their bound        they are under 90 % of it
//   kWait        a request has to be sent again, or cannot be  it was sent (see routes.h)
//                sent yet (several nodes)
//   kEnding      the client said QUIT, or broke the protocol    never
#ifndef WEIR_PROXY_CLIENT_SESSION_H_
#define WEIR_PROXY_CLIENT_SESSION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/plugin.h"
#include "proxy/backend/request.h"
#include "proxy/client/conversation.h"
#include "proxy/client/local_commands.h"
#include "proxy/client/monitoring.h"
#include "proxy/client/pinned.h"
#include "proxy/loop_context.h"
#include "proxy/net/stream.h"
#include "proxy/upstream_index.h"
#include "resp/request_parser.h"

namespace weir {

struct ChainWalk;
struct ClusterTracking;
struct DeferredMulti;
struct Detour;
struct FannedRun;
struct Lanes;
class LinkGroup;
class RoutingTable;
struct LinkKey;
struct RequestTask;
struct Routes;
class Subscriptions;
class Worker;

enum class Pause : uint16_t {
  kDepth = 1,
  kOutput = 2,
  kLinkFull = 4,
  kOrder = 8,
  kAsk = 16,
  kHold = 32,
  kMemory = 64,
  kEnding = 128,
  kWait = 256,
};

// TurnEnd comes last, because the small members behind it fill what it leaves of its eight bytes.
class Session final : public StreamOwner, public RequestOwner, public SessionView, public TurnEnd {
 public:
  Session(Worker* worker, uint64_t id, int listener);
  ~Session();

  // Starts with the connected descriptor. False: it is gone already, and so is the session soon.
  void Open(int fd);
  // Closes the connection now. What is in flight for it is swallowed.
  void Close();
  bool closed() const { return closed_; }

  // ---- for the dispatcher (proxy/client/dispatcher.cc), which acts on plans
  Worker& worker() { return *worker_; }
  Conversation& conversation() { return conversation_; }
  LinkGroup* group() { return group_; }
  // The upstream in whose lane it is (see lanes.h), and that of its listener.
  UpstreamIndex upstream() const { return upstream_; }
  UpstreamIndex home() const;
  // From now on it is in that upstream's lane. REQUIRES: it has lanes, or is there already.
  void Enter(UpstreamIndex to);
  Lanes* lanes() { return lanes_.get(); }
  // A new request at the end of the queue.
  Request* Push(const CommandEntry* entry);
  // Answers a request at its place; `reply` in RESP, may be empty.
  void AnswerAt(Request* request, std::string_view reply);
  // Pushes and answers.
  Request* Answer(const CommandEntry* entry, std::string_view reply);
  void SetPause(Pause reason);
  void ClearPause(Pause reason);
  // Takes the links that fit the conversation, after db, protocol or credentials changed.
  void UpdateGroup();

  // ---- for the worker
  ClientRow Row() const;
  void KillAfterReplies();  // closes once all requests so far are answered
  void Drain();             // parses no more; closes once all is answered and written
  // A subscriber has bounds of its own.
  bool stalled_since(uint64_t ms) const {
    return !out_.empty() && traffic_ != nullptr && traffic_->last_write_ms <= ms && !subscribed();
  }
  uint64_t output_bytes() const;
  uint64_t last_read_ms() const { return last_read_ms_; }
  // Since when the present request has been on its way in; 0: none is half done.
  uint64_t arriving_since_ms() const {
    return traffic_ == nullptr ? 0 : traffic_->arriving_since_ms;
  }
  int listener_index() const { return listener_; }
  bool idle() const {
    return head_ == nullptr && out_.empty() && !subscribed() && !streaming_ &&
           monitoring() == nullptr;
  }
  bool subscribed() const;  // to any channel
  void SweepSubscriptions(uint64_t now_ms);
  void SweepSlowReader(uint64_t now_ms);

  // What those clients do whom it monitors; `lost`: something is missing.
  void OnMonitorLines(std::string_view lines, bool lost);
  // The map of that cluster has changed: what waits for that need not wait longer.
  void OnMapChanged(UpstreamIndex upstream);

  // Says those replies that have waited long enough for others. False: nothing waits any more.
  bool SayHeld();

  // A hold of this session's ended: go on with the next plugin, or with this answer.
  void EndHold(std::optional<std::string> reply);
  // The worker's, at the turn's end (see script_again.cc).
  void Resend(Request* request);
  // Others redirect their invalidations to it: takes a connection of its own, if it has none, for
  // the rest of its life, and tells by which CLIENT ID the node knows that; 0: there is none. Once,
  // now or later.
  void BecomeTarget(std::function<void(int64_t)> tell);
  // Its subscribed() may have changed.
  void PlaySubscriber();
  void OnRedirectKnown(const std::vector<std::string>& parts);
  // `routing` takes the place of that upstream's table.
  void FollowRouting(UpstreamIndex upstream, const RoutingTable& routing);
  // Its own connection's CLIENT ID at the node; 0: it has none.
  int64_t OwnConnectionId() const;
  // CLIENT UNBLOCK. False: it is not blocked.
  bool Unblock(bool with_error);
  // The answers of all workers to a gathering command.
  void AnswerTicket(Request* request, const std::vector<std::string>& parts);

  // ---- RequestOwner
  void OnReply(Request& request, Chunk* chunk, std::string_view bytes, uint32_t frames,
               bool error) override;
  void OnFailed(Request& request, uint32_t n, bool last, std::string_view line) override;
  bool OnHandedBack(Request& request, std::string_view line) override;
  void OnLinkRoom() override { ClearPause(Pause::kLinkFull); }
  void OnPausedLinkGone() override { extras_->paused_link = nullptr; }
  void OnPush(Chunk* chunk, std::string_view bytes) override;
  void OnOwnLinkIntroduced(Link& link) override;
  void OnOwnLinkGone(Link& link, std::string_view line) override;
  void OnTrackedLinkMade(Link& link) override;
  void OnTrackedLinkConnected(std::vector<HandshakeStep>* steps) override;
  void OnNodesChanged() override { Schedule(); }

  // ---- SessionView
  uint64_t id() const override { return conversation_.id; }
  std::string_view user() const override { return conversation_.user(); }
  std::string_view client_name() const override { return conversation_.name(); }
  std::string address() const override;
  std::string_view listener() const override;
  int db() const override { return conversation_.db; }
  int protocol_version() const override { return conversation_.protocol_version; }
  bool in_transaction() const override {
    return multi() != nullptr || (own_link_ != nullptr && pinned_->state.expected().transaction);
  }
  uint64_t& word(size_t slot) override { return extras_->words[slot]; }
  std::string_view names_prefix() const override {
    return extras_ == nullptr ? std::string_view() : extras_->names_prefix;
  }
  void set_names_prefix(std::string_view prefix) override { extras().names_prefix = prefix; }

 private:
  friend class Deferred;
  friend class Dispatcher;
  friend class Subscriptions;

  // What a client that has been heard costs more than one that has not.
  struct Traffic {
    uint64_t bytes_in = 0, bytes_out = 0, commands = 0;  // read, written, answered; ever
    uint64_t last_write_ms = 0;                          // when the socket last took bytes
    uint64_t arriving_since_ms = 0;  // when the request began that is half here; 0: none is
    const CommandEntry* last_entry = nullptr;  // of CLIENT LIST's cmd; null: none, or not known
  };
  Traffic& traffic() { return traffic_ != nullptr ? *traffic_ : MakeTraffic(); }
  Traffic& MakeTraffic();

  // A request too large to be held, on its way (see large_request.cc).
  struct Large {
    RequestTail tail;
    Request* request = nullptr;  // null: nobody wants it, its bytes are dropped
  };

  // What few clients have. Made on first use, and kept.
  struct Extras {
    std::unique_ptr<Large> large;            // null: none is on its way
    std::unique_ptr<Monitoring> monitoring;  // null: it is not in MONITOR
    std::unique_ptr<ChainWalk> walk;         // of the request that waits at the front of input_
    std::unique_ptr<uint64_t[]> words;       // of plugins that keep something for each session
    std::string names_prefix;                // see SessionView
    // All that the client still gets. What is said after that would look like the end of a reply
    // that was cut short, so it is dropped. Null: more may be said.
    std::unique_ptr<SliceQueue> last_words;
    Link* full_link = nullptr;    // it waits for room there
    Link* paused_link = nullptr;  // which waits for this client to read
  };
  Extras& extras() { return extras_ != nullptr ? *extras_ : MakeExtras(); }
  Extras& MakeExtras();
  Large* large() const { return extras_ == nullptr ? nullptr : extras_->large.get(); }
  Monitoring* monitoring() const {
    return extras_ == nullptr ? nullptr : extras_->monitoring.get();
  }
  Link* full_link() const { return extras_ == nullptr ? nullptr : extras_->full_link; }
  Link* paused_link() const { return extras_ == nullptr ? nullptr : extras_->paused_link; }

  // session.cc: reading, writing, closing.
  bool blocked() const;
  void OnReadable() override;
  void OnWritable() override { Flush(); }
  void OnBroken() override { Close(); }
  void OnStreamClosed() override;
  void OnTurnEnd() override;
  void Schedule();
  void Flush();
  void FlushLastWords();
  ChunkRef ChunkToReadInto();
  void OnEnd();
  void Parse(Chunk* chunk, std::string_view data);
  void KeepInput(Chunk* chunk, std::string_view rest);
  void ProtocolError(std::string_view reply);

  // session_replies.cc: the queue and what is answered.
  // What the plugins make of frames that are no reply; nothing: they stay as they are.
  std::optional<std::string> PassPush(std::string_view frames);
  void Say(Request& request, std::string_view bytes);
  void SayFrom(Request& request, Chunk* chunk, std::string_view bytes);
  bool FinishCollected(Request& request);
  void SayHead(Request& request);
  void Finish(Request& request);
  void NoteError(const Request& request, std::string_view line, uint32_t times);
  void Advance();
  void ReportDone(const Request& request);

  // slow_request.cc, key_request.cc: see asked.h.
  void KeepAsked(Request* request);
  // `first`: of the run, the request that was answered, with those behind it.
  void NoteIfSlow(Request& request, uint32_t first, bool heard = true);
  void CountKeys(const Request& request);

  bool SendScriptAgain(Request& request);
  bool IsKnownFor(const Request& request, uint64_t known_for_ms) const;
  // stand_in.cc
  bool Repeat(Request& request, std::string_view line);
  void TakeBack(Request* request);
  void AnswerUnsent(Request* request, const std::string& reply);
  void CheckOutput(Link* of_reply);
  void CloseForOutput();
  void HoldBytes(size_t more);
  // Others may wait that long behind a reply whose client does not read at all.
  static constexpr uint64_t kOthersWaitMaxMs = 100;

  // lanes.cc: several upstreams.
  Lanes& MakeLanes();
  void LeaveLanes();
  bool HasLane(UpstreamIndex upstream) const;
  void RunDetoursInLanes();
  uint32_t on_any_link() const { return lanes_ == nullptr ? on_links_ : OnLinksOfAllLanes(); }
  uint32_t OnLinksOfAllLanes() const;
  // Whether replies may come in another order than their requests were sent.
  bool reorders() const { return routes_ != nullptr || lanes_ != nullptr; }
  // Of replies that wait for earlier ones. REQUIRES: reorders().
  size_t& held_bytes() const;
  // The transaction whose upstream or node is not known yet; null: there is none.
  DeferredMulti* multi() const;
  std::unique_ptr<DeferredMulti>& multi_place();  // REQUIRES: reorders()

  // subscribe.cc: its subscriptions.
  Subscriptions& MakeSubscriptions();
  size_t subscriptions_max() const;
  bool RunSubscriptions();
  void FinishAwaited(Request& request);

  // large_request.cc: one that is too large to be held.
  size_t PassLarge(Chunk* chunk, std::string_view data);

  // monitor.cc
  void ShowToMonitors(const CommandEntry& entry, std::string words);
  void ShowTransaction(bool ran);
  void ShowWords(std::string_view words);
  std::string BeginMonitoring();
  void StopMonitoring();
  bool RunMonitoring();

  // replication.cc: a client that said SYNC.
  void StartStreaming();
  void PassStream(Chunk* chunk, std::string_view bytes);

  // tracking_redirect.cc
  void TellTarget();
  bool TakesPush(std::string_view frame) const;
  bool PushBrokenRedirect(std::string_view frame);
  // cluster_tracking.cc: CLIENT TRACKING with several nodes.
  ClusterTracking* tracking() const;  // null: it does not track so
  void BeginTracking();
  std::string NoteTracking(bool on, const std::string& wire, std::string_view reply);
  void EndTracking();
  void SettleTracking();
  void ReachAllPrimaries();
  void CloseTrackedLink(Link* link);
  const Request* LastThatPushesFollow() const;
  void PushInvalidation(Chunk* chunk, std::string_view frame);
  void PushFlush();
  void PushBehind(const Request* request, Slice frame);
  void SayPushesBehind(const Request* request);
  void PushFlushBehindAsked(const Request& request);
  bool SayCaching(Link* link, const Request& request);
  void TakeCaching(Request* request);
  // parts.cc: requests that several nodes answer together.
  void OnPartReply(Request& part, std::string_view bytes, uint32_t frames);
  void FailPart(Request& part, std::string_view line);
  void FinishPart(Request& part);
  void FinishParts(Request& whole);
  void ForgetParts(Request& whole);

  // fanned_replies.cc: pipelines of like requests for several nodes.
  Request* MakeBranch(Request* whole, uint32_t number);
  Request* SplitOff(Request& branch, uint32_t n);
  void DetachBranch(Request& branch);
  void EndBranch(Request& branch);
  void ForgetFanned(Request& whole);
  void OnBranchReply(Request& branch, Chunk* chunk, std::string_view bytes, uint32_t frames,
                     bool error);
  void FailBranch(Request& branch, uint32_t n, std::string_view line);
  void RerouteFromBranch(Request& branch, std::string_view line);
  void HandBackBranch(Request& branch, std::string_view line);
  void SettleFanned(Request& whole, bool in_part);
  void HoldReplies();
  void SayFanned(Request& whole);
  bool SayOne(FannedRun& run);
  void SayCopied(FannedRun& run);

  // reroute.cc: requests of a cluster that are sent again.
  bool TakeRefusal(Request& request, std::string_view line, std::string* instead);
  bool TakeOwnRefusal(Request& request, std::string_view line, std::string* instead);
  bool MakeDetour(Request& request, std::string_view line, bool own);
  void AddDetour(Detour detour);
  void RunDetours();
  bool SendDetour(Detour& detour);
  bool SendOwnDetour(Detour& detour, NodeIndex node);
  void PutOff(Detour& detour);
  void GiveUp(Detour& detour);
  void NoteOvertaken(int32_t slot, bool retryable);
  void JoinRoute(Request& request, Link* link);
  void LeaveRoute(Request& request);
  LinkGroup* GroupAt(NodeIndex node);
  void WakeAfter(uint64_t delay_ms);
  void EndWait();

  // own_link.cc: the client's own connection to the node.
  bool TakeOwnLink(const LinkKey& key);
  void SettleOwnLink();
  void GiveBackOwnLink();
  void DropOwnLink(std::string_view line);
  void FollowConversation();
  void SendOnOwnLink(std::initializer_list<std::string_view> args);
  void NoteOwnReplies(const Request& request, std::string_view reply, uint32_t frames, bool error);
  void NoteOwnLinkLost(std::string_view line);
  void LoseTransaction(std::string_view line);
  void KeepScripts(const RequestTask& task);
  void ShowPinReason(PinReason reason);

  bool closed_ : 1 = false;
  bool has_facade_ : 1 = false;       // its listener has
  bool end_of_input_ : 1 = false;     // the client closed its side
  bool close_when_said_ : 1 = false;  // once the output is written
  bool resume_ : 1 = false;           // parse what is kept, at the turn's end
  bool on_slow_list_ : 1 = false;
  bool streaming_ : 1 = false;  // bytes pass between it and its own connection as they are
  bool close_at_turn_end_ : 1 = false;
  const uint16_t listener_;
  UpstreamIndex upstream_{};  // of the lane that it is in
  uint16_t pauses_ = 0;
  Worker* const worker_;
  Stream stream_;
  Conversation conversation_;
  ParseState parse_state_;
  uint32_t unanswered_ = 0;  // requests in the queue, not runs
  uint32_t on_links_ = 0;    // runs in links' queues
  uint32_t opened_s_ = 0;    // of the loop's clock
  Request* head_ = nullptr;
  Request* tail_ = nullptr;
  SliceQueue out_;
  Slice input_;  // read and not yet parsed: part of a request, or more while paused
  LinkGroup* group_ = nullptr;
  Link* flow_ = nullptr;      // where the runs counted by on_links_ are
  Link* own_link_ = nullptr;  // while it has one
  uint64_t last_read_ms_ = 0;
  std::unique_ptr<Traffic> traffic_;              // null: it has never said anything
  std::unique_ptr<Pinned> pinned_;                // while it has a link of its own, or mourns it
  std::unique_ptr<Routes> routes_;                // null: its upstream has a single node
  std::unique_ptr<Lanes> lanes_;                  // null: it knows only its listener's upstream
  std::unique_ptr<Subscriptions> subscriptions_;  // null: none, and none under way
  std::unique_ptr<Extras> extras_;

 public:
  // The worker's list of all its sessions.
  Session* next = nullptr;
  Session** link_from = nullptr;
};

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_SESSION_H_
