#include "routing/command_pattern.h"

#include "routing/text.h"

namespace weir {

bool NamesCommand(std::string_view pattern, std::string_view name) {
  return EqualsIgnoreCase(pattern, name) ||
         EqualsIgnoreCase(pattern, name.substr(0, name.find('|')));
}

bool MatchesCommandPattern(std::string_view pattern, std::string_view name,
                           const CommandSpec* spec) {
  if (!pattern.starts_with('@')) return NamesCommand(pattern, name);
  return EqualsIgnoreCase(pattern, "@all") ||
         (spec != nullptr && spec->InCategory(pattern.substr(1)));
}

}  // namespace weir
