// A link's connection, and what is sent on it.
#include "proxy/backend/link.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "plugins/text.h"
#include "proxy/config.h"
#include "routing/command_class.h"

namespace weir {

Link::Link(LoopContext* context, LinkOwner* owner, NodeState* node, const Node* address,
           const UpstreamConfig* config, LinkKey key, bool own, bool hands_back)
    : context_(context),
      owner_(owner),
      node_(node),
      address_(address),
      config_(config),
      key_(std::move(key)),
      in_flight_max_(static_cast<uint64_t>(config->in_flight_max)),
      own_(own),
      hands_back_(hands_back),
      reply_version_(own ? 3 : key_.protocol_version),
      last_used_ms_(context->NowMs()) {
  uv_timer_init(context->loop, &timer_);
  timer_.data = this;
}

Link::~Link() = default;

// ---- the connection

void Link::Connect() {
  last_used_ms_ = context_->NowMs();
  if (state_ != State::kIdle || stream_closing_) return;
  refused_.clear();
  StartConnecting();
}

void Link::StartConnecting() {
  state_ = State::kConnecting;
  phase_deadline_ms_ = context_->NowMs() + static_cast<uint64_t>(config_->connect_timeout_ms);
  ArmTimer();
  dial_.Start(context_->loop, *address_, config_->tcp_keepalive_s, attempts_,
              [this](int fd, std::string_view cause) { OnDialled(fd, cause); });
}

void Link::OnDialled(int fd, std::string_view cause) {
  if (fd < 0) return FailToConnect(cause);
  if (const int error = stream_.Open(context_->loop, fd, this); error != 0) {
    return FailToConnect(SystemErrorText(-error));
  }
  stream_.WatchWrite(true);
}

void Link::FailToConnect(std::string_view cause) {
  context_->stats.links_failed.Add();
  if (stream_.is_open()) {
    stream_closing_ = true;
    stream_.Close();
  }
  EnterBackoff(cause);
}

void Link::OnConnected() {
  context_->stats.links.Add(1);
  context_->stats.links_opened.Add();
  stream_queued_ = stream_written_ = 0;
  scanned_ = 0;
  proved_ = false;
  introduced_ms_ = context_->NowMs();
  scanner_.emplace(reply_version_);
  last_read_ms_ = context_->NowMs();
  stream_.WatchWrite(false);
  stream_.WatchRead(true);
  SendHandshake();
  Flush();
}

void Link::SendHandshake() {
  handshake_ = MakeHandshake(key_, own_ ? std::string_view() : config_->client_name, own_);
  if (confirms_primary_) handshake_.push_back(AskRole());
  if (reads_from_replica_) handshake_.push_back(SayReadonly());
  if (key_.tracker != 0 && holder_ != nullptr) holder_->OnTrackedLinkConnected(&handshake_);
  handshake_answered_ = 0;
  Request* const waiting = head_;
  Request* const waiting_tail = tail_;
  head_ = tail_ = unsent_ = expire_from_ = nullptr;
  const uint64_t deadline_ms =
      context_->NowMs() + static_cast<uint64_t>(config_->connect_timeout_ms);
  for (const HandshakeStep& step : handshake_) {
    Request* request = context_->requests.Make();
    request->use = ReplyUse::kHandshake;
    request->received_ns = context_->NowNs();
    request->wire = Slice::Copy(context_->chunks, step.request);
    Append(request);
    QueueBytes(request, request->wire.chunk(), request->wire.view());
  }
  if (waiting != nullptr) {
    (tail_ == nullptr ? head_ : tail_->link_next) = waiting;
    tail_ = waiting_tail;
    if (expire_from_ == nullptr) expire_from_ = waiting;
  }
  phase_deadline_ms_ = deadline_ms;
  if (!handshake_.empty() && (HandshakeGates(key_) || confirms_primary_)) {
    state_ = State::kGated;
  } else {
    SendWaiting();
  }
  ArmTimer();
}

// Puts the bytes of all that waited for the connection into the stream.
void Link::SendWaiting() {
  state_ = State::kReady;
  refused_.clear();
  offline_bytes_ = 0;
  for (Request* r = head_; r != nullptr; r = r->link_next) {
    if (r->use == ReplyUse::kHandshake) continue;
    if (unsent_ == nullptr) unsent_ = r;
    QueueBytes(r, r->wire.chunk(), r->wire.view());
  }
  ScheduleFlush();
  OfferRoom();
}

void Link::OnStreamClosed() {
  stream_closing_ = false;
  if (state_ == State::kClosed) {
    if (timer_closed_) owner_->OnLinkClosed(*this);
  } else if (state_ == State::kBackoff && phase_deadline_ms_ <= context_->NowMs()) {
    StartConnecting();
  } else if (state_ == State::kIdle && head_ != nullptr) {
    StartConnecting();
  }
}

void Link::CloseIfDrained() {
  if (!retiring_ || state_ == State::kClosed || head_ != nullptr) return;
  CloseNow("-ERR weir: the link is closed");
}

void Link::CloseNow(std::string_view line) {
  if (state_ == State::kClosed) return;
  if (state_ == State::kReady || state_ == State::kGated) context_->stats.links.Add(-1);
  state_ = State::kClosed;
  retiring_ = true;
  ForgetPause();
  while (head_ != nullptr) {
    Request* request = head_;
    if (request->use != ReplyUse::kHandshake) Fail(request, line);
    PopHead();
  }
  out_.Clear();
  copies_.Reset();
  unread_ = Slice();
  dial_.Forget();
  if (holder_ != nullptr) std::exchange(holder_, nullptr)->OnOwnLinkGone(*this, line);
  std::erase(context_->links_to_flush, static_cast<TurnEnd*>(this));
  if (stream_.is_open()) {
    stream_closing_ = true;
    stream_.Close();
  }
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), [](uv_handle_t* handle) {
    auto* link = static_cast<Link*>(handle->data);
    link->timer_closed_ = true;
    if (!link->stream_closing_) link->owner_->OnLinkClosed(*link);
  });
  OfferRoom();
}

