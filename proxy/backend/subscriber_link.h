// The connection on which a worker subscribes: opened when wanted, tried again when it breaks, and
// read frame by frame.
//
//            Open()                connected              handshake answered
//   kIdle ----------> kConnecting -----------> kHandshake -------------------> kReady
//     ^                 |    ^                     |                             |
//     | Close()  failed |    | time                | broke                       | broke
//     |                 v    |                     |                             |
//     +---------------- kBackoff <-----------------+-----------------------------+
//
// It speaks RESP2, knows nothing of channels, and is never paused: who cannot keep up is closed
// by the sessions' own bound.
#ifndef WEIR_PROXY_BACKEND_SUBSCRIBER_LINK_H_
#define WEIR_PROXY_BACKEND_SUBSCRIBER_LINK_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/backend/dial.h"
#include "proxy/backend/handshake.h"
#include "proxy/backend/link_key.h"
#include "proxy/loop_context.h"
#include "proxy/net/slice_queue.h"
#include "proxy/net/stream.h"
#include "resp/pubsub_frame.h"

namespace weir {

struct UpstreamConfig;

// Calls come from the loop. None may destroy the link.
class SubscriberLinkOwner {
 public:
  // The handshake is done; what is sent from now on is answered in order.
  virtual void OnLinkReady() = 0;
  // A whole frame, which stands at the start of `bytes` of `chunk` (and may be changed there).
  // Frames of one read stand one behind the other.
  virtual void OnFrame(const PubsubFrame& frame, Chunk* chunk, std::string_view bytes) = 0;
  // A message larger than frame_bytes_max, which is skipped.
  virtual void OnFrameTooLarge(const PubsubFrame& frame) = 0;
  // All that one read brought was told.
  virtual void OnReadEnd() = 0;
  // It broke, or could not be opened; it tries again by itself. `was_ready`: it had been in use.
  // `refused`: what the server said to the handshake, with its '-'; else empty.
  virtual void OnLinkDown(std::string_view cause, bool was_ready, std::string_view refused) = 0;

 protected:
  ~SubscriberLinkOwner() = default;
};

class SubscriberLink final : private StreamOwner, private TurnEnd {
 public:
  // All outlive it. `frame_bytes_max`: of what is collected.
  SubscriberLink(LoopContext* context, SubscriberLinkOwner* owner, const UpstreamConfig* config,
                 LinkKey key, size_t frame_bytes_max);
  ~SubscriberLink();

  // Connects to the node (which is copied) if it is idle.
  void Open(const Node& node);
  // Goes over to this node (which is copied), unless it is there or idle.
  void Move(const Node& node);
  // It has just failed: the next attempt is at this node (which is copied), without delay if this
  // was the first that failed.
  void GoOnAt(const Node& node);
  // Closes it; Open() makes it work again.
  void Close();
  bool ready() const { return state_ == State::kReady; }
  bool idle() const { return state_ == State::kIdle; }
  // Nothing of it is in the loop any more, so it may be destroyed. REQUIRES: Close() was called.
  bool gone() const { return state_ == State::kIdle && !stream_closing_; }
  uint64_t last_read_ms() const { return last_read_ms_; }
  const std::string& address() const { return address_; }

  // REQUIRES: ready(). The requests go out at the turn's end.
  void Send(std::string_view requests);
  // Gives the connection up as broken.
  void Break(std::string_view cause) { Fail(cause, ""); }
  // A few times a second: time-outs and attempts.
  void OnTick(uint64_t now_ms);

 private:
  enum class State : uint8_t { kIdle, kConnecting, kHandshake, kReady, kBackoff };
  static constexpr int kReadsPerTurnMax = 4;  // then clients are written to

  void Start();
  void OnDialled(int fd, std::string_view cause);
  void OnConnected();
  void OnReadable() override;
  void OnWritable() override;
  void OnBroken() override;
  void OnStreamClosed() override;
  void OnTurnEnd() override;
  bool ReadOnce();
  void MakeRoom();
  void Parse();
  void TakeHandshakeReply(const PubsubFrame& frame, std::string_view bytes);
  void Flush();
  void Fail(std::string_view cause, std::string_view refused);

  LoopContext* const context_;
  SubscriberLinkOwner* const owner_;
  const UpstreamConfig* const config_;
  const LinkKey key_;
  const size_t frame_bytes_max_;
  Node node_;
  std::string address_;

  Dial dial_;
  Stream stream_;
  State state_ = State::kIdle;
  bool stream_closing_ = false;  // its close callback is still to come
  uint8_t attempts_ = 0;         // failed ones since it was last ready
  uint64_t deadline_ms_ = 0;     // of connecting and the handshake; kBackoff: try again
  uint64_t last_read_ms_ = 0;

  SliceQueue out_;
  ChunkRef chunk_;       // that is read into
  size_t parsed_ = 0;    // bytes of it before this were told
  size_t expected_ = 0;  // bytes of the frame in progress, as far as is known
  uint64_t skip_ = 0;    // bytes still to come of a frame that is too large
  std::vector<HandshakeStep> handshake_;
  size_t handshake_answered_ = 0;
};

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_SUBSCRIBER_LINK_H_
