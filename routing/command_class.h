// RoutingTable: for each command, what weir does with it when links are shared.
//
// A shared link carries many clients' requests, so a command may travel on it only if it leaves no
// trace on the connection, gets exactly one reply, and does not hold up what comes behind it.
#ifndef WEIR_ROUTING_COMMAND_CLASS_H_
#define WEIR_ROUTING_COMMAND_CLASS_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "routing/arg_list.h"
#include "routing/command_policy.h"
#include "routing/command_spec.h"
#include "routing/command_table.h"
#include "routing/name_index.h"
#include "routing/spread.h"

namespace weir {

enum class Handling : uint8_t {
  kShared,     // sent to Redis on a shared link
  kLocal,      // answered by weir, see LocalCommand
  kPinned,     // needs a connection of its own, see PinEffect
  kSubscribe,  // subscriptions are shared: weir holds them for its clients
  kDenied,     // refused with CommandEntry::error
};
std::string_view HandlingName(Handling handling);  // "shared"

// What a command leaves behind on the connection that it came on, if the node accepts it.
enum class PinEffect : uint8_t {
  kNone,
  kMulti,    // a transaction begins
  kExec,     // a transaction ends, whatever the reply; keys are no longer watched
  kDiscard,  // the same, if it is accepted
  kWatch,    // keys are watched
  kUnwatch,
  kTracking,  // CLIENT TRACKING ON or OFF: the connection gets invalidations, or no longer
  kBlock,     // nothing, but the reply may take for ever
  kPause,     // CLIENT PAUSE: nothing, but others may have to wait
  kStream,    // SYNC: from here on the connection carries a stream, no requests and replies
  kOther,     // something else that only the end of the connection undoes
  kUnknown,   // nobody knows: no table has the command, but Redis may (rename-command)
};

// What a command has to do with the text of a script.
enum class ScriptUse : uint8_t {
  kNone,
  kText,   // EVAL: its first argument
  kLoad,   // SCRIPT LOAD
  kHash,   // EVALSHA: names one
  kFlush,  // SCRIPT FLUSH
};

// Which of weir's own answers. A container stands for a call without a subcommand.
enum class LocalCommand : uint8_t {
  kNone,
  kHello,
  kAuth,
  kSelect,
  kQuit,
  kReset,
  kPing,
  kEcho,
  kInfo,
  kMonitor,
  kCommand,
  kCommandCount,
  kCommandDocs,
  kCommandGetkeys,
  kCommandGetkeysandflags,
  kCommandHelp,
  kCommandInfo,
  kCommandList,
  kClient,
  kClientGetname,
  kClientGetredir,
  kClientHelp,
  kClientId,
  kClientInfo,
  kClientKill,
  kClientList,
  kClientNoEvict,
  kClientNoTouch,
  kClientReply,
  kClientSetinfo,
  kClientSetname,
  kClientTrackinginfo,
  kClientUnblock,
  kWeir,
  kWeirBigkeys,
  kWeirExplain,
  kWeirHealth,
  kWeirHelp,
  kWeirHotkeys,
  kWeirOn,  // WEIR.ON: another command, for an upstream that it names
  kWeirSlowlog,
  kWeirTopology,
  kWeirUpstreams,
  // POST or Host: as a command. Redis takes it for a browser tricked into talking to it and closes
  // the connection without a reply; on a shared link that would hit every client, so weir closes
  // its own.
  kCloseSilently,
  // A command name with a NUL byte. Redis hashes all of the name but compares it only up to the
  // NUL, so "SHUTDOWN\0x" is at times SHUTDOWN. Never forwarded: weir gives Redis' "unknown
  // command" error.
  kUnknownCommand,
  kUnknownSubcommand,  // the same for a subcommand's name
};

// Owned by its RoutingTable, valid as long as that.
struct CommandEntry {
  const CommandSpec* spec = nullptr;  // null only for kCloseSilently and kUnknown*
  Handling handling = Handling::kShared;
  LocalCommand local = LocalCommand::kNone;
  bool is_write = false;     // Redis flags it "write"
  bool is_readonly = false;  // safe to send again after a broken link: twice is the same as once
  bool runs_script = false;  // may keep the node busy for ever
  bool blocks = false;       // may wait for other clients: no request deadline
  ScriptUse script = ScriptUse::kNone;
  PinEffect effect = PinEffect::kNone;  // kPinned: what it leaves on its connection
  uint8_t only_key = 0;  // the argument that is its only key, whatever the others; 0: look closer
  SpreadRule spread;     // kShared, and with several nodes: to which, and how replies become one
  bool counts_receivers = false;  // its reply counts subscribers, and weir's clients are to count
  bool needs_args = false;        // only Resolve() knows the entry that the arguments mean
  std::string error;              // kDenied: the error line, as ReplyWriter::Error takes it
  std::string_view why;           // why it is handled so, for WEIR EXPLAIN
  // XREAD and XREADGROUP: with a BLOCK option. A container: with a subcommand that it does not
  // have. nullptr: the same as this.
  const CommandEntry* other_form = nullptr;
};

// Immutable once made; shared by threads without locks.
class RoutingTable {
 public:
  static std::shared_ptr<const RoutingTable> Make(std::shared_ptr<const CommandTable> commands,
                                                  const CommandPolicy& policy);

  RoutingTable(const RoutingTable&) = delete;
  RoutingTable& operator=(const RoutingTable&) = delete;

  // HOT. The entry of a command's name, in any case; nullptr if the table has none.
  const CommandEntry* Find(std::string_view name) const {
    const uint32_t i = names_.Find(name);
    if (i < entries_.size()) [[likely]]
      return &entries_[i];
    return i == NameIndex::kAbsent ? nullptr : &extra_[i - entries_.size()];
  }

  // HOT. The entry that these arguments, at least one, mean: subcommands and options considered.
  // nullptr: unknown to the table, so Redis itself must say what it thinks of it (kShared). An
  // unknown subcommand of a known container gives the container's entry.
  const CommandEntry* Resolve(const ArgList& args) const {
    const CommandEntry* entry = Find(args[0]);
    if (entry != nullptr && !entry->needs_args) [[likely]]
      return entry;
    return ResolveSlowly(entry, args);
  }

  // The entry of a spec of commands().
  const CommandEntry& entry(const CommandSpec& spec) const { return entries_[spec.id]; }
  // The same by the id that it has in an earlier table; nullptr: there is none of this id.
  const CommandEntry* EntryOf(uint16_t id) const {
    return id < entries_.size() ? &entries_[id] : nullptr;
  }
  const CommandTable& commands() const { return *commands_; }

 private:
  RoutingTable() = default;
  const CommandEntry* ResolveSlowly(const CommandEntry* entry, const ArgList& args) const;
  void AddCommands(const CommandPolicy& policy);
  void AddOwnSubcommands(const CommandPolicy& policy);
  void AddOtherForms();
  CommandEntry* AddExtra(CommandEntry entry);
  size_t LastExtra() const { return entries_.size() + extra_.size() - 1; }  // as names_ has it

  std::shared_ptr<const CommandTable> commands_;
  std::vector<CommandEntry> entries_;  // by CommandSpec::id
  NameIndex names_;                    // to entries_ and, above those, to extra_
  std::deque<CommandEntry> extra_;     // forms and names that COMMAND does not show
  std::deque<CommandSpec> own_specs_;  // of subcommands that weir answers though Redis lacks them
  const CommandEntry* unknown_command_ = nullptr;
  const CommandEntry* unknown_subcommand_ = nullptr;
};

}  // namespace weir

#endif  // WEIR_ROUTING_COMMAND_CLASS_H_
