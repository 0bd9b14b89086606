// What the dispatcher and the session do about subscriptions: the commands themselves, what else a
// subscriber may say, and numbers of receivers.
#include <charconv>
#include <utility>

#include "plugins/text.h"
#include "proxy/backend/upstream.h"
#include "proxy/client/deferred.h"
#include "proxy/client/dispatcher.h"
#include "proxy/client/lanes.h"
#include "proxy/client/receiver_counts.h"
#include "proxy/client/request_task.h"
#include "proxy/client/subscriptions.h"
#include "proxy/worker.h"
#include "resp/errors.h"
#include "resp/reply_writer.h"

namespace weir {
namespace {

// "psubscribe": a pattern; "sunsubscribe": a shard channel.
ChannelKind KindOf(std::string_view command) {
  if (command.front() == 'p') return ChannelKind::kPattern;
  return command.starts_with("ss") || command.starts_with("sun") ? ChannelKind::kShard
                                                                 : ChannelKind::kChannel;
}

bool Subscribes(std::string_view command) { return command.find("un") == std::string_view::npos; }

// Redis sees whether there is such a command with so many arguments before it looks at the mode.
bool IsKnown(const Plan& plan, const ParsedRequest& parsed) {
  if (plan.entry == nullptr || plan.entry->spec == nullptr) return false;
  const CommandSpec& spec = *plan.entry->spec;
  const bool unknown_subcommand = !spec.subcommands.empty() && parsed.argc_declared > 1;
  return !unknown_subcommand && spec.ArityAllows(parsed.argc_declared);
}

bool MaySayInSubscribedMode(const Plan& plan) {
  const LocalCommand local = plan.entry->local;
  return plan.kind == PlanKind::kSubscribe || local == LocalCommand::kPing ||
         local == LocalCommand::kQuit || local == LocalCommand::kReset;
}

std::string SubscribedPong(const ParsedRequest& parsed) {
  std::string reply;
  ReplyWriter writer(&reply, 2);
  writer.ArrayHeader(2);
  writer.Bulk("pong");
  writer.Bulk(parsed.argc > 1 ? parsed.arg(1) : std::string_view());
  return reply;
}

}  // namespace

// ---- the dispatcher's

// What a subscriber says; nothing if it is to be handled as from any client.
std::optional<bool> Dispatcher::WhileSubscribed(const Plan& plan, const Input& input) {
  Subscriptions& subscriptions = *session_.subscriptions_;
  if (plan.kind != PlanKind::kSubscribe && subscriptions.busy()) {
    subscriptions.HoldInput();
    return false;
  }
  if (plan.entry != nullptr && plan.entry->local == LocalCommand::kReset &&
      session_.on_links_ != 0) {
    // What was asked before counts this client still.
    session_.SetPause(Pause::kOrder);
    return false;
  }
  if (session_.conversation_.protocol_version != 2) return std::nullopt;
  if (!subscriptions.subscribed() || !IsKnown(plan, input.parsed)) return std::nullopt;
  if (!MaySayInSubscribedMode(plan)) {
    return RejectAsRedis(
        plan.entry,
        Concat("-ERR Can't execute '", EntryShown(plan, input)->spec->name,
               "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are "
               "allowed in this context"),
        input);
  }
  if (plan.entry->local != LocalCommand::kPing || input.parsed.argc > 2 || input.tail != nullptr) {
    return std::nullopt;
  }
  const bool silent = TakeSilence();
  Request* request = session_.Push(plan.entry);
  request->silent = silent;
  request->request_bytes = input.parsed.wire.size();
  session_.AnswerAt(request, SubscribedPong(input.parsed));
  return true;
}

bool Dispatcher::Subscribe(const Plan& plan, const Input& input) {
  const ParsedRequest& parsed = input.parsed;
  const std::string& command = plan.entry->spec->name;
  if (!plan.entry->spec->ArityAllows(parsed.argc_declared)) {
    return Refuse(plan.entry, ErrorText(RedisError::kWrongArgCount, command), input);
  }
  const LimitsConfig& limits = worker_.config().limits;
  if (input.tail != nullptr) {
    return Refuse(plan.entry,
                  Concat("-ERR weir: weir answers this command itself and takes no more than ",
                         limits.request_buffer_bytes_max, " bytes of it"),
                  input);
  }
  std::vector<std::string_view> names;
  for (uint32_t i = 1; i < parsed.argc; ++i) names.push_back(parsed.arg(i));
  Subscriptions& subscriptions = session_.MakeSubscriptions();
  const bool subscribes = Subscribes(command);
  if (subscribes && subscriptions.count_max() + names.size() > session_.subscriptions_max()) {
    return Refuse(plan.entry, TooManySubscriptionsLine(session_.subscriptions_max()), input);
  }
  const bool silent = TakeSilence();
  Request* request = session_.Push(plan.entry);
  request->request_bytes = parsed.wire.size();
  if (subscribes) {
    subscriptions.Subscribe(request, silent, KindOf(command), names);
  } else {
    subscriptions.Unsubscribe(request, silent, KindOf(command), names);
  }
  session_.Schedule();
  if (session_.unanswered_ >= worker_.depth_max()) session_.SetPause(Pause::kDepth);
  return true;
}

// REQUIRES: it has the right number of arguments.
Deferred::StandIn Dispatcher::MakeSubscription(const CommandEntry& entry,
                                               const ParsedRequest& parsed) {
  const std::string& command = entry.spec->name;
  Deferred::Subscription subscription{
      .kind = KindOf(command), .subscribes = Subscribes(command), .names = {}, .error = {}};
  for (uint32_t i = 1; i < parsed.argc; ++i) subscription.names.emplace_back(parsed.arg(i));
  const bool shard = subscription.kind == ChannelKind::kShard;
  if (subscription.subscribes && shard) {
    subscription.error = "-ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client\r\n";
  }
  Deferred::StandIn stand_in{
      .bytes = {}, .local = entry.local, .wire = std::string(parsed.wire), .subscription = {}};
  // The node's own connection listens to nothing, so leaving does nothing there; Valkey refuses it.
  // A shard channel's name might be another node's.
  if (subscription.subscribes) {
    AppendRequest(&stand_in.bytes, {"PING"});
  } else if (shard) {
    AppendRequest(&stand_in.bytes, {command});
  } else {
    AppendRequest(&stand_in.bytes, {command, "weir"});
  }
  stand_in.subscription = std::move(subscription);
  return stand_in;
}

// In a transaction it takes effect with EXEC, and its answer is said there.
bool Dispatcher::DeferSubscription(const Plan& plan, const Input& input) {
  if (!plan.entry->spec->ArityAllows(input.parsed.argc_declared)) {
    return RefuseInTransaction(
        plan.entry, ErrorText(RedisError::kWrongArgCount, plan.entry->spec->name), input);
  }
  return SendStandIn(plan, input, MakeSubscription(*plan.entry, input.parsed));
}

// Its own message comes before its reply, and both behind all replies before.
bool Dispatcher::PublishesToItself(const Plan& plan, const Input& input) const {
  if (plan.entry == nullptr || !plan.entry->counts_receivers || input.parsed.argc < 3) return false;
  const std::optional<ChannelKind> kind = PublishKind(plan.entry->spec->name);
  return kind.has_value() && session_.subscriptions_->Hears(*kind, input.parsed.arg(1));
}

void Dispatcher::CorrectCount(const Plan& plan, const Input& input, RequestTask* task) {
  task->ask.finish = ReceiverCorrection(&worker_.CountsOf(session_.upstream_),
                                        plan.entry->spec->name, ArgList(input.parsed));
  if (session_.subscriptions_ == nullptr || !PublishesToItself(plan, input)) return;
  // First the message, then the reply.
  task->await = [session = &session_](Request& request, std::string_view reply) {
    return session->subscriptions_ != nullptr && reply.starts_with(':') &&
           session->subscriptions_->Await(&request);
  };
  task->ask.serial = true;
  session_.SetPause(Pause::kAsk);
}

// ---- the session's

Subscriptions& Session::MakeSubscriptions() {
  if (subscriptions_ == nullptr) subscriptions_ = std::make_unique<Subscriptions>(this);
  return *subscriptions_;
}

size_t Session::subscriptions_max() const {
  return static_cast<size_t>(worker_->config().limits.client_subscriptions_max);
}

// False: the session is closed.
bool Session::RunSubscriptions() {
  subscriptions_->OnReplySaid();
  subscriptions_->Run();
  if (subscriptions_->CloseIfLost()) return false;
  if (subscriptions_->unused()) subscriptions_.reset();
  return true;
}

// What goes before its reply has happened.
void Session::FinishAwaited(Request& request) {
  const InLane in(this, request.upstream);
  if (FinishCollected(request)) Finish(request);
}

bool Session::subscribed() const {
  return subscriptions_ != nullptr && subscriptions_->subscribed();
}

void Session::SweepSubscriptions(uint64_t now_ms) {
  if (subscriptions_ != nullptr) subscriptions_->Sweep(now_ms);
}

}  // namespace weir
