// Patterns of commands, as the configuration has them: "GET", "CONFIG|SET", "@write", "@all".
#ifndef WEIR_ROUTING_COMMAND_PATTERN_H_
#define WEIR_ROUTING_COMMAND_PATTERN_H_

#include <string_view>

#include "routing/command_spec.h"

namespace weir {

// Whether the pattern is the command's name, or that of the command that it is a subcommand of.
bool NamesCommand(std::string_view pattern, std::string_view name);

// Whether it means the command of this name and, if known (else null), spec. In any case.
bool MatchesCommandPattern(std::string_view pattern, std::string_view name,
                           const CommandSpec* spec);

}  // namespace weir

#endif  // WEIR_ROUTING_COMMAND_PATTERN_H_
