// What a worker lends to its plugins, and what it tells about itself and its clients.
#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>

#include "plugins/config_errors.h"
#include "plugins/idem_command.h"
#include "plugins/text.h"
#include "proxy/backend/call.h"
#include "proxy/client/dispatcher.h"
#include "proxy/client/lanes.h"
#include "proxy/client/script_cache.h"
#include "proxy/client/session.h"
#include "proxy/log.h"
#include "proxy/server.h"
#include "proxy/upstream_report.h"
#include "proxy/worker.h"
#include "resp/reply_writer.h"
#include "resp/wire_text.h"
#include "routing/plan.h"
#include "routing/slot_tag.h"

namespace weir {
namespace {

class LoopTimer final : public HostTimer {
 public:
  LoopTimer(uv_loop_t* loop, uint64_t delay_ms, std::function<void()> call)
      : timer_(new Handle{.uv = {}, .call = std::move(call)}) {
    uv_timer_init(loop, &timer_->uv);
    timer_->uv.data = timer_;
    uv_timer_start(
        &timer_->uv,
        [](uv_timer_t* uv) {
          // The call may destroy the timer, and with it the function.
          const std::function<void()> call = std::move(static_cast<Handle*>(uv->data)->call);
          if (call) call();
        },
        delay_ms, 0);
  }
  ~LoopTimer() override {
    uv_close(reinterpret_cast<uv_handle_t*>(&timer_->uv),
             [](uv_handle_t* uv) { delete static_cast<Handle*>(uv->data); });
  }
  LoopTimer(const LoopTimer&) = delete;
  LoopTimer& operator=(const LoopTimer&) = delete;

 private:
  // The loop knows it until its close callback, longer than its owner may live.
  struct Handle {
    uv_timer_t uv;
    std::function<void()> call;
  };
  Handle* const timer_;
};

// By whom, in which db, and in which version requests for a client are sent.
struct ActingClient final : HostClient {
  explicit ActingClient(LinkKey of) : key(std::move(of)) { key.protocol_version = 3; }
  LinkKey key;
};

// A request on its way for a client.
class ActingCall final : public HostCall {
 public:
  ActingCall(LoopContext* context, Upstream* upstream, bool blocks)
      : context_(context),
        upstream_(upstream),
        own_(blocks ? std::make_shared<CallLink>() : nullptr) {}

  const std::shared_ptr<CallLink>& own() const { return own_; }

  void Unblock() override {
    const Link* const link = own_ == nullptr ? nullptr : own_->link;
    if (link == nullptr || link->client_id() == 0) return;
    std::string request;
    AppendRequest(&request, {"CLIENT", "UNBLOCK", std::to_string(link->client_id())});
    // By weir's own user, because the client's may not be allowed to, and would block for ever.
    LinkKey key = upstream_->BaseKey();
    key.node = link->key().node;
    LinkGroup* group = upstream_->Hold(key);
    CallUpstream(context_, upstream_, group, std::move(request), /*retryable=*/false,
                 [](std::string_view) {});
    group->Release();
  }

