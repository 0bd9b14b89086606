// The commands by which applications limit what is theirs: read, asked of Redis, and answered.
//
//   WEIR.LIMIT key POINTS n PERIOD ms [ALGO a] [COST c] [PEEK]
//     -> 1 or 0: allowed; the limit; how much remains; ms until all of it is there again; ms until
//        it may be tried again (-1: it was allowed, or costs more than the limit)
//   WEIR.LIMIT RESET key -> how many counters were forgotten
//   CL.THROTTLE key max_burst count period [quantity]   as redis-cell has it
//     -> 1 or 0: limited (!); the limit; how much remains; seconds until retry (-1); until reset
//
// The counters lie in Redis, in the key's slot, under names of weir's own: see LimitKey.
#ifndef WEIR_PLUGINS_LIMIT_COMMANDS_H_
#define WEIR_PLUGINS_LIMIT_COMMANDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/limit_script.h"
#include "routing/arg_list.h"

namespace weir {

struct CommandSpec;

struct LimitCommand {
  enum class Kind : uint8_t { kLimit, kReset, kThrottle };
  Kind kind = Kind::kLimit;
  std::string key;          // the client's
  ScriptQuestion question;  // not of kReset

  // Of kReset: the request that forgets the key's counters.
  std::string ResetRequest() const;
  // The client's reply, the same in RESP2 and RESP3.
  std::string Reply(const ScriptAnswer& answer) const;
};

bool IsLimitCommand(std::string_view name);

// Nothing if the arguments are wrong: `*error` is then the reply.
std::optional<LimitCommand> ParseLimitCommand(const ArgList& args, std::string* error);

// What COMMAND says of them. Valid for ever.
const std::vector<const CommandSpec*>& LimitCommandSpecs();

}  // namespace weir

#endif  // WEIR_PLUGINS_LIMIT_COMMANDS_H_
