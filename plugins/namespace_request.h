// The putting on of a namespace's prefix: which arguments of a request it goes before, or what is
// sent instead, or why the request is refused.
//
// Where Redis' own rules for finding keys (COMMAND GETKEYS) and what it does differ, it is what
// Redis does that counts: of `GEORADIUS … STORE a STORE b` b is written, `PFMERGE d` has a key, and
// in `XREADGROUP COUNT 1 GROUP streams c STREAMS k >` k is one. Malformed requests go on to Redis,
// whose error the client shall see, with the prefix wherever a key could stand, so that nothing is
// gained by a request that weir thinks malformed and Redis does not.
#ifndef WEIR_PLUGINS_NAMESPACE_REQUEST_H_
#define WEIR_PLUGINS_NAMESPACE_REQUEST_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "plugins/namespace_reply.h"
#include "plugins/namespace_rules.h"
#include "routing/arg_list.h"

namespace weir {

class RoutingTable;
struct CommandEntry;

// Whether it can be a namespace's prefix: not empty, and nothing in it that means something in a
// pattern (* ? [ ] \ ^), in a hash tag ({ }), or in a log (blanks, control bytes).
bool IsNamespacePrefix(std::string_view prefix);

struct NamespaceScope {
  std::string_view prefix;  // REQUIRES: IsNamespacePrefix
  bool scripts = false;     // EVAL, FCALL and their like are allowed, their declared keys prefixed
  bool cluster = false;     // the upstream is one
  // Which knows the command within WEIR.IDEM; nullptr: WEIR.IDEM is refused.
  const RoutingTable* routing = nullptr;
};

struct NamespacedRequest {
  enum class Outcome : uint8_t {
    kPass,       // it goes on as it is
    kPrefixed,   // with the prefix before the arguments at `positions`
    kRewritten,  // `args` go instead
    kRefused,    // the client gets `refusal`
  };
  Outcome outcome = Outcome::kPass;
  NamespaceReply reply = NamespaceReply::kAsIs;  // not of kRefused
  absl::InlinedVector<uint32_t, 8> positions;    // ascending, each once
  std::vector<std::string> args;
  // An error line with its '-', without CRLF. Within MULTI it must abort the transaction, as Redis'
  // own errors do when a command is queued; some of them are Redis' own, byte for byte.
  std::string refusal;
};

// HOT. `entry`: what the routing table says of the arguments; nullptr: it has no such command.
// `whole`: all arguments are there; otherwise `args` are the first of `argc_total`, and the request
// passes if its names are certainly among them. `rule`: of entry->spec, see NamespaceRules.
// REQUIRES: args is not empty; argc_total >= args.size(), equal if whole.
NamespacedRequest PutOn(NamespaceRule rule, const CommandEntry* entry, const ArgList& args,
                        const NamespaceScope& scope, bool whole, uint32_t argc_total);
// The same with the rule searched by the command's name.
NamespacedRequest PutOn(const CommandEntry* entry, const ArgList& args, const NamespaceScope& scope,
                        bool whole, uint32_t argc_total);

// "-NONAMESPACE command=config|set reason=server weir: …"
std::string NamespaceRefusalText(NamespaceRefusal reason, std::string_view command);

}  // namespace weir

#endif  // WEIR_PLUGINS_NAMESPACE_REQUEST_H_
