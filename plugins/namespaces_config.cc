#include "plugins/namespaces_config.h"

#include <algorithm>
#include <map>

#include "plugins/text.h"

namespace weir {
namespace {

constexpr std::string_view kTitle = "[[plugin.namespaces.rule]]";
constexpr size_t kPrefixBytesMax = 64;

// What would be a pattern, or a hash tag, or unreadable.
bool MayBeInPrefix(char c) {
  constexpr std::string_view kNot = "{}*?[]\\^\"'";
  const auto byte = static_cast<unsigned char>(c);
  return byte > ' ' && byte < 0x7f && kNot.find(c) == std::string_view::npos;
}

absl::Status CheckPrefix(const std::string& prefix) {
  if (prefix.size() <= kPrefixBytesMax && std::all_of(prefix.begin(), prefix.end(), MayBeInPrefix))
    return absl::OkStatus();
  return InvalidArgument(
      Concat("expected at most ", kPrefixBytesMax,
             " printable letters without spaces, quotes and any of {}*?[]\\^, found \"",
             Printable(prefix), "\""));
}

constexpr ConfigKey kKeys[] = {
    {"unmatched", FieldOf<&NamespaceSettings::unmatched>(),
     "What becomes of the requests of clients that no rule is for: an error, or they see all keys "
     "as they are.",
     0, 0, "refuse|pass"},
    {"namespaces_max", FieldOf<&NamespaceSettings::namespaces_max>(),
     "How many namespaces may be in use at the same time; clients of more are refused.", 1,
     1'000'000},
    {"keys_count_interval_ms", FieldOf<&NamespaceSettings::keys_count_interval_ms>(),
     "Where a rule has keys_max: how long after one count of all keys, by SCAN, the next begins.",
     1, 86'400'000},
    {"keys_count_pause_ms", FieldOf<&NamespaceSettings::keys_count_pause_ms>(),
     "How long after one SCAN of a thousand keys the next is sent.", 0, 10000},
};
const NamespaceSettings kDefaults;

constexpr ConfigKey kOwnRuleKeys[] = {
    {"name", FieldOf<&NamespaceRuleSettings::name>(),
     "For error replies, metrics and WEIR EXPLAIN; each rule has one of its own.", 0, 0, nullptr,
     &CheckRuleName},
    {"prefix", FieldOf<&NamespaceRuleSettings::prefix>(),
     "What is put before every key and channel, such as \"shop:\".", 0, 0, nullptr, &CheckPrefix},
    {"by", FieldOf<&NamespaceRuleSettings::by>(),
     "What follows the prefix, with a ':' behind it, so that each has a namespace of its own.", 0,
     0, "none|user|client_name|listener"},
    {"scripts", FieldOf<&NamespaceRuleSettings::scripts>(),
     "EVAL, FCALL and their like: refused, since a script may name any key; or the keys that they "
     "declare are in the namespace, and what else a script does is trusted.",
     0, 0, "refuse|declared_keys"},
    {"connections_max", FieldOf<&NamespaceRuleSettings::connections_max>(),
     "How many clients a namespace may have at the same time; 0: any number.", 0, 1'000'000'000},
    {"requests_per_s_max", FieldOf<&NamespaceRuleSettings::requests_per_s_max>(),
     "How many requests a second a namespace may send, and as many at once; 0: any number.", 0,
     1'000'000'000},
    {"bytes_per_s_max", FieldOf<&NamespaceRuleSettings::bytes_per_s_max>(),
     "How many bytes of requests a second, and as many at once; 0: any number.", 0, 1'000'000'000},
    {"keys_max", FieldOf<&NamespaceRuleSettings::keys_max>(),
     "How many keys a namespace may have by the last count; beyond, commands that may add one are "
     "refused. 0: any number.",
     0, int64_t{1} << 48},
};
const NamespaceRuleSettings kRuleDefaults;

bool IsAboutClients(const ConfigKey& key) {
  constexpr std::string_view kAbout[] = {"users", "addresses", "client_names", "listeners"};
  return std::find(std::begin(kAbout), std::end(kAbout), key.name) != std::end(kAbout);
}

// At the place of the key that it is about.
void Complain(const ConfigNode& table, std::string_view key, std::string_view text,
              ConfigErrors* errors) {
  const ConfigNode* value = table.Find(key);
  errors->Add(value == nullptr ? table.position : value->position, Concat(kTitle, " ", text));
}

// Records of idempotency and shared limits are there, those of all clients.
bool MayBeOwnKeys(const NamespaceRuleSettings& rule) {
  constexpr std::string_view kOwn = "weir:";
  return rule.prefix.starts_with(kOwn) ||
         (rule.by != NamespaceBy::kNone && kOwn.starts_with(rule.prefix) && !rule.prefix.empty());
}

// A namespace within another could be read by that one's clients.
bool MayOverlap(const NamespaceRuleSettings& a, const NamespaceRuleSettings& b) {
  if (a.prefix == b.prefix) return a.by != b.by;
  return a.prefix.starts_with(b.prefix) || b.prefix.starts_with(a.prefix);
}

}  // namespace

NamespaceSettings ReadNamespaces(const PluginConfig& config, ConfigErrors* errors) {
  NamespaceSettings settings;
  ReadTable(config.table, "[plugin.namespaces]", kKeys, {"rule"}, &settings, errors);
  const ConfigNode* array = config.table.Find("rule");
  if (array == nullptr) return settings;
  std::map<std::string, ConfigPosition> names;
  for (const ConfigNode& table : array->elements) {
    NamespaceRuleSettings rule;
    ReadTable(table, kTitle, NamespaceTables()[0].keys, {}, &rule, errors);
    if (rule.name.empty()) Complain(table, "name", "name: expected one, found none", errors);
    if (rule.prefix.empty() && rule.by == NamespaceBy::kNone) {
      Complain(table, "prefix", "prefix: expected one, or a `by` that makes it", errors);
    }
    if (MayBeOwnKeys(rule)) {
      Complain(table, "prefix",
               "prefix: keys that begin with \"weir:\" are weir's own, so a namespace must not be "
               "among them: expected one that a name cannot make such, as \"t:\" does",
               errors);
    }
    for (const NamespaceRuleSettings& other : settings.rules) {
      if (!MayOverlap(rule, other)) continue;
      Complain(table, "prefix",
               Concat("prefix: \"", rule.prefix, "\" and \"", other.prefix, "\", of the rule \"",
                      other.name,
                      "\", would put one namespace within the other: expected equal ones with the "
                      "same `by`, or none that begins with the other"),
               errors);
    }
    const auto [first, is_new] = names.emplace(rule.name, table.position);
    if (!is_new && !rule.name.empty()) {
      errors->Add(table.position, Concat(kTitle, " name: there are two called \"", rule.name,
                                         "\", the other in line ", first->second.line));
    }
    settings.rules.push_back(std::move(rule));
  }
  if (settings.rules.size() > RuleSet::kRulesMax) {
    errors->Add(array->position, Concat("expected at most ", RuleSet::kRulesMax, " tables ", kTitle,
                                        ", found ", settings.rules.size()));
  }
  return settings;
}

std::span<const ConfigKey> NamespaceKeys() { return kKeys; }

const NamespaceSettings& NamespaceDefaults() { return kDefaults; }

std::span<const PluginTable> NamespaceTables() {
  static const std::vector<ConfigKey> rule_keys = [] {
    std::vector<ConfigKey> keys;
    std::copy_if(kRuleMatchKeys.begin(), kRuleMatchKeys.end(), std::back_inserter(keys),
                 IsAboutClients);
    keys.insert(keys.end(), std::begin(kOwnRuleKeys), std::end(kOwnRuleKeys));
    return keys;
  }();
  static const PluginTable rules[] = {
      {"rule",
       "Which clients have a namespace, and what it may hold; the first that matches counts.",
       rule_keys, &kRuleDefaults}};
  return rules;
}

std::string NamespacePrefix(const NamespaceRuleSettings& rule, std::string_view who) {
  std::string prefix = rule.prefix;
  if (rule.by == NamespaceBy::kNone) return prefix;
  // Keys under "weir:" are weir's own.
  if (prefix.empty() && who == "weir") return "%77eir:";
  constexpr char kHex[] = "0123456789ABCDEF";
  for (const char c : who) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '_' || c == '.' || c == '@' || c == '-';
    if (plain) {
      prefix += c;
    } else {
      prefix += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  prefix += ':';
  return prefix;
}

}  // namespace weir
