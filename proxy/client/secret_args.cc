#include "proxy/client/secret_args.h"

#include "routing/command_class.h"
#include "routing/text.h"

namespace weir {
namespace {

bool SoundsSecret(std::string_view config_name) {
  const std::string name = ToLower(config_name);
  return name.find("pass") != std::string::npos || name.find("auth") != std::string::npos ||
         name.find("user") != std::string::npos;
}

// How many arguments behind argument i are secret because of it; at least the sizes are right, so
// more than there are may be said. Redis hides the same (redactClientCommandArgument), except that
// of CONFIG SET it hides the values of three names, and weir those of all that sound like them.
uint32_t SecretsBehind(const CommandSpec& spec, const ArgList& args, uint32_t i) {
  if (spec.name == "auth") return i == 0 ? args.size() : 0;
  if (spec.name == "hello") return i >= 2 && IsKeyword(args[i], "auth") ? 2 : 0;
  if (spec.name == "acl|setuser") return i == 1 ? args.size() : 0;
  if (spec.name == "config|set") return i >= 2 && i % 2 == 0 && SoundsSecret(args[i]) ? 1 : 0;
  // SENTINEL SET name auth-pass …, and what comes within another command.
  const bool within = spec.name == "weir.on" || spec.name == "weir.idem" ||
                      spec.name == "weir|explain" || spec.name.starts_with("sentinel");
  if (within) return i == 1 ? args.size() : 0;
  if (spec.name != "migrate" || i < 6) return 0;
  if (IsKeyword(args[i], "auth2")) return 2;
  return IsKeyword(args[i], "auth") ? 1 : 0;
}

}  // namespace

SecretArgs::SecretArgs(const CommandEntry* entry, const ArgList& args)
    : spec_(entry == nullptr ? nullptr : entry->spec), args_(args) {}

bool SecretArgs::IsSecret(uint32_t i) {
  if (spec_ == nullptr) return i != 0;
  if (secrets_ != 0) {
    --secrets_;
    return true;
  }
  secrets_ = SecretsBehind(*spec_, args_, i);
  return false;
}

}  // namespace weir
