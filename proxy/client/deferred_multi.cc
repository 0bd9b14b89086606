// A transaction whose node is not known yet.
//
// With several nodes MULTI names none, so it is answered at once, and begins on a connection of the
// client's own when the first key says where. What has no key is answered QUEUED and held back
// until then, with what weir alone can answer among it (see deferred.h). What is wrong with a
// command is said at once, and EXEC then fails, as with Redis; a node is only asked where nobody
// else knows. EXEC without a key goes to any node.
#include "proxy/client/deferred_multi.h"

#include <utility>

#include "plugins/text.h"
#include "proxy/backend/upstream.h"
#include "proxy/client/cluster_tracking.h"
#include "proxy/client/dispatcher.h"
#include "proxy/client/lanes.h"
#include "proxy/client/permission.h"
#include "proxy/client/pin.h"
#include "proxy/client/request_task.h"
#include "proxy/client/routes.h"
#include "proxy/config.h"
#include "proxy/worker.h"
#include "resp/errors.h"

namespace weir {
namespace {

constexpr std::string_view kCrossSlot = "-CROSSSLOT Keys in request don't hash to the same slot";
constexpr std::string_view kExecAbort =
    "-EXECABORT Transaction discarded because of previous errors.";

bool FitsArity(const CommandEntry* entry, const ParsedRequest& parsed) {
  return entry != nullptr && entry->spec != nullptr &&
         entry->spec->ArityAllows(parsed.argc_declared);
}

// Whether Redis would say QUEUED to it on any node. REQUIRES: it has no keys, and the right number
// of arguments.
bool QueuesAnywhere(const Plan& plan) {
  const CommandSpec& spec = *plan.entry->spec;
  if (spec.flags.Has(CommandFlag::kNoMulti) || !spec.subcommands.empty()) return false;
  if (plan.kind == PlanKind::kSingle || plan.kind == PlanKind::kBroadcast) return true;
  return plan.kind == PlanKind::kPinned &&
         (plan.entry->effect == PinEffect::kBlock || plan.entry->effect == PinEffect::kUnwatch);
}

}  // namespace

void DeferredMulti::Hold(Held held, size_t request_bytes) {
  bytes += request_bytes;
  if (held.changes_connection) changes_connection = true;
  if (held.offered) offered.push_back(*std::move(held.offered));
  Queued& command = queued.emplace_back();
  command.effect = held.effect;
  if (held.stand_in) {
    if (deferred == nullptr) deferred = std::make_shared<Deferred>();
    command.bytes = std::move(held.stand_in->bytes);
    command.stand_in = deferred->Add(*std::move(held.stand_in));
  } else {
    command.bytes = std::move(held.bytes);
  }
}

// MULTI is answered here. Nothing: it is another command, or wrong.
std::optional<bool> Dispatcher::DeferMulti(const Plan& plan, const Input& input) {
  if (EffectOf(plan.entry) != PinEffect::kMulti || !FitsArity(plan.entry, input.parsed)) {
    return std::nullopt;
  }
  if (session_.subscriptions_ != nullptr) {
    if (const std::optional<bool> taken = WhileSubscribed(plan, input)) return *taken;
  }
  session_.multi_place() = std::make_unique<DeferredMulti>();
  return AnswerHere(plan, input, "+OK\r\n");
}

// After MULTI, while it has no node. Nothing: it goes on as without MULTI, or in the transaction.
std::optional<bool> Dispatcher::PerformDeferred(const Plan& plan, const Input& input) {
  DeferredMulti& multi = *session_.multi();
  const LocalCommand local = plan.entry == nullptr ? LocalCommand::kNone : plan.entry->local;
  if (local == LocalCommand::kReset || local == LocalCommand::kQuit ||
      local == LocalCommand::kCloseSilently) {
    session_.multi_place().reset();
    return std::nullopt;
  }
  const PinEffect effect =
      FitsArity(plan.entry, input.parsed) ? EffectOf(plan.entry) : PinEffect::kNone;
  if (!multi.sent) {
    switch (effect) {
      case PinEffect::kExec:
        if (!multi.failed && !multi.queued.empty()) break;
        if (multi.failed) {
          session_.multi_place().reset();
          return Refuse(plan.entry, kExecAbort, input);
        }
        session_.multi_place().reset();
        return AnswerHere(plan, input, "*0\r\n");
      case PinEffect::kDiscard:
        session_.multi_place().reset();
        return AnswerHere(plan, input, "+OK\r\n");
      case PinEffect::kMulti:
        return Refuse(plan.entry, "-ERR MULTI calls can not be nested", input);
      case PinEffect::kWatch:
        return Refuse(plan.entry, "-ERR WATCH inside MULTI is not allowed", input);
      default:
        if (const std::optional<bool> done = HoldBack(plan, input)) return *done;
    }
  }
  if (const std::optional<bool> done = BeginDeferred(plan, input)) return *done;
  if (session_.routes_ == nullptr || session_.own_link_ == nullptr) return std::nullopt;
  return PerformInItsTransaction(plan, input);
}

// Answers a command that names no node as Redis answers it inside MULTI, and keeps it. Nothing: the
// transaction has to begin.
std::optional<bool> Dispatcher::HoldBack(const Plan& plan, const Input& input) {
  const CommandEntry* const entry = plan.entry;
  if (entry != nullptr && (entry->local == LocalCommand::kUnknownCommand ||
                           entry->local == LocalCommand::kUnknownSubcommand)) {
    session_.multi()->failed = true;
    return AnswerLocally(plan, input);
  }
  if (plan.kind == PlanKind::kReject) {
    worker_.context().stats.requests_denied.Add();
    return FailDeferred(entry, plan.reason, input);
  }
  if (plan.kind == PlanKind::kSplit) return FailDeferred(entry, kCrossSlot, input);
  // Shard channels are for weir's own connection to them.
  const bool keyed = (plan.slot != kNoSlot && plan.kind != PlanKind::kSubscribe) ||
                     (session_.lanes_ != nullptr && session_.lanes_->choice.has_keys);
  if (keyed || input.tail != nullptr || entry == nullptr || entry->spec == nullptr) {
    return std::nullopt;
  }
  if (!FitsArity(entry, input.parsed)) {
    return FailDeferred(entry, ErrorText(RedisError::kWrongArgCount, entry->spec->name), input);
  }
  if (const std::string_view refusal = RefusalInTransaction(entry); !refusal.empty()) {
    return FailDeferred(entry, refusal, input);
  }
  if (!session_.multi()->HasRoomFor(input.parsed.wire.size())) return std::nullopt;
  if (plan.kind == PlanKind::kLocal) return HoldLocal(plan, input);
  DeferredMulti::Held held;
  if (plan.kind == PlanKind::kSubscribe) {
    if (ConcernsInvalidations(input.parsed)) return std::nullopt;
    held.stand_in = MakeSubscription(*entry, input.parsed);
  } else if (QueuesAnywhere(plan)) {
    held.bytes = input.parsed.wire;
    held.effect = entry->effect;
  } else {
    return std::nullopt;
  }
  return QueueHeld(plan, input, std::move(held));
}

std::optional<bool> Dispatcher::HoldLocal(const Plan& plan, const Input& input) {
  const CommandEntry& entry = *plan.entry;
  // A subcommand that there is not: the node says so best.
  if (!entry.spec->subcommands.empty() && input.parsed.argc > 1) return std::nullopt;
  const DeferredMulti& multi = *session_.multi();
  DeferredMulti::Held held;
  held.stand_in = MakeStandIn(entry, input.parsed, multi.changes_connection);
  if (!held.stand_in) {
    LocalInTransaction judged = JudgeLocal(entry, input.parsed, multi.offered);
    if (!judged.refusal.empty()) return FailDeferred(&entry, judged.refusal, input);
    held.bytes = input.parsed.wire;
    held.changes_connection = judged.changes_connection;
    held.offered = std::move(judged.offered);
  }
  return HoldIfPermitted(plan, input, std::move(held));
}

// With passthrough authentication only a node knows whether Redis would queue it.
bool Dispatcher::HoldIfPermitted(const Plan& plan, const Input& input, DeferredMulti::Held held) {
  std::string probe = PermissionProbe(plan.entry->local);
  if (worker_.config().auth.mode != AuthMode::kPassthrough || probe.empty()) {
    return QueueHeld(plan, input, std::move(held));
  }
  ReplyMode& mode = session_.conversation_.reply_mode;
  const ReplyMode mode_before = mode;
  if (mode == ReplyMode::kSkipNext) mode = ReplyMode::kOn;
  LocalOutcome outcome;
  outcome.kind = LocalOutcome::Kind::kAsk;
  outcome.ask.request = std::move(probe);
  outcome.ask.serial = true;  // so it is this transaction still
  outcome.ask.finish = [session = &session_, held = std::move(held),
                        bytes = input.parsed.wire.size()](Conversation&, std::string_view reply) {
    DeferredMulti* const multi = session->multi();
    if (!Permits(reply)) {
      if (multi != nullptr) multi->failed = true;
      return std::string(reply);
    }
    if (multi != nullptr) multi->Hold(held, bytes);
    return std::string("+QUEUED\r\n");
  };
  refused_ = false;
  const bool taken = Ask(plan, input, std::move(outcome), mode_before);
  if (refused_) session_.multi()->failed = true;
  return taken;
}

bool Dispatcher::QueueHeld(const Plan& plan, const Input& input, DeferredMulti::Held held) {
  session_.multi()->Hold(std::move(held), input.parsed.wire.size());
  return AnswerHere(plan, input, "+QUEUED\r\n");
}

bool Dispatcher::FailDeferred(const CommandEntry* entry, std::string_view line,
                              const Input& input) {
  session_.multi()->failed = true;
  return Refuse(entry, line, input);
}

// Says MULTI, and what was queued, to the node that the request concerns. Nothing: it is in its
// transaction now, and the request can go on as in any.
std::optional<bool> Dispatcher::BeginDeferred(const Plan& plan, const Input& input) {
  Routes* const routes = session_.routes_.get();
  if (!session_.multi()->sent) {
    LinkKey wanted = session_.group_->key();
    wanted.node = NodeFor(plan);
    const std::optional<bool> done =
        wanted.node == kNoNode ? WaitForAnyNode(plan, input) : OpenOwnLink(plan, input, wanted);
    if (done.has_value()) {
      if (*done) {
        session_.multi_place().reset();
        session_.LoseTransaction("-DOWN weir: no node could be reached");
      }
      return done;
    }
    if (routes != nullptr) {
      routes->waits_since_ms = 0;
      routes->pinned_slot = plan.slot;
    }
    SendDeferred();
  }
  if (WaitForAnswers()) return false;
  const std::unique_ptr<DeferredMulti> begun = std::move(session_.multi_place());
  if (session_.own_link_ == nullptr || !session_.pinned_->state.holds().transaction) {
    session_.LoseTransaction("-ERR weir: the node refused MULTI");
    return std::nullopt;
  }
  session_.pinned_->deferred = begun->deferred;
  session_.pinned_->offered = begun->offered;
  if (begun->changes_connection) session_.pinned_->state.OnSessionCommandQueued();
  return std::nullopt;
}

void Dispatcher::SendDeferred() {
  DeferredMulti& multi = *session_.multi();
  session_.pinned_->script_changes.clear();
  session_.pinned_->script_bytes = 0;
  SendUnheard("*1\r\n$5\r\nMULTI\r\n", PinEffect::kMulti, nullptr);
  for (const DeferredMulti::Queued& command : multi.queued) {
    std::unique_ptr<RequestTask> task;
    if (command.stand_in != Deferred::kNoRoom) {
      task = std::make_unique<RequestTask>();
      task->ask.finish = Deferred::Placer(multi.deferred, command.stand_in, &session_);
    }
    SendUnheard(command.bytes, command.effect, std::move(task));
  }
  if (multi.failed) session_.SendOnOwnLink({"weir.refused"});
  multi.sent = true;
}

// A request on the client's own connection that the client has had its answer to. `task` may be
// null.
void Dispatcher::SendUnheard(std::string_view bytes, PinEffect effect,
                             std::unique_ptr<RequestTask> task) {
  const CommandEntry* const last_entry = session_.traffic().last_entry;
  Request* request = session_.Push(nullptr);
  session_.traffic().last_entry = last_entry;
  request->silent = true;
  request->effect = effect;
  if (task == nullptr) {
    request->use = ReplyUse::kSwallow;
  } else {
    request->collect = true;
    request->extra = std::move(task);
  }
  session_.pinned_->state.OnSent(effect, false);
  if (effect == PinEffect::kMulti && session_.tracking() != nullptr) {
    request->caching = std::exchange(session_.tracking()->caching, false);
    session_.SayCaching(session_.own_link_, *request);
  }
  const Slice wire = Slice::Copy(worker_.context().chunks, bytes);
  if (!session_.own_link_->Send(request, wire.chunk(), wire.view())) {
    session_.AnswerAt(request, "");
    return;
  }
  ++session_.on_links_;
  session_.flow_ = session_.own_link_;
}

}  // namespace weir
