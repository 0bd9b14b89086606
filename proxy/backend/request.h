// A run of requests on its way: consecutive ones of one client, of one command, sent to one link.
//
// A pipeline of 64 GETs is one Request with a count of 64, so that what it costs beyond its bytes
// is paid once a run. A Request stands in up to two queues: in its owner's, in reply order, and in
// its link's, in the order the node will answer. It is freed when it has left both.
//
//                 owner's queue (a session's)            link's queue
//   made          at the tail                            at the tail
//   answered      leaves when it is at the head          leaves when its last reply was read
//   timed out     leaves with an error as its reply      stays with `owner` null: a tombstone that
//   client gone   leaves                                 swallows the replies still to come
#ifndef WEIR_PROXY_BACKEND_REQUEST_H_
#define WEIR_PROXY_BACKEND_REQUEST_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "proxy/net/slice_queue.h"
#include "proxy/upstream_index.h"
#include "routing/redirect.h"

namespace weir {

class Link;
class RequestOwner;
enum class PinEffect : uint8_t;
struct CommandEntry;
struct HandshakeStep;

// What becomes of the bytes of a reply.
enum class ReplyUse : uint8_t {
  kForward,    // to the owner, as they arrive
  kSwallow,    // read and dropped; the owner only hears that they came
  kHandshake,  // the link's own
};

// A transaction that travels whole on a shared link: its runs stand side by side in the link's
// queue and share one fate when the connection breaks.
enum class InTransaction : uint8_t {
  kNone,
  kFirst,  // MULTI
  kPart,
  kLast,  // EXEC
};

// What only some requests carry; each owner derives its own kind.
struct RequestExtra {
  virtual ~RequestExtra() = default;
};

struct Request {
  RequestOwner* owner = nullptr;  // null: nobody waits for the replies any more
  Link* link = nullptr;           // in whose queue it stands or stood last
  Request* owner_next = nullptr;
  Request* link_next = nullptr;
  const CommandEntry* entry = nullptr;  // null: unknown to weir's table
  uint64_t received_ns = 0;             // loop turn in which it was read
  uint64_t sent_ns = 0;                 // loop turn in which its last byte was written; 0: not yet
  uint64_t replied_ns = 0;              // loop turn in which its last reply was read
  uint64_t deadline_ms = 0;             // on the loop's clock; 0: none
  uint64_t end_offset = 0;              // where it ends in the stream of bytes to its link
  uint64_t request_bytes = 0;
  uint64_t reply_bytes = 0;
  uint32_t count = 1;           // requests in the run
  uint32_t replies = 0;         // of them already answered
  uint32_t replies_before = 0;  // of those, answered before `wire` was last cut
  uint32_t errors = 0;          // error replies among them
  ReplyUse use = ReplyUse::kForward;
  InTransaction in_transaction = InTransaction::kNone;
  uint8_t tries = 0;         // how often it was sent again
  bool retryable = false;    // changes nothing: may be sent again when its fate is unknown
  bool keeps_wire = false;   // its bytes are kept until it is answered
  bool streamed = false;     // its bytes pass by and are not held in `wire`
  bool arriving = false;     // streamed, and not all of its bytes are known yet
  bool sent = false;         // its last byte was given to the kernel
  bool reply_begun = false;  // a part of a reply was handed to the owner, the end was not
  bool in_link = false;      // in a link's queue
  // For the owner:
  bool in_owner = false;          // in its queue
  bool silent = false;            // its replies, of whatever origin, are not said (CLIENT REPLY)
  bool collect = false;           // its reply is gathered whole
  bool done = false;              // nothing more will come
  bool close_after = false;       // the owner closes once the reply is written
  bool away = false;              // it reads from another node than its slot's primary
  bool routed = false;            // it counts in its session's Route to the node (several nodes)
  bool sent_as_text = false;      // an EVALSHA that was sent again as EVAL
  bool stands_in = false;         // a plugin's script in place of what `entry` says
  bool repeatable = false;        // it knows whether it has run: sent again to find out
  bool has_parts = false;         // `extra` gathers the replies of several others
  bool fanned = false;            // `extra` is a FannedRun
  bool noted_slow = false;        // it is in the slow log, or has no place there
  bool caching = false;           // CLIENT CACHING goes before it, each time it is sent
  Request* whole = nullptr;       // that this is a part of: it stands in no owner's queue
  uint32_t part = 0;              // which
  NodeIndex home = kNoNode;       // it is for this node, whoever serves which slot
  int32_t slot = -1;              // of its keys; -1: none, or a single node
  UpstreamIndex upstream{};       // where its client sent it
  PinEffect effect{};             // what each of them leaves on the client's own link
  bool effect_on = false;         // of CLIENT TRACKING: ON
  bool effect_broadcast = false;  // of CLIENT TRACKING: BCAST

