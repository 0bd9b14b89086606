// Which arguments of a request are keys.
//
// Found from the command's key specs, as COMMAND gives them, and from a small table of exceptions
// for what key specs cannot say (SORT's STORE, MIGRATE's KEYS, XREAD's options, SET's and
// BITFIELD's flags). The result equals COMMAND GETKEYSANDFLAGS of Redis 7.0, in the same order.
#ifndef WEIR_ROUTING_KEYS_H_
#define WEIR_ROUTING_KEYS_H_

#include <cstdint>

#include "absl/container/inlined_vector.h"
#include "routing/arg_list.h"
#include "routing/command_spec.h"

namespace weir {

struct KeyPosition {
  uint32_t index;  // of the argument
  KeyFlags flags;  // empty where only an older server's legacy range is known
};
using KeyPositions = absl::InlinedVector<KeyPosition, 16>;

enum class KeysFound : uint8_t {
  kAll,      // positions holds every key, possibly none
  kPartial,  // there may be more that cannot be known from the arguments (SORT BY and GET)
  kInvalid,  // malformed arguments, which Redis will refuse; positions is empty
};

// REQUIRES: args is the whole request, and spec what CommandTable::Resolve() says of it. Replaces
// `positions`. Linear in the number of arguments; allocates only for more than 16 keys.
[[nodiscard]] KeysFound FindKeys(const CommandSpec& spec, const ArgList& args,
                                 KeyPositions* positions);

// The same with shard channels (SPUBLISH, SSUBSCRIBE), which are no keys but have slots.
[[nodiscard]] KeysFound FindSlotArguments(const CommandSpec& spec, const ArgList& args,
                                          KeyPositions* positions);

// Whether the command can have keys at all, as COMMAND GETKEYS sees it.
bool MayHaveKeys(const CommandSpec& spec);

}  // namespace weir

#endif  // WEIR_ROUTING_KEYS_H_
