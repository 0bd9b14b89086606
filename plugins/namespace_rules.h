// What a namespace makes of each command, known by the command's name alone.
//
// A command passes only if all its keys can be known, or if it stands in the table (in the .cc) of
// those that have none and do no harm, or are treated each in its own way. Whatever else there is
// (admin commands, commands of modules and of newer servers without key specs) is refused.
#ifndef WEIR_PLUGINS_NAMESPACE_RULES_H_
#define WEIR_PLUGINS_NAMESPACE_RULES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/namespace_reply.h"
#include "routing/command_spec.h"

namespace weir {

// Where the names stand in a request, or what else becomes of it.
enum class NamespaceWay : uint8_t {
  kRefuse,
  kKeys,       // where its key specs say
  kPass,       // nowhere
  kArgument1,  // KEYS, PUBLISH
  kArgument2,  // CLUSTER KEYSLOT
  kFrom1,      // SUBSCRIBE and its like: all arguments, which may be none
  kFrom2,      // PUBSUB NUMSUB: likewise, behind the subcommand
  kChannels,   // PUBSUB CHANNELS: a pattern, which becomes "prefix*" if there is none
  kScan,       // the MATCH option, likewise
  kDbsize,     // becomes KEYS; RANDOMKEY, too
  kFlushdb,    // become scripts that delete the namespace's keys
  kFlushall,
  kSort,       // and BY, GET, STORE
  kSortRo,     // and BY, GET
  kGeoRadius,  // and STORE, STOREDIST, of which the last counts
  kGeoRadiusByMember,
  kStreams,     // XREAD, XREADGROUP: behind STREAMS
  kMigrate,     // the key, or those behind KEYS
  kDebug,       // DEBUG OBJECT
  kTracking,    // CLIENT TRACKING: the PREFIX options
  kScript,      // where its key specs say, if scripts are allowed
  kScriptText,  // nowhere, if scripts are allowed: SCRIPT LOAD
  kIdem,        // WEIR.IDEM: the token, and the names of the command within
  kLimit,       // WEIR.LIMIT
};

// Why a request is refused; the word that stands behind `reason=`.
enum class NamespaceRefusal : uint8_t {
  kServer,       // "server": it concerns more than one namespace
  kUnknownKeys,  // "unknown_keys"
  kScripts,      // "scripts"
  kCluster,      // "cluster": it can be done on a single server only
  kTooLarge,     // "too_large": its names are not all among the arguments that weir holds
};

struct NamespaceRule {
  NamespaceWay way = NamespaceWay::kRefuse;
  NamespaceReply reply = NamespaceReply::kAsIs;
  NamespaceRefusal refusal = NamespaceRefusal::kServer;  // of kRefuse
};

// A search by name; see NamespaceRules for the hot path.
NamespaceRule RuleOfNamespace(const CommandSpec& spec);

// Rules found before, by the commands' ids. For one thread; any number of command tables.
class NamespaceRules {
 public:
  // HOT. Two comparisons if the command was asked for before.
  NamespaceRule Of(const CommandSpec& spec) {
    if (spec.id < known_.size()) [[likely]] {
      const Known& known = known_[spec.id];
      // Tables come and go, and another may have another command at this id, even at this address.
      if (known.module == spec.flags.Has(CommandFlag::kModule) && known.name == spec.name)
          [[likely]]
        return known.rule;
    }
    return Learn(spec);
  }

 private:
  struct Known {
    std::string name;
    bool module = false;
    NamespaceRule rule;
  };
  NamespaceRule Learn(const CommandSpec& spec);

  std::vector<Known> known_;  // by id
};

}  // namespace weir

#endif  // WEIR_PLUGINS_NAMESPACE_RULES_H_
