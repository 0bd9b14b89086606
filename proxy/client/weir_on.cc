// WEIR.ON <upstream> <command> [<arg> …]: one command for an upstream that it names, whatever the
// [[route]] rules say.
//
// It is taken apart before anything else looks at it, and the command within goes the way of any:
// plugins, denials and permissions see that command, not WEIR.ON. What would leave something on the
// connection is refused, because the next command would not find it.
#include <utility>
#include <vector>

#include "plugins/chain.h"
#include "plugins/config_errors.h"
#include "plugins/nearest_name.h"
#include "plugins/text.h"
#include "proxy/backend/upstream.h"
#include "proxy/client/dispatcher.h"
#include "proxy/client/lanes.h"
#include "proxy/worker.h"
#include "resp/errors.h"
#include "resp/reply_writer.h"
#include "routing/text.h"

namespace weir {
namespace {

constexpr std::string_view kName = "weir.on";
constexpr uint32_t kOwnArgs = 2;

// Whether nothing of it is left once it is answered.
bool LeavesNoTrace(const CommandEntry* entry) {
  if (entry == nullptr) return true;
  switch (entry->handling) {
    case Handling::kShared:
    case Handling::kDenied:
      return true;
    case Handling::kPinned:
      return entry->effect == PinEffect::kBlock;
    case Handling::kSubscribe:
      return false;
    case Handling::kLocal:
      break;
  }
  switch (entry->local) {
    case LocalCommand::kPing:
    case LocalCommand::kEcho:
    case LocalCommand::kInfo:
    case LocalCommand::kCommand:
    case LocalCommand::kCommandCount:
    case LocalCommand::kCommandDocs:
    case LocalCommand::kCommandGetkeys:
    case LocalCommand::kCommandGetkeysandflags:
    case LocalCommand::kCommandHelp:
    case LocalCommand::kCommandInfo:
    case LocalCommand::kCommandList:
    case LocalCommand::kUnknownCommand:
    case LocalCommand::kUnknownSubcommand:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool Dispatcher::IsOn(const ParsedRequest& parsed) const {
  if (parsed.argc == 0 || parsed.arg(0).size() != kName.size()) [[likely]]
    return false;
  const CommandEntry* entry =
      worker_.UpstreamAt(session_.upstream_).snapshot().routing->Find(parsed.arg(0));
  return entry != nullptr && entry->local == LocalCommand::kWeirOn;
}

// Why it cannot be done; empty: it can, on `named`.
std::string Dispatcher::OnRefusal(const ArgList& args, UpstreamIndex* named) const {
  if (args.size() <= kOwnArgs) return std::string(ErrorText(RedisError::kWrongArgCount, kName));
  const std::vector<UpstreamConfig>& upstreams = worker_.config().upstreams;
  std::vector<std::string_view> names;
  for (const UpstreamConfig& upstream : upstreams) names.push_back(upstream.name);
  const auto found = std::find(names.begin(), names.end(), args[1]);
  if (found == names.end()) {
    const std::string hint = DidYouMean(args[1], names);
    return Concat("-ERR weir: there is no upstream '", Printable(args[1].substr(0, 64)), "'",
                  hint.empty() ? "; WEIR UPSTREAMS lists them" : hint);
  }
  *named = static_cast<UpstreamIndex>(found - names.begin());
  const CommandEntry* entry =
      worker_.UpstreamAt(*named).snapshot().routing->Resolve(args.Tail(kOwnArgs));
  if (LeavesNoTrace(entry)) return {};
  return Concat(
      "-ERR weir: WEIR.ON is for commands that leave nothing behind on their connection, '",
      entry->spec == nullptr ? "post" : entry->spec->name, "' is none");
}

bool Dispatcher::PerformOn(const Plan& plan, const Input& input) {
  const ParsedRequest& parsed = input.parsed;
  UpstreamIndex named{};
  const std::string refusal = OnRefusal(ArgList(parsed), &named);
  if (!refusal.empty()) return Refuse(plan.entry, refusal, input);
  std::string wire;
  std::vector<ArgSpan> spans;
  AppendRequestHeader(&wire, parsed.argc_declared - kOwnArgs);
  for (uint32_t i = kOwnArgs; i < parsed.argc; ++i) {
    AppendRequestArg(&wire, parsed.arg(i));
    const auto length = static_cast<uint32_t>(parsed.arg(i).size());
    spans.push_back({.offset = static_cast<uint32_t>(wire.size()) - 2 - length, .length = length});
  }
  const ParsedRequest within = {.wire = wire,
                                .args = spans.data(),
                                .argc = parsed.argc - kOwnArgs,
                                .argc_declared = parsed.argc_declared - kOwnArgs,
                                .rewritten = true};
  Lanes& lanes = session_.MakeLanes();
  lanes.named = true;
  lanes.refusal.clear();
  lanes.choice = RouteChoice();
  lanes.choice.upstream = static_cast<uint16_t>(named);
  lanes.choice.has_keys = true;
  EnterChosen(worker_.UpstreamAt(named).snapshot().routing->Resolve(within));
  const Input onward = {.chunk = nullptr,
                        .parsed = within,
                        .tail = input.tail,
                        .tail_bytes_min = input.tail_bytes_min};
  if (worker_.chain().has(kHookRequest)) return WalkChain(onward);
  const UpstreamSnapshot& known = worker_.UpstreamAt(session_.upstream_).snapshot();
  return Perform(MakePlan(*known.routing, *known.topology, within), onward);
}

}  // namespace weir
