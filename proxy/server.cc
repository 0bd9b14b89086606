// The process: from a configuration to workers that serve, and down again.
#include "proxy/server.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <thread>

#include "plugins/text.h"
#include "proxy/key_stats.h"
#include "proxy/listener.h"
#include "proxy/log.h"
#include "proxy/process_metrics.h"
#include "proxy/service.h"
#include "proxy/slow_log.h"
#include "resp/errors.h"
#include "routing/slot.h"

namespace weir {
namespace {

// Clients are let in when each upstream has answered, or after this time.
constexpr uint64_t kStartWaitMaxMs = 3000;

size_t CountWorkers(int64_t configured) {
  if (configured > 0) return static_cast<size_t>(configured);
  return std::max(1u, std::thread::hardware_concurrency());
}

// What is known of an upstream before anybody has answered: where its nodes, or some of them, are.
std::shared_ptr<const Topology> FirstTopology(const UpstreamUrl& url,
                                              const UpstreamConfig& config) {
  std::vector<Node> nodes;
  for (const UpstreamUrl::Endpoint& endpoint : url.endpoints) {
    nodes.push_back(Node{.host = endpoint.host, .port = endpoint.port});
  }
  // Sentinels serve no keys, and which of several servers is the primary is to be seen.
  if (url.kind == UpstreamKind::kSentinel) return Topology::Replicated({}, 0);
  const bool may_have_replicas = nodes.size() > 1 || config.discover_replicas;
  if (url.kind == UpstreamKind::kSingle && may_have_replicas) return Topology::Replicated({}, 0);
  if (url.kind == UpstreamKind::kSingle) return Topology::Single(std::move(nodes[0]));
  if (url.kind == UpstreamKind::kSharded) {
    std::vector<Ketama::Server> servers;
    for (const Node& node : nodes) servers.push_back({.name = KetamaName(node.host, node.port)});
    return Topology::Sharded(std::move(nodes), Ketama(servers, config.hash_tag));
  }
  return Topology::Cluster(std::move(nodes), std::vector<NodeIndex>(kSlotCount, kNoNode), 0);
}

// Whether it matters how far an upstream's replicas are behind.
bool BoundsLag(const UpstreamConfig& config, const Topology& first) {
  return config.max_lag_ms != 0 && config.read_from != ReadFrom::kPrimary && !first.is_single() &&
         !first.is_sharded();
}

void RaiseDescriptorLimit() {
  rlimit limit;
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

Server::Server(Config config, std::span<const PluginKind> plugin_kinds)
    : config_(std::move(config)),
      plugin_kinds_(plugin_kinds),
      worker_count_(CountWorkers(config_.workers)) {
  for (size_t i = 0; i < config_.upstreams.size(); ++i) {
    counts_.push_back(std::make_unique<SubscriptionCounts>());
  }
}

Server::~Server() = default;

absl::Status Server::Run() {
  std::signal(SIGPIPE, SIG_IGN);
  RaiseDescriptorLimit();
  started_ns_ = uv_hrtime();
  // Before anybody can connect, so that a signal is never answered by the kernel.
  WatchSignals();
  if (absl::Status status = Prepare(); !status.ok()) {
    workers_.clear();
    CloseSignals();
    return status;
  }
  for (const auto& worker : workers_) worker->Start();
  StartDiscovery();
  loop_.Run();
  for (const auto& worker : workers_) worker->Join();
  return absl::OkStatus();
}

// All that can fail, before a thread runs or a client gets in.
absl::Status Server::Prepare() {
  const absl::StatusOr<CommandPolicy> policy =
      CommandPolicy::Parse(config_.commands.allow, config_.commands.deny);
  if (!policy.ok()) return policy.status();
  policy_ = *policy;
  std::vector<std::shared_ptr<const UpstreamSnapshot>> snapshots;
  const auto routing = RoutingTable::Make(CommandTable::BuiltIn(), policy_);
  for (const UpstreamConfig& upstream : config_.upstreams) {
    absl::StatusOr<UpstreamUrl> url = ParseUpstreamUrl(upstream.url);
    if (!url.ok()) return url.status();
    auto snapshot = std::make_shared<UpstreamSnapshot>();
    snapshot->routing = routing;
    snapshot->topology = FirstTopology(*url, upstream);
    replica_lags_.push_back(BoundsLag(upstream, *snapshot->topology)
                                ? std::make_shared<ReplicaLags>(upstream.name)
                                : nullptr);
    snapshots.push_back(std::move(snapshot));
    urls_.push_back(*std::move(url));
    standstills_.emplace_back();
    scripts_.emplace_back(static_cast<size_t>(config_.limits.script_cache_bytes_max));
  }
  for (const std::string& pattern : policy_.Unmatched(routing->commands())) {
    Log(LogLevel::kWarning, "pattern matches no command", {{"pattern", pattern}});
  }
  if (const SlowlogConfig& slowlog = config_.slowlog; !slowlog.off()) {
    slow_log_ = std::make_shared<SlowLog>(static_cast<uint64_t>(slowlog.log_slower_than_us) * 1000,
                                          static_cast<size_t>(slowlog.max_len), worker_count_);
    AddMetrics(slow_log_);
  }
  if (const HotkeysConfig& hotkeys = config_.hotkeys; !hotkeys.off()) {
    key_stats_ =
        std::make_unique<KeyStats>(static_cast<size_t>(hotkeys.tracked_max),
                                   static_cast<uint64_t>(hotkeys.window_s) * 1000, worker_count_);
  }
  for (size_t i = 0; i < worker_count_; ++i) {
    workers_.push_back(std::make_unique<Worker>(this, static_cast<int>(i), snapshots));
    if (absl::Status status = workers_.back()->BuildChain(); !status.ok()) return status;
  }
  if (absl::Status status = OpenListeners(); !status.ok()) return status;
  std::vector<const WorkerStats*> stats;
  for (const auto& worker : workers_) stats.push_back(&worker->stats());
  AddMetrics(std::make_shared<ProcessMetrics>(std::move(stats), &nodes_));
  if (!config_.admin.off()) {
    absl::StatusOr<std::unique_ptr<Admin>> admin = Admin::Start(config_.admin.address, this);
    if (!admin.ok()) return admin.status();
    admin_ = *std::move(admin);
  }
  // Discovery runs on the control loop, one for each upstream.
  for (size_t i = 0; i < config_.upstreams.size(); ++i) {
    const std::string name = config_.upstreams[i].name;
    discoveries_.push_back(std::make_unique<Discovery>(
        &loop_.context(), &config_.upstreams[i], static_cast<int>(i), urls_[i], &policy_,
        snapshots[i],
        [this, i](std::shared_ptr<const UpstreamSnapshot> snapshot) {
          ForgetNodes(i, *snapshot->topology);
          for (const auto& worker : workers_) worker->SetSnapshot(static_cast<int>(i), snapshot);
        },
        [this, name](const std::string& node, bool up, const std::string& cause) {
          if (!node.empty()) ReportNode(name, node, up, cause);
          if (!serving_) Begin();
        }));
    if (replica_lags_[i] == nullptr) continue;
    discoveries_.back()->MeasureLags(replica_lags_[i].get());
    AddMetrics(replica_lags_[i]);
  }
  return absl::OkStatus();
}

absl::Status Server::OpenListeners() {
  for (size_t i = 0; i < config_.listeners.size(); ++i) {
    listeners_.push_back(std::make_unique<Listener>(
        &config_.listeners[i], [this, i](int fd) { Deal(fd, static_cast<int>(i)); }));
    if (absl::Status status = listeners_.back()->Open(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

void Server::StartDiscovery() {
  uv_timer_init(loop_.uv(), &timer_);
  timer_.data = this;
  uv_timer_start(
      &timer_, [](uv_timer_t* timer) { static_cast<Server*>(timer->data)->Begin(); },
      kStartWaitMaxMs, 0);
  for (const auto& discovery : discoveries_) discovery->Start();
}

// Lets clients in, once each upstream was tried.
void Server::Begin() {
  const bool waited = (uv_hrtime() - started_ns_) / 1'000'000 >= kStartWaitMaxMs;
  const bool all_tried = std::all_of(discoveries_.begin(), discoveries_.end(),
                                     [](const auto& d) { return d->tried(); });
  if (serving_ || draining_ || (!all_tried && !waited)) return;
  std::string addresses;
  for (const auto& listener : listeners_) {
    listener->Accept(loop_.uv());
    if (!addresses.empty()) addresses += ", ";
    addresses += listener->address();
  }
  serving_ = true;
  uv_timer_stop(&timer_);
  Log(LogLevel::kInfo, "started",
      {{"version", WEIR_VERSION},
       {"listen", addresses},
       {"admin", admin_ == nullptr ? std::string("off") : admin_->address()},
       {"upstream", urls_[0].ToString()},
       {"workers", worker_count_},
       {"pid", ::getpid()}});
  NotifyReady(Concat("serving on ", addresses));
  StartWatchdog();
}

// ---- connections

void Server::Deal(int fd, int listener) {
  Worker* least = workers_.front().get();
  int64_t total = 0;
  for (const auto& worker : workers_) {
    total += worker->connections();
    if (worker->connections() < least->connections()) least = worker.get();
  }
  if (total >= config_.limits.clients_max) {
    const std::string line = ErrorText(RedisError::kMaxClients) + "\r\n";
    (void)::send(fd, line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    ::close(fd);
    clients_refused_.Add();
    static LogSampler sampler;
    LogSampled(&sampler, LogLevel::kWarning, "client refused",
               {{"cause", "clients_max"}, {"clients", total}});
    return;
  }
  least->Adopt(fd, ++last_client_id_, listener);
}

// Who is no longer in the topology is not of interest any more.
void Server::ForgetNodes(size_t upstream, const Topology& topology) {
  if (topology.is_single() || topology.primaries().empty()) return;
  const std::string& name = config_.upstreams[upstream].name;
  for (const NodeStates::State& state : nodes_.All()) {
    const auto is_it = [&](const Node& node) { return node.Address() == state.node; };
    if (state.upstream == name &&
        std::none_of(topology.nodes().begin(), topology.nodes().end(), is_it)) {
      nodes_.Forget(name, state.node);
    }
  }
}

void Server::RefreshTopology(size_t upstream) {
  loop_.Post([this, upstream] {
    if (!finished_) discoveries_[upstream]->Refresh();
  });
}

void Server::ReportNode(const std::string& upstream, const std::string& node, bool up,
                        const std::string& cause) {
  if (!nodes_.Report(upstream, node, up, cause)) return;
  if (up) {
    Log(LogLevel::kInfo, "node up", {{"upstream", upstream}, {"node", node}});
  } else {
    Log(LogLevel::kWarning, "node down",
        {{"upstream", upstream}, {"node", node}, {"cause", cause}});
  }
}

void Server::ReportEjection(const std::string& upstream, const std::string& node, bool ejected,
                            const std::string& cause) {
  nodes_.ReportEjection(upstream, node, ejected, cause);
  if (ejected) {
    Log(LogLevel::kWarning, "node ejected",
        {{"upstream", upstream}, {"node", node}, {"cause", cause}});
  } else {
    Log(LogLevel::kInfo, "node let in again", {{"upstream", upstream}, {"node", node}});
  }
}

void Server::LookAgain(size_t upstream, bool reconnected) {
  loop_.Post([this, upstream, reconnected] { discoveries_[upstream]->LookAgain(reconnected); });
}

// ---- signals, watchdog, end

void Server::WatchSignals() {
  const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
  for (size_t i = 0; i < 3; ++i) {
    uv_signal_init(loop_.uv(), &signals_[i]);
    signals_[i].data = this;
    uv_signal_start(
        &signals_[i],
        [](uv_signal_t* handle, int number) {
          static_cast<Server*>(handle->data)->OnSignal(number);
        },
        numbers[i]);
  }
}

void Server::CloseSignals() {
  for (uv_signal_t& handle : signals_) uv_close(reinterpret_cast<uv_handle_t*>(&handle), nullptr);
}

void Server::OnSignal(int number) {
  if (number == SIGHUP) {
    Log(LogLevel::kWarning, "SIGHUP ignored",
        {{"cause", "it is reserved; restart weir to read the configuration again"}});
    return;
  }
  if (!draining_) {
    Drain();
  } else {
    // Asked twice: wait no longer.
    for (const auto& worker : workers_) worker->Drain(0);
  }
}

void Server::RequestStop() {
  loop_.Post([this] {
    if (!draining_) Drain();
  });
}

void Server::StartWatchdog() {
  const int64_t interval_ms = WatchdogIntervalMs();
  if (interval_ms <= 0) return;
  const auto interval = static_cast<uint64_t>(interval_ms);
  uv_timer_start(
      &timer_,
      [](uv_timer_t* timer) {
        const std::vector<uint64_t> ages = static_cast<Server*>(timer->data)->HeartbeatAgesMs();
        const bool all_turn = std::all_of(ages.begin(), ages.end(), [](uint64_t age_ms) {
          return age_ms < Admin::kHeartbeatAgeMaxMs;
        });
        if (all_turn) NotifyAlive();
      },
      interval, interval);
}

void Server::Drain() {
  draining_ = true;
  NotifyStopping();
  Log(LogLevel::kInfo, "draining", {{"timeout_ms", config_.drain_timeout_ms}});
  for (const auto& listener : listeners_) listener->Stop();
  for (const auto& worker : workers_) {
    worker->Drain(static_cast<uint64_t>(config_.drain_timeout_ms));
  }
}

void Server::OnWorkerDrained() {
  loop_.Post([this] {
    const bool all = std::all_of(workers_.begin(), workers_.end(),
                                 [](const auto& worker) { return worker->drained(); });
    if (all) Finish();
  });
}

void Server::Finish() {
  if (std::exchange(finished_, true)) return;
  admin_.reset();
  for (const auto& worker : workers_) worker->Stop();
  for (const auto& discovery : discoveries_) discovery->Stop();
  CloseSignals();
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
  loop_.Stop();
  Log(LogLevel::kInfo, "stopped", {});
}

}  // namespace weir
