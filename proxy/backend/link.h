// One connection to a node, shared by many clients, and the queue of requests on it.
//
//            Send()                connected            handshake answered
//   kIdle ----------> kConnecting -----------> kGated -------------------> kReady
//     ^                 |    ^      (without a gate straight to kReady)      |
//     |          failed |    | timer                                        | broke
//     |                 v    |                                              |
//     +---- unused --- kBackoff <-------------------------------------------+
//
// Requests stand in one queue in the order in which the node answers them. Those not yet sent keep
// their bytes, so a connection that breaks loses none of them: what was never written, and what
// changes nothing, is sent again on the next one; a write whose fate is unknown is answered so.
//
// On a link whose node is near, requests are batched: while replies are on their way, what comes in
// the meantime waits for them and goes out in one write when they are read (see ShouldHold). The
// idea is Nagle's (RFC 896): one unanswered batch at a time. A node that works off its connections
// one after the other, as Redis does, loses nothing by it, and both sides save most of their system
// calls.
//
// A reply is passed on as slices of the chunk that it was read into. A reply that is not yet
// complete is kept back while it is small, so that a connection that breaks in its middle costs the
// client nothing; a large one goes on as it arrives.
#ifndef WEIR_PROXY_BACKEND_LINK_H_
#define WEIR_PROXY_BACKEND_LINK_H_

#include <uv.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/backend/dial.h"
#include "proxy/backend/handshake.h"
#include "proxy/backend/link_key.h"
#include "proxy/backend/node_state.h"
#include "proxy/loop_context.h"
#include "proxy/net/stream.h"
#include "resp/frame_scanner.h"

namespace weir {

class Link;
struct UpstreamConfig;

// What became of a request that was sent: no answer came in time, or the connection broke first.
enum class RequestFailure : uint8_t { kNoAnswer, kBroken };

// The upstream that a link belongs to. Calls come from the loop; the link lives on after each.
class LinkOwner {
 public:
  virtual void OnLinkConnected(Link& link) = 0;
  virtual void OnLinkFailed(Link& link, std::string_view cause) = 0;
  // A request that was sent on this shared link has failed; one call for all that a connection took
  // with it. It must not close a link.
  virtual void OnRequestFailed(Link& /*link*/, RequestFailure /*what*/,
                               std::string_view /*cause*/) {}
  // Closed for good, nothing refers to it: the owner deletes it.
  virtual void OnLinkClosed(Link& link) = 0;

 protected:
  ~LinkOwner() = default;
};

class Link final : private StreamOwner, private TurnEnd {
 public:
  enum class State : uint8_t { kIdle, kConnecting, kGated, kReady, kBackoff, kClosed };
  // All must outlive the link; `config` gives its bounds and times.
  // `own`: for one client at a time. When such a connection breaks, what it knew of its client is
  // gone, so nothing is sent again and the link closes.
  // `hands_back`: there are other nodes, so what did not run, and could only wait here, goes back
  // to its owner (RequestOwner::OnHandedBack), who knows where else to send it. With both, that is
  // done with requests that are `routed`, and no others.
  Link(LoopContext* context, LinkOwner* owner, NodeState* node, const Node* address,
       const UpstreamConfig* config, LinkKey key, bool own, bool hands_back);
  ~Link();

  const LinkKey& key() const { return key_; }
  const NodeState& node() const { return *node_; }
  // Whether `n` requests can be sent now that must not be torn apart: see whole_transaction.cc.
  bool TakesTransaction(uint32_t n) const {
    return introduced() && room() >= n && !node_->refuses_exec && !retiring_;
  }
  State state() const { return state_; }
  bool idle() const { return head_ == nullptr; }
  uint64_t in_flight() const { return in_flight_; }
  uint64_t last_used_ms() const { return last_used_ms_; }
  // When the node last answered a request in time on this connection, whoever's it was; 0: not yet,
  // or the last answers came too late.
  uint64_t answered_ms() const {
    return last_read_ms_ > introduced_ms_ && last_read_ms_ != late_read_ms_ ? last_read_ms_ : 0;
  }
  int fd() const { return stream_.fd(); }
  bool own() const { return own_; }
  // Whether what was sent on it, and may run again, goes on elsewhere when the connection breaks.
  bool resends() const { return !own_ || hands_back_; }
  // Whether the node has refused a step of the last handshake.
  bool refused() const { return !refused_.empty(); }
  // CLIENT ID as the node gave it to this connection of a client's own; 0: not known. Its holder
  // hears when it is `introduced`: then it stays so.
  int64_t client_id() const { return client_id_; }
  bool introduced() const { return state_ == State::kReady && !in_handshake(); }
  // What the holder of such a connection had it called with CLIENT SETNAME; at first nothing.
  const std::string& client_name() const { return client_name_; }
  void set_client_name(std::string_view name) { client_name_ = name; }

  // True: no more for now; Wait() tells when.
  bool full() const { return in_flight_ >= in_flight_max_ || queued_bytes() >= kQueuedBytesMax; }
  // How many more requests it takes now; 0 if full().
  uint32_t room() const { return full() ? 0 : static_cast<uint32_t>(in_flight_max_ - in_flight_); }
  void Wait(RequestOwner* owner) { waiting_.push_back(owner); }
  void StopWaiting(RequestOwner* owner);

