// RoutingTable: for each command, what weir does with it when links are shared.
//
// A shared link carries many clients' requests, so a command may travel on it only if it leaves no
// trace on the connection, gets exactly one reply, and does not hold up what comes behind it.
#ifndef WEIR_ROUTING_COMMAND_CLASS_H_
#define WEIR_ROUTING_COMMAND_CLASS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "routing/arg_list.h"
#include "routing/command_policy.h"
#include "routing/command_spec.h"
#include "routing/command_table.h"
#include "routing/name_index.h"

namespace weir {

enum class Handling : uint8_t {
  kShared,  // sent to Redis on a shared link
  kLocal,   // answered by weir, see LocalCommand
  kPinned,  // needs a connection of its own; refused with CommandEntry::error for now
  kDenied,  // refused with CommandEntry::error
};
std::string_view HandlingName(Handling handling);  // "shared"

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
  kWeir,
  kWeirExplain,
  kWeirHelp,
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
  const CommandSpec* spec = nullptr;  // never null, except for kCloseSilently and kUnknown*
  Handling handling = Handling::kShared;
  LocalCommand local = LocalCommand::kNone;
  bool is_write = false;     // may change data or has effects; "not known to be harmless"
  bool is_readonly = false;  // safe to send again after a broken link: changes nothing
  bool blocks = false;       // may wait for other clients: no request deadline
  bool needs_args = false;   // Resolve() must see the arguments
  std::string error;         // kPinned, kDenied: whole error line, without '-' and CRLF
  // Of XREAD and XREADGROUP: how they are handled with a BLOCK option.
  const CommandEntry* blocking_form = nullptr;
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
    return i == NameIndex::kAbsent ? nullptr : &entries_[i];
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
  const CommandTable& commands() const { return *commands_; }

 private:
  RoutingTable() = default;
  const CommandEntry* ResolveSlowly(const CommandEntry* entry, const ArgList& args) const;

  std::shared_ptr<const CommandTable> commands_;
  std::vector<CommandEntry> entries_;  // by CommandSpec::id, then the extra ones
  NameIndex names_;
  const CommandEntry* close_silently_ = nullptr;
  const CommandEntry* unknown_command_ = nullptr;
  const CommandEntry* unknown_subcommand_ = nullptr;
};

}  // namespace weir

#endif  // WEIR_ROUTING_COMMAND_CLASS_H_
