// CommandPolicy: which commands clients may use, from the configuration's [commands] allow and
// deny.
//
// A pattern is one of, in any case:
//   "CONFIG|SET"  a subcommand          "CONFIG"  a command with all its subcommands
//   "@dangerous"  an ACL category       "@all"    everything
// The order of patterns means nothing. For each command the most specific patterns that match it
// decide: a subcommand's own name, then its command's name, then a category, then @all, then weir's
// default denials, and what nothing matches is allowed. Where allow and deny match equally
// specifically, deny wins. So allow = ["@all"] lifts all default denials, and deny = ["@dangerous"]
// with allow = ["KEYS"] denies what is dangerous but KEYS.
#ifndef WEIR_ROUTING_COMMAND_POLICY_H_
#define WEIR_ROUTING_COMMAND_POLICY_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "routing/command_spec.h"

namespace weir {

class CommandTable;

// A command that weir denies unless told otherwise, and why.
struct DefaultDenial {
  std::string_view name;    // "debug", "config|set"
  std::string_view reason;  // "it can stop or crash the server for everyone"
};
absl::Span<const DefaultDenial> DefaultDenials();

struct CommandVerdict {
  bool allowed = true;
  // If denied, the whole error line as ReplyWriter::Error takes it:
  // -NOPERM weir: 'debug' is denied: <reason>; [commands] allow = ["DEBUG"] in weir's configuration
  // …
  std::string error;
};

class CommandPolicy {
 public:
  CommandPolicy() = default;  // only the default denials

  // INVALID_ARGUMENT for a malformed pattern or, with the nearest name, an unknown category.
  static absl::StatusOr<CommandPolicy> Parse(const std::vector<std::string>& allow,
                                             const std::vector<std::string>& deny);

  CommandVerdict Judge(const CommandSpec& spec) const;

  // Patterns that match nothing in the table: most likely misspelt (or a module's that is not
  // loaded), so worth a warning at start.
  std::vector<std::string> Unmatched(const CommandTable& table) const;

 private:
  struct Pattern {
    std::string text;  // lower case, without the @
    bool is_category = false;
    bool deny = false;
  };
  static absl::StatusOr<Pattern> ParsePattern(std::string_view text, bool deny);
  // How specifically the pattern matches; 0: not at all.
  static int Specificity(const Pattern& pattern, const CommandSpec& spec);

  std::vector<Pattern> patterns_;
};

}  // namespace weir

#endif  // WEIR_ROUTING_COMMAND_POLICY_H_
