// Reads a server's reply to COMMAND into specs, trusting nothing that it says.
#ifndef WEIR_ROUTING_COMMAND_REPLY_H_
#define WEIR_ROUTING_COMMAND_REPLY_H_

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "routing/command_spec.h"

namespace weir {

// One entry: its spec without parent, subcommands and id, which only a CommandTable can give.
struct CommandReplyEntry {
  CommandSpec spec;
  std::vector<CommandSpec> subcommands;
};

// `reply` is one whole RESP2 reply. Entries have 6 fields (Redis 5), 7 (Redis 6), 10 (Redis 7) or
// more; flags, tips, key specs and fields that weir has no word for are kept as text or skipped.
// Malformed bytes, names longer than `name_bytes_max` and more than `specs_max` commands and
// subcommands are INVALID_ARGUMENT with the byte at which reading stopped.
absl::StatusOr<std::vector<CommandReplyEntry>> ParseCommandReply(std::string_view reply,
                                                                 size_t specs_max,
                                                                 size_t name_bytes_max);

}  // namespace weir

#endif  // WEIR_ROUTING_COMMAND_REPLY_H_
