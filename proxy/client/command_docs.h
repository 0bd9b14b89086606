// How weir's own commands describe themselves in COMMAND, COMMAND INFO and COMMAND DOCS.
#ifndef WEIR_PROXY_CLIENT_COMMAND_DOCS_H_
#define WEIR_PROXY_CLIENT_COMMAND_DOCS_H_

#include <string>
#include <string_view>
#include <vector>

#include "routing/command_spec.h"

namespace weir {

// The spec of "weir", "weir|help" or "weir|explain", in any case; nullptr for any other name. Valid
// for ever.
const CommandSpec* FindOwnCommand(std::string_view name);

// weir's commands and subcommands, a container before its subcommands.
const std::vector<const CommandSpec*>& OwnCommands();

// The fields that an entry of COMMAND has in Redis 7.0; 6.2 had the first 7, 5.0 the first 6.
inline constexpr uint64_t kCommandInfoFields = 10;

// An entry of COMMAND with its first `fields` fields.
std::string CommandInfoEntry(const CommandSpec& spec, uint64_t fields, int protocol_version);

// A pair of COMMAND DOCS: the name and what it does. `spec` is one of weir's own or of a plugin's.
std::string CommandDocsPair(const CommandSpec& spec, int protocol_version);

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_COMMAND_DOCS_H_
