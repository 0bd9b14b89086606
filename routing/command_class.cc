#include "routing/command_class.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "routing/text.h"

namespace weir {
namespace {

struct LocalName {
  std::string_view name;
  LocalCommand local;
};

// What weir answers by itself, because it concerns the client's own conversation with weir.
constexpr LocalName kLocalCommands[] = {
    {"auth", LocalCommand::kAuth},
    {"client|getname", LocalCommand::kClientGetname},
    {"client|getredir", LocalCommand::kClientGetredir},
    {"client|help", LocalCommand::kClientHelp},
    {"client|id", LocalCommand::kClientId},
    {"client|info", LocalCommand::kClientInfo},
    {"client|kill", LocalCommand::kClientKill},
    {"client|list", LocalCommand::kClientList},
    {"client|no-evict", LocalCommand::kClientNoEvict},
    {"client|no-touch", LocalCommand::kClientNoTouch},
    {"client|reply", LocalCommand::kClientReply},
    {"client|setinfo", LocalCommand::kClientSetinfo},
    {"client|setname", LocalCommand::kClientSetname},
    {"client|trackinginfo", LocalCommand::kClientTrackinginfo},
    {"client|unblock", LocalCommand::kClientUnblock},
    {"command", LocalCommand::kCommand},
    {"command|count", LocalCommand::kCommandCount},
    {"command|docs", LocalCommand::kCommandDocs},
    {"command|getkeys", LocalCommand::kCommandGetkeys},
    {"command|getkeysandflags", LocalCommand::kCommandGetkeysandflags},
    {"command|help", LocalCommand::kCommandHelp},
    {"command|info", LocalCommand::kCommandInfo},
    {"command|list", LocalCommand::kCommandList},
    {"echo", LocalCommand::kEcho},
    {"hello", LocalCommand::kHello},
    {"info", LocalCommand::kInfo},
    {"monitor", LocalCommand::kMonitor},
    {"ping", LocalCommand::kPing},
    {"quit", LocalCommand::kQuit},
    {"reset", LocalCommand::kReset},
    {"select", LocalCommand::kSelect},
    {"weir", LocalCommand::kWeir},
    {"weir|bigkeys", LocalCommand::kWeirBigkeys},
    {"weir|explain", LocalCommand::kWeirExplain},
    {"weir|health", LocalCommand::kWeirHealth},
    {"weir|help", LocalCommand::kWeirHelp},
    {"weir|hotkeys", LocalCommand::kWeirHotkeys},
    {"weir.on", LocalCommand::kWeirOn},
    {"weir|slowlog", LocalCommand::kWeirSlowlog},
    {"weir|topology", LocalCommand::kWeirTopology},
    {"weir|upstreams", LocalCommand::kWeirUpstreams},
};

struct PinReason {
  std::string_view name;
  std::string_view why;
  PinEffect effect = PinEffect::kOther;
};

constexpr std::string_view kWaits = "it would hold up other clients' requests behind it";
constexpr std::string_view kTransaction = "it changes what the connection's next requests mean";
constexpr std::string_view kReplication = "it turns the connection into a replica's";
constexpr std::string_view kTracks = "it makes the connection receive invalidations";

// What leaves a trace on its connection, gets more or less than one reply, or waits. Commands that
// Redis flags as blocking need no line here.
constexpr PinReason kPinnedCommands[] = {
    {"asking", kTransaction, PinEffect::kNone},
    {"client|caching", kTracks, PinEffect::kNone},
    {"client|capa", "it changes what the connection may be answered"},
    {"client|import-source", "it changes what the connection's next requests mean"},
    {"client|pause", "others may wait for it", PinEffect::kPause},
    {"client|tracking", kTracks, PinEffect::kTracking},
    {"discard", kTransaction, PinEffect::kDiscard},
    {"exec", kTransaction, PinEffect::kExec},
    {"multi", kTransaction, PinEffect::kMulti},
    {"psync", kReplication, PinEffect::kStream},
    {"readonly", kTransaction},
    {"readwrite", kTransaction},
    {"replconf", kReplication},
    {"script|debug", "it makes the connection a debugger's"},
    {"sync", kReplication, PinEffect::kStream},
    {"unwatch", kTransaction, PinEffect::kUnwatch},
    {"wait", kWaits, PinEffect::kBlock},
    {"waitaof", kWaits, PinEffect::kBlock},
    {"watch", kTransaction, PinEffect::kWatch},
};

// Clients share weir's own subscriptions.
constexpr std::string_view kSubscribeCommands[] = {
    "psubscribe", "punsubscribe", "ssubscribe", "subscribe", "sunsubscribe", "unsubscribe",
};

// Redis counts connections, behind each of which stand many of weir's clients.
constexpr std::string_view kReceiverCountingCommands[] = {
    "publish",
    "pubsub|numsub",
    "pubsub|shardnumsub",
    "spublish",
};

// Harmless to send twice, though Redis does not flag them "readonly" (a flag that it gives only to
// what reads keys). SCRIPT LOAD is here because a script's name is the hash of its text.
constexpr std::string_view kHarmlessCommands[] = {
    "acl|cat",
    "acl|dryrun",
    "acl|genpass",
    "acl|getuser",
    "acl|help",
    "acl|list",
    "acl|users",
    "acl|whoami",
    "client|getname",
    "client|getredir",
    "client|help",
    "client|id",
    "client|info",
    "client|list",
    "client|trackinginfo",
    "cluster|count-failure-reports",
    "cluster|countkeysinslot",
    "cluster|getkeysinslot",
    "cluster|help",
    "cluster|info",
    "cluster|keyslot",
    "cluster|links",
    "cluster|myid",
    "cluster|myshardid",
    "cluster|nodes",
    "cluster|replicas",
    "cluster|shards",
    "cluster|slaves",
    "cluster|slot-stats",
    "cluster|slots",
    "command",
    "command|count",
    "command|docs",
    "command|getkeys",
    "command|getkeysandflags",
    "command|help",
    "command|info",
    "command|list",
    "config|get",
    "config|help",
    "echo",
    "function|dump",
    "function|help",
    "function|list",
    "function|stats",
    "info",
    "lastsave",
    "latency|doctor",
    "latency|graph",
    "latency|help",
    "latency|histogram",
    "latency|history",
    "latency|latest",
    "memory|doctor",
    "memory|help",
    "memory|malloc-stats",
    "memory|stats",
    "module|help",
    "module|list",
    "object|help",
    "ping",
    "pubsub|channels",
    "pubsub|help",
    "pubsub|numpat",
    "pubsub|numsub",
    "pubsub|shardchannels",
    "pubsub|shardnumsub",
    "role",
    "script|exists",
    "script|help",
    "script|load",
    "script|show",
    "slowlog|get",
    "slowlog|help",
    "slowlog|len",
    "time",
    "weir|bigkeys",
    "weir|explain",
    "weir|health",
    "weir|help",
    "weir|hotkeys",
    "weir|slowlog",
    "weir|topology",
    "weir|upstreams",
    "xgroup|help",
    "xinfo|help",
};

// Subcommands that weir answers although an older Redis does not list them.
constexpr struct {
  std::string_view container;
  std::string_view name;
  int arity;
} kOwnSubcommands[] = {{"client", "client|no-touch", 3}, {"client", "client|setinfo", 4}};

template <size_t kSize>
bool IsAmong(const std::string_view (&names)[kSize], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

template <typename Row, size_t kSize>
const Row* FindRow(const Row (&rows)[kSize], std::string_view name) {
  const auto found = std::find_if(std::begin(rows), std::end(rows),
                                  [name](const Row& row) { return row.name == name; });
  return found == std::end(rows) ? nullptr : &*found;
}

void Pin(CommandEntry* entry, std::string_view why, PinEffect effect) {
  entry->handling = Handling::kPinned;
  entry->is_readonly = false;
  entry->effect = effect;
  entry->why = why;
}

// XREAD and XREADGROUP carry the flag "blocking" but block only if told to: see other_form.
bool BlocksOnlyWithOption(const CommandSpec& spec) {
  return spec.name == "xread" || spec.name == "xreadgroup";
}

// Reads the options as xreadCommand() in Redis does, so that a stream or group called "block" is
// none.
bool HasBlockOption(const ArgList& args) {
  for (uint32_t i = 1; i < args.size(); ++i) {
    const std::string_view arg = args[i];
    if (IsKeyword(arg, "block")) return true;
    if (IsKeyword(arg, "count")) {
      i += 1;
    } else if (IsKeyword(arg, "group")) {
      i += 2;
    } else if (!IsKeyword(arg, "noack")) {
      return false;  // STREAMS, or a syntax error that Redis will report
    }
  }
  return false;
}

// Most commands have one key, always in the same place: on a cluster they need no more than this.
uint8_t OnlyKey(const CommandSpec& spec) {
  if (spec.key_specs.size() != 1) return 0;
  const KeySpec& key = spec.key_specs[0];
  const bool fixed = key.begin_search == KeySpec::BeginSearch::kIndex && key.index <= UINT8_MAX &&
                     key.find_keys == KeySpec::FindKeys::kRange && key.last_key == 0 &&
                     !key.flags.Has(KeyFlag::kIncomplete);
  return fixed ? static_cast<uint8_t>(key.index) : 0;
}

ScriptUse ScriptUseOf(std::string_view name) {
  if (name == "eval" || name == "eval_ro") return ScriptUse::kText;
  if (name == "evalsha" || name == "evalsha_ro") return ScriptUse::kHash;
  if (name == "script|load") return ScriptUse::kLoad;
  if (name == "script|flush") return ScriptUse::kFlush;
  return ScriptUse::kNone;
}

CommandEntry Classify(const CommandSpec& spec, const CommandPolicy& policy) {
  CommandEntry entry;
  entry.spec = &spec;
  entry.is_write = spec.flags.Has(CommandFlag::kWrite);
  entry.is_readonly =
      spec.flags.Has(CommandFlag::kReadonly) || IsAmong(kHarmlessCommands, spec.name);
  entry.blocks = spec.flags.Has(CommandFlag::kBlocking) && !BlocksOnlyWithOption(spec);
  entry.only_key = OnlyKey(spec);
  entry.spread = SpreadRuleOf(spec);
  entry.script = ScriptUseOf(spec.name);
  entry.runs_script = spec.name.starts_with("eval") || spec.name.starts_with("fcall");
  entry.counts_receivers = IsAmong(kReceiverCountingCommands, spec.name);
  entry.needs_args = !spec.subcommands.empty();
  entry.why = "one reply, no trace on the connection: it may share a link";
  if (entry.blocks) {
    Pin(&entry, kWaits, PinEffect::kBlock);
  } else if (const PinReason* pin = FindRow(kPinnedCommands, spec.name)) {
    Pin(&entry, pin->why, pin->effect);
    entry.blocks = pin->effect == PinEffect::kBlock;
  } else if (IsAmong(kSubscribeCommands, spec.name)) {
    entry.handling = Handling::kSubscribe;
    entry.why = "weir subscribes once for all its clients and hands the messages on";
  } else if (const LocalName* own = FindRow(kLocalCommands, spec.name)) {
    entry.handling = Handling::kLocal;
    entry.local = own->local;
    entry.why = "it concerns the client's conversation with weir, which answers it";
  }
  CommandVerdict verdict = policy.Judge(spec);
  if (!verdict.allowed) {
    entry.handling = Handling::kDenied;
    entry.local = LocalCommand::kNone;
    entry.error = std::move(verdict.error);
    entry.why = "denied by weir's [commands] policy";
  }
  return entry;
}

}  // namespace

std::string_view HandlingName(Handling handling) {
  constexpr std::string_view kNames[] = {"shared", "local", "pinned", "subscribe", "denied"};
  return kNames[static_cast<size_t>(handling)];
}

std::shared_ptr<const RoutingTable> RoutingTable::Make(std::shared_ptr<const CommandTable> commands,
                                                       const CommandPolicy& policy) {
  std::shared_ptr<RoutingTable> table(new RoutingTable);
  table->commands_ = std::move(commands);
  table->AddCommands(policy);
  table->AddOwnSubcommands(policy);
  table->AddOtherForms();
  const auto add_own_answer = [&](LocalCommand local, std::string_view why) {
    CommandEntry entry;
    entry.handling = Handling::kLocal;
    entry.local = local;
    entry.why = why;
    return table->AddExtra(std::move(entry));
  };
  add_own_answer(LocalCommand::kCloseSilently, "Redis closes a connection that says so");
  const uint32_t close_silently = static_cast<uint32_t>(table->LastExtra());
  table->names_.Insert("post", close_silently);
  table->names_.Insert("host:", close_silently);
  table->unknown_command_ =
      add_own_answer(LocalCommand::kUnknownCommand, "no command's name holds a NUL byte");
  table->unknown_subcommand_ =
      add_own_answer(LocalCommand::kUnknownSubcommand, "no subcommand's name holds a NUL byte");
  return table;
}

void RoutingTable::AddCommands(const CommandPolicy& policy) {
  entries_.reserve(commands_->size());
  for (const auto& spec : commands_->specs()) {
    if (!spec->absent) {
      names_.Insert(spec->own_name(), spec->id,
                    spec->parent == nullptr ? 0 : CommandTable::ScopeOf(*spec->parent));
    }
    entries_.push_back(Classify(*spec, policy));
  }
}

void RoutingTable::AddOwnSubcommands(const CommandPolicy& policy) {
  for (const auto& own : kOwnSubcommands) {
    const CommandSpec* container = commands_->Find(own.container);
    if (container == nullptr) continue;
    const std::string_view own_name = own.name.substr(own.container.size() + 1);
    if (commands_->FindSubcommand(*container, own_name) != nullptr) continue;
    CommandSpec& spec = own_specs_.emplace_back();
    spec.name = own.name;
    spec.parent = container;
    spec.arity = own.arity;
    spec.flags = {CommandFlag::kNoscript, CommandFlag::kLoading, CommandFlag::kStale};
    spec.categories = {AclCategory::kSlow, AclCategory::kConnection};
    spec.id = container->id;
    AddExtra(Classify(spec, policy));
    names_.Insert(own_name, static_cast<uint32_t>(LastExtra()), CommandTable::ScopeOf(*container));
  }
}

void RoutingTable::AddOtherForms() {
  for (CommandEntry& entry : entries_) {
    if (entry.handling == Handling::kDenied) continue;
    if (BlocksOnlyWithOption(*entry.spec)) {
      CommandEntry blocking = entry;
      blocking.blocks = true;
      blocking.needs_args = false;
      Pin(&blocking, kWaits, PinEffect::kBlock);
      entry.needs_args = true;
      entry.other_form = AddExtra(std::move(blocking));
    } else if (entry.local == LocalCommand::kCommand) {
      // COMMAND by itself is weir's to answer; of COMMAND FOO, Redis says best what is wrong.
      CommandEntry shared = entry;
      shared.handling = Handling::kShared;
      shared.local = LocalCommand::kNone;
      shared.why = "weir does not know the subcommand, so Redis says what it is";
      entry.other_form = AddExtra(std::move(shared));
    }
  }
}

CommandEntry* RoutingTable::AddExtra(CommandEntry entry) {
  return &extra_.emplace_back(std::move(entry));
}

const CommandEntry* RoutingTable::ResolveSlowly(const CommandEntry* entry,
                                                const ArgList& args) const {
  constexpr std::string_view kNul("\0", 1);
  if (entry == nullptr) {
    const std::string_view name = args[0];
    const size_t nul = name.find(kNul);
    if (nul == std::string_view::npos) return nullptr;
    const CommandEntry* hidden = Find(name.substr(0, nul));
    const bool closes = hidden != nullptr && hidden->local == LocalCommand::kCloseSilently;
    return closes ? hidden : unknown_command_;
  }
  if (entry->spec->subcommands.empty()) {
    return entry->other_form != nullptr && HasBlockOption(args) ? entry->other_form : entry;
  }
  if (args.size() < 2) return entry;
  const std::string_view name = args[1];
  const uint32_t i = names_.Find(name, CommandTable::ScopeOf(*entry->spec));
  if (i < entries_.size()) return &entries_[i];
  if (i != NameIndex::kAbsent) return &extra_[i - entries_.size()];
  if (name.find(kNul) != std::string_view::npos) return unknown_subcommand_;
  return entry->other_form != nullptr ? entry->other_form : entry;
}

}  // namespace weir
