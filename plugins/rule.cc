// Rules: compiled from their conditions, and matched.
#include "plugins/rule.h"

#include <algorithm>

#include "plugins/config_errors.h"
#include "plugins/plugin.h"
#include "plugins/text.h"
#include "resp/wire_text.h"
#include "routing/command_class.h"
#include "routing/glob.h"
#include "routing/keys.h"

namespace weir {
namespace {

constexpr size_t kNameBytesMax = 64;
constexpr AclCategories kOnlyIfNamed = {AclCategory::kConnection, AclCategory::kTransaction};

bool MatchesAny(const std::vector<std::string>& patterns, std::string_view text) {
  return std::any_of(patterns.begin(), patterns.end(), [text](const std::string& pattern) {
    return MatchesGlob(pattern, text, GlobCase::kExact);
  });
}

bool MatchesCommand(const std::vector<std::string>& patterns, std::string_view name,
                    const CommandSpec* spec) {
  for (const std::string& pattern : patterns) {
    if (NamesCommand(pattern, name)) return true;
  }
  if (spec != nullptr && (spec->categories.bits() & kOnlyIfNamed.bits()) != 0) return false;
  return patterns.empty() ||
         std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
           return MatchesCommandPattern(pattern, name, spec);
         });
}

// The arguments that are keys. Of what Redis will refuse, and of a large request whose end has not
// come, at least the first.
KeyPositions KeysOf(const CommandEntry* entry, const ArgList& args) {
  KeyPositions keys;
  if (entry == nullptr || entry->spec == nullptr) return keys;
  if (FindKeys(*entry->spec, args, &keys) == KeysFound::kInvalid && entry->spec->first_key > 0 &&
      static_cast<uint32_t>(entry->spec->first_key) < args.size()) {
    keys.push_back({static_cast<uint32_t>(entry->spec->first_key), {}});
  }
  return keys;
}

absl::Status Unexpected(std::string_view expected, std::string_view found) {
  return InvalidArgument(Concat("expected ", expected, ", found \"", Printable(found), "\""));
}

}  // namespace

const std::array<ConfigKey, 7> kRuleMatchKeys = {{
    {"commands", FieldOf<&RuleMatch::commands>(),
     "Commands, subcommands (\"CONFIG|SET\") or categories (\"@write\"); none: all but those of "
     "@connection and @transaction, which are only meant where they are named.",
     0, 0, nullptr, &CheckRuleCommand},
    {"keys", FieldOf<&RuleMatch::keys>(), "Patterns of keys, as KEYS takes them."},
    {"users", FieldOf<&RuleMatch::users>(), "Patterns of who the client authenticated as."},
    {"addresses", FieldOf<&RuleMatch::addresses>(),
     "Clients' addresses, or networks of them: \"10.0.0.0/8\".", 0, 0, nullptr, &CheckRuleAddress},
    {"client_names", FieldOf<&RuleMatch::client_names>(), "Patterns of CLIENT SETNAME's names."},
    {"listeners", FieldOf<&RuleMatch::listeners>(), "Addresses of [[listener]] tables."},
    {"dbs", FieldOf<&RuleMatch::dbs>(), "Numbers of dbs, as strings.", 0, 0, nullptr, &CheckRuleDb},
}};

std::vector<ConfigKey> WithRuleKeys(std::span<const ConfigKey> own) {
  std::vector<ConfigKey> keys(kRuleMatchKeys.begin(), kRuleMatchKeys.end());
  keys.insert(keys.end(), own.begin(), own.end());
  return keys;
}

RuleSet::RuleSet(std::vector<RuleMatch> rules) : known_(kKnownMax) {
  for (RuleMatch& match : rules) {
    Compiled& rule = rules_.emplace_back();
    for (const std::string& network : match.addresses) {
      if (const auto parsed = ParseIpNetwork(network)) rule.networks.push_back(*parsed);
    }
    for (const std::string& text : match.dbs) {
      int64_t db = 0;
      if (ParseWireNumber(text, &db)) rule.dbs.push_back(static_cast<int>(db));
    }
    rule.looks_at_session =
        !match.users.empty() || !match.client_names.empty() || !match.dbs.empty();
    rule.match = std::move(match);
  }
}

RuleSet::Rules RuleSet::ForClient(const IpAddress& address, std::string_view listener) const {
  Rules rules = 0;
  for (size_t i = 0; i < rules_.size(); ++i) {
    const Compiled& rule = rules_[i];
    const bool is_there =
        rule.networks.empty() ||
        std::any_of(rule.networks.begin(), rule.networks.end(),
                    [&](const IpNetwork& network) { return network.Contains(address); });
    const std::vector<std::string>& listeners = rule.match.listeners;
    const bool listens = listeners.empty() ||
                         std::find(listeners.begin(), listeners.end(), listener) != listeners.end();
    if (is_there && listens) rules |= Rules{1} << i;
  }
  return rules;
}