  ChunkRef asked_in;            // while anybody wants them: where its bytes, and behind them the
  const char* asked = nullptr;  // run's others, can still be read; see proxy/client/asked.h
  int32_t asked_db = 0;         // its client's when it was asked
  Slice wire;        // its bytes: until they are sent, and as long as it may be sent again
  SliceQueue reply;  // the owner's: replies that wait for earlier requests' replies
  std::unique_ptr<RequestExtra> extra;
  std::unique_ptr<RedirectHistory> history;  // null: no node of the cluster has refused it

  uint32_t remaining() const { return count - replies; }
  // `part`, one of those that answer this together, is through: it was with its node from the first
  // that was sent to the last that was answered, or given up.
  void AddTimesOf(const Request& part, uint64_t now_ns) {
    if (!part.sent) return;
    sent = true;
    sent_ns = sent_ns == 0 ? part.sent_ns : std::min(sent_ns, part.sent_ns);
    replied_ns = std::max(replied_ns, part.remaining() == 0 ? part.replied_ns : now_ns);
  }
  // What several nodes answer together.
  bool is_part() const { return whole != nullptr && !whole->fanned; }
};

// Whoever sends requests on links. None of these calls may send, close a link or free a request
// that is in a link's queue before it returns.
class RequestOwner {
 public:
  // `bytes` of `chunk` are replies to the oldest unanswered requests of the run: the ends of
  // `frames` of them, and at the end perhaps the beginning of another. An error reply comes alone,
  // whole or in parts, with `error` set. request.replies already counts them.
  virtual void OnReply(Request& request, Chunk* chunk, std::string_view bytes, uint32_t frames,
                       bool error) = 0;
  // The `n` oldest unanswered requests of the run will get no reply; with `last`, these are all
  // that remained and the link forgets the owner. `line` is an error with its '-', without CRLF.
  virtual void OnFailed(Request& request, uint32_t n, bool last, std::string_view line) = 0;
  // The node is away, and the link's upstream has others: the request, of which nothing ran, has
  // left the link's queue, and its `wire` holds what is still to be run. `line` says what happened,
  // as in OnFailed. False: it cannot go elsewhere, and waits here or fails.
  virtual bool OnHandedBack(Request& /*request*/, std::string_view /*line*/) { return false; }
  // The link can take requests again after it said that it was full.
  virtual void OnLinkRoom() = 0;
  // The link that it paused (Link::PauseReadingFor) is gone.
  virtual void OnPausedLinkGone() = 0;
  // Of the link that is its own (Link::SetHolder): something that no request asked for, a push or
  // a line of MONITOR; or a part of the stream of bytes after Link::StartTunnel.
  virtual void OnPush(Chunk* /*chunk*/, std::string_view /*bytes*/) {}
  // The node has answered all of its handshake: what it says of itself is known.
  virtual void OnOwnLinkIntroduced(Link& /*link*/) {}
  // The link that is its own is closed for good. What was in flight has failed before.
  virtual void OnOwnLinkGone(Link& /*link*/, std::string_view /*line*/) {}
  // Of links whose key has it as their `tracker`: there is another, which it holds.
  virtual void OnTrackedLinkMade(Link& /*link*/) {}
  // What such a link says last in its handshake.
  virtual void OnTrackedLinkConnected(std::vector<HandshakeStep>* /*steps*/) {}
  // Other nodes may serve some slots from now on.
  virtual void OnNodesChanged() {}

 protected:
  ~RequestOwner() = default;
};

// Makes and takes back Requests; keeps a bounded number for reuse.
class RequestPool {
 public:
  static constexpr size_t kFreeMax = 4096;

  RequestPool() = default;
  ~RequestPool() {
    while (free_ != nullptr) delete std::exchange(free_, free_->link_next);
  }
  RequestPool(const RequestPool&) = delete;
  RequestPool& operator=(const RequestPool&) = delete;

  Request* Make() {
    if (free_ == nullptr) return new Request;
    --free_count_;
    Request* request = std::exchange(free_, free_->link_next);
    request->link_next = nullptr;
    return request;
  }
  // Frees it if it has left both queues.
  void ReleaseIfUnused(Request* request) {
    if (request->in_link || request->in_owner) return;
    if (free_count_ == kFreeMax) {
      delete request;
      return;
    }
    // Anew in its place: to assign a fresh one would be three passes over it.
    std::destroy_at(request);
    std::construct_at(request);
    request->link_next = free_;
    free_ = request;
    ++free_count_;
  }

 private:
  Request* free_ = nullptr;
  size_t free_count_ = 0;
};

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_REQUEST_H_
