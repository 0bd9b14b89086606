// A worker: its loop's life, its sessions, and the bounds that hold for all of them together.
#include "proxy/worker.h"

#include <unistd.h>

#include <algorithm>

#include "absl/hash/hash.h"
#include "plugins/registry.h"
#include "plugins/text.h"
#include "proxy/client/authenticator.h"
#include "proxy/client/session.h"
#include "proxy/server.h"

namespace weir {
namespace {

constexpr uint64_t kTickMs = 100;

RequestLimits LimitsOf(const LimitsConfig& limits) {
  return {.bulk_bytes_max = static_cast<uint64_t>(limits.bulk_bytes_max),
          .line_bytes_max = static_cast<uint32_t>(limits.inline_bytes_max),
          .request_bytes_max = static_cast<uint32_t>(limits.request_buffer_bytes_max)};
}

}  // namespace

Worker::Worker(Server* server, int index,
               const std::vector<std::shared_ptr<const UpstreamSnapshot>>& snapshots)
    : server_(server),
      index_(index),
      config_(server->config()),
      depth_max_(static_cast<uint32_t>(config_.limits.pipeline_depth_max)),
      output_bytes_max_(static_cast<size_t>(config_.limits.client_output_buffer_bytes_max)),
      output_pause_bytes_(std::min<size_t>(size_t{1} << 20, output_bytes_max_ / 2)),
      memory_bytes_max_(static_cast<size_t>(config_.limits.memory_bytes_max) /
                        static_cast<size_t>(server->worker_count())),
      parser_(LimitsOf(config_.limits)),
      slow_log_(server->slow_log()),
      key_stats_(server->key_stats()),
      asked_parser_(slow_log_ == nullptr && key_stats_ == nullptr
                        ? nullptr
                        : std::make_unique<RequestParser>(LimitsOf(config_.limits))),
      subscribers_(&loop_.context(),
                   static_cast<size_t>(config_.limits.subscriber_output_buffer_bytes_max)),
      calls_(&loop_.context(),
             [this](uint64_t delay_ms, std::function<void()> call) {
               return After(delay_ms, std::move(call));
             }),
      names_(static_cast<uint64_t>(config_.limits.client_names_bytes_max), &loop_.context().stats),
      monitors_(this, config_.upstreams.size(), server->worker_count(), output_bytes_max_) {
  beat_ns_.store(uv_hrtime(), std::memory_order_relaxed);
  for (const ListenerConfig& listener : config_.listeners) {
    const auto named = std::find_if(
        config_.upstreams.begin(), config_.upstreams.end(),
        [&](const UpstreamConfig& upstream) { return upstream.name == listener.upstream; });
    homes_.push_back(static_cast<UpstreamIndex>(named - config_.upstreams.begin()));
  }
  for (size_t i = 0; i < config_.upstreams.size(); ++i) {
    upstreams_.push_back(std::make_unique<Upstream>(
        &loop_.context(), &config_.upstreams[i], static_cast<int>(i), server->url(i), snapshots[i],
        &server->standstill(i),
        [server](const std::string& upstream, const std::string& node, bool up,
                 const std::string& cause) { server->ReportNode(upstream, node, up, cause); },
        [server, i] { server->LookAgain(i, true); }));
    if (config_.upstreams[i].consecutive_failures != 0) {
      upstreams_.back()->BreakCircuits([server](const std::string& upstream,
                                                const std::string& node, bool ejected,
                                                const std::string& cause) {
        server->ReportEjection(upstream, node, ejected, cause);
      });
    }
    if (!upstreams_.back()->is_cluster()) continue;
    upstreams_.back()->ConfirmPrimaries();
    upstreams_.back()->SetReplicaLags(server->replica_lags(i));
    upstreams_.back()->SetOnRefreshWanted(
        [server, i](std::string_view) { server->RefreshTopology(i); });
    for (const std::string& mapping : config_.upstreams[i].address_map) {
      upstreams_.back()->AddAddressMapping(mapping);
    }
  }
  unknown_reported_ms_.resize(upstreams_.size());
  routes_ = RouteBook::Make(config_);
  context().coalescing.set_max_us(static_cast<uint64_t>(config_.coalesce_max_us));
  const LimitsConfig& limits = config_.limits;
  for (const int64_t timeout_ms : {limits.client_idle_timeout_ms, limits.request_arrival_timeout_ms,
                                   limits.client_stall_timeout_ms}) {
    if (timeout_ms > 0) {
      sweep_interval_ms_ =
          std::min(sweep_interval_ms_, std::max(kTickMs, static_cast<uint64_t>(timeout_ms) / 4));
    }
  }
}

Worker::~Worker() = default;

absl::Status Worker::BuildChain() {
  absl::StatusOr<Chain> chain = weir::BuildChain(config_.plugins, *this, server_->plugin_kinds());
  if (!chain.ok()) return chain.status();
  chain_ = *std::move(chain);
  return absl::OkStatus();
}

void Worker::Start() {
  uv_timer_init(loop(), &tick_);
  tick_.data = this;
  uv_timer_start(
      &tick_, [](uv_timer_t* timer) { static_cast<Worker*>(timer->data)->OnTick(); }, kTickMs,
      kTickMs);
  held_replies_.Open(loop());
  thread_ = std::thread([this] { Run(); });
}

void Worker::Run() { loop_.Run(); }

void Worker::Join() {
  if (thread_.joinable()) thread_.join();
}

// ---- clients come and go

void Worker::Adopt(int fd, uint64_t id, int listener) {
  connections_.fetch_add(1, std::memory_order_relaxed);
  Post([this, fd, id, listener] {
    if (drain_until_ms_ != 0) {
      ::close(fd);
      connections_.fetch_sub(1, std::memory_order_relaxed);
      return;
    }
    auto* session = new Session(this, id, listener);
    session->next = sessions_;
    session->link_from = &sessions_;
    if (sessions_ != nullptr) sessions_->link_from = &session->next;
    sessions_ = session;
    ++session_count_;
    context().stats.clients.Add(1);
    context().stats.clients_accepted.Add();
    session->Open(fd);
  });
}

void Worker::Remove(Session* session) {
  *session->link_from = session->next;
  if (session->next != nullptr) session->next->link_from = session->link_from;
  --session_count_;
  context().stats.clients.Add(-1);
  if (!memory_waiters_.empty()) std::erase(memory_waiters_, session);
  if (!slow_readers_.empty()) std::erase(slow_readers_, session);
  connections_.fetch_sub(1, std::memory_order_relaxed);
}

void Worker::InitConversation(Conversation& conversation, UpstreamIndex home) {
  const UpstreamUrl& url = UpstreamAt(home).url();
  conversation.db = url.db;
  conversation.authenticated = !AuthRequired(config_.auth, url.has_credentials());
}

LinkKey Worker::KeyOf(const Conversation& conversation, UpstreamIndex at, UpstreamIndex home) {
  Upstream& upstream = UpstreamAt(at);
  LinkKey key = upstream.BaseKey();
  // What has no key goes to one of the nodes; of servers that know nothing of each other always to
  // the same, so that PUBLISH finds who subscribes.
  const bool sharded = upstream.url().kind == UpstreamKind::kSharded;
  if (upstream.is_cluster()) key.node = upstream.map().Steady(sharded ? 0 : conversation.id);
  key.protocol_version = conversation.protocol_version;
  if (at == home || conversation.db != UpstreamAt(home).url().db) key.db = conversation.db;
  key.no_touch = conversation.names != nullptr && conversation.names->no_touch;
  if (conversation.names != nullptr && (!conversation.names->upstream_user.empty() ||
                                        !conversation.names->upstream_password.empty())) {
    key.user = conversation.names->upstream_user;
    key.password = conversation.names->upstream_password;
    key.client_credentials = true;
  }
  return key;
}

ScriptCache& Worker::ScriptsOf(UpstreamIndex upstream) {
  return server_->scripts(Number(upstream));
}

bool Worker::IsNewScript(UpstreamIndex upstream, std::string_view text) {
  constexpr size_t kSeenMax = 4096;
  if (seen_scripts_.size() >= kSeenMax) seen_scripts_.clear();
  const uint64_t generation = ScriptsOf(upstream).generation();
  return seen_scripts_.insert(absl::HashOf(Number(upstream), generation, text)).second;
}

void Worker::SendResends(const Session* session) {
  if (resends_.empty()) [[likely]]
    return;
  std::vector<std::pair<Session*, Request*>> mine;
  std::erase_if(resends_, [&](const auto& resend) {
    if (resend.first != session) return false;
    mine.push_back(resend);
    return true;
  });
  for (const auto& [to, request] : mine) to->Resend(request);
}

void Worker::ForgetResends(const Session* session) {
  if (resends_.empty()) return;
  std::erase_if(resends_, [&](const auto& resend) { return resend.first == session; });
}

std::string Worker::TooManyLinksLine(UpstreamIndex upstream) {
  const UpstreamConfig& config = UpstreamAt(upstream).config();
  return Concat("-ERR weir: upstream '", config.name, "' has links_max = ", config.links_max,
                " connections open in this worker; raise it, or use fewer dbs or users at once");
}

std::string Worker::TooManyPinnedLine(UpstreamIndex upstream) {
  const UpstreamConfig& config = UpstreamAt(upstream).config();
  context().stats.pinned_refused.Add();
  return Concat("-DOWN weir: upstream '", config.name,
                "' has pinned_connections_max = ", config.pinned_connections_max,
                " connections of clients' own in use; raise it, or use fewer transactions and "
                "blocking commands at once");
}

SubscriptionCounts& Worker::CountsOf(UpstreamIndex upstream) {
  return server_->subscription_counts(Number(upstream));
}

uint64_t Worker::DeadlineMs(UpstreamIndex upstream, const CommandEntry* entry) {
  const int64_t timeout_ms = UpstreamAt(upstream).config().request_timeout_ms;
  if (timeout_ms == 0 || (entry != nullptr && entry->blocks)) return 0;
  const uint64_t now_ms = context().NowMs();
  return now_ms + static_cast<uint64_t>(timeout_ms) +
         UpstreamAt(upstream).standstill().PauseLeftMs(now_ms);
}

ChunkRef Worker::SharedChunk(size_t room_min) {
  if (shared_chunk_) {
    // Nobody else refers to it: start again at its beginning, which is still in the cache.
    if (shared_chunk_->references == 1) shared_chunk_->used = 0;
    if (shared_chunk_->room() >= room_min) return ChunkRef::Share(shared_chunk_.get());
  }
  shared_chunk_ = ChunkRef(context().chunks.Take());
  return ChunkRef::Share(shared_chunk_.get());
}

void Worker::SetSnapshot(int upstream, std::shared_ptr<const UpstreamSnapshot> snapshot) {
  Post([this, upstream, snapshot = std::move(snapshot)]() mutable {
    Upstream& of = UpstreamByIndex(upstream);
    const RoutingTable& routing = *snapshot->routing;
    for (Session* session = sessions_; session != nullptr; session = session->next) {
      session->FollowRouting(static_cast<UpstreamIndex>(upstream), routing);
    }
    const uint64_t epoch = of.map().epoch();
    of.SetSnapshot(std::move(snapshot));
    if (of.map().epoch() == epoch) return;
    subscribers_.OnMapChanged(&of);
    for (Session* session = sessions_; session != nullptr; session = session->next) {
      session->OnMapChanged(static_cast<UpstreamIndex>(upstream));
    }
  });
}

// Redis does not know a command that weir's table has: a module was unloaded, or another server is
// there. One report of many at the same time is enough.
void Worker::NoteUnknownCommand(UpstreamIndex upstream) {
  constexpr uint64_t kPauseMs = 100;
  const uint64_t now_ms = context().NowMs();
  uint64_t& reported_ms = unknown_reported_ms_[Number(upstream)];
  if (reported_ms != 0 && now_ms - reported_ms < kPauseMs) return;
  reported_ms = now_ms;
  server_->LookAgain(Number(upstream), false);
}

// ---- a few times a second

void Worker::OnTick() {
  const uint64_t now_ns = uv_hrtime();
  beat_ns_.store(now_ns, std::memory_order_relaxed);
  WorkerStats& stats = context().stats;
  if (next_tick_ns_ != 0) {
    const uint64_t lag_us = now_ns > next_tick_ns_ ? (now_ns - next_tick_ns_) / 1000 : 0;
    stats.loop_lag_us.Set(lag_us);
    stats.loop_lag_max_us.Set(std::max(lag_us, stats.loop_lag_max_us.Get()));
  }
  next_tick_ns_ = now_ns + kTickMs * 1'000'000;
  const uint64_t now_ms = context().NowMs();
  for (Session* session : std::exchange(slow_readers_, {})) {
    if (!session->closed()) session->SweepSlowReader(now_ms);
  }
  RelieveMemory();
  for (const auto& upstream : upstreams_) {
    upstream->RelieveBusyLinks();
    upstream->CloseDoubted();
    upstream->TendBreakers();
    upstream->UpdateReaders();
  }
  subscribers_.OnTick(now_ms);
  if (now_ms - last_sweep_ms_ >= sweep_interval_ms_) {
    last_sweep_ms_ = now_ms;
    SweepSessions(now_ms);
    for (const auto& upstream : upstreams_) upstream->CloseIdle();
  }
  if (drain_until_ms_ != 0 && !drained() && (sessions_ == nullptr || now_ms >= drain_until_ms_)) {
    while (sessions_ != nullptr) sessions_->Close();
    drained_.store(true, std::memory_order_relaxed);
    server_->OnWorkerDrained();
  }
}

void Worker::SweepSessions(uint64_t now_ms) {
  const LimitsConfig& limits = config_.limits;
  const auto idle_ms = static_cast<uint64_t>(limits.client_idle_timeout_ms);
  const auto arrival_ms = static_cast<uint64_t>(limits.request_arrival_timeout_ms);
  const auto stall_ms = static_cast<uint64_t>(limits.client_stall_timeout_ms);
  for (Session* session = sessions_; session != nullptr;) {
    Session* const next = session->next;
    session->SweepSubscriptions(now_ms);
    const uint64_t silent_ms = now_ms - session->last_read_ms();
    const bool idle_too_long = idle_ms != 0 && session->idle() && silent_ms > idle_ms;
    const bool too_slow = arrival_ms != 0 && session->arriving_since_ms() != 0 &&
                          now_ms - session->arriving_since_ms() > arrival_ms;
    if (idle_too_long || too_slow) {
      context().stats.clients_idle_closed.Add();
      session->Close();
    } else if (stall_ms != 0 && now_ms > stall_ms && session->stalled_since(now_ms - stall_ms)) {
      context().stats.clients_output_closed.Add();
      session->Close();
    }
    session = next;
  }
}

// ---- memory

void Worker::PauseForMemory(Session* session) {
  session->SetPause(Pause::kMemory);
  memory_waiters_.push_back(session);
}

// Buffers are bounded by pausing clients; should replies alone go over the bound, the client that
// leaves most of them unread has to go, as with Redis' maxmemory-clients.
void Worker::RelieveMemory() {
  while (context().chunks.bytes_in_use() > memory_bytes_max_ + memory_bytes_max_ / 4) {
    Session* largest = nullptr;
    for (Session* s = sessions_; s != nullptr; s = s->next) {
      if (largest == nullptr || s->output_bytes() > largest->output_bytes()) largest = s;
    }
    if (largest == nullptr || largest->output_bytes() < output_pause_bytes_) break;
    context().stats.clients_memory_closed.Add();
    largest->Close();
  }
  if (memory_waiters_.empty()) return;
  if (context().chunks.bytes_in_use() > memory_bytes_max_ - memory_bytes_max_ / 10) return;
  for (Session* session : std::exchange(memory_waiters_, {})) session->ClearPause(Pause::kMemory);
}

// ---- tickets

uint64_t Worker::TakeTicket(Session* session, Request* request) {
  tickets_[++last_ticket_] = {session, request};
  return last_ticket_;
}

void Worker::ForgetTickets(const Session* session) {
  if (tickets_.empty()) return;
  for (auto it = tickets_.begin(); it != tickets_.end();) {
    if (it->second.session == session) {
      tickets_.erase(it++);
    } else {
      ++it;
    }
  }
}

void Worker::Resume(uint64_t ticket) {
  const auto found = tickets_.find(ticket);
  if (found == tickets_.end()) return;
  Session* session = found->second.session;
  tickets_.erase(found);
  session->EndHold(std::nullopt);
}

void Worker::Answer(uint64_t ticket, std::string reply) {
  const auto found = tickets_.find(ticket);
  if (found == tickets_.end()) return;
  Session* session = found->second.session;
  tickets_.erase(found);
  session->EndHold(std::move(reply));
}

// ---- end

void Worker::Drain(uint64_t timeout_ms) {
  Post([this, timeout_ms] {
    drain_until_ms_ = context().NowMs() + timeout_ms;
    for (Session* session = sessions_; session != nullptr;) {
      Session* const next = session->next;
      session->Drain();
      session = next;
    }
  });
}

void Worker::Stop() {
  Post([this] {
    while (sessions_ != nullptr) sessions_->Close();
    subscribers_.Close();
    calls_.Close();
    for (const auto& upstream : upstreams_) upstream->Close();
    uv_close(reinterpret_cast<uv_handle_t*>(&tick_), nullptr);
    held_replies_.Close();
    shared_chunk_.Reset();
    loop_.Stop();
    // After the answers to the plugins' own calls, and while the loop can still close their timers:
    // it ends with the last of them.
    chain_ = Chain();
  });
}

}  // namespace weir