std::string_view RuleSet::NameOf(const CommandEntry* entry) {
  return entry->spec == nullptr ? std::string_view() : std::string_view(entry->spec->name);
}

RuleSet::Rules RuleSet::LookUp(const CommandEntry* entry, const ArgList& args, int upstream) {
  const CommandSpec* spec = entry == nullptr ? nullptr : entry->spec;
  // What weir closes the connection for, or refuses as no command's name, is nothing to count.
  if (entry != nullptr && spec == nullptr) return 0;
  const std::string_view name = spec == nullptr ? args[0] : std::string_view(spec->name);
  Rules rules = 0;
  for (size_t i = 0; i < rules_.size(); ++i) {
    if (MatchesCommand(rules_[i].match.commands, name, spec)) rules |= Rules{1} << i;
  }
  if (entry != nullptr) KnownCommand(entry, upstream) = {entry, std::string(name), rules};
  return rules;
}

bool RuleSet::MatchesSession(const Compiled& rule, SessionView& session) const {
  const RuleMatch& match = rule.match;
  if (!match.users.empty() && !MatchesAny(match.users, session.user())) return false;
  if (!match.client_names.empty() && !MatchesAny(match.client_names, session.client_name())) {
    return false;
  }
  return rule.dbs.empty() ||
         std::find(rule.dbs.begin(), rule.dbs.end(), session.db()) != rule.dbs.end();
}

RuleSet::Match RuleSet::Find(Rules candidates, Rules needs_key, SessionView& session,
                             const CommandEntry* entry, const ArgList& args) const {
  // Most commands have one key, whose place is known.
  const uint32_t only_key = entry != nullptr && entry->spec != nullptr ? entry->only_key : 0;
  KeyPositions keys;
  bool found_keys = false;
  for (; candidates != 0; candidates &= candidates - 1) {
    const int index = std::countr_zero(candidates);
    const Compiled& rule = rules_[static_cast<size_t>(index)];
    if (rule.looks_at_session && !MatchesSession(rule, session)) continue;
    const std::vector<std::string>& patterns = rule.match.keys;
    if (patterns.empty() && (needs_key & (Rules{1} << index)) == 0) return {index, kNoKey};
    if (only_key != 0) [[likely]] {
      if (only_key < args.size() && (patterns.empty() || MatchesAny(patterns, args[only_key]))) {
        return {index, only_key};
      }
      continue;
    }
    if (!found_keys) keys = KeysOf(entry, args);
    found_keys = true;
    for (const KeyPosition& key : keys) {
      if (patterns.empty() || MatchesAny(patterns, args[key.index])) return {index, key.index};
    }
  }
  return {};
}

absl::Status CheckRuleCommand(const std::string& pattern) {
  const bool blank = pattern.empty() || std::any_of(pattern.begin(), pattern.end(), [](char c) {
                       return static_cast<unsigned char>(c) <= ' ';
                     });
  if (blank) return Unexpected("a command, such as \"GET\", \"CONFIG|SET\" or \"@write\"", pattern);
  if (pattern[0] != '@' || EqualsIgnoreCase(pattern, "@all")) return absl::OkStatus();
  std::string known = "@all";
  for (int i = 0; i < kAclCategoryCount; ++i) {
    const std::string name = Concat("@", AclCategoryName(static_cast<AclCategory>(i)));
    if (EqualsIgnoreCase(name, pattern)) return absl::OkStatus();
    known += Concat(", ", name);
  }
  return Unexpected(Concat("a category, one of ", known), pattern);
}

absl::Status CheckRuleAddress(const std::string& network) {
  if (ParseIpNetwork(network)) return absl::OkStatus();
  return Unexpected(
      "an address or a network whose bits behind the prefix are 0, such as \"10.0.0.0/8\"",
      network);
}

absl::Status CheckRuleName(const std::string& name) {
  const bool good =
      name.size() <= kNameBytesMax && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
      });
  if (good) return absl::OkStatus();
  return Unexpected(Concat("at most ", kNameBytesMax, " lower-case letters, digits, '_' and '-'"),
                    name);
}

absl::Status CheckRuleDb(const std::string& db) {
  int64_t number = 0;
  if (ParseWireNumber(db, &number) && number >= 0 && number <= INT32_MAX) return absl::OkStatus();
  return Unexpected("the number of a db", db);
}

}  // namespace weir
