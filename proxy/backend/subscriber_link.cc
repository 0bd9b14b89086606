#include "proxy/backend/subscriber_link.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "plugins/text.h"
#include "proxy/config.h"

namespace weir {

SubscriberLink::SubscriberLink(LoopContext* context, SubscriberLinkOwner* owner,
                               const UpstreamConfig* config, LinkKey key, size_t frame_bytes_max)
    : context_(context),
      owner_(owner),
      config_(config),
      key_(std::move(key)),
      frame_bytes_max_(frame_bytes_max) {}

SubscriberLink::~SubscriberLink() = default;

// ---- the connection

void SubscriberLink::Open(const Node& node) {
  if (state_ != State::kIdle) return;
  node_ = node;
  address_ = node.Address();
  attempts_ = 0;
  // A close that is not over yet goes first: see OnStreamClosed.
  state_ = State::kBackoff;
  deadline_ms_ = context_->NowMs();
  if (!stream_closing_) Start();
}

void SubscriberLink::Move(const Node& node) {
  if (state_ == State::kIdle || (node.host == node_.host && node.port == node_.port)) return;
  node_ = node;
  address_ = node.Address();
  attempts_ = 0;
  Fail("it is another node's turn", "");
  deadline_ms_ = context_->NowMs();
}

void SubscriberLink::GoOnAt(const Node& node) {
  if (state_ != State::kBackoff) return;
  node_ = node;
  address_ = node.Address();
  if (attempts_ <= 1) deadline_ms_ = context_->NowMs();
}

void SubscriberLink::Start() {
  state_ = State::kConnecting;
  deadline_ms_ = context_->NowMs() + static_cast<uint64_t>(config_->connect_timeout_ms);
  dial_.Start(context_->loop, node_, config_->tcp_keepalive_s, attempts_,
              [this](int fd, std::string_view cause) { OnDialled(fd, cause); });
}

void SubscriberLink::OnDialled(int fd, std::string_view cause) {
  if (fd < 0) return Fail(cause, "");
  if (const int error = stream_.Open(context_->loop, fd, this); error != 0) {
    return Fail(SystemErrorText(-error), "");
  }
  stream_.WatchWrite(true);
}

void SubscriberLink::OnConnected() {
  context_->stats.links.Add(1);
  context_->stats.links_opened.Add();
  state_ = State::kHandshake;
  last_read_ms_ = context_->NowMs();
  stream_.WatchWrite(false);
  stream_.WatchRead(true);
  handshake_ = MakeHandshake(key_, config_->client_name, false);
  handshake_answered_ = 0;
  // A first PING, so that a server that only accepts connections does not pass for one that works.
  handshake_.push_back({"PING", "*1\r\n$4\r\nPING\r\n", false});
  for (const HandshakeStep& step : handshake_) out_.AppendCopy(context_->chunks, step.request);
  Flush();
}

void SubscriberLink::TakeHandshakeReply(const PubsubFrame& frame, std::string_view bytes) {
  const HandshakeStep& step = handshake_[handshake_answered_++];
  if (frame.type == PubsubFrame::Type::kError && step.required) {
    const std::string refused(bytes.substr(0, bytes.find_first_of("\r\n")));
    return Fail(Concat("the server refused ", step.what, ": ", std::string_view(refused).substr(1)),
                refused);
  }
  if (handshake_answered_ < handshake_.size()) return;
  state_ = State::kReady;
  attempts_ = 0;
  owner_->OnLinkReady();
}

void SubscriberLink::Close() {
  if (state_ == State::kHandshake || state_ == State::kReady) context_->stats.links.Add(-1);
  state_ = State::kIdle;
  dial_.Forget();
  if (stream_.is_open()) {
    stream_closing_ = true;
    stream_.Close();
  }
  out_.Clear();
  if (scheduled) std::erase(context_->links_to_flush, static_cast<TurnEnd*>(this));
  scheduled = false;
  chunk_.Reset();
  parsed_ = expected_ = 0;
  skip_ = 0;
}

// Forgets the connection and tries again: at once if it had worked, else after a pause.
void SubscriberLink::Fail(std::string_view cause, std::string_view refused) {
  if (state_ == State::kIdle || state_ == State::kBackoff) return;
  const bool was_ready = state_ == State::kReady;
  const std::string why(cause), said(refused);
  context_->stats.links_failed.Add();
  Close();
  state_ = State::kBackoff;
  deadline_ms_ = context_->NowMs();
  if (!was_ready) {
    const int shift = std::min<int>(attempts_, 20);
    if (attempts_ < UINT8_MAX) ++attempts_;
    const int64_t delay_ms =
        std::min(config_->reconnect_max_ms, config_->reconnect_min_ms << shift);
    const uint64_t jitter_ms = context_->random() % static_cast<uint64_t>(delay_ms / 2 + 1);
    deadline_ms_ += static_cast<uint64_t>(delay_ms) - jitter_ms;
  }
  owner_->OnLinkDown(why, was_ready, said);
}

void SubscriberLink::OnStreamClosed() {
  stream_closing_ = false;
  if (state_ == State::kBackoff && deadline_ms_ <= context_->NowMs()) Start();
}

void SubscriberLink::OnTick(uint64_t now_ms) {
  if (state_ == State::kIdle || state_ == State::kReady || now_ms < deadline_ms_) return;
  if (state_ == State::kBackoff) {
    if (!stream_closing_) Start();
  } else {
    Fail(Concat(state_ == State::kConnecting ? "no connection within "
                                             : "no answer to the handshake within ",
                config_->connect_timeout_ms, " ms"),
         "");
  }
}

// ---- writing

void SubscriberLink::Send(std::string_view requests) {
  out_.AppendCopy(context_->chunks, requests);
  if (scheduled) return;
  scheduled = true;
  context_->links_to_flush.push_back(this);
}

void SubscriberLink::OnTurnEnd() {
  scheduled = false;
  if (stream_.is_open() && !stream_.watches_write()) Flush();
}

void SubscriberLink::OnWritable() {
  if (state_ == State::kConnecting) {
    int error = 0;
    socklen_t length = sizeof(error);
    ::getsockopt(stream_.fd(), SOL_SOCKET, SO_ERROR, &error, &length);
    return error != 0 ? Fail(SystemErrorText(error), "") : OnConnected();
  }
  Flush();
}

void SubscriberLink::Flush() {
  if (const int error = stream_.Write(out_); error != 0) return Fail(SystemErrorText(-error), "");
  stream_.WatchWrite(!out_.empty());
}

// ---- reading

void SubscriberLink::OnReadable() {
  for (int i = 0; i < kReadsPerTurnMax && stream_.is_open(); ++i) {
    if (!ReadOnce()) break;
  }
}

// What the server said before a reset can still be read.
void SubscriberLink::OnBroken() {
  if (state_ == State::kConnecting) return OnWritable();
  while (stream_.is_open() && ReadOnce()) {
  }
  if (stream_.is_open()) Fail("the connection failed", "");
}

// False when there is no more for now.
bool SubscriberLink::ReadOnce() {
  MakeRoom();
  const size_t room = chunk_->room();
  const ssize_t n = stream_.Read(chunk_->tail(), room);
  if (n == -EAGAIN) return false;
  if (n <= 0) {
    Fail(n == 0 ? "the server closed the connection" : uv_strerror(static_cast<int>(n)), "");
    return false;
  }
  last_read_ms_ = context_->NowMs();
  chunk_->used += static_cast<uint32_t>(n);
  Parse();
  return static_cast<size_t>(n) == room;
}

// A frame stands in one piece: behind what is there of it, or moved to where it has room. Room
// grows with what has come, not with what was announced.
void SubscriberLink::MakeRoom() {
  if (!chunk_) {
    chunk_ = ChunkRef(context_->chunks.Take());
    parsed_ = 0;
    return;
  }
  const size_t have = chunk_->used - parsed_;
  // Nobody else refers to it: start again at its beginning, which is still in the cache.
  if (have == 0 && chunk_->references == 1 && chunk_->capacity <= ChunkPool::kChunkBytes) {
    chunk_->used = 0;
    parsed_ = 0;
  }
  const size_t expected = std::max(expected_, have + 1);
  const size_t room_min = std::min<size_t>(expected - have, ChunkPool::kChunkBytes / 4);
  if (chunk_->room() >= room_min && chunk_->room() > 0) return;
  const size_t wanted = std::min(expected, std::max(4 * have, ChunkPool::kChunkBytes));
  ChunkRef larger(context_->chunks.Take(std::max(wanted, have + ChunkPool::kChunkBytes / 4)));
  std::copy_n(chunk_->data() + parsed_, have, larger->data());
  larger->used = static_cast<uint32_t>(have);
  context_->stats.message_bytes_copied.Add(have);
  chunk_ = std::move(larger);
  parsed_ = 0;
}

void SubscriberLink::Parse() {
  // Kept alive here: a frame may end the connection.
  const ChunkRef chunk = ChunkRef::Share(chunk_.get());
  while (stream_.is_open() && parsed_ < chunk->used) {
    if (skip_ != 0) {
      const size_t n = std::min<uint64_t>(skip_, chunk->used - parsed_);
      skip_ -= n;
      parsed_ += n;
      continue;
    }
    const std::string_view data(chunk->data() + parsed_, chunk->used - parsed_);
    PubsubFrame frame;
    const ScanStatus status = ReadPubsubFrame(data, &frame);
    if (status == ScanStatus::kError) {
      context_->stats.links_protocol_errors.Add();
      return Fail("the server sent something that is not RESP", "");
    }
    expected_ = 0;
    if (status == ScanStatus::kNeedMore) {
      expected_ = frame.bytes;
      if (expected_ <= frame_bytes_max_) break;
      if (!frame.headed) return Fail("the server sent a frame without end", "");
      owner_->OnFrameTooLarge(frame);
      skip_ = std::exchange(expected_, 0);
      continue;
    }
    parsed_ += frame.bytes;
    const std::string_view bytes = data.substr(0, frame.bytes);
    if (state_ == State::kHandshake) {
      TakeHandshakeReply(frame, bytes);
    } else {
      owner_->OnFrame(frame, chunk.get(), bytes);
    }
  }
  owner_->OnReadEnd();
}

}  // namespace weir