// ---- sending

bool Link::Send(Request* request, Chunk* chunk, std::string_view wire) {
  last_used_ms_ = context_->NowMs();
  request->request_bytes += wire.size();
  if (state_ == State::kReady) [[likely]] {
    Append(request);
    if (!request->streamed) request->wire = Slice(chunk, wire);
    QueueBytes(request, chunk, wire);
    ScheduleFlush();
  } else {
    if (node_->ejected && resends()) return false;
    Connect();
    if (hands_back_ && state_ == State::kBackoff) return false;
    if (node_->down || !refused_.empty() || OfflineFull(wire.size()) || retiring_) return false;
    Append(request);
    request->wire = Slice(chunk, wire);
    offline_bytes_ += wire.size();
  }
  if (uv_is_active(reinterpret_cast<uv_handle_t*>(&timer_)) == 0) ArmTimer();
  return true;
}

bool Link::OfflineFull(size_t more_bytes) const {
  auto bytes_max = static_cast<uint64_t>(config_->offline_queue_bytes_max);
  // The first requests always wait for a link that is only now being opened.
  if (node_->unreachable_since_ms == 0) bytes_max = std::max(bytes_max, kFirstBytesMax);
  return offline_bytes_ + more_bytes > bytes_max;
}

std::string Link::RefusalLine() const {
  if (!refused_.empty() && asks_for_client()) return refused_;
  if (node_->ejected && resends()) return node_->EjectedError();
  if (!node_->cause.empty()) return node_->DownError();
  return Concat("-DOWN weir: no connection to ", node_->address, " yet, and its offline queue of ",
                config_->offline_queue_bytes_max, " bytes is full");
}

std::string Link::LossLine() const {
  if (!refused_.empty() || !proved_) return RefusalLine();
  return Concat("-DOWN weir: the connection to ", node_->address, " broke");
}

void Link::Extend(Request* request, Chunk* chunk, std::string_view wire, uint32_t n) {
  request->count += n;
  in_flight_ += n;
  request->request_bytes += wire.size();
  request->wire.Extend(wire.size());
  if (state_ == State::kReady) {
    out_.Append(chunk, wire);
    stream_queued_ += wire.size();
    request->end_offset = stream_queued_;
  } else {
    offline_bytes_ += wire.size();
  }
}

ChunkRef Link::ChunkForCopies(size_t room_min) {
  if (!copies_ || copies_->room() < room_min) copies_ = ChunkRef(context_->chunks.Take(room_min));
  return ChunkRef::Share(copies_.get());
}

void Link::SendMore(Request* request, Chunk* chunk, std::string_view bytes) {
  request->request_bytes += bytes.size();
  QueueBytes(request, chunk, bytes);
  ScheduleFlush();
}

void Link::SendRaw(Chunk* chunk, std::string_view bytes) {
  last_used_ms_ = context_->NowMs();
  out_.Append(chunk, bytes);
  stream_queued_ += bytes.size();
  ScheduleFlush();
}

void Link::EndStreamed(Request* request) {
  request->arriving = false;
  expire_from_ = head_;  // its deadline counts from now
  MarkSent();
  if (uv_is_active(reinterpret_cast<uv_handle_t*>(&timer_)) == 0) ArmTimer();
}

