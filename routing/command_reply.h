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

// What a reply may hold; beyond it, nothing is believed. Redis 7.0's has 90 KB and 366 specs.
inline constexpr size_t kCommandReplyBytesMax = 4 << 20;
inline constexpr size_t kCommandSpecsMax = 16384;  // commands and subcommands together
inline constexpr size_t kCommandNameBytesMax = 128;
inline constexpr size_t kKeySpecsMax = 64;  // of one command

// `reply` is one whole RESP2 reply. Entries have 6 fields (Redis 5), 7 (Redis 6), 10 (Redis 7) or
// more; flags, tips, key specs and fields that weir has no word for are kept as text or skipped.
// INVALID_ARGUMENT for malformed bytes and for more than the limits, with the byte where it
// stopped.
absl::StatusOr<std::vector<CommandReplyEntry>> ParseCommandReply(std::string_view reply);

}  // namespace weir

#endif  // WEIR_ROUTING_COMMAND_REPLY_H_
