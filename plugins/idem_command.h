// Which commands may run under a token, and WEIR.IDEM, by which an application names one.
//
//   WEIR.IDEM <token> [TTL ms] [WAIT ms] <command> [<arg> …]
//     -> the command's reply, whether it ran now or when the token was first used
#ifndef WEIR_PLUGINS_IDEM_COMMAND_H_
#define WEIR_PLUGINS_IDEM_COMMAND_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/idem_reply.h"
#include "routing/arg_list.h"

namespace weir {

struct CommandEntry;
struct CommandSpec;

bool IsIdemCommand(std::string_view name);

struct IdemCommand {
  std::string_view token;
  uint64_t ttl_ms = 0;              // 0: not said
  std::optional<uint64_t> wait_ms;  // nothing: not said
  uint32_t within = 0;              // where the command begins
};
// Nothing if the arguments are wrong: `*error` is then the reply. The views are into `args`.
std::optional<IdemCommand> ParseIdemCommand(const ArgList& args, uint64_t ttl_ms_max,
                                            std::string* error);
// How many arguments of WEIR.IDEM stand before the command within; as many as there are if none.
uint32_t IdemOwnArgs(const ArgList& args);

// How a script finds a number that is too large for its own numbers.
enum class IdemExact : char { kNone = '-', kGet = 'g', kHget = 'h' };

// What may become of a command under a token.
struct IdemPlan {
  enum class Kind : uint8_t {
    kRun,     // a script runs it
    kClaim,   // it runs under a claim (idem_claim.h)
    kPass,    // it changes nothing, or weir or Redis will refuse it: it goes on as it is
    kRefuse,  // it cannot be run exactly once
  };
  Kind kind = Kind::kRefuse;
  IdemShape shape = IdemShape::kPlain;
  IdemExact exact = IdemExact::kNone;
  std::vector<uint32_t> keys = {};  // which arguments are keys; of kRun at least one
  bool blocks = false;              // kClaim: it may wait for other clients
  bool is_script = false;           // kClaim: it may keep the node busy for long
  std::string_view why = {};        // kRefuse: goes on from "'COMMAND' "
};
// `entry`: what the routing table says of `args`, perhaps nothing.
IdemPlan PlanIdem(const ArgList& args, const CommandEntry* entry);

// What COMMAND says of WEIR.IDEM. Valid for ever.
const std::vector<const CommandSpec*>& IdemCommandSpecs();

// The names of the commands that PlanIdem knows how to run, subcommands as "xgroup|create".
std::vector<std::string_view> IdemCommandNames();
// Those that it has run under a claim.
std::vector<std::string_view> IdemClaimedNames();

}  // namespace weir

#endif  // WEIR_PLUGINS_IDEM_COMMAND_H_
