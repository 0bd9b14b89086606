// What a link reads: whose reply is it, and where does it end?
#include <algorithm>

#include "plugins/text.h"
#include "proxy/backend/link.h"
#include "proxy/config.h"
#include "resp/wire_text.h"

namespace weir {

void Link::OnReadable() {
  for (int i = 0; i < kReadsPerTurnMax && paused_by_ == nullptr; ++i) {
    if (ReadOnce() != ReadResult::kFull) return;
  }
}

// After a reset, what the server said before it can still be read, and counts.
void Link::OnBroken() {
  if (state_ == State::kConnecting) return OnWritable();
  while (stream_.is_open() && ReadOnce() != ReadResult::kNothing) {
  }
  Break("the connection failed");
}

// Reads once and consumes it; kShort when there was less than there was room for.
Link::ReadResult Link::ReadOnce() {
  // Behind what is left of the last read, if it stands at the end of a chunk with room.
  ChunkRef chunk;
  if (!unread_.empty() && unread_.data() + unread_.size() == unread_.chunk()->tail() &&
      unread_.chunk()->room() >= ChunkPool::kChunkBytes / 4) {
    chunk = ChunkRef::Share(unread_.chunk());
  } else {
    chunk = ChunkRef(context_->chunks.Take());
    if (!unread_.empty()) {
      // At most kHoldBytesMax, or a long push.
      if (chunk->room() < 2 * unread_.size()) {
        chunk = ChunkRef(context_->chunks.Take(2 * unread_.size()));
      }
      std::copy_n(unread_.data(), unread_.size(), chunk->data());
      chunk->used = static_cast<uint32_t>(unread_.size());
      unread_ = Slice(chunk.get(), {chunk->data(), unread_.size()});
    }
  }
  const size_t room = chunk->room();
  const ssize_t n = stream_.Read(chunk->tail(), room);
  if (n == -EAGAIN) return ReadResult::kNothing;
  if (n <= 0) {
    Break(n == 0 ? "the server closed the connection" : uv_strerror(static_cast<int>(n)));
    return ReadResult::kNothing;
  }
  last_read_ms_ = context_->NowMs();
  if (!proved_) Prove();
  const char* const begin = unread_.empty() ? chunk->tail() : unread_.data();
  chunk->used += static_cast<uint32_t>(n);
  const std::string_view data(begin, static_cast<size_t>(chunk->tail() - begin));
  Consume(chunk.get(), data);
  return static_cast<size_t>(n) == room ? ReadResult::kFull : ReadResult::kShort;
}

// Its first word: a node that only accepts connections, and then drops them, is not reachable.
void Link::Prove() {
  proved_ = true;
  attempts_ = 0;
  node_->unreachable_since_ms = 0;
  node_->down = false;
  node_->cause.clear();
  owner_->OnLinkConnected(*this);
}

void Link::Consume(Chunk* chunk, std::string_view data) {
  if (tunnel_) [[unlikely]] {
    if (holder_ != nullptr) holder_->OnPush(chunk, data);
    return;
  }
  while (!data.empty()) {
    Request* request = head_;
    const bool awaited = request != nullptr && IsOnTheWire(*request);
    if (!awaited && holder_ == nullptr) return BreakUnasked();
    if (awaited && !scanner_->in_frame() && !monitors_) {
      const FrameRun run = ScanRun(data, request->remaining(), reply_version_);
      if (run.frames != 0) {
        Deliver(request, chunk, data.substr(0, run.bytes), static_cast<uint32_t>(run.frames),
                false);
        if (!stream_.is_open()) return;
        data.remove_prefix(run.bytes);
        continue;
      }
    }
    const FrameScanner::Result result = scanner_->Scan(data.substr(scanned_));
    if (result.status == ScanStatus::kError) {
      context_->stats.links_protocol_errors.Add();
      return Break("the server sent something that is not RESP");
    }
    if (result.status == ScanStatus::kNeedMore) {
      scanned_ = data.size();
      return KeepForNextRead(chunk, data);
    }
    const size_t end = scanned_ + result.consumed;
    scanned_ = 0;
    const std::string_view frame = data.substr(0, end);
    if (IsPush(frame)) {
      if (holder_ != nullptr) holder_->OnPush(chunk, frame);
    } else if (awaited) {
      TakeFrame(chunk, frame);
    } else {
      return BreakUnasked();
    }
    if (!stream_.is_open()) return;
    data.remove_prefix(end);
  }
  unread_ = Slice();
}

// Whether a byte of it was written.
bool Link::IsOnTheWire(const Request& request) const {
  return request.sent || request.streamed ||
         (request.end_offset != 0 && request.end_offset - request.wire.size() < stream_written_);
}

void Link::BreakUnasked() {
  context_->stats.links_protocol_errors.Add();
  Break("the server sent a reply that nobody asked for");
}

// Whether it is no reply. (Nobody subscribes or tracks on a shared link, so a push there is for
// nobody.) A line of MONITOR begins with the time: +1700000000.123456 [0 127.0.0.1:6379] "get" "k"
bool Link::IsPush(std::string_view frame) const {
  const std::string_view rest = frame.substr(1);
  const bool acknowledges = subscribes_ && (rest.starts_with("3\r\n$9\r\nsubscribe\r\n") ||
                                            rest.starts_with("3\r\n$11\r\nunsubscribe\r\n"));
  if (scanner_->type() == '>') return !acknowledges || head_ == nullptr;
  if (subscribes_ && frame.starts_with("*3\r\n$7\r\nmessage\r\n")) return true;
  if (!monitors_ || scanner_->type() != '+') return false;
  const size_t blank = frame.find(' ');
  return blank != std::string_view::npos && frame.find('.') < blank && frame[1] >= '0' &&
         frame[1] <= '9' && frame.substr(blank).starts_with(" [");
}

// The end of a frame that ScanRun left: an error, or one that came in parts.
void Link::TakeFrame(Chunk* chunk, std::string_view frame) {
  const char type = scanner_->type();
  Deliver(head_, chunk, frame, 1, type == '-' || type == '!');
}

void Link::KeepForNextRead(Chunk* chunk, std::string_view rest) {
  if (rest.size() < kHoldBytesMax) {
    unread_ = Slice(chunk, rest);
    return;
  }
  const char type = scanner_->type();
  // A push is kept whole, because it may come where no reply may be cut.
  if (type == '>' || monitors_) {
    if (rest.size() > kPushBytesMax) return Break("the server sent a push that is too long");
    unread_ = Slice(chunk, rest);
    return;
  }
  if (head_ == nullptr || !IsOnTheWire(*head_)) return BreakUnasked();
  Deliver(head_, chunk, rest, 0, type == '-' || type == '!');
  if (!stream_.is_open()) return;
  unread_ = Slice();
  scanned_ = 0;
}

void Link::Deliver(Request* request, Chunk* chunk, std::string_view bytes, uint32_t frames,
                   bool error) {
  request->replies += frames;
  request->reply_bytes += bytes.size();
  request->reply_begun = frames == 0;
  if (frames != 0) {
    request->replied_ns = context_->NowNs();
    if (error) ++request->errors;
    in_flight_ -= frames;
    if (!heard_) {
      heard_ = true;
      const uint64_t trip_ns = request->replied_ns - request->sent_ns;
      // The shortest of late: how near the node is, however busy it may be. It is forgotten slowly.
      round_trip_ns_ = round_trip_ns_ == 0
                           ? trip_ns
                           : std::min(trip_ns, round_trip_ns_ + (round_trip_ns_ >> 14) + 1);
      ScheduleFlush();
    }
  }
  if (request->use == ReplyUse::kHandshake) [[unlikely]] {
    if (frames == 0) return Break("the server's answer to the handshake is too long");
    const std::string_view line = bytes;
    PopHead();
    return OnHandshakeReply(error, line);
  }
  const InTransaction place = request->in_transaction;
  if (request->owner != nullptr) [[likely]] {
    request->owner->OnReply(*request, chunk, bytes, frames, error);
  } else if (request->deadline_ms != 0 && request->deadline_ms <= last_read_ms_) {
    late_read_ms_ = last_read_ms_;
  }
  if (request->remaining() == 0) PopHead();
  if (place != InTransaction::kNone) [[unlikely]]
    TakeTransactionReply(place, error, bytes);
  if (!waiting_.empty() && !full()) OfferRoom();
}

// Whatever EXEC says ends a transaction, unless the node does not know it by that name. Then all
// that comes behind would be queued, and its replies be wrong.
void Link::TakeTransactionReply(InTransaction place, bool error, std::string_view bytes) {
  if (place == InTransaction::kFirst) in_transaction_ = !error;
  if (place != InTransaction::kLast || !std::exchange(in_transaction_, false)) return;
  if (!error || bytes.starts_with("-EXECABORT ")) return;
  node_->refuses_exec = true;
  Break("the server does not know EXEC");
}

// Takes the head out of the queue and frees it if its owner is through with it.
void Link::PopHead() {
  Request* request = head_;
  in_flight_ -= request->remaining();
  head_ = request->link_next;
  if (head_ == nullptr) tail_ = nullptr;
  if (unsent_ == request) unsent_ = head_;
  if (expire_from_ == request) expire_from_ = head_;
  request->link_next = nullptr;
  request->in_link = false;
  context_->requests.ReleaseIfUnused(request);
  if (head_ == nullptr && retiring_) CloseIfDrained();
}

void Link::ReadClientId(std::string_view reply) {
  int64_t id = 0;
  if (ParseWireNumber(reply.substr(1, reply.find('\r') - 1), &id)) client_id_ = id;
}

void Link::OnHandshakeReply(bool error, std::string_view reply) {
  const HandshakeStep& step = handshake_[handshake_answered_++];
  introduced_ms_ = context_->NowMs();
  if (error && step.required) {
    // A bulk error's text stands behind the line with its length.
    if (reply.starts_with('!')) reply.remove_prefix(reply.find('\n') + 1);
    const size_t begin = reply.starts_with('-') ? 1 : 0;
    refused_ = Concat("-", reply.substr(begin, reply.find_first_of("\r\n") - begin));
    return Break(
        Concat("the server refused ", step.what, ": ", std::string_view(refused_).substr(1)));
  }
  if (step.what == "CLIENT ID" && !error) ReadClientId(reply);
  if (step.what == kAskRole && !error && !IsPrimarysRole(reply)) {
    return Break("it says that it is a replica");
  }
  if (handshake_answered_ == handshake_.size() && state_ == State::kGated) {
    SendWaiting();
    Flush();
  }
  if (!introduced()) return;
  if (holder_ != nullptr) holder_->OnOwnLinkIntroduced(*this);
  OfferRoom();
}

}  // namespace weir
