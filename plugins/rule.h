// Rules: which requests a plugin's settings are for. The first rule that matches is the one.
//
// A condition that is left out matches everything; of several values any will do. What a rule says
// about commands is looked up once for each command, what it says about addresses and listeners
// once for each client, so a request that no rule is for costs one look-up.
//
// Commands of @connection and @transaction (AUTH, HELLO, PING, SELECT, MULTI, EXEC, …) change what
// a client's later requests mean, or only keep its connection alive. A rule is for them only if it
// names them: a category, or no condition at all, is not enough.
#ifndef WEIR_PLUGINS_RULE_H_
#define WEIR_PLUGINS_RULE_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/config_key.h"
#include "plugins/ip_address.h"
#include "routing/arg_list.h"
#include "routing/command_pattern.h"
#include "routing/command_spec.h"

namespace weir {

struct CommandEntry;
class SessionView;

// The conditions of one rule, as configured. Plugins derive their settings of a rule from it.
struct RuleMatch {
  std::vector<std::string> commands;      // "GET", "CONFIG|SET", "@write"
  std::vector<std::string> keys;          // patterns, as KEYS takes them
  std::vector<std::string> users;         // patterns
  std::vector<std::string> addresses;     // "10.0.0.7", "10.0.0.0/8", "2001:db8::/32"
  std::vector<std::string> client_names;  // patterns
  std::vector<std::string> listeners;     // as in [[listener]] address
  std::vector<std::string> dbs;           // "0", "15"
};

// The keys of RuleMatch, to stand before those of a plugin's own: see WithRuleKeys.
extern const std::array<ConfigKey, 7> kRuleMatchKeys;
std::vector<ConfigKey> WithRuleKeys(std::span<const ConfigKey> own);

class RuleSet {
 public:
  static constexpr size_t kRulesMax = 64;
  static constexpr int kNone = -1;
  static constexpr uint32_t kNoKey = UINT32_MAX;

  RuleSet() = default;
  // REQUIRES: at most kRulesMax, each condition as the check of its configuration key wants it.
  explicit RuleSet(std::vector<RuleMatch> rules);

  // Some rules: bit i is the i-th.
  using Rules = uint64_t;

  // What an address and a listener say: fixed for each client.
  Rules ForClient(const IpAddress& address, std::string_view listener) const;

  // HOT. What the command says. `entry` may be null: then only the name is known.
  Rules ForCommand(const CommandEntry* entry, const ArgList& args, int upstream) {
    if (entry != nullptr) [[likely]] {
      const Known& known = KnownCommand(entry, upstream);
      if (known.entry == entry && SameName(known.name, NameOf(entry))) [[likely]]
        return known.rules;
    }
    return LookUp(entry, args, upstream);
  }

  struct Match {
    int rule = kNone;       // its index
    uint32_t key = kNoKey;  // the argument that its pattern matched, or else the first key
  };
  // The first of `candidates` (those of the command and the client) that matches the rest. A rule
  // of `needs_key` matches only what has a key.
  Match Find(Rules candidates, Rules needs_key, SessionView& session, const CommandEntry* entry,
             const ArgList& args) const;

  size_t size() const { return rules_.size(); }

 private:
  struct Compiled {
    RuleMatch match;
    std::vector<IpNetwork> networks;
    std::vector<int> dbs;
    bool looks_at_session = false;  // beyond address and listener
  };
  // Of one command. An entry's address may mean another command once the upstream's table was read
  // again, so the name is compared.
  struct Known {
    const CommandEntry* entry = nullptr;
    std::string name;
    Rules rules = 0;
  };
  static constexpr size_t kKnownMax = 1024;  // a power of two

  static std::string_view NameOf(const CommandEntry* entry);
  // Names are short: a call of memcmp takes longer than its work.
  static bool SameName(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); ++i) {
      if (a[i] != b[i]) return false;
    }
    return true;
  }
  Known& KnownCommand(const CommandEntry* entry, int upstream) {
    const auto address = reinterpret_cast<uintptr_t>(entry);
    const size_t hash = (address >> 4) * 0x9e3779b97f4a7c15u >> 32;
    return known_[(hash + static_cast<size_t>(upstream)) & (known_.size() - 1)];
  }
  Rules LookUp(const CommandEntry* entry, const ArgList& args, int upstream);
  bool MatchesSession(const Compiled& rule, SessionView& session) const;

  std::vector<Compiled> rules_;
  std::vector<Known> known_ = std::vector<Known>(1);
};

// For configuration keys: OK, or what was expected. A name may be empty, which is the default; who
// makes a rule of it refuses that.
absl::Status CheckRuleName(const std::string& name);
absl::Status CheckRuleCommand(const std::string& pattern);
absl::Status CheckRuleAddress(const std::string& network);
absl::Status CheckRuleDb(const std::string& db);

}  // namespace weir

#endif  // WEIR_PLUGINS_RULE_H_
