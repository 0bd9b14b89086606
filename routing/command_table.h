// CommandTable: all commands that a server has, read from its own reply to COMMAND.
#ifndef WEIR_ROUTING_COMMAND_TABLE_H_
#define WEIR_ROUTING_COMMAND_TABLE_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "routing/arg_list.h"
#include "routing/command_spec.h"
#include "routing/name_index.h"

namespace weir {

// Immutable once made; shared by threads without locks.
class CommandTable {
 public:
  // Redis 7.0.15's commands and weir's own (WEIR HELP, WEIR EXPLAIN). Parsed on first use.
  static std::shared_ptr<const CommandTable> BuiltIn();

  // Reads the bytes of one whole RESP2 reply to COMMAND, of Redis 5 to 7.2 or Valkey 8: entries of
  // 6 fields and more, of which what is unknown is skipped. INVALID_ARGUMENT says what was
  // malformed.
  static absl::StatusOr<std::shared_ptr<const CommandTable>> FromReply(
      std::string_view reply_bytes);

  // `base` extended by what a server said. Commands of both keep base's id, new ones are appended,
  // so ids of base stay valid in the result. A server's entry replaces base's, unless it comes from
  // a server older than 7.0, whose entries know less than base does of the same command. What a
  // server since 7.0 does not list (rename-command, a module unloaded), it does not have: that is
  // found no more, weir's own commands excepted.
  static std::shared_ptr<const CommandTable> Merge(const CommandTable& base,
                                                   const CommandTable& server);

  CommandTable(const CommandTable&) = delete;
  CommandTable& operator=(const CommandTable&) = delete;

  // The command of this name, in any case; nullptr if there is none.
  const CommandSpec* Find(std::string_view name) const {
    const uint32_t id = names_.Find(name);
    return SpecAt(id);
  }

  // Its subcommand of this name, in any case; nullptr if there is none.
  const CommandSpec* FindSubcommand(const CommandSpec& container, std::string_view name) const {
    const uint32_t id = names_.Find(name, ScopeOf(container));
    return SpecAt(id);
  }

  // The command or, for a container, the subcommand that Redis would run for these arguments;
  // nullptr if Redis would call it unknown. A container with a single argument is itself.
  const CommandSpec* Resolve(const ArgList& args) const;

  // All commands and subcommands, by id; also those that are `absent`.
  const std::vector<std::unique_ptr<const CommandSpec>>& specs() const { return specs_; }
  // Commands only, in the order of the server's reply.
  const std::vector<const CommandSpec*>& commands() const { return commands_; }
  size_t size() const { return specs_.size(); }

  // The NameIndex scope in which a container's subcommands stand.
  static uint32_t ScopeOf(const CommandSpec& container) { return uint32_t{container.id} + 1; }

 private:
  friend class CommandTableBuilder;  // in the .cc: the only way to make one
  CommandTable() = default;

  const CommandSpec* SpecAt(uint32_t id) const {
    return id == NameIndex::kAbsent || specs_[id]->absent ? nullptr : specs_[id].get();
  }

  std::vector<std::unique_ptr<const CommandSpec>> specs_;
  std::vector<const CommandSpec*> commands_;
  NameIndex names_;  // to ids; subcommands in scope ScopeOf(container)
};

}  // namespace weir

#endif  // WEIR_ROUTING_COMMAND_TABLE_H_
