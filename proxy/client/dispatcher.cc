// From a parsed request to an action: the only code that acts on a plan.
#include "proxy/client/dispatcher.h"

#include <utility>

#include "plugins/chain.h"
#include "plugins/text.h"
#include "proxy/backend/upstream.h"
#include "proxy/client/asked.h"
#include "proxy/client/lanes.h"
#include "proxy/client/request_task.h"
#include "proxy/client/routes.h"
#include "proxy/client/subscriptions.h"
#include "proxy/key_stats.h"
#include "proxy/worker.h"
#include "resp/errors.h"
#include "resp/reply_writer.h"

namespace weir {
namespace {

// Redis tells an EXEC that it does not run at all that the transaction is gone, if there was one.
std::string Rejection(const CommandEntry* entry, std::string line) {
  if (entry == nullptr || entry->effect != PinEffect::kExec) return line;
  const std::string_view why = std::string_view(line).substr(line.starts_with("-ERR ") ? 5 : 1);
  return Concat("-EXECABORT Transaction discarded because of: ", why);
}

bool NeedsNoAuth(const CommandEntry* entry) {
  return entry != nullptr &&
         (entry->spec == nullptr || entry->spec->flags.Has(CommandFlag::kNoAuth));
}

// What Redis tells a client that has not authenticated: whether the command exists and has the
// right number of arguments comes first.
std::string StrangersError(const CommandEntry* entry, const ParsedRequest& request) {
  if (entry == nullptr) {
    std::vector<std::string_view> args;
    for (uint32_t i = 0; i < request.argc; ++i) args.push_back(request.arg(i));
    if (!args.empty()) return UnknownCommandText(args);
  } else if (entry->spec != nullptr && !entry->spec->ArityAllows(request.argc_declared)) {
    return ErrorText(RedisError::kWrongArgCount, entry->spec->name);
  }
  return ErrorText(RedisError::kNoAuth);
}

}  // namespace

bool Dispatcher::Handle(Chunk* chunk, const ParsedRequest& parsed) {
  const Input input{.chunk = chunk, .parsed = parsed};
  const AskedScope asked(worker_, chunk, parsed.wire, parsed.rewritten);
  if (session_.lanes_ != nullptr) [[unlikely]]
    ChooseLane(parsed, /*large=*/false);
  if (worker_.chain().has(kHookRequest)) [[unlikely]]
    return WalkChain(input);
  const UpstreamSnapshot& known = worker_.UpstreamAt(session_.upstream_).snapshot();
  return Perform(MakePlan(*known.routing, *known.topology, parsed), input);
}

bool Dispatcher::HandleLarge(Chunk* chunk, const ParsedRequest& parsed, const RequestTail& tail,
                             std::string_view rest) {
  // The length of the argument that makes it large stands at the beginning of the rest.
  RequestTail ahead = tail;
  const size_t seen = ahead.Scan(rest).consumed;
  const Input input{.chunk = chunk,
                    .parsed = parsed,
                    .tail = &tail,
                    .tail_bytes_min = seen + ahead.bytes_left_min()};
  const AskedScope asked(worker_, chunk, parsed.wire, parsed.rewritten);
  if (session_.lanes_ != nullptr) [[unlikely]]
    ChooseLane(parsed, /*large=*/true);
  if (worker_.chain().has(kHookRequest) && parsed.argc != 0) return WalkChain(input);
  const UpstreamSnapshot& known = worker_.UpstreamAt(session_.upstream_).snapshot();
  // A name that is itself too large is no command's, but only Redis may say so.
  if (parsed.argc == 0) return Perform(Plan{.node = 0, .reason = {}}, input);
  return Perform(MakePlan(*known.routing, *known.topology, parsed), input);
}

const CommandEntry* Dispatcher::EntryShown(const Plan& plan, const Input& input) const {
  if (input.script == nullptr) return plan.entry;
  const UpstreamSnapshot& known = worker_.UpstreamAt(session_.upstream_).snapshot();
  return known.routing->Resolve(ArgList(*input.stands_for));
}

bool Dispatcher::Perform(const Plan& plan, const Input& input) {
  if (!worker_.monitors().off()) [[unlikely]]
    return PerformShown(plan, input);
  return Act(plan, input);
}

bool Dispatcher::Act(const Plan& plan, const Input& input) {
  if (!session_.conversation_.authenticated) [[unlikely]] {
    if (const auto refused = RefuseStranger(plan.entry, input)) return *refused;
  }
  if (session_.has_facade_) [[unlikely]] {
    if (const std::optional<bool> done = PerformFacade(plan, input)) return *done;
  }
  if (session_.lanes_ != nullptr) [[unlikely]] {
    if (const std::optional<bool> done = PerformInLane(plan, input)) return *done;
  }
  if (session_.routes_ != nullptr) [[unlikely]] {
    if (const std::optional<bool> done = PerformInCluster(plan, input)) return *done;
  }
  if (session_.subscriptions_ != nullptr) [[unlikely]] {
    if (const auto taken = WhileSubscribed(plan, input)) return *taken;
  }
  if (session_.pinned_ != nullptr) [[unlikely]] {
    if (const std::optional<bool> done = PerformPinned(plan, input)) return *done;
  }
  switch (plan.kind) {
    case PlanKind::kSingle:
    case PlanKind::kPinned:
      return NeedsOwnLink(plan, input) ? SendOwn(plan, input) : SendShared(plan, input);
    case PlanKind::kLocal:
      if (plan.entry->local == LocalCommand::kWeirOn) return PerformOn(plan, input);
      if (input.tail != nullptr) {
        return Refuse(plan.entry,
                      Concat("-ERR weir: weir answers this command itself and takes no more than ",
                             worker_.config().limits.request_buffer_bytes_max, " bytes of it"),
                      input);
      }
      // A busy Redis says BUSY, also to PING.
      if (worker_.UpstreamAt(session_.upstream_).standstill().busy() &&
          (plan.entry->local == LocalCommand::kPing || plan.entry->local == LocalCommand::kEcho)) {
        return SendShared(plan, input);
      }
      if (plan.entry->local == LocalCommand::kMonitor) return StartMonitor(plan, input);
      return AnswerLocally(plan, input);
    case PlanKind::kSubscribe:
      if (session_.routes_ == nullptr && ConcernsInvalidations(input.parsed)) {
        return SendOwn(plan, input);
      }
      return Subscribe(plan, input);
    case PlanKind::kReject:
      worker_.context().stats.requests_denied.Add();
      return Refuse(plan.entry, plan.reason, input);
    case PlanKind::kSplit:
    case PlanKind::kBroadcast:
      return SendParts(plan, input);
    case PlanKind::kScan:
      return SendScan(plan, input);
  }
  return Refuse(plan.entry, "-ERR weir: no plan was made for this", input);
}

std::optional<bool> Dispatcher::RefuseStranger(const CommandEntry* entry, const Input& input) {
  if (NeedsNoAuth(entry)) return std::nullopt;
  return RejectAsRedis(entry, StrangersError(entry, input.parsed), input);
}

// Answers with an error; of a large request, the rest is then dropped as it comes.
bool Dispatcher::Refuse(const CommandEntry* entry, std::string_view line, const Input& input) {
  const bool silent = TakeSilence();
  refused_ = true;
  Request* request = session_.Push(entry);
  request->silent = silent;
  request->request_bytes = input.parsed.wire.size();
  session_.AnswerAt(request, Concat(line, "\r\n"));
  if (input.tail != nullptr) {
    session_.extras().large = std::make_unique<Session::Large>(Session::Large{.tail = *input.tail});
  }
  return true;
}

bool Dispatcher::RejectAsRedis(const CommandEntry* entry, std::string line, const Input& input) {
  return Refuse(entry, Rejection(entry, std::move(line)), input);
}

// CLIENT REPLY OFF and SKIP: whether the next request's reply is not said.
bool Dispatcher::TakeSilence() {
  ReplyMode& mode = session_.conversation_.reply_mode;
  if (mode == ReplyMode::kOn) [[likely]]
    return false;
  if (mode == ReplyMode::kSkipNext) mode = ReplyMode::kOn;
  return true;
}

bool Dispatcher::MayUse(Link* link) {
  // A client's requests run in order. On one link Redis sees to that; before going to another, all
  // on the first must be answered.
  if (session_.on_links_ != 0 && session_.flow_ != link) {
    session_.SetPause(Pause::kOrder);
    return false;
  }
  if (link->full()) {
    link->Wait(&session_);
    session_.extras().full_link = link;
    session_.SetPause(Pause::kLinkFull);
    return false;
  }
  return true;
}

bool Dispatcher::SendShared(const Plan& plan, const Input& input) {
  if (session_.routes_ != nullptr) [[unlikely]]
    return SendRouted(plan, input);
  const bool for_script = plan.entry != nullptr && plan.entry->runs_script;
  Link* link = session_.group_->Shared(session_.conversation_.id, for_script);
  if (link == nullptr) [[unlikely]] {
    return Refuse(plan.entry, worker_.TooManyLinksLine(session_.upstream_), input);
  }
  if (!MayUse(link)) [[unlikely]]
    return false;
  if (session_.subscriptions_ != nullptr && session_.on_links_ != 0 &&
      PublishesToItself(plan, input)) [[unlikely]] {
    session_.SetPause(Pause::kOrder);
    return false;
  }
  return SendOn(link, plan, input);
}

// REQUIRES: the link has room, and the client's earlier requests are answered or on it.
bool Dispatcher::SendOn(Link* link, const Plan& plan, const Input& input) {
  LoopContext& context = worker_.context();
  Chunk* chunk = input.chunk;
  std::string_view wire = input.parsed.wire;
  Slice copy;
  if (input.parsed.rewritten) [[unlikely]] {
    copy = Slice::Copy(context.chunks, wire);
    chunk = copy.chunk();
    wire = copy.view();
  }
  const bool silent = TakeSilence();
  const bool counts = plan.entry != nullptr && plan.entry->counts_receivers &&
                      worker_.CountsOf(session_.upstream_).any();
  const bool own = link == session_.own_link_;
  Request* tail = session_.tail_;
  if (tail != nullptr && tail->entry == plan.entry && worker_.joins_runs() &&
      link->CanExtend(tail) && !silent && tail->in_transaction == InTransaction::kNone &&
      !tail->silent && tail->extra == nullptr && input.reply_marks == 0 && !input.keeps() &&
      !counts && tail->received_ns == context.NowNs() && !own && !tail->keeps_wire &&
      tail->wire.ContinuesWith(chunk, wire)) {
    link->Extend(tail, chunk, wire);
    ++session_.unanswered_;
    context.stats.requests_in_flight.Add(1);
  } else {
    Request* request = session_.Push(plan.entry);
    request->silent = silent;
    const bool as_script = input.script != nullptr;
    // What a script answers, weir has to look at.
    request->use = silent && !as_script ? ReplyUse::kSwallow : ReplyUse::kForward;
    request->retryable = plan.entry != nullptr && plan.entry->is_readonly && !own;
    request->deadline_ms = worker_.DeadlineMs(session_.upstream_, plan.entry);
    if (own) NoteOwnRequest(plan, input, request);
    if (plan.entry != nullptr && plan.entry->script != ScriptUse::kNone) {
      NoteScript(plan, input, request);
    }
    if (input.reply_marks != 0 || counts || input.keeps() || as_script) {
      if (request->extra == nullptr) request->extra = std::make_unique<RequestTask>();
      auto* task = static_cast<RequestTask*>(request->extra.get());
      task->reply_marks = input.reply_marks;
      task->reply_head_bytes = counts || as_script ? 0 : input.reply_head_bytes;
      if (counts) CorrectCount(plan, input, task);
      if (input.keeps()) task->kept = std::move(*input.kept);
      if (input.reply_marks != 0 || counts) request->collect = true;
      if (as_script) StandIn(EntryShown(plan, input), *input.script, *link, request, task);
    }
    if (session_.routes_ != nullptr) [[unlikely]] {
      request->slot = plan.slot;
      request->keeps_wire = true;
    }
    const bool ready = !request->caching || session_.SayCaching(link, *request);
    if (!ready || !link->Send(request, chunk, wire)) [[unlikely]] {
      // What was said of it must not be taken for said of another.
      if (request->caching && !own) session_.CloseTrackedLink(link);
      if (session_.routes_ != nullptr && !own) {
        DetourUnsent(request, *link, chunk, wire);
        return true;
      }
      context.stats.requests_failed_down.Add();
      if (as_script) session_.ClearPause(Pause::kAsk);
      request->collect = false;
      session_.AnswerAt(request, Concat(link->RefusalLine(), "\r\n"));
      return true;
    }
    const bool alone = ++session_.on_links_ == 1;
    if (session_.routes_ != nullptr && !own) [[unlikely]] {
      session_.JoinRoute(*request, link);
      session_.flow_ = alone || session_.flow_ == link ? link : nullptr;
    } else {
      session_.flow_ = link;
    }
  }
  if (session_.unanswered_ >= worker_.depth_max()) [[unlikely]]
    session_.SetPause(Pause::kDepth);
  return true;
}

bool Dispatcher::AnswerLocally(const Plan& plan, const Input& input) {
  // Whether it waits for what this client has just done, only the order tells.
  if (plan.entry->local == LocalCommand::kClientUnblock && WaitForAnswers()) return false;
  Conversation& conversation = session_.conversation_;
  const ReplyMode mode_before = conversation.reply_mode;
  const bool skip = mode_before == ReplyMode::kSkipNext;
  if (skip) conversation.reply_mode = ReplyMode::kOn;
  session_.traffic().last_entry = plan.entry;  // CLIENT INFO shows itself
  const size_t name_bytes = conversation.NameBytes();
  LocalOutcome outcome =
      RunLocalCommand(MakeLocalContext(input), *plan.entry, input.parsed, conversation);
  worker_.names().Note(name_bytes, conversation.NameBytes());
  session_.parse_state_.authenticated = conversation.authenticated;
  switch (outcome.kind) {
    case LocalOutcome::Kind::kAsk:
      return Ask(plan, input, std::move(outcome), mode_before);
    case LocalOutcome::Kind::kGather:
      Gather(plan, input, std::move(outcome.gather), skip);
      return true;
    case LocalOutcome::Kind::kReply:
    case LocalOutcome::Kind::kClose:
      break;
  }
  if (plan.entry->local == LocalCommand::kReset) session_.StopMonitoring();
  session_.UpdateGroup();
  Request* request = session_.Push(plan.entry);
  request->request_bytes = input.parsed.wire.size();
  // CLIENT REPLY ON speaks even when its reply was to be skipped.
  const bool on = plan.entry->local == LocalCommand::kClientReply && outcome.reply == "+OK\r\n";
  request->silent = (skip && !on) || conversation.reply_mode == ReplyMode::kOff;
  if (outcome.kind == LocalOutcome::Kind::kClose) {
    request->close_after = true;
    session_.SetPause(Pause::kEnding);
  }
  if (plan.entry->local == LocalCommand::kReset && session_.subscriptions_ != nullptr) {
    session_.subscriptions_->Reset(request, std::move(outcome.reply));
  } else {
    session_.AnswerAt(request, outcome.reply);
  }
  return true;
}

bool Dispatcher::Ask(const Plan& plan, const Input& input, LocalOutcome outcome,
                     ReplyMode mode_before) {
  Conversation& conversation = session_.conversation_;
  LocalOutcome::Ask& ask = outcome.ask;
  if (ask.of_all.has_value() && session_.routes_ != nullptr) {
    conversation.reply_mode = mode_before;
    return AskPrimaries(plan, input, std::move(ask));
  }
  LinkKey key = session_.group_->key();
  if (ask.db.has_value()) key.db = *ask.db;
  if (ask.protocol_version.has_value()) {
    key.protocol_version = static_cast<uint8_t>(*ask.protocol_version);
  }
  if (ask.credentials.has_value()) {
    key.user = ask.credentials->user;
    key.password = ask.credentials->password;
    key.client_credentials = true;
  }
  key.tracker = 0;  // what weir asks, nobody keeps
  LinkGroup* group = worker_.UpstreamAt(session_.upstream_).Hold(key);
  Link* link = group->Shared(conversation.id);
  if (session_.routes_ != nullptr && (link == nullptr || link->state() == Link::State::kBackoff)) {
    group->Release();
    conversation.reply_mode = mode_before;
    return link == nullptr ? WaitForAnyNode(plan, input)
                           : WaitForNode(plan, input, link->RefusalLine());
  }
  if (link != nullptr && !MayUse(link)) {
    group->Release();
    conversation.reply_mode = mode_before;
    return false;
  }
  if (session_.routes_ != nullptr) session_.routes_->waits_since_ms = 0;
  Request* request = session_.Push(plan.entry);
  request->silent =
      mode_before == ReplyMode::kSkipNext || conversation.reply_mode == ReplyMode::kOff;
  request->retryable = true;  // weir asks nothing that changes data
  request->request_bytes = input.parsed.wire.size();
  auto task = std::make_unique<RequestTask>();
  const std::string asked = std::move(ask.request);
  if (ask.serial) session_.SetPause(Pause::kAsk);
  task->ask = std::move(ask);
  task->gather = std::move(outcome.gather);
  task->group = group;
  task->reply_marks = input.reply_marks;
  if (input.keeps()) task->kept = std::move(*input.kept);
  SendAsk(request, link, asked.empty() ? input.parsed.wire : std::string_view(asked),
          std::move(task));
  return true;
}

void Dispatcher::AskAt(Request* request, std::string_view bytes) {
  auto task = std::make_unique<RequestTask>();
  task->ask.serial = true;
  SendAsk(request, session_.group_->Shared(session_.conversation_.id), bytes, std::move(task));
}

// `link` null: there are too many.
void Dispatcher::SendAsk(Request* request, Link* link, std::string_view bytes,
                         std::unique_ptr<RequestTask> task) {
  request->deadline_ms = worker_.DeadlineMs(session_.upstream_, request->entry);
  request->collect = true;
  const Slice wire = Slice::Copy(worker_.context().chunks, bytes);
  const uint64_t client_bytes = request->request_bytes;
  const bool sent = link != nullptr && link->Send(request, wire.chunk(), wire.view());
  request->request_bytes = client_bytes;  // the client's, not those of what weir asks
  if (!sent) {
    task->collected =
        link == nullptr ? worker_.TooManyLinksLine(session_.upstream_) : link->RefusalLine();
    task->collected += "\r\n";
    task->ask.permits = nullptr;
    ++request->errors;
    session_.NoteError(*request, task->collected, 1);
    request->extra = std::move(task);
    session_.FinishCollected(*request);
    session_.Finish(*request);
    return;
  }
  request->extra = std::move(task);
  ++session_.on_links_;
  session_.flow_ = link;
}

void Dispatcher::Gather(const Plan& plan, const Input& input, LocalOutcome::Gather gather,
                        bool skip) {
  Request* request = session_.Push(plan.entry);
  request->request_bytes = input.parsed.wire.size();
  request->silent = skip || session_.conversation_.reply_mode == ReplyMode::kOff;
  auto task = std::make_unique<RequestTask>();
  task->gather = std::move(gather);
  if (task->gather.request != nullptr) session_.SetPause(Pause::kAsk);
  worker_.Gather(&session_, request, task->gather.visit);
  request->extra = std::move(task);
}

LocalContext Dispatcher::MakeLocalContext(const Input& input) {
  const Upstream& upstream = worker_.UpstreamAt(session_.upstream_);
  LocalContext context;
  context.routing = upstream.snapshot().routing.get();
  context.auth = &worker_.config().auth;
  context.server = &upstream.snapshot().server;
  context.names = &worker_.names();
  context.url_has_credentials = upstream.url().has_credentials();
  context.databases_known = upstream.databases_known();
  context.unblocks_itself = session_.reorders();
  // Whether the client's own connection is in that db now is for the node to say.
  if (session_.pinned_ != nullptr) context.databases_known = 0;
  context.self = [this, bytes = input.parsed.wire.size()] {
    ClientRow row = session_.Row();
    row.query_buffer_bytes += bytes;
    return row;
  };
  context.plugin_commands = worker_.chain().commands();
  DescribeMode(&context);
  context.slow_log = worker_.slow_log();
  if (KeyStats* const stats = worker_.key_stats(); stats != nullptr) {
    context.key_stats = [stats, now_ms = worker_.context().NowMs()](bool big, size_t n) {
      return big ? stats->Big(n, now_ms) : stats->Hot(n, now_ms);
    };
  }
  context.upstream_name = [worker = &worker_](size_t upstream) -> std::string_view {
    return worker->config().upstreams[upstream].name;
  };
  context.weir_info = [this] { return worker_.InfoText(); };
  context.explain = [this](const std::vector<std::string_view>& args) {
    return worker_.Explain(session_, args);
  };
  context.report = [this](LocalCommand what, std::string_view name) {
    return worker_.Report(session_, what, name);
  };
  return context;
}

}  // namespace weir
