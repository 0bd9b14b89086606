// Commands inside MULTI that only weir can answer.
#include "proxy/client/deferred.h"

#include <algorithm>
#include <utility>

#include "plugins/text.h"
#include "proxy/client/dispatcher.h"
#include "proxy/client/permission.h"
#include "proxy/client/request_task.h"
#include "proxy/client/session.h"
#include "proxy/config.h"
#include "proxy/worker.h"
#include "resp/reply_elements.h"
#include "resp/reply_writer.h"
#include "resp/wire_text.h"

namespace weir {
namespace {

// RESP3 includes RESP2, and HELLO may have changed it on the way.
constexpr int kAnyVersion = 3;

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

size_t Deferred::Add(std::string_view wire) {
  if (bytes_ + wire.size() > kBytesMax) return kNoRoom;
  bytes_ += wire.size();
  commands_.push_back({.wire = std::string(wire), .place = -1, .reply = {}, .gather = {}});
  return commands_.size() - 1;
}

std::unique_ptr<RequestExtra> Deferred::MakeTask(std::shared_ptr<Deferred> deferred,
                                                 Session* session) {
  auto task = std::make_unique<RequestTask>();
  task->ask.serial = true;
  task->ask.permits = [deferred, session](std::string_view reply) {
    return deferred->Run(session, reply);
  };
  task->ask.finish = [deferred](Conversation&, std::string_view reply) {
    return deferred->exec_reply_.empty() ? std::string(reply) : deferred->Reply();
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

bool Deferred::Run(Session* session, std::string_view exec_reply) {
  const auto header = ReadAggregateHeader(exec_reply);
  if (!header || header->type != '*') return false;
  exec_reply_ = exec_reply;
  bool asks_workers = false;
  for (Command& command : commands_) {
    if (command.place < 0) continue;
    LocalOutcome outcome = Dispatcher(session).AnswerDeferred(command.wire, header->count);
    command.reply = std::move(outcome.reply);
    if (outcome.kind != LocalOutcome::Kind::kGather) continue;
    command.gather = std::move(outcome.gather);
    asks_workers = true;
  }
  return asks_workers;
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

// EXEC's reply with their answers in their places.
std::string Deferred::Reply() const {
  const auto elements = CutElements(exec_reply_, kAnyVersion);
  if (!elements) return exec_reply_;
  std::vector<std::string_view> all = *elements;
  for (const Command& command : commands_) {
    const auto place = static_cast<size_t>(command.place);
    if (command.place >= 0 && place < all.size()) all[place] = command.reply;
  }
  std::string reply(exec_reply_, 0, ReadAggregateHeader(exec_reply_)->bytes);
  for (const std::string_view element : all) reply += element;
  return reply;
}

// ---- Dispatcher

// Nothing: the node can answer it as well.
std::optional<bool> Dispatcher::Defer(const Plan& plan, const Input& input) {
  const CommandEntry& entry = *plan.entry;
  const ParsedRequest& parsed = input.parsed;
  switch (entry.local) {
    case LocalCommand::kClientGetname:
      // The node knows the name that the transaction itself gives.
      if (session_.pinned_->state.changes_queued()) return std::nullopt;
      break;
    case LocalCommand::kClientId:
    case LocalCommand::kClientInfo:
    case LocalCommand::kClientList:
    case LocalCommand::kClientKill:
    case LocalCommand::kClientUnblock:
    case LocalCommand::kWeirExplain:
    case LocalCommand::kWeirHelp:
      break;
    default:
      return std::nullopt;
  }
  const bool weirs =
      entry.local == LocalCommand::kWeirExplain || entry.local == LocalCommand::kWeirHelp;
  // Of all else that is wrong with its arguments, the node speaks before it queues them.
  if (!entry.spec->ArityAllows(parsed.argc_declared)) {
    if (!weirs) return std::nullopt;
    return RefuseInTransaction(plan.entry, ErrorText(RedisError::kWrongArgCount, entry.spec->name),
                               input);
  }
  if (entry.local == LocalCommand::kClientKill) {
    for (uint32_t i = 2; i < parsed.argc; i += 2) {
      if (!IsKeyword(parsed.arg(i), "user") || parsed.argc == 3) continue;
      return RefuseInTransaction(
          plan.entry, "-ERR weir: CLIENT KILL with USER is not possible inside MULTI", input);
    }
  }
  auto& deferred = session_.pinned_->deferred;
  if (deferred == nullptr) deferred = std::make_shared<Deferred>();
  std::string wire;
  std::vector<std::string_view> args;
  for (uint32_t i = 0; i < parsed.argc; ++i) args.push_back(parsed.arg(i));
  AppendRequest(&wire, args);
  const size_t number = input.tail != nullptr ? Deferred::kNoRoom : deferred->Add(wire);
  if (number == Deferred::kNoRoom) {
    return RefuseInTransaction(
        plan.entry,
        Concat("-ERR weir: inside MULTI, weir takes no more than ", Deferred::kBytesMax,
               " bytes of commands that it answers itself"),
        input);
  }
  Instead instead;
  instead.bytes = PermissionProbe(entry.local);
  instead.finish = [deferred, number, session = &session_](Conversation&, std::string_view reply) {
    const bool queued = !reply.starts_with('-') && session->pinned_ != nullptr;
    if (queued) deferred->SetPlace(number, session->pinned_->state.queued() - 1);
    return std::string(reply);
  };
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