  // Puts the request at the end of the queue; `wire`, in `chunk`, are its bytes. False, with
  // nothing done, if the offline queue is full or the node is down: see RefusalLine().
  [[nodiscard]] bool Send(Request* request, Chunk* chunk, std::string_view wire);
  // Whether `request` is last in the queue and not yet sent, so that Extend may make it longer.
  bool CanExtend(const Request* request) const { return tail_ == request && !request->sent; }
  // Adds `n` more requests to the run, whose bytes follow the run's own in the same chunk.
  void Extend(Request* request, Chunk* chunk, std::string_view wire, uint32_t n = 1);
  // Where copies of requests for this link go, one behind the other, so that they are written in
  // one piece. With at least `room_min` bytes of room.
  ChunkRef ChunkForCopies(size_t room_min);
  // More bytes of the last request, which is `streamed`. REQUIRES: state() == kReady.
  void SendMore(Request* request, Chunk* chunk, std::string_view bytes);
  void EndStreamed(Request* request);

  // Whose own link this is: it hears of pushes and of the end. Null: nobody's.
  void SetHolder(RequestOwner* holder) { holder_ = holder; }
  bool held() const { return holder_ != nullptr; }
  // The node was told MONITOR: lines that tell of commands are no replies.
  void ExpectMonitorLines() { monitors_ = true; }
  // The node was told SUBSCRIBE: messages are no replies either.
  void ExpectMessages() { monitors_ = subscribes_ = true; }

  // Nobody sends or gets requests on it any more: its bytes are handed to the holder's OnPush as
  // they come, and SendRaw's go out as they are. REQUIRES: idle(), state() == kReady.
  void StartTunnel() { tunnel_ = true; }
  void SendRaw(Chunk* chunk, std::string_view bytes);

  // Connects now if it is idle, without anything to send.
  void Connect();
  // Why Send said no: an error with its '-', without CRLF.
  std::string RefusalLine() const;
  // The node's error to its handshake, "-CODE what"; empty: it has not refused it.
  std::string_view refusal() const { return refused_; }
  // Why a connection of a client's own was lost, in the same form.
  std::string LossLine() const;
  // Each connection is broken, and nothing sent on it, unless the node says that it is a primary.
  // REQUIRES: state() == kIdle.
  void ConfirmPrimary() { confirms_primary_ = true; }
  // Each connection is told READONLY: a cluster's replica then answers reads. REQUIRES: as above.
  void ReadFromReplica() { reads_from_replica_ = true; }
  // From a write to its reply's read, the shortest of late; 0: not known yet.
  uint32_t round_trip_us() const { return static_cast<uint32_t>((round_trip_ns_ + 999) / 1000); }

  // Closes it for good once it has nothing in flight, or `now`: its requests then fail with `line`.
  void Retire() { retiring_ = true, CloseIfDrained(); }
  void CloseNow(std::string_view line);
  // The node has left: as if the connection had broken, and none is made again.
  void Abandon(std::string_view cause);
  bool retiring() const { return retiring_; }

  // Nothing is read, because the next reply belongs to `owner` and it has no room for it. It must
  // call ResumeReading when it has, and before it dies, unless OnPausedLinkGone was called.
  void PauseReadingFor(RequestOwner* owner);
  void ResumeReading();
  // True when the next reply belongs to `owner`, and how many others wait behind it.
  bool NextReplyIsFor(const RequestOwner* owner) const {
    return head_ != nullptr && head_->owner == owner;
  }
  bool HasOthersThan(const RequestOwner* owner) const;
  // True if what the node works at was sent before then and is a script, which may take for ever.
  bool RunsScriptSince(uint64_t ns) const;

 private:
  static constexpr size_t kQueuedBytesMax = size_t{4} << 20;     // unsent bytes of a connected link
  static constexpr size_t kHoldBytesMax = size_t{32} << 10;      // of a reply that is kept back
  static constexpr size_t kPushBytesMax = size_t{16} << 20;      // of one that is read whole
  static constexpr int kReadsPerTurnMax = 16;                    // fairness between links
  static constexpr uint64_t kFirstBytesMax = uint64_t{1} << 20;  // wait for a link being opened
  static constexpr size_t kBatchBytesMax = size_t{64} << 10;     // more gains nothing by waiting

  // What the node thinks of a client's own wishes is the client's to read, word for word.
  bool asks_for_client() const {
    return key_.client_credentials || key_.db != 0 || (key_.user.empty() && key_.password.empty());
  }
  bool in_handshake() const {
    return (state_ == State::kGated || state_ == State::kReady) &&
           handshake_answered_ < handshake_.size();
  }
  // Whether phase_deadline_ms_ means something.
  bool in_phase() const {
    return state_ == State::kConnecting || state_ == State::kBackoff || in_handshake();
  }
  bool OfflineFull(size_t more_bytes) const;
  size_t queued_bytes() const { return out_.bytes(); }

