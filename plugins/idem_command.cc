#include "plugins/idem_command.h"

#include <algorithm>
#include <memory>

#include "plugins/text.h"
#include "resp/reply_writer.h"
#include "resp/wire_text.h"
#include "routing/command_class.h"
#include "routing/command_table.h"
#include "routing/keys.h"

namespace weir {
namespace {

constexpr std::string_view kName = "weir.idem";
constexpr std::string_view kUsage = "expected WEIR.IDEM token [TTL ms] [WAIT ms] command [arg ...]";
constexpr char kCommandReply[] =
#include "routing/command_data/idempotency.inc"
    ;
// A script hands a command's arguments over on Lua's stack, which takes 8000.
constexpr uint32_t kArgsMax = 7000;
// A number of a script is a double, which is exact up to so many bits.
constexpr int64_t kExactBits = 53;

struct Known {
  std::string_view name;
  IdemShape shape = IdemShape::kPlain;
  IdemExact exact = IdemExact::kNone;
};

// All of Redis' commands that write, have keys, do not block, and may be called by a script; in
// alphabetical order. What is missing is refused, because its reply's shape is not known:
//   FLUSHALL, FLUSHDB, SWAPDB           have no key whose slot the record could be in
//   MIGRATE, RESTORE-ASKING, PFDEBUG    are for operators
//   SORT, GEORADIUS, GEORADIUSBYMEMBER  read mostly, and are not the same in scripts
constexpr Known kKnown[] = {
    {"append"},
    {"bitfield"},
    {"bitop"},
    {"copy"},
    {"decr", IdemShape::kPlain, IdemExact::kGet},
    {"decrby", IdemShape::kPlain, IdemExact::kGet},
    {"del"},
    {"expire"},
    {"expireat"},
    {"geoadd"},
    {"geosearchstore"},
    {"getdel"},
    {"getex"},
    {"getset"},
    {"hdel"},
    {"hincrby", IdemShape::kPlain, IdemExact::kHget},
    {"hincrbyfloat"},
    {"hmset"},
    {"hset"},
    {"hsetnx"},
    {"incr", IdemShape::kPlain, IdemExact::kGet},
    {"incrby", IdemShape::kPlain, IdemExact::kGet},
    {"incrbyfloat"},
    {"linsert"},
    {"lmove"},
    {"lmpop", IdemShape::kNullArray},
    {"lpop"},
    {"lpush"},
    {"lpushx"},
    {"lrem"},
    {"lset"},
    {"ltrim"},
    {"move"},
    {"mset"},
    {"msetnx"},
    {"persist"},
    {"pexpire"},
    {"pexpireat"},
    {"pfadd"},
    {"pfmerge"},
    {"psetex"},
    {"rename"},
    {"renamenx"},
    {"restore"},
    {"rpop"},
    {"rpoplpush"},
    {"rpush"},
    {"rpushx"},
    {"sadd"},
    {"sdiffstore"},
    {"set"},
    {"setbit"},
    {"setex"},
    {"setnx"},
    {"setrange"},
    {"sinterstore"},
    {"smove"},
    {"spop", IdemShape::kSet},
    {"srem"},
    {"sunionstore"},
    {"unlink"},
    {"xack"},
    {"xadd"},
    {"xautoclaim"},
    {"xclaim"},
    {"xdel"},
    {"xgroup|create"},
    {"xgroup|createconsumer"},
    {"xgroup|delconsumer"},
    {"xgroup|destroy"},
    {"xgroup|setid"},
    {"xreadgroup", IdemShape::kMap},
    {"xsetid"},
    {"xtrim"},
    {"zadd", IdemShape::kDouble},
    {"zdiffstore"},
    {"zincrby", IdemShape::kDouble},
    {"zinterstore"},
    {"zmpop", IdemShape::kKeyAndScores},
    {"zpopmax", IdemShape::kScore},
    {"zpopmin", IdemShape::kScore},
    {"zrangestore"},
    {"zrem"},
    {"zremrangebylex"},
    {"zremrangebyrank"},
    {"zremrangebyscore"},
    {"zunionstore"},
};

// Those that no script can wrap, because they wait for others, or are scripts; in alphabetical
// order. XREADGROUP is one of them only with BLOCK.
constexpr Known kClaimed[] = {
    {"blmove", IdemShape::kNullArray},
    {"blmpop", IdemShape::kNullArray},
    {"blpop", IdemShape::kNullArray},
    {"brpop", IdemShape::kNullArray},
    {"brpoplpush", IdemShape::kNullArray},
    {"bzmpop", IdemShape::kKeyAndScores},
    {"bzpopmax", IdemShape::kNullArray},
    {"bzpopmin", IdemShape::kNullArray},
    {"eval"},
    {"evalsha"},
    {"fcall"},
    {"xreadgroup", IdemShape::kMap},
};

template <size_t n>
const Known* Find(const Known (&table)[n], std::string_view name) {
  const Known* const found =
      std::lower_bound(std::begin(table), std::end(table), name,
                       [](const Known& known, std::string_view text) { return known.name < text; });
  return found != std::end(table) && found->name == name ? found : nullptr;
}

// Some replies depend on whether there is a count.
IdemShape ShapeOf(const Known& known, const ArgList& args) {
  const bool has_count = args.size() > 2;
  if (has_count && (known.name == "lpop" || known.name == "rpop")) return IdemShape::kNullArray;
  if (has_count && known.shape == IdemShape::kScore) return IdemShape::kScores;
  return known.shape;
}

// Whether BITFIELD may answer a number that a script cannot hold.
bool HasWideField(const ArgList& args) {
  for (uint32_t i = 2; i + 1 < args.size(); ++i) {
    const bool typed =
        IsKeyword(args[i], "get") || IsKeyword(args[i], "set") || IsKeyword(args[i], "incrby");
    const std::string_view type = args[i + 1];
    int64_t bits = 0;
    if (typed && !type.empty() && ParseWireNumber(type.substr(1), &bits) && bits > kExactBits) {
      return true;
    }
  }
  return false;
}

IdemPlan Refuse(std::string_view why) { return {.kind = IdemPlan::Kind::kRefuse, .why = why}; }

IdemPlan RefuseUnknown(const CommandEntry* entry) {
  if (entry == nullptr || entry->spec == nullptr) {
    return Refuse("is no command whose replies weir could keep");
  }
  const CommandSpec& spec = *entry->spec;
  if (spec.flags.Has(CommandFlag::kReadonly)) return {.kind = IdemPlan::Kind::kPass};
  if (entry->effect == PinEffect::kBlock || spec.flags.Has(CommandFlag::kBlocking)) {
    return Refuse("may block, and weir does not know what it answers");
  }
  if (entry->runs_script) return Refuse("is a script in a way that weir does not know");
  if (spec.flags.Has(CommandFlag::kNoscript)) return Refuse("cannot be run by a script");
  return Refuse("is none of the commands whose replies weir can keep");
}

IdemPlan PlanClaim(const Known& claimed, const ArgList& args, const CommandSpec& spec,
                   bool blocks) {
  KeyPositions positions;
  if (!spec.ArityAllows(args.size()) || FindKeys(spec, args, &positions) == KeysFound::kInvalid) {
    return {.kind = IdemPlan::Kind::kPass};
  }
  IdemPlan plan = {.kind = IdemPlan::Kind::kClaim,
                   .shape = claimed.shape,
                   .blocks = blocks,
                   .is_script = !blocks};
  for (const KeyPosition& position : positions) plan.keys.push_back(position.index);
  return plan;
}

std::optional<IdemCommand> Complain(std::string* error, std::string_view text) {
  error->clear();
  ReplyWriter(error, 2).Error(Concat("-ERR weir: ", text));
  return std::nullopt;
}

}  // namespace

bool IsIdemCommand(std::string_view name) { return EqualsIgnoreCase(name, kName); }

uint32_t IdemOwnArgs(const ArgList& args) {
  uint32_t at = 2;
  while (at < args.size() && (IsKeyword(args[at], "ttl") || IsKeyword(args[at], "wait"))) at += 2;
  return std::min(at, args.size());
}

std::optional<IdemCommand> ParseIdemCommand(const ArgList& args, uint64_t ttl_ms_max,
                                            std::string* error) {
  IdemCommand command;
  command.within = IdemOwnArgs(args);
  if (command.within >= args.size()) return Complain(error, kUsage);
  command.token = args[1];
  if (command.token.empty()) return Complain(error, "expected a token, found an empty one");
  for (uint32_t i = 2; i < command.within; i += 2) {
    int64_t ms = 0;
    const bool is_ttl = IsKeyword(args[i], "ttl");
    const bool good = ParseWireNumber(args[i + 1], &ms) && ms >= (is_ttl ? 1 : 0);
    if (!good || (is_ttl && static_cast<uint64_t>(ms) > ttl_ms_max)) {
      return Complain(error, is_ttl ? Concat("expected TTL from 1 to ", ttl_ms_max, " ms")
                                    : std::string("expected WAIT and a number of ms"));
    }
    if (is_ttl) {
      command.ttl_ms = static_cast<uint64_t>(ms);
    } else {
      command.wait_ms = static_cast<uint64_t>(ms);
    }
  }
  return command;
}

IdemPlan PlanIdem(const ArgList& args, const CommandEntry* entry) {
  if (entry == nullptr || entry->spec == nullptr) return RefuseUnknown(entry);
  const CommandSpec& spec = *entry->spec;
  // What weir denies or answers itself, it does so whether it has a token or not.
  if (entry->handling == Handling::kDenied) return {.kind = IdemPlan::Kind::kPass};
  const bool blocks = entry->effect == PinEffect::kBlock;
  if (blocks || entry->runs_script) {
    const Known* const claimed = Find(kClaimed, spec.name);
    if (claimed != nullptr) return PlanClaim(*claimed, args, spec, blocks);
  }
  const Known* const known = Find(kKnown, spec.name);
  if (known == nullptr || entry->handling != Handling::kShared) return RefuseUnknown(entry);
  if (!spec.ArityAllows(args.size())) return {.kind = IdemPlan::Kind::kPass};
  if (args.size() > kArgsMax) return Refuse("has more arguments than a script can hand over");
  if (known->name == "bitfield" && HasWideField(args)) {
    return Refuse("answers numbers of more than 53 bits, which a script cannot keep");
  }
  KeyPositions positions;
  if (FindKeys(spec, args, &positions) != KeysFound::kAll || positions.empty()) {
    return {.kind = IdemPlan::Kind::kPass};  // Redis will refuse it
  }
  IdemPlan plan = {
      .kind = IdemPlan::Kind::kRun, .shape = ShapeOf(*known, args), .exact = known->exact};
  for (const KeyPosition& position : positions) plan.keys.push_back(position.index);
  return plan;
}

const std::vector<const CommandSpec*>& IdemCommandSpecs() {
  // Kept for ever, with its table.
  static const std::shared_ptr<const CommandTable> table =
      CommandTable::FromReply(kCommandReply).value();
  return table->commands();
}

std::vector<std::string_view> IdemCommandNames() {
  std::vector<std::string_view> names;
  for (const Known& known : kKnown) names.push_back(known.name);
  return names;
}

std::vector<std::string_view> IdemClaimedNames() {
  std::vector<std::string_view> names;
  for (const Known& claimed : kClaimed) names.push_back(claimed.name);
  return names;
}

}  // namespace weir
