#include "proxy/client/local_commands.h"

#include <utility>

#include "proxy/client/local_call.h"
#include "proxy/client/permission.h"
#include "resp/errors.h"

namespace weir {
namespace {

LocalOutcome SayUnknownCommand(const LocalCall& call) {
  std::vector<std::string_view> args;
  for (uint32_t i = 0; i < call.argc(); ++i) args.push_back(call.arg(i));
  return SayError(UnknownCommandText(args));
}

// The routing table has entries for subcommands that the upstream lacks, and gives a container's
// entry for those that nobody has.
bool IsUnknownSubcommand(const LocalCall& call) {
  const CommandSpec& spec = *call.entry.spec;
  if (spec.parent == nullptr) {
    return call.argc() > 1 &&
           (call.entry.local == LocalCommand::kWeir || call.entry.local == LocalCommand::kClient);
  }
  const CommandTable& known = call.context.routing->commands();
  const CommandSpec* container = known.Find(spec.parent->name);
  return container == nullptr || known.FindSubcommand(*container, spec.own_name()) == nullptr;
}

LocalOutcome Answer(const LocalCall& call) {
  switch (call.entry.local) {
    case LocalCommand::kHello:
      return AnswerHello(call);
    case LocalCommand::kAuth:
      return AnswerAuth(call);
    case LocalCommand::kSelect:
      return AnswerSelect(call);
    case LocalCommand::kQuit:
      return AnswerQuit(call);
    case LocalCommand::kReset:
      return AnswerReset(call);
    case LocalCommand::kPing:
      return AnswerPing(call);
    case LocalCommand::kEcho:
      return AnswerEcho(call);
    case LocalCommand::kInfo:
      return AnswerInfo(call);
    case LocalCommand::kCommand:
    case LocalCommand::kCommandCount:
    case LocalCommand::kCommandDocs:
    case LocalCommand::kCommandGetkeys:
    case LocalCommand::kCommandGetkeysandflags:
    case LocalCommand::kCommandHelp:
    case LocalCommand::kCommandInfo:
    case LocalCommand::kCommandList:
      return AnswerCommand(call);
    case LocalCommand::kClient:
    case LocalCommand::kClientGetname:
    case LocalCommand::kClientGetredir:
    case LocalCommand::kClientHelp:
    case LocalCommand::kClientId:
    case LocalCommand::kClientInfo:
    case LocalCommand::kClientKill:
    case LocalCommand::kClientList:
    case LocalCommand::kClientNoEvict:
    case LocalCommand::kClientNoTouch:
    case LocalCommand::kClientReply:
    case LocalCommand::kClientSetinfo:
    case LocalCommand::kClientSetname:
    case LocalCommand::kClientTrackinginfo:
    case LocalCommand::kClientUnblock:
      return AnswerClient(call);
    case LocalCommand::kWeir:
    case LocalCommand::kWeirExplain:
    case LocalCommand::kWeirHealth:
    case LocalCommand::kWeirHelp:
    case LocalCommand::kWeirOn:  // in a place where it cannot be performed
    case LocalCommand::kWeirTopology:
    case LocalCommand::kWeirUpstreams:
      return AnswerWeir(call);
    case LocalCommand::kWeirBigkeys:
    case LocalCommand::kWeirHotkeys:
      return AnswerWeirKeys(call);
    case LocalCommand::kWeirSlowlog:
      return AnswerWeirSlowlog(call);
    case LocalCommand::kMonitor:  // its arguments are wrong; else the dispatcher does it
    case LocalCommand::kNone:
    case LocalCommand::kCloseSilently:
    case LocalCommand::kUnknownCommand:
    case LocalCommand::kUnknownSubcommand:
      break;
  }
  return Forward();
}

}  // namespace

LocalOutcome RunLocalCommand(const LocalContext& context, const CommandEntry& entry,
                             const ParsedRequest& request, Conversation& conversation) {
  const LocalCall call{context, entry, request, conversation};
  switch (entry.local) {
    case LocalCommand::kCloseSilently: {
      LocalOutcome outcome;
      outcome.kind = LocalOutcome::Kind::kClose;
      return outcome;
    }
    case LocalCommand::kUnknownCommand:
      return SayUnknownCommand(call);
    case LocalCommand::kUnknownSubcommand:
      return SayError(RedisError::kUnknownSubcommand, call.arg(1), call.arg(0));
    default:
      break;
  }
  // In Redis' order: is there such a command, has it the right arguments, may this client run it?
  if (IsUnknownSubcommand(call)) {
    return SayError(RedisError::kUnknownSubcommand, call.arg(1), call.arg(0));
  }
  if (!entry.spec->ArityAllows(request.argc)) {
    return SayError(RedisError::kWrongArgCount, entry.spec->name);
  }
  const bool for_anybody = entry.spec->flags.Has(CommandFlag::kNoAuth);
  if (!conversation.authenticated && !for_anybody) return SayError(RedisError::kNoAuth);
  LocalOutcome outcome = Answer(call);
  // What could be said without asking Redis is that the arguments are wrong. Redis, too, says it
  // only to whom it permits the command.
  if (outcome.kind == LocalOutcome::Kind::kReply && !for_anybody && NeedsPermission(call)) {
    return AskPermission(call, [error = std::move(outcome.reply)](Conversation&) { return error; });
  }
  return outcome;
}

}  // namespace weir
