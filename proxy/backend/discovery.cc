// Questions to a server, and the snapshot made of its answers.
#include "proxy/backend/discovery.h"

#include <algorithm>
#include <utility>

#include "absl/hash/hash.h"
#include "plugins/text.h"
#include "proxy/backend/call.h"
#include "proxy/backend/replica_watch.h"
#include "proxy/backend/sentinel_watch.h"
#include "proxy/backend/topology_watch.h"
#include "proxy/log.h"
#include "resp/frame_scanner.h"
#include "resp/reply_tree.h"
#include "resp/reply_writer.h"

namespace weir {
namespace {

// How often it is tried when health checks are off or the server is away.
constexpr uint64_t kRetryMs = 1000;

// "role:master\r\n" -> "master"; "" if INFO has no such line.
std::string InfoField(std::string_view info, std::string_view name) {
  const std::string line_start = Concat("\n", name, ":");
  const size_t at = info.find(line_start);
  if (at == std::string_view::npos) return "";
  const std::string_view rest = info.substr(at + line_start.size());
  return std::string(rest.substr(0, rest.find_first_of("\r\n")));
}

// The value of "modules", HELLO's last field, as the server wrote it.
std::string ModulesOf(std::string_view hello) {
  constexpr std::string_view kName = "$7\r\nmodules\r\n";
  const size_t at = hello.find(kName);
  return at == std::string_view::npos ? "*0\r\n" : std::string(hello.substr(at + kName.size()));
}

}  // namespace

Discovery::Discovery(LoopContext* context, const UpstreamConfig* config, int index, UpstreamUrl url,
                     const CommandPolicy* policy, std::shared_ptr<const UpstreamSnapshot> first,
                     OnSnapshot on_snapshot, OnHealth on_health)
    : context_(context),
      config_(config),
      policy_(policy),
      on_snapshot_(std::move(on_snapshot)),
      on_health_(std::move(on_health)),
      known_(std::move(first)),
      upstream_(context, config, index, std::move(url), known_, &standstill_,
                [](const std::string&, const std::string&, bool, const std::string&) {}) {
  uv_timer_init(context->loop, &timer_);
  timer_.data = this;
  if (!upstream_.is_cluster()) return;
  for (const std::string& mapping : config->address_map) {
    upstream_.AddAddressMapping(mapping);
  }
  watch_ = MakeWatch();
}

std::unique_ptr<Watch> Discovery::MakeWatch() {
  const auto on_topology = [this](std::shared_ptr<const Topology> topology) {
    OnTopology(std::move(topology));
  };
  const auto on_node = [this](const std::string& node, bool up, const std::string& cause) {
    on_health_(node, up, cause);
  };
  const auto on_round = [this](const std::string& why) { OnRound(why); };
  const AddressMap* const map = &upstream_.address_map();
  switch (upstream_.url().kind) {
    case UpstreamKind::kSentinel:
      return std::make_unique<SentinelWatch>(context_, &upstream_, map, on_topology, on_node,
                                             on_round);
    case UpstreamKind::kSingle:
      return std::make_unique<ReplicaWatch>(context_, &upstream_, map, on_topology, on_node,
                                            on_round);
    case UpstreamKind::kSharded:
      return nullptr;
    case UpstreamKind::kCluster:
      break;
  }
  return std::make_unique<TopologyWatch>(context_, &upstream_, map, on_topology, on_node, on_round);
}

Discovery::~Discovery() = default;

void Discovery::MeasureLags(ReplicaLags* lags) {
  lag_watch_ = std::make_unique<LagWatch>(context_, &upstream_, lags);
}

void Discovery::Start() {
  Ask();
  if (watch_ != nullptr) watch_->Refresh();
  if (lag_watch_ != nullptr) lag_watch_->Start();
}

void Discovery::Refresh() {
  if (watch_ != nullptr) watch_->Refresh();
}

void Discovery::ReportHealth(bool up, const std::string& cause) {
  on_health_(upstream_.NodeAddress(Asked()), up, cause);
}

void Discovery::OnTopology(std::shared_ptr<const Topology> topology) {
  auto snapshot = std::make_shared<UpstreamSnapshot>(*known_);
  snapshot->topology = std::move(topology);
  known_ = snapshot;
  upstream_.SetSnapshot(snapshot);
  Post();
  // Another primary may be another version.
  if (known_->topology->is_replicated()) ask_again_ = true;
  if (no_node_) Ask();
}

void Discovery::OnRound(const std::string& why) {
  if (tried_ || (!answered_ && why.empty())) return;
  tried_ = true;
  on_health_(upstream_.NodeAddress(Asked()), why.empty(), why);
}

void Discovery::Post() { on_snapshot_(known_); }

void Discovery::Stop() {
  stopped_ = true;
  if (watch_ != nullptr) watch_->Stop();
  if (lag_watch_ != nullptr) lag_watch_->Stop();
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
  upstream_.Close();
}

void Discovery::Send(std::initializer_list<std::string_view> args,
                     void (Discovery::*then)(std::string_view)) {
  std::string request;
  AppendRequest(&request, args);
  LinkKey key = upstream_.BaseKey();
  key.node = Asked();
  LinkGroup* group = upstream_.Hold(key);
  CallUpstream(context_, &upstream_, group, std::move(request), true,
               [this, then](std::string_view reply) {
                 if (!stopped_) (this->*then)(reply);
               });
  group->Release();
}

void Discovery::LookAgain(bool reconnected) {
  if (stopped_ || ask_again_) return;
  if (reconnected) look_pause_ms_ = kLookMinMs;
  const uint64_t since_ms = context_->NowMs() - asked_ms_;
  AskAgainIn(asked_ms_ == 0 || since_ms >= look_pause_ms_ ? 0 : look_pause_ms_ - since_ms);
  if (!busy_) Again(true);
}

void Discovery::AskAgainIn(uint64_t delay_ms) {
  ask_again_ = true;
  ask_again_at_ms_ = context_->NowMs() + delay_ms;
}

void Discovery::Ask() {
  busy_ = true;
  ask_again_ = false;
  no_node_ = Asked() == kNoNode;
  if (no_node_) return;
  facts_ = ServerFacts();
  facts_.modules_resp2 = facts_.modules_resp3 = "*0\r\n";
  Send({"HELLO", "2"}, &Discovery::OnHello);
}

void Discovery::OnHello(std::string_view reply) {
  connections_seen_ = upstream_.connections_made();
  if (reply.starts_with("-DOWN") || reply.starts_with("-TIMEOUT") || reply.starts_with("-NOAUTH") ||
      reply.starts_with("-UNKNOWN weir")) {
    return Fail(reply);
  }
  // A flat list of names and values; Redis before 6 has no HELLO and is asked by INFO alone.
  if (const auto hello = ParseReply(reply); hello.ok() && hello->is(Reply::Type::kArray)) {
    for (const auto& [name, into] :
         {std::pair{"server", &facts_.server}, std::pair{"version", &facts_.version},
          std::pair{"mode", &facts_.mode}, std::pair{"role", &facts_.role}}) {
      if (const Reply* value = hello->Find(name); value != nullptr) *into = value->string;
    }
    facts_.modules_resp2 = ModulesOf(reply);
  }
  Send({"INFO"}, &Discovery::OnInfo);
}

void Discovery::OnInfo(std::string_view reply) {
  if (reply.starts_with("-DOWN") || reply.starts_with("-TIMEOUT")) return Fail(reply);
  if (!reply.starts_with('-')) {
    facts_.run_id = InfoField(reply, "run_id");
    if (facts_.version.empty()) facts_.version = InfoField(reply, "redis_version");
  }
  if (facts_.modules_resp2 == "*0\r\n") return OnModules("");
  // RESP3 clients see the modules as RESP3 shows them.
  LinkKey key = upstream_.BaseKey();
  key.node = Asked();
  key.protocol_version = 3;
  LinkGroup* group = upstream_.Hold(key);
  std::string request;
  AppendRequest(&request, {"HELLO", "3"});
  CallUpstream(context_, &upstream_, group, std::move(request), true, [this](std::string_view r) {
    if (!stopped_) OnModules(r);
  });
  group->Release();
}

void Discovery::OnModules(std::string_view reply) {
  if (!reply.empty()) facts_.modules_resp3 = ModulesOf(reply);
  Send({"COMMAND"}, &Discovery::OnCommand);
}

void Discovery::OnCommand(std::string_view reply) {
  if (reply.starts_with("-DOWN") || reply.starts_with("-TIMEOUT")) return Fail(reply);
  if (reply.starts_with("-BUSY")) {
    AskAgainIn(kRetryMs);
    return Finish(known_->routing);
  }
  if (reply == command_reply_) {
    look_pause_ms_ = std::min(2 * look_pause_ms_, kLookMaxMs);
    return Finish(known_->routing);
  }
  look_pause_ms_ = kLookMinMs;
  const auto table = CommandTable::FromReply(reply);
  if (!table.ok()) {
    Log(LogLevel::kWarning, "command table kept",
        {{"upstream", config_->name}, {"cause", Message(table.status())}});
    return Finish(known_->routing);
  }
  command_reply_ = reply;
  Finish(RoutingTable::Make(CommandTable::Merge(*CommandTable::BuiltIn(), **table), *policy_));
}

void Discovery::Finish(std::shared_ptr<const RoutingTable> routing) {
  asked_ms_ = context_->NowMs();
  // Clients see one server.
  if (watch_ != nullptr) facts_.mode = "standalone";
  const bool news = !answered_ || routing != known_->routing || !(facts_ == known_->server);
  if (news) {
    auto snapshot = std::make_shared<UpstreamSnapshot>();
    snapshot->routing = std::move(routing);
    snapshot->topology = known_->topology;
    snapshot->server = facts_;
    known_ = snapshot;
    upstream_.SetSnapshot(snapshot);
  }
  answered_ = true;
  tried_ = watch_ == nullptr || watch_->known();
  if (news) Post();
  ReportHealth(true, "");
  Again(true);
}

void Discovery::Fail(std::string_view reply) {
  std::string_view cause = reply.substr(1, reply.find_first_of("\r\n") - 1);
  // "DOWN weir: no connection to NODE: cause" -> the cause alone: who and where is known.
  if (const size_t at = cause.rfind(": ");
      at != std::string_view::npos && cause.starts_with("DOWN"))
    cause.remove_prefix(at + 2);
  tried_ = true;
  const std::string node = upstream_.NodeAddress(Asked());
  // It is well, and tells only those who authenticate: with passthrough that are the clients.
  if (cause.starts_with("NOAUTH") && !upstream_.url().has_credentials()) {
    on_health_(node, true, "");
    return Again(false);
  }
  on_health_(node, false, std::string(cause));
  // Of several nodes another is asked next.
  ++attempt_;
  Again(false);
}

void Discovery::Again(bool connected) {
  busy_ = false;
  if (stopped_) return;
  uint64_t interval_ms = UINT64_MAX;
  if (!connected) {
    interval_ms = kRetryMs;
  } else if (config_->health_check_interval_ms != 0) {
    interval_ms = static_cast<uint64_t>(config_->health_check_interval_ms);
  }
  if (ask_again_) {
    const uint64_t now_ms = context_->NowMs();
    interval_ms = std::min(interval_ms, ask_again_at_ms_ - std::min(now_ms, ask_again_at_ms_));
  }
  if (interval_ms == UINT64_MAX) return;
  uv_timer_start(
      &timer_, [](uv_timer_t* timer) { static_cast<Discovery*>(timer->data)->Ping(); }, interval_ms,
      0);
}

void Discovery::Ping() {
  busy_ = true;
  Send({"PING"}, &Discovery::OnPing);
}

void Discovery::OnPing(std::string_view reply) {
  // Busy with somebody's script is not dead, and SCRIPT KILL must get through.
  if (reply.starts_with("-BUSY")) {
    ReportHealth(true, "");
    return Again(true);
  }
  // Its errors are of interest too: LOADING, or a password that is no longer right.
  if (reply.starts_with('-')) return Fail(reply);
  const bool due = ask_again_ && context_->NowMs() >= ask_again_at_ms_;
  // A cluster's nodes are many, and come and go.
  const bool another = watch_ == nullptr && upstream_.connections_made() != connections_seen_;
  if (due || another || known_->server.version.empty()) {
    return Ask();
  }
  ReportHealth(true, "");
  Again(true);
}

}  // namespace weir
