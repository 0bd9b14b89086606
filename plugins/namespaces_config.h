// What [plugin.namespaces] may hold, read and checked; and the prefix that a rule gives a client.
#ifndef WEIR_PLUGINS_NAMESPACES_CONFIG_H_
#define WEIR_PLUGINS_NAMESPACES_CONFIG_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/config_key.h"
#include "plugins/rule.h"

namespace weir {

enum class NamespaceBy : uint8_t { kNone, kUser, kClientName, kListener };
enum class NamespaceScripts : uint8_t { kRefuse, kDeclaredKeys };
enum class NamespaceUnmatched : uint8_t { kRefuse, kPass };

// One [[plugin.namespaces.rule]]: of RuleMatch only what is said of clients.
struct NamespaceRuleSettings : RuleMatch {
  std::string name;
  std::string prefix;
  NamespaceBy by = NamespaceBy::kNone;
  NamespaceScripts scripts = NamespaceScripts::kRefuse;
  int64_t connections_max = 0;  // all four: 0: any number
  int64_t requests_per_s_max = 0;
  int64_t bytes_per_s_max = 0;
  int64_t keys_max = 0;
};

struct NamespaceSettings {
  NamespaceUnmatched unmatched = NamespaceUnmatched::kRefuse;
  int64_t namespaces_max = 10000;
  int64_t keys_count_interval_ms = 10000;
  int64_t keys_count_pause_ms = 10;
  std::vector<NamespaceRuleSettings> rules;
};

// Reads the tables; what is wrong, with its place in the file, goes to `errors`.
NamespaceSettings ReadNamespaces(const PluginConfig& config, ConfigErrors* errors);

std::span<const ConfigKey> NamespaceKeys();
const NamespaceSettings& NamespaceDefaults();
std::span<const PluginTable> NamespaceTables();

// The prefix of a client's names. `who`: its user, name or listener, as the rule's `by` wants it.
// Bytes of `who` other than letters, digits and "_.@-" are written %XX, and a ':' follows it, so
// no two clients with different `who` have prefixes of which one begins with the other.
std::string NamespacePrefix(const NamespaceRuleSettings& rule, std::string_view who);

}  // namespace weir

#endif  // WEIR_PLUGINS_NAMESPACES_CONFIG_H_