// Puts it at the end of the queue, its bytes not yet in the stream.
void Link::Append(Request* request) {
  request->link = this;
  request->in_link = true;
  in_flight_ += request->count;
  (tail_ == nullptr ? head_ : tail_->link_next) = request;
  tail_ = request;
  if (expire_from_ == nullptr) expire_from_ = request;
}

void Link::QueueBytes(Request* request, Chunk* chunk, std::string_view bytes) {
  if (unsent_ == nullptr) unsent_ = request;
  out_.Append(chunk, bytes);
  stream_queued_ += bytes.size();
  request->end_offset = stream_queued_;
}

void Link::ScheduleFlush() {
  if (scheduled) return;
  scheduled = true;
  context_->links_to_flush.push_back(this);
}

void Link::OnTurnEnd() {
  scheduled = false;
  const bool hold = ShouldHold();
  heard_ = false;
  if (!hold && stream_.is_open() && !stream_.watches_write()) Flush();
}

// Whether what is queued had better wait for the replies that are on their way: their coming ends
// the wait. Only where the node is near, and only while there is little. (If it is busy with
// something long, it would not look at them before either.)
bool Link::ShouldHold() const {
  return head_ != nullptr && head_->sent && !heard_ && out_.bytes() < kBatchBytesMax &&
         round_trip_ns_ < static_cast<uint64_t>(config_->batch_round_trip_max_us) * 1000;
}

void Link::Flush() {
  if (out_.empty()) return;
  const size_t before = out_.bytes();
  const int error = stream_.Write(out_);
  stream_written_ += before - out_.bytes();
  MarkSent();
  if (error != 0) return Break(SystemErrorText(-error));
  if (out_.empty()) {
    copies_.Reset();
    stream_.WatchWrite(false);
  } else {
    stream_.WatchWrite(true);
  }
  if (!waiting_.empty() && !full()) OfferRoom();
}

void Link::MarkSent() {
  const uint64_t now_ns = context_->NowNs();
  while (unsent_ != nullptr && unsent_->end_offset <= stream_written_ && !unsent_->arriving) {
    // Not yet in the stream: it waits for the handshake.
    if (unsent_->end_offset == 0) break;
    unsent_->sent = true;
    unsent_->sent_ns = now_ns;
    // Kept while the node may still refuse the link, and with it what came behind.
    const bool keeps_wire = unsent_->retryable || unsent_->keeps_wire;
    if (!keeps_wire && handshake_answered_ == handshake_.size()) unsent_->wire = Slice();
    unsent_ = unsent_->link_next;
  }
}

void Link::OnWritable() {
  if (state_ == State::kConnecting) {
    int error = 0;
    socklen_t length = sizeof(error);
    ::getsockopt(stream_.fd(), SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) return FailToConnect(SystemErrorText(error));
    return OnConnected();
  }
  Flush();
}

void Link::StopWaiting(RequestOwner* owner) { std::erase(waiting_, owner); }

void Link::OfferRoom() {
  for (RequestOwner* owner : std::exchange(waiting_, {})) owner->OnLinkRoom();
}

bool Link::HasOthersThan(const RequestOwner* owner) const {
  for (const Request* r = head_; r != nullptr; r = r->link_next) {
    if (r->owner != nullptr && r->owner != owner) return true;
  }
  return false;
}

bool Link::RunsScriptSince(uint64_t ns) const {
  if (state_ != State::kReady) return false;
  // What came in one piece with a script, Redis answers only after it; so it may be any of those
  // that were sent.
  for (const Request* r = head_; r != nullptr && r->sent; r = r->link_next) {
    if (r->reply_begun || std::max(r->sent_ns, r->replied_ns) >= ns) return false;
    if (r->entry != nullptr && r->entry->runs_script) return true;
  }
  return false;
}

void Link::PauseReadingFor(RequestOwner* owner) {
  if (paused_by_ != nullptr) return;
  paused_by_ = owner;
  stream_.WatchRead(false);
}

void Link::ResumeReading() {
  if (paused_by_ == nullptr) return;
  paused_by_ = nullptr;
  stream_.WatchRead(true);
  // It was not the node that took all this time.
  last_read_ms_ = context_->NowMs();
  const uint64_t deadline_ms = last_read_ms_ + static_cast<uint64_t>(config_->request_timeout_ms);
  for (Request* r = head_; r != nullptr; r = r->link_next) {
    if (r->deadline_ms != 0) r->deadline_ms = std::max(r->deadline_ms, deadline_ms);
  }
}

void Link::ForgetPause() {
  if (paused_by_ != nullptr) std::exchange(paused_by_, nullptr)->OnPausedLinkGone();
}

}  // namespace weir
