// A session's socket: reading, parsing, writing, closing.
#include "proxy/client/session.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "plugins/chain.h"
#include "proxy/backend/upstream.h"
#include "proxy/client/cluster_tracking.h"
#include "proxy/client/dispatcher.h"
#include "proxy/client/lanes.h"
#include "proxy/client/routes.h"
#include "proxy/client/subscriptions.h"
#include "proxy/net/address.h"
#include "proxy/worker.h"

namespace weir {
namespace {

constexpr size_t kRoomMin = ChunkPool::kChunkBytes / 2;  // of a shared chunk that is read into
constexpr size_t kSmallRest = 4096;                      // less is copied out of a shared chunk
constexpr int kReadsPerTurnMax = 4;                      // fairness between clients

// What an idle connection costs is mostly this: one of the allocator's size classes. What few
// clients have belongs into Extras.
static_assert(sizeof(Session) <= 448);

}  // namespace

Session::Session(Worker* worker, uint64_t id, int listener)
    : listener_(static_cast<uint16_t>(listener)),
      upstream_(worker->HomeOf(listener)),
      worker_(worker) {
  conversation_.id = id;
  last_read_ms_ = worker->context().NowMs();
  opened_s_ = static_cast<uint32_t>(last_read_ms_ / 1000);
}

Session::~Session() = default;

Session::Traffic& Session::MakeTraffic() {
  traffic_ = std::make_unique<Traffic>();
  traffic_->last_write_ms = worker_->context().NowMs();
  return *traffic_;
}

Session::Extras& Session::MakeExtras() {
  extras_ = std::make_unique<Extras>();
  return *extras_;
}

void Session::Open(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (stream_.Open(worker_->loop(), fd, this) != 0) {
    worker_->Remove(this);
    delete this;
    return;
  }
  worker_->InitConversation(conversation_, upstream_);
  parse_state_.authenticated = conversation_.authenticated;
  if (worker_->UpstreamAt(upstream_).is_cluster()) routes_ = std::make_unique<Routes>();
  if (worker_->routes() != nullptr) MakeLanes();
  has_facade_ = worker_->config().listeners[listener_].facade != FacadeKind::kNone;
  UpdateGroup();
  Chain& chain = worker_->chain();
  if (worker_->session_words() != 0) {
    extras().words = std::make_unique<uint64_t[]>(worker_->session_words());
  }
  if (chain.has(kHookOpen) && chain.OnOpen(*this) != Verdict::kContinue) return Close();
  stream_.WatchRead(true);
}

void Session::Close() {
  if (closed_) return;
  closed_ = true;
  pauses_ |= static_cast<uint16_t>(Pause::kEnding);
  Chain& chain = worker_->chain();
  if (chain.has(kHookClose)) chain.OnClose(*this);
  worker_->ForgetTickets(this);
  StopMonitoring();
  subscriptions_.reset();
  worker_->ForgetResends(this);
  subscriptions_.reset();
  if (full_link() != nullptr) std::exchange(extras_->full_link, nullptr)->StopWaiting(this);
  while (head_ != nullptr) {
    Request* request = std::exchange(head_, head_->owner_next);
    request->owner = nullptr;
    request->owner_next = nullptr;
    request->in_owner = false;
    if (request->has_parts) ForgetParts(*request);
    if (request->fanned) ForgetFanned(*request);
    request->reply.Clear();
    request->asked_in.Reset();
    worker_->context().requests.ReleaseIfUnused(request);
  }
  tail_ = nullptr;
  worker_->context().stats.requests_in_flight.Add(-static_cast<int64_t>(unanswered_));
  unanswered_ = 0;
  if (paused_link() != nullptr) std::exchange(extras_->paused_link, nullptr)->ResumeReading();
  // What is half said or half heard on it is nobody's any more; nor may a blocked command take
  // anything for a client that is gone.
  DropOwnLink("-ERR weir: the client left");
  EndTracking();
  flow_ = nullptr;
  out_.Clear();
  input_ = Slice();
  if (group_ != nullptr) std::exchange(group_, nullptr)->Release();
  if (routes_ != nullptr && routes_->in_held_replies) worker_->held_replies().Forget(this);
  routes_.reset();
  LeaveLanes();
  worker_->names().Note(conversation_.NameBytes(), 0);
  worker_->Remove(this);
  stream_.Close();
}

void Session::OnStreamClosed() { delete this; }

void Session::UpdateGroup() {
  LinkKey key = worker_->KeyOf(conversation_, upstream_, home());
  if (tracking() != nullptr) [[unlikely]]
    key.tracker = conversation_.id;
  if (group_ != nullptr && group_->key() == key) return;
  LinkGroup* before = std::exchange(group_, worker_->UpstreamAt(upstream_).Hold(key));
  if (before != nullptr) before->Release();
  if (routes_ != nullptr) routes_->ReleaseGroups();
  if (lanes_ != nullptr && before != nullptr) ++lanes_->version;
  if (subscriptions_ != nullptr) subscriptions_->SwitchProtocol(conversation_.protocol_version);
}

// By a command on its own connection, or one that a plugin runs for it.
bool Session::blocked() const {
  if (pinned_ != nullptr && pinned_->state.blocked()) return true;
  const ChainWalk* const walk = extras_ == nullptr ? nullptr : extras_->walk.get();
  return walk != nullptr && walk->blocks && walk->ticket != 0;
}

// ---- reading

ChunkRef Session::ChunkToReadInto() {
  if (input_.empty()) return worker_->SharedChunk(kRoomMin);
  // The parser wants a request in one piece: read behind what is there, or move it where there is
  // room. Room grows with what has come, not with what was announced.
  ChunkPool& pool = worker_->context().chunks;
  const size_t have = input_.size();
  const size_t expected = std::max<size_t>(parse_state_.bytes_expected(), have + 1);
  Chunk* at = input_.chunk();
  if (input_.data() + have == at->tail() && at->references == 1 && at->room() >= expected - have) {
    return ChunkRef::Share(at);
  }
  const size_t wanted = std::min(expected, std::max(4 * have, ChunkPool::kChunkBytes));
  if (input_.data() + have == at->tail() && at->references == 1 && at->room() > 0 &&
      at->capacity >= wanted) {
    return ChunkRef::Share(at);
  }
  ChunkRef chunk(pool.Take(std::max(wanted, have + kSmallRest)));
  std::copy_n(input_.data(), have, chunk->data());
  chunk->used = static_cast<uint32_t>(have);
  input_ = Slice(chunk.get(), {chunk->data(), have});
  return chunk;
}

void Session::OnReadable() {
  if (pauses_ != 0) {
    // Only now is it worth a system call: most pauses end before the client sends more.
    stream_.WatchRead(false);
    worker_->context().stats.reads_paused.Add();
    // A client that leaves while it is blocked must be noticed at once.
    if (blocked()) stream_.WatchHangup(true);
    return;
  }
  // What is here already comes first, at the turn's end; else the end of input would drop it.
  if (resume_) return;
  for (int i = 0; i < kReadsPerTurnMax && pauses_ == 0 && !closed_; ++i) {
    ChunkRef chunk = ChunkToReadInto();
    const size_t room = chunk->room();
    const ssize_t n = stream_.Read(chunk->tail(), room);
    if (n == -EAGAIN) return;
    if (n == 0) return OnEnd();
    if (n < 0) return Close();
    const uint64_t now_ms = worker_->context().NowMs();
    worker_->context().coalescing.OnRead(last_read_ms_, now_ms);
    last_read_ms_ = now_ms;
    traffic().bytes_in += static_cast<uint64_t>(n);
    const char* const begin = input_.empty() ? chunk->tail() : input_.data();
    chunk->used += static_cast<uint32_t>(n);
    Parse(chunk.get(), {begin, static_cast<size_t>(chunk->tail() - begin)});
    if (static_cast<size_t>(n) < room) break;
  }
  if (!closed_ && worker_->OverMemory()) worker_->PauseForMemory(this);
}

// The client closed its side. It may still read: what it asked is answered first.
void Session::OnEnd() {
  end_of_input_ = true;
  stream_.WatchRead(false);
  input_ = Slice();
  if (large() != nullptr || blocked()) return Close();
  if (head_ == nullptr) {
    close_when_said_ = true;
    Schedule();
  }
}

void Session::Parse(Chunk* chunk, std::string_view data) {
  RequestParser& parser = worker_->parser();
  Dispatcher dispatcher(this);
  uint64_t requests = 0;
  while (!data.empty() && pauses_ == 0) {
    if (streaming_) [[unlikely]] {
      PassStream(chunk, data);
      data = {};
      break;
    }
    if (large() != nullptr) {
      data.remove_prefix(PassLarge(chunk, data));
      continue;
    }
    if (Dispatcher::BeginsTransaction(data) && !parse_state_.mid_request()) [[unlikely]] {
      uint32_t taken = 0;
      const size_t bytes = dispatcher.TakeTransaction(chunk, data, &taken);
      requests += taken;
      data.remove_prefix(bytes);
      if (bytes != 0) continue;
    }
    ParsedRequest parsed;
    const ParseStatus status = parser.Parse(&parse_state_, data, &parsed);
    if (status == ParseStatus::kRequest) [[likely]] {
      ++requests;
      if (routes_ != nullptr) dispatcher.ShowFollowing(data.substr(parsed.consumed));
      if (!dispatcher.Handle(chunk, parsed)) break;
      data.remove_prefix(parsed.consumed);
      uint32_t alike = 0;
      data.remove_prefix(dispatcher.TakeAlike(chunk, parsed, data, &alike));
      requests += alike;
    } else if (status == ParseStatus::kNeedMore) {
      data.remove_prefix(parsed.consumed);
      break;
    } else if (status == ParseStatus::kTooLarge) {
      if (!dispatcher.HandleLarge(chunk, parsed, parser.tail(), data.substr(parsed.consumed)))
        break;
      data.remove_prefix(parsed.consumed);
    } else {
      data = {};
      ProtocolError(parser.error());
    }
  }
  worker_->context().coalescing.OnRequests(requests);
  if (closed_) return;
  KeepInput(chunk, data);
  // How long a request takes to arrive is bounded; a large one must only keep coming.
  uint64_t& arriving_since_ms = traffic().arriving_since_ms;
  if (large() != nullptr) {
    arriving_since_ms = last_read_ms_;
  } else if (!parse_state_.mid_request()) {
    arriving_since_ms = 0;
  } else if (arriving_since_ms == 0) {
    arriving_since_ms = last_read_ms_;
  }
}

void Session::KeepInput(Chunk* chunk, std::string_view rest) {
  if (rest.empty()) {
    input_ = Slice();
  } else if (input_.chunk() == chunk && !input_.empty() && rest.size() >= kSmallRest) {
    input_ = Slice(chunk, rest);
  } else if (rest.size() * 4 < chunk->capacity) {
    // A few bytes must not keep a large chunk alive while their client is silent.
    input_ = Slice::Copy(worker_->context().chunks, rest);
  } else {
    input_ = Slice(chunk, rest);
  }
}

void Session::ProtocolError(std::string_view reply) {
  worker_->context().stats.protocol_errors.Add();
  Request* request = Push(nullptr);
  request->close_after = true;
  SetPause(Pause::kEnding);
  AnswerAt(request, reply);
}

void Session::SetPause(Pause reason) { pauses_ |= static_cast<uint16_t>(reason); }

void Session::ClearPause(Pause reason) {
  if (reason == Pause::kLinkFull && extras_ != nullptr) extras_->full_link = nullptr;
  if ((pauses_ & static_cast<uint16_t>(reason)) == 0) return;
  pauses_ &= static_cast<uint16_t>(~static_cast<uint16_t>(reason));
  if (pauses_ == 0) {
    resume_ = true;
    Schedule();
  }
}

// ---- writing

void Session::Schedule() {
  if (scheduled || closed_) return;
  scheduled = true;
  worker_->context().sessions_to_flush.push_back(this);
}

void Session::OnTurnEnd() {
  scheduled = false;
  if (closed_) return;
  if (close_at_turn_end_) return Close();
  if (subscriptions_ != nullptr && !RunSubscriptions()) return;
  if (monitoring() != nullptr && !RunMonitoring()) return;
  if (resume_ && pauses_ == 0) {
    resume_ = false;
    if (!input_.empty()) {
      // Kept alive here, because parsing replaces input_.
      const Slice data = input_.Share();
      Parse(data.chunk(), data.view());
    }
    if (closed_) return;
    if (pauses_ == 0 && !end_of_input_) {
      stream_.WatchHangup(false);
      stream_.WatchRead(true);
    } else if (!stream_.watches_read() && blocked()) {
      // What was read before it was paused has just blocked it.
      stream_.WatchHangup(true);
    }
  }
  worker_->SendResends(this);
  if (lanes_ != nullptr) [[unlikely]] {
    RunDetoursInLanes();
  } else if (routes_ != nullptr && !routes_->detours.empty()) [[unlikely]] {
    RunDetours();
  }
  if (pinned_ != nullptr) SettleOwnLink();
  if (tracking() != nullptr) [[unlikely]]
    SettleTracking();
  if (!stream_.watches_write()) Flush();
}

void Session::FlushLastWords() {
  out_ = std::move(*std::exchange(extras_->last_words, nullptr));
  Flush();
  if (closed_) return;
  extras_->last_words = std::make_unique<SliceQueue>(std::move(out_));
  out_ = SliceQueue();
}

void Session::Flush() {
  if (closed_) return;
  if (close_when_said_ && extras_ != nullptr && extras_->last_words != nullptr) [[unlikely]]
    return FlushLastWords();
  if (!out_.empty()) {
    const size_t before = out_.bytes();
    if (stream_.Write(out_) != 0) return Close();
    traffic().bytes_out += before - out_.bytes();
    // Also when it first turns out to be full: the stall begins now.
    if (out_.bytes() != before || !stream_.watches_write()) {
      traffic().last_write_ms = worker_->context().NowMs();
    }
    if (!out_.empty()) {
      stream_.WatchWrite(true);
      // Subscribers that do not keep up share what they have not read.
      if (subscriptions_ == nullptr) out_.Compact(worker_->context().chunks);
    } else {
      stream_.WatchWrite(false);
    }
    if ((pauses_ & static_cast<uint16_t>(Pause::kOutput)) != 0 &&
        out_.bytes() <= worker_->output_resume_bytes()) {
      if (paused_link() != nullptr) std::exchange(extras_->paused_link, nullptr)->ResumeReading();
      ClearPause(Pause::kOutput);
    }
  }
  if (out_.empty() && close_when_said_) Close();
}

// ---- for the worker

std::string Session::address() const { return Address::PeerOf(stream_.fd()).ToString(); }

std::string_view Session::listener() const { return worker_->ListenerAddress(listener_); }

ClientRow Session::Row() const {
  ClientRow row = {};
  const uint64_t now_ms = worker_->context().NowMs();
  row.id = conversation_.id;
  const Address local = Address::LocalOf(stream_.fd());
  row.local_address = local.ToString();
  // Redis shows a Unix socket's own path on both sides.
  row.address = local.is_unix() ? row.local_address : Address::PeerOf(stream_.fd()).ToString();
  row.unix_socket = local.is_unix();
  row.fd = stream_.fd();
  row.name = conversation_.name();
  row.user = conversation_.user();
  if (conversation_.names != nullptr) {
    row.lib_name = conversation_.names->lib_name;
    row.lib_version = conversation_.names->lib_version;
    row.no_evict = conversation_.names->no_evict;
    row.no_touch = conversation_.names->no_touch;
  }
  row.age_s = static_cast<int64_t>(now_ms / 1000 - opened_s_);
  row.idle_s = static_cast<int64_t>((now_ms - last_read_ms_) / 1000);
  row.db = conversation_.db;
  row.protocol_version = conversation_.protocol_version;
  row.query_buffer_bytes = input_.size();
  // Who asks for the list finds the asking in its own buffer.
  if (tail_ != nullptr && !tail_->done && tail_->entry != nullptr &&
      tail_->entry->local == LocalCommand::kClientList) {
    row.query_buffer_bytes += tail_->request_bytes;
  }
  row.query_buffer_free_bytes =
      input_.empty() ? 0 : input_.chunk()->capacity - static_cast<uint64_t>(input_.size());
  row.output_bytes = out_.bytes();
  row.output_slices = out_.slices();
  row.total_bytes = sizeof(Session) + row.output_bytes +
                    (input_.empty() ? 0 : static_cast<uint64_t>(input_.chunk()->capacity));
  row.last_command = "NULL";
  row.closing = close_when_said_;
  if (traffic_ != nullptr) {
    row.bytes_in = traffic_->bytes_in;
    row.bytes_out = traffic_->bytes_out;
    row.commands = traffic_->commands;
    const CommandEntry* const last = traffic_->last_entry;
    if (last != nullptr && last->spec != nullptr) row.last_command = last->spec->name;
  }
  row.queued = -1;
  row.replica = streaming_;
  row.monitor = monitoring() != nullptr && monitoring()->begun;
  if (pinned_ != nullptr) {
    const PinHolds& holds = pinned_->state.holds();
    row.in_transaction = holds.transaction;
    row.blocked = pinned_->state.blocked() && !holds.transaction;
    row.tracking = holds.tracking;
    row.broadcast = holds.tracking && pinned_->broadcast;
    row.redirect_broken = holds.tracking && pinned_->redirect_broken;
    row.watch_lost = pinned_->lost.watch;
    if (holds.tracking) row.redirect = pinned_->redirect.client_id;
    row.queued = pinned_->state.queued();
  }
  if (const ClusterTracking* tracks = tracking(); tracks != nullptr && tracks->on) {
    row.tracking = true;
    row.broadcast = tracks->broadcast;
    row.redirect = 0;
  }
  if (subscriptions_ != nullptr) {
    row.channels = subscriptions_->count(ChannelKind::kChannel);
    row.patterns = subscriptions_->count(ChannelKind::kPattern);
    row.shard_channels = subscriptions_->count(ChannelKind::kShard);
  }
  return row;
}

void Session::FollowRouting(UpstreamIndex upstream, const RoutingTable& routing) {
  if (traffic_ == nullptr || traffic_->last_entry == nullptr) return;
  const CommandEntry*& last = traffic_->last_entry;
  if (lanes_ != nullptr) {
    last = nullptr;  // of several upstreams, nobody knows from which table it is
  } else if (upstream == upstream_) {
    last = last->spec == nullptr ? nullptr : routing.EntryOf(last->spec->id);
  }
}

void Session::KillAfterReplies() {
  SetPause(Pause::kEnding);
  if (tail_ != nullptr) {
    tail_->close_after = true;
  } else {
    close_when_said_ = true;
    Schedule();
  }
}

void Session::Drain() {
  if (large() != nullptr) return Close();
  KillAfterReplies();
}

}  // namespace weir