 private:
  LoopContext* const context_;
  Upstream* const upstream_;
  const std::shared_ptr<CallLink> own_;  // null: it goes on a shared one
};

bool IsEval(std::string_view name) {
  return EqualsIgnoreCase(name, "eval") || EqualsIgnoreCase(name, "evalsha");
}

std::string_view StateName(Link::State state) {
  switch (state) {
    case Link::State::kIdle:
      return "not connected";
    case Link::State::kConnecting:
      return "connecting";
    case Link::State::kGated:
      return "handshaking";
    case Link::State::kReady:
      return "connected";
    case Link::State::kBackoff:
      return "waiting to reconnect";
    case Link::State::kClosed:
      return "closed";
  }
  return "";
}

// Of WEIR.IDEM, if a plugin knows it, leaves the command within. False: it is another command.
bool TakeIdem(const Chain& chain, ArgList* args) {
  if (args->size() == 0 || !IsIdemCommand((*args)[0])) return false;
  const std::vector<const CommandSpec*>& commands = chain.commands();
  const bool known = std::any_of(commands.begin(), commands.end(),
                                 [](const CommandSpec* spec) { return IsIdemCommand(spec->name); });
  const uint32_t before = IdemOwnArgs(*args);
  if (!known || before >= args->size()) return false;
  *args = args->Tail(before);
  return true;
}

}  // namespace

// ---- Host

const std::string& Worker::UpstreamName(int upstream) const {
  return config_.upstreams[static_cast<size_t>(upstream)].name;
}

std::unique_ptr<HostTimer> Worker::After(uint64_t delay_ms, std::function<void()> call) {
  return std::make_unique<LoopTimer>(loop(), delay_ms, std::move(call));
}

void Worker::Call(int upstream, std::string_view key, std::string request,
                  std::function<void(std::string_view reply)> done) {
  calls_.Start(&UpstreamByIndex(upstream), key, std::move(request), std::move(done));
}

std::shared_ptr<const HostClient> Worker::ClientOf(SessionView& session) {
  return std::make_shared<ActingClient>(static_cast<Session&>(session).group()->key());
}

uint64_t Worker::RequestTimeoutMs(int upstream) const {
  return static_cast<uint64_t>(config_.upstreams[static_cast<size_t>(upstream)].request_timeout_ms);
}

std::shared_ptr<HostCall> Worker::CallFor(const std::shared_ptr<const HostClient>& client,
                                          HostRequest request,
                                          std::function<void(std::string_view reply)> done) {
  Upstream* const upstream = &UpstreamByIndex(request.upstream);
  auto call = std::make_shared<ActingCall>(&context(), upstream, request.blocks);
  const RoutedCalls::Options options = {.as = static_cast<const ActingClient&>(*client).key,
                                        .for_script = request.is_script,
                                        .timeouts = request.blocks ? 0 : request.timeouts,
                                        .own = call->own()};
  const std::vector<std::string_view> args(request.args.begin(), request.args.end());
  std::string wire;
  AppendRequest(&wire, args);
  if (!request.is_script || args.size() < 3 || !IsEval(args[0])) {
    calls_.Start(upstream, request.key, std::move(wire), std::move(done), options);
    return call;
  }
  ScriptCache* const scripts = &ScriptsOf(static_cast<UpstreamIndex>(request.upstream));
  const bool by_hash = EqualsIgnoreCase(args[0], "evalsha");
  if (!by_hash) scripts->Remember(args[1]);
  std::string key = request.key;
  calls_.Start(
      upstream, key, std::move(wire),
      [this, upstream, scripts, by_hash, options, request = std::move(request),
       done = std::move(done)](std::string_view reply) mutable {
        const auto text =
            by_hash && SaysScriptIsUnknown(reply) ? scripts->Find(request.args[1]) : nullptr;
        if (text == nullptr) return done(reply);
        request.args[0] = "EVAL";
        request.args[1] = *text;
        const std::vector<std::string_view> again(request.args.begin(), request.args.end());
        std::string second;
        AppendRequest(&second, again);
        context().stats.scripts_sent_again.Add();
        calls_.Start(upstream, request.key, std::move(second), std::move(done), options);
      },
      options);
  return call;
}

const RoutingTable& Worker::Routing(int upstream) {
  return *UpstreamByIndex(upstream).snapshot().routing;
}

std::vector<std::string> Worker::KeyOfEachNode(int upstream) {
  Upstream& of = UpstreamByIndex(upstream);
  const Topology& topology = *of.snapshot().topology;
  if (topology.is_single() || topology.is_replicated()) return {""};
  std::vector<std::string> keys;
  std::vector<NodeIndex> reached;
  for (size_t slot = 0; slot < topology.slots().size(); ++slot) {
    const std::string_view key = TagOfSlot(static_cast<uint16_t>(slot));
    const NodeIndex node = of.map().PrimaryOf(topology.SlotOf(key));
    if (node == kNoNode || std::find(reached.begin(), reached.end(), node) != reached.end()) {
      continue;
    }
    reached.push_back(node);
    keys.emplace_back(key);
  }
  return keys;
}

void Worker::Log(std::string_view event, std::string_view detail) {
  weir::Log(LogLevel::kInfo, event, {{"worker", index_}, {"detail", detail}});
}

std::shared_ptr<void> Worker::Share(std::string_view name,
                                    const std::function<std::shared_ptr<void>()>& make) {
  return server_->Share(name, make);
}

void Worker::AddMetrics(std::shared_ptr<MetricsSource> source) {
  server_->AddMetrics(std::move(source));
}

// ---- commands about clients

// This worker's clients, for one asking client.
class Worker::Table final : public ClientTable {
 public:
  Table(Worker* worker, uint64_t asker) : worker_(worker), asker_(asker) {}

