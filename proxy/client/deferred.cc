// Commands inside MULTI that only weir can carry out.
#include "proxy/client/deferred.h"

#include <algorithm>
#include <utility>

#include "plugins/text.h"
#include "proxy/client/dispatcher.h"
#include "proxy/client/permission.h"
#include "proxy/client/request_task.h"
#include "proxy/client/session.h"
#include "proxy/client/subscriptions.h"
#include "proxy/config.h"
#include "proxy/worker.h"
#include "resp/reply_elements.h"
#include "resp/reply_writer.h"
#include "resp/wire_text.h"

namespace weir {
namespace {

// RESP3 includes RESP2, and HELLO may have changed it on the way.
constexpr int kAnyVersion = 3;

bool IsReplyMode(std::string_view word) {
  return IsKeyword(word, "on") || IsKeyword(word, "off") || IsKeyword(word, "skip");
}

// Texts one behind the other, each behind its length, so that several fit into a part.
void AppendText(std::string_view text, std::string* out) { ReplyWriter(out, 2).Bulk(text); }

std::vector<std::string> SplitTexts(std::string_view part) {
  std::vector<std::string> texts;
  while (part.starts_with('$')) {
    const size_t line_end = part.find('\r');
    int64_t size = 0;
    if (!ParseWireNumber(part.substr(1, line_end - 1), &size)) break;
    texts.emplace_back(part.substr(line_end + 2, static_cast<size_t>(size)));
    part.remove_prefix(line_end + 4 + static_cast<size_t>(size));
  }
  return texts;
}

}  // namespace

size_t Deferred::Add(StandIn stand_in) {
  if (bytes_ + stand_in.wire.size() > kBytesMax) return kNoRoom;
  bytes_ += stand_in.wire.size();
  Command& command = commands_.emplace_back();
  command.wire = std::move(stand_in.wire);
  command.subscription = std::move(stand_in.subscription);
  command.sets_reply_mode = stand_in.local == LocalCommand::kClientReply;
  return commands_.size() - 1;
}

std::function<std::string(Conversation&, std::string_view)> Deferred::Placer(
    std::shared_ptr<Deferred> deferred, size_t number, Session* session) {
  return [deferred = std::move(deferred), number, session](Conversation&, std::string_view reply) {
    const bool queued = !reply.starts_with('-') && session->pinned_ != nullptr;
    if (queued) deferred->SetPlace(number, session->pinned_->state.queued() - 1);
    return std::string(reply);
  };
}

std::unique_ptr<RequestExtra> Deferred::MakeTask(std::shared_ptr<Deferred> deferred,
                                                 Session* session, bool silent) {
  deferred->silent_ = silent;
  auto task = std::make_unique<RequestTask>();
  task->silence_applied = true;
  task->await = [deferred, session](Request& exec, std::string_view reply) {
    const bool any = std::any_of(deferred->commands_.begin(), deferred->commands_.end(),
                                 [](const Command& command) { return command.subscription; });
    return any && deferred->Subscribe(&session->MakeSubscriptions(), &exec,
                                      session->subscriptions_max(), reply);
  };
  task->ask.serial = true;
  task->ask.permits = [deferred, session](std::string_view reply) {
    return deferred->Run(session, reply);
  };
  task->ask.finish = [deferred](Conversation&, std::string_view reply) {
    if (!deferred->exec_reply_.empty()) return deferred->Reply();
    return deferred->silent_ ? std::string() : std::string(reply);
  };
  task->gather.visit = [deferred](ClientTable& clients, std::string* out) {
    deferred->Visit(clients, out);
  };
  task->gather.combine = [deferred](Conversation& conversation,
                                    const std::vector<std::string>& parts) {
    return deferred->Combine(conversation, parts);
  };
  return task;
}

bool Deferred::Subscribe(Subscriptions* subscriptions, Request* exec, size_t max,
                         std::string_view exec_reply) {
  const auto elements = CutElements(exec_reply, kAnyVersion);
  if (!elements) return false;
  bool waits = false;
  for (Command& command : commands_) {
    const auto place = static_cast<size_t>(command.place);
    if (!command.subscription || command.place < 0 || place >= elements->size()) continue;
    // Its rights may have changed since it was queued.
    if (!Permits((*elements)[place])) continue;
    const Subscription& wanted = *command.subscription;
    if (!wanted.error.empty()) {
      command.reply = wanted.error;
      continue;
    }
    const std::vector<std::string_view> names(wanted.names.begin(), wanted.names.end());
    if (wanted.subscribes && subscriptions->count_max() + names.size() > max) {
      command.reply = TooManySubscriptionsLine(max) + "\r\n";
      continue;
    }
    subscriptions->ChangeWithin(exec, wanted.subscribes, wanted.kind, names, &command.reply);
    waits = true;
  }
  return waits;
}

bool Deferred::Run(Session* session, std::string_view exec_reply) {
  const auto elements = CutElements(exec_reply, kAnyVersion);
  if (!elements || exec_reply[0] != '*') return false;
  exec_reply_ = exec_reply;
  bool asks_workers = false;
  for (Command& command : commands_) {
    const auto place = static_cast<size_t>(command.place);
    if (command.place < 0 || place >= elements->size()) continue;
    RunOne(session, elements->size(), (*elements)[place], &command);
    asks_workers = asks_workers || command.gather.visit != nullptr;
  }
  return asks_workers;
}

// `element`: what the node has answered to the stand-in.
void Deferred::RunOne(Session* session, uint64_t queued, std::string_view element,
                      Command* command) {
  if (command->subscription) {
    if (command->reply.empty()) command->reply = element;
    return;
  }
  // CLIENT REPLY takes effect at once.
  if (command->sets_reply_mode && !Permits(element)) {
    command->reply = element;
    return;
  }
  LocalOutcome outcome = Dispatcher(session).AnswerDeferred(command->wire, queued);
  if (command->sets_reply_mode) command->mode_after = session->conversation().reply_mode;
  if (outcome.kind == LocalOutcome::Kind::kAsk) {
    // The stand-in was the question.
    if (outcome.ask.permits == nullptr) {
      command->reply = outcome.ask.finish(session->conversation(), element);
    } else if (outcome.ask.permits(element)) {
      command->gather = std::move(outcome.gather);
    } else {
      command->reply = element;
    }
    return;
  }
  if (!Permits(element)) {
    command->reply = element;
    return;
  }
  command->reply = std::move(outcome.reply);
  if (outcome.kind == LocalOutcome::Kind::kGather) command->gather = std::move(outcome.gather);
}

void Deferred::Visit(ClientTable& clients, std::string* out) const {
  for (const Command& command : commands_) {
    if (command.gather.visit == nullptr) continue;
    std::string text;
    command.gather.visit(clients, &text);
    AppendText(text, out);
  }
}

std::string Deferred::Combine(Conversation& conversation, const std::vector<std::string>& parts) {
  std::vector<std::vector<std::string>> texts;
  for (const std::string& part : parts) texts.push_back(SplitTexts(part));
  size_t i = 0;
  for (Command& command : commands_) {
    if (command.gather.visit == nullptr) continue;
    std::vector<std::string> of_workers;
    for (const auto& of_worker : texts) of_workers.push_back(of_worker[i]);
    command.reply = command.gather.combine(conversation, of_workers);
    ++i;
  }
  return Reply();
}

// EXEC's reply with their answers in their places, as far as the client hears it.
std::string Deferred::Reply() const {
  std::vector<std::string_view> all = *CutElements(exec_reply_, kAnyVersion);
  std::vector<const Command*> by_place(all.size(), nullptr);
  for (const Command& command : commands_) {
    const auto place = static_cast<size_t>(command.place);
    if (command.place < 0 || place >= all.size()) continue;
    by_place[place] = &command;
    all[place] = command.reply;
  }
  bool hears = !silent_;
  std::string reply;
  if (hears) reply.assign(exec_reply_, 0, ReadAggregateHeader(exec_reply_)->bytes);
  for (size_t place = 0; place < all.size(); ++place) {
    const Command* command = by_place[place];
    if (command != nullptr && command->mode_after == ReplyMode::kOn) hears = true;
    if (command != nullptr && command->mode_after == ReplyMode::kOff) hears = false;
    // Acknowledgements are said even to those who want no answers.
    const bool acknowledgement =
        command != nullptr && command->subscription && !all[place].starts_with('-');
    if (hears || acknowledgement) reply += all[place];
  }
  return reply;
}

// ---- Dispatcher

// Nothing: the node can answer it as well. `names_queued`: the transaction itself may have changed
// the client's name. REQUIRES: it has the right number of arguments.
std::optional<Deferred::StandIn> Dispatcher::MakeStandIn(const CommandEntry& entry,
                                                         const ParsedRequest& parsed,
                                                         bool names_queued) {
  switch (entry.local) {
    case LocalCommand::kClientGetname:
      // The node knows the name that the transaction itself gives.
      if (names_queued) return std::nullopt;
      break;
    case LocalCommand::kClientId:
    case LocalCommand::kClientInfo:
    case LocalCommand::kClientList:
    case LocalCommand::kClientKill:
    case LocalCommand::kClientUnblock:
    case LocalCommand::kWeirExplain:
    case LocalCommand::kWeirHelp:
      break;
    case LocalCommand::kClientReply:
      if (parsed.argc == 3 && !IsReplyMode(parsed.arg(2))) return std::nullopt;
      break;
    default:
      return std::nullopt;
  }
  std::vector<std::string_view> args;
  for (uint32_t i = 0; i < parsed.argc; ++i) args.push_back(parsed.arg(i));
  Deferred::StandIn stand_in;
  stand_in.local = entry.local;
  AppendRequest(&stand_in.wire, args);
  stand_in.bytes = PermissionProbe(entry.local);
  if (entry.local == LocalCommand::kClientKill) {
    // Whether there is such a user, the node may have to say.
    LocalOutcome outcome = AnswerDeferred(stand_in.wire, 0);
    if (outcome.kind == LocalOutcome::Kind::kAsk) stand_in.bytes = std::move(outcome.ask.request);
  }
  return stand_in;
}

// Nothing: it is not for weir.
std::optional<bool> Dispatcher::Defer(const Plan& plan, const Input& input) {
  const CommandEntry& entry = *plan.entry;
  const bool weirs =
      entry.local == LocalCommand::kWeirExplain || entry.local == LocalCommand::kWeirHelp;
  // Of all else that is wrong with its arguments, the node speaks before it queues them.
  if (!entry.spec->ArityAllows(input.parsed.argc_declared)) {
    if (!weirs) return std::nullopt;
    return RefuseInTransaction(plan.entry, ErrorText(RedisError::kWrongArgCount, entry.spec->name),
                               input);
  }
  std::optional<Deferred::StandIn> stand_in =
      MakeStandIn(entry, input.parsed, session_.pinned_->state.changes_queued());
  if (!stand_in) return std::nullopt;
  return SendStandIn(plan, input, *std::move(stand_in));
}

// The node queues something in the place of a command that weir keeps.
bool Dispatcher::SendStandIn(const Plan& plan, const Input& input, Deferred::StandIn stand_in) {
  auto& deferred = session_.pinned_->deferred;
  if (deferred == nullptr) deferred = std::make_shared<Deferred>();
  Instead instead;
  instead.bytes = std::move(stand_in.bytes);
  const size_t number =
      input.tail != nullptr ? Deferred::kNoRoom : deferred->Add(std::move(stand_in));
  if (number == Deferred::kNoRoom) {
    return RefuseInTransaction(
        plan.entry,
        Concat("-ERR weir: inside MULTI, weir takes no more than ", Deferred::kBytesMax,
               " bytes of commands that it answers itself"),
        input);
  }
  instead.finish = Deferred::Placer(deferred, number, &session_);
  return SendInstead(plan, input, instead);
}

// Runs one of those commands now. `queued` were in its transaction.
LocalOutcome Dispatcher::AnswerDeferred(std::string_view wire, uint64_t queued) {
  RequestParser parser(RequestLimits{.bulk_bytes_max = Deferred::kBytesMax,
                                     .line_bytes_max = 64,
                                     .request_bytes_max = 2 * Deferred::kBytesMax});
  ParseState state;
  ParsedRequest parsed;
  LocalOutcome outcome;
  outcome.reply = "-ERR weir: the transaction was lost\r\n";
  if (parser.Parse(&state, wire, &parsed) != ParseStatus::kRequest) return outcome;
  LocalContext context = MakeLocalContext(Input{.chunk = nullptr, .parsed = parsed});
  const CommandEntry* entry = context.routing->Resolve(ArgList(parsed));
  if (entry == nullptr || entry->handling != Handling::kLocal) return outcome;
  // That it may, the node has said when it queued the probe.
  AuthConfig auth = *context.auth;
  if (auth.mode == AuthMode::kPassthrough) auth.mode = AuthMode::kNone;
  context.auth = &auth;
  context.unblocks_itself = true;
  context.self = [this, queued] {
    ClientRow row = session_.Row();
    row.in_transaction = true;
    row.queued = static_cast<int64_t>(queued);
    return row;
  };
  return RunLocalCommand(context, *entry, parsed, session_.conversation_);
}

}  // namespace weir