  // link.cc: the connection and what is sent.
  void StartConnecting();
  void OnDialled(int fd, std::string_view cause);
  void FailToConnect(std::string_view cause);
  void OnConnected();
  void OnTurnEnd() override;
  void OnWritable() override;
  void OnStreamClosed() override;
  bool ShouldHold() const;
  void Flush();
  void MarkSent();
  void ScheduleFlush();
  void Append(Request* request);
  void QueueBytes(Request* request, Chunk* chunk, std::string_view bytes);
  void SendWaiting();
  void SendHandshake();
  void CloseIfDrained();

  // link_replies.cc: what is read.
  void OnReadable() override;
  void Prove();
  void OnBroken() override;
  enum class ReadResult : uint8_t { kFull, kShort, kNothing };
  ReadResult ReadOnce();
  void Consume(Chunk* chunk, std::string_view data);
  void TakeFrame(Chunk* chunk, std::string_view frame);
  void Deliver(Request* request, Chunk* chunk, std::string_view bytes, uint32_t frames, bool error);
  void TakeTransactionReply(InTransaction place, bool error, std::string_view bytes);
  bool IsOnTheWire(const Request& request) const;
  bool IsPush(std::string_view frame) const;
  void BreakUnasked();
  void ReadClientId(std::string_view reply);
  void OnHandshakeReply(bool error, std::string_view reply);
  void PopHead();
  void KeepForNextRead(Chunk* chunk, std::string_view rest);
  void OfferRoom();
  void ForgetPause();

  // link_recovery.cc: what happens when time runs out or the connection breaks.
  void OnTimer();
  void ArmTimer();
  void StartTimer(uint64_t delay_ms);
  uint64_t NextWakeMs() const;
  void ExpireRequests();
  void ExpireWaiting();
  void Break(std::string_view cause);
  void ResolveInFlight(std::string_view cause);
  bool HasUnanswered() const;
  void Fail(Request* request, std::string_view line);
  void FailWaiting(std::string_view line);
  bool HandBack(Request* request, std::string_view line);
  bool KeepAfterBreak(Request* request, bool write_behind, std::string_view unknown_line);
  std::vector<bool> IntactTransactions(const std::vector<Request*>& queue) const;
  bool KeepTransaction(Request* request, bool intact, std::string_view unknown_line);
  void EnterBackoff(std::string_view cause);

  LoopContext* const context_;
  LinkOwner* const owner_;
  NodeState* const node_;
  const Node* const address_;
  const UpstreamConfig* const config_;
  const LinkKey key_;
  const uint64_t in_flight_max_;
  const bool own_;
  const bool hands_back_;
  bool confirms_primary_ = false;
  bool reads_from_replica_ = false;
  // Replies of a client's own link may change their version on the way; 3 includes 2.
  const int reply_version_;

  Stream stream_;
  uv_timer_t timer_;
  Dial dial_;
  State state_ = State::kIdle;
  bool retiring_ = false;
  bool monitors_ = false;  // frames must be looked at one by one
  bool subscribes_ = false;
  bool in_transaction_ = false;  // the node has accepted the MULTI of a whole transaction
  bool tunnel_ = false;
  bool proved_ = false;  // this connection has brought bytes
  bool heard_ = false;   // a reply was read in this turn
  bool timer_closed_ = false;
  bool stream_closing_ = false;  // its close callback is still to come
  uint8_t attempts_ = 0;         // failed ones since the last success

  // The queue: sent requests, then unsent ones from unsent_ on.
  Request* head_ = nullptr;
  Request* tail_ = nullptr;
  Request* unsent_ = nullptr;
  Request* expire_from_ = nullptr;  // those before it were expired already
  uint64_t in_flight_ = 0;          // requests in the queue, not runs
  uint64_t offline_bytes_ = 0;      // bytes of unsent requests while not connected
  uint64_t stream_queued_ = 0;      // bytes ever put into out_ on this connection
  uint64_t stream_written_ = 0;     // of them written
  uint64_t last_used_ms_ = 0;
  uint64_t last_read_ms_ = 0;
  uint64_t introduced_ms_ = 0;  // when the handshake was last heard of
  uint64_t late_read_ms_ = 0;   // when a reply was last read that nobody waited for so long
  uint64_t round_trip_ns_ = 0;  // the shortest of late, from a write to its replies' read
  uint64_t timer_due_ms_ = 0;
  uint64_t phase_deadline_ms_ = 0;  // of connecting, of the handshake; kBackoff: try again

  SliceQueue out_;
  ChunkRef copies_;                      // see ChunkForCopies; empty when all of them are written
  std::optional<FrameScanner> scanner_;  // of this connection
  Slice unread_;                         // bytes read and not consumed: the beginning of a frame
  size_t scanned_ = 0;                   // of them the scanner has seen
  std::vector<HandshakeStep> handshake_;
  size_t handshake_answered_ = 0;
  std::string refused_;  // the node's error to a required step of the handshake, until it agrees
  std::vector<RequestOwner*> waiting_;
  RequestOwner* paused_by_ = nullptr;
  RequestOwner* holder_ = nullptr;
  int64_t client_id_ = 0;
  std::string client_name_;
};

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_LINK_H_