  void ForEach(const std::function<void(const ClientRow&)>& visit) const override {
    for (const Session* s = worker_->sessions_; s != nullptr; s = s->next) visit(s->Row());
  }
  bool Kill(uint64_t id) override {
    for (Session* s = worker_->sessions_; s != nullptr; s = s->next) {
      if (s->id() != id) continue;
      if (id == asker_) {
        s->KillAfterReplies();
      } else {
        s->Close();
      }
      return true;
    }
    return false;
  }
  void CountMonitor(size_t upstream, size_t worker) override {
    if (static_cast<int>(worker) == worker_->index_) return;
    worker_->monitors_.CountElsewhere(upstream, worker, 1);
  }
  int64_t OwnConnectionId(uint64_t id) const override {
    for (const Session* s = worker_->sessions_; s != nullptr; s = s->next) {
      if (s->id() == id) return s->OwnConnectionId();
    }
    return 0;
  }
  bool Unblock(uint64_t id, bool with_error) override {
    for (Session* s = worker_->sessions_; s != nullptr; s = s->next) {
      if (s->id() == id) return s->Unblock(with_error);
    }
    return false;
  }

 private:
  Worker* const worker_;
  const uint64_t asker_;
};

void Worker::Visit(uint64_t asker, const std::function<void(ClientTable&, std::string*)>& visit,
                   std::string* out) {
  Table table(this, asker);
  visit(table, out);
}

void Worker::Gather(Session* session, Request* request,
                    std::function<void(ClientTable&, std::string*)> visit) {
  struct Parts {
    std::vector<std::string> texts;
    std::atomic<size_t> missing;
    std::function<void(ClientTable&, std::string*)> visit;
  };
  const uint64_t ticket = TakeTicket(session, request);
  const uint64_t asker = session->id();
  auto parts = std::make_shared<Parts>();
  const std::vector<std::unique_ptr<Worker>>& workers = server_->workers();
  parts->texts.resize(workers.size());
  parts->missing = workers.size();
  parts->visit = std::move(visit);
  for (size_t i = 0; i < workers.size(); ++i) {
    Worker* const worker = workers[i].get();
    worker->Post([this, worker, i, asker, ticket, parts] {
      worker->Visit(asker, parts->visit, &parts->texts[i]);
      if (--parts->missing == 0) {
        Post([this, ticket, parts] { FinishGather(ticket, parts->texts); });
      }
    });
  }
}

void Worker::FinishGather(uint64_t ticket, const std::vector<std::string>& parts) {
  const auto found = tickets_.find(ticket);
  if (found == tickets_.end()) return;
  const Ticket waiting = found->second;
  tickets_.erase(found);
  waiting.session->AnswerTicket(waiting.request, parts);
}

Session* Worker::FindSession(uint64_t id, UpstreamIndex home) {
  for (Session* s = sessions_; s != nullptr; s = s->next) {
    if (s->id() != id) continue;
    return HomeOf(s->listener_index()) == home ? s : nullptr;
  }
  return nullptr;
}

void Worker::FindOwnConnection(Session* session, uint64_t id) {
  const uint64_t ticket = TakeTicket(session, nullptr);
  const UpstreamIndex home = HomeOf(session->listener_index());
  const auto answer = [this, ticket](int64_t node_id) {
    Post([this, ticket, text = std::to_string(node_id)] { FinishGather(ticket, {text}); });
  };
  const auto missing = std::make_shared<std::atomic<size_t>>(server_->workers().size());
  for (const auto& worker : server_->workers()) {
    worker->Post([worker = worker.get(), id, home, answer, missing] {
      Session* const found = worker->FindSession(id, home);
      if (found != nullptr) {
        found->BecomeTarget(answer);
      } else if (--*missing == 0) {
        answer(0);
      }
    });
  }
}

Worker* Worker::Other(size_t index) { return server_->workers()[index].get(); }

void Worker::ForgetMonitor(size_t upstream) {
  for (const auto& worker : server_->workers()) {
    if (worker.get() == this) continue;
    worker->Post([worker = worker.get(), upstream, mine = static_cast<size_t>(index_)] {
      worker->monitors_.CountElsewhere(upstream, mine, -1);
    });
  }
}

std::string Worker::InfoText() { return server_->InfoText(index_); }

// What a plugin makes of the command's names, also within WEIR.ON. False: nothing.
bool Worker::Rename(Session& session, const std::vector<std::string_view>& args,
                    std::vector<std::string>* renamed) {
  constexpr size_t kArgsOfOn = 2;
  const bool on = args.size() > kArgsOfOn && EqualsIgnoreCase(args[0], "weir.on");
  const absl::Span<const std::string_view> all = absl::MakeConstSpan(args);
  const ArgList within(all.subspan(on ? kArgsOfOn : 0));
  const Upstream& upstream = UpstreamAt(session.home());
  auto other = chain_.Renamed(session, within, upstream.snapshot().routing->Resolve(within),
                              upstream.index());
  if (!other.has_value()) return false;
  if (on) renamed->assign(args.begin(), args.begin() + kArgsOfOn);
  renamed->insert(renamed->end(), other->begin(), other->end());
  return true;
}

std::vector<std::string> Worker::Explain(Session& session,
                                         const std::vector<std::string_view>& args) {
  std::vector<std::string> lines;
  std::vector<std::string> renamed;
  std::vector<std::string_view> now = args;
  if (Rename(session, args, &renamed)) {
    now.assign(renamed.begin(), renamed.end());
    lines.push_back(Concat("renamed: ", Printable(weir::Join(now, " "))));
  }
  ArgList list(absl::MakeConstSpan(now));
  UpstreamIndex at = session.home();
  // Plugins see WEIR.IDEM; where it goes, the command within decides.
  ArgList seen = list;
  const bool once = TakeIdem(chain_, &list);
  for (std::string& line : Dispatcher(&session).ExplainRoute(&list, &at)) {
    lines.push_back(std::move(line));
  }
  if (!once) {
    seen = list;
    TakeIdem(chain_, &list);
  }
  Upstream& upstream = UpstreamAt(at);
  const UpstreamSnapshot& known = upstream.snapshot();
  const Plan plan = MakePlan(*known.routing, *known.topology, list);
  lines.push_back(
      Concat("upstream: ", upstream.config().name, " (", upstream.url().ToString(), ")"));
  const std::vector<std::string_view> names = chain_.names();
  lines.push_back(
      Concat("plugins: ", names.empty() ? std::string("none") : weir::Join(names, ", ")));
  for (std::string& line : chain_.Explain(session, seen, plan.entry, upstream.index()))
    lines.push_back(std::move(line));
  for (std::string& line : ExplainPlan(plan, *known.topology, list))
    lines.push_back(std::move(line));
  if (plan.kind == PlanKind::kSingle) {
    const InLane in(&session, at);
    LinkKey key = session.group()->key();
    key.tracker = 0;
    if (plan.slot != kNoSlot) key.node = upstream.map().PrimaryOf(static_cast<uint16_t>(plan.slot));
    const bool for_script = plan.entry != nullptr && plan.entry->runs_script;
    LinkGroup* group = upstream.Hold(key);
    const Link* link = group->Shared(session.id(), for_script);
    lines.push_back(
        Concat("link: RESP", int{key.protocol_version}, ", db ", key.db, ", user ",
               key.user.empty() ? std::string_view("default") : key.user, ", ",
               link == nullptr ? std::string_view("none left") : StateName(link->state()), ", ",
               link == nullptr ? 0 : link->in_flight(), " in flight"));
    group->Release();
  }
  return lines;
}

std::optional<std::vector<std::string>> Worker::Report(const Session& session, LocalCommand what,
                                                       std::string_view upstream) {
  const std::vector<NodeStates::State> states = server_->node_states();
  std::vector<ReportedUpstream> all;
  for (const auto& each : upstreams_) {
    all.push_back({&each->config(), &each->url(), each->snapshot().topology.get(),
                   server_->replica_lags(static_cast<size_t>(each->index())), context().NowMs()});
  }
  if (what == LocalCommand::kWeirHealth) return ReportHealth(states);
  if (what == LocalCommand::kWeirUpstreams) return ReportUpstreams(all, config_.listeners, states);
  if (upstream.empty()) {
    const auto own = static_cast<size_t>(UpstreamAt(HomeOf(session.listener_index())).index());
    return ReportTopology(all[own], states);
  }
  for (const ReportedUpstream& each : all) {
    if (each.config->name == upstream) return ReportTopology(each, states);
  }
  return std::nullopt;
}

}  // namespace weir
