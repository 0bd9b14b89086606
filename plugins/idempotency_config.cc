#include "plugins/idempotency_config.h"

#include <map>

#include "plugins/idem_token.h"
#include "plugins/text.h"

namespace weir {
namespace {

constexpr int64_t kTtlMsMax = int64_t{366} * 86'400'000;
constexpr int64_t kWaitMsMax = 3'600'000;
constexpr int64_t kReplyBytesMax = 8 << 20;  // what a script and a collected reply bear easily
constexpr std::string_view kTitle = "[[plugin.idempotency.rule]]";

absl::Status CheckToken(const std::string& token) {
  if (token.empty() || ParseIdemTokenSource(token)) return absl::OkStatus();
  return InvalidArgument(
      Concat("expected arg(N), key, key_part(N) or field(NAME), such as \"arg(-1)\" for the last "
             "argument, found \"",
             Printable(token), "\""));
}

constexpr ConfigKey kKeys[] = {
    {"ttl_ms", FieldOf<&IdempotencySettings::ttl_ms>(),
     "How long WEIR.IDEM keeps a record that it names no TTL for.", 1, kTtlMsMax},
    {"ttl_ms_max", FieldOf<&IdempotencySettings::ttl_ms_max>(), "The longest TTL that it may name.",
     1, kTtlMsMax},
    {"reply_bytes_max", FieldOf<&IdempotencySettings::reply_bytes_max>(),
     "Longer replies are not kept in the record: a repeat does not run either, but is told so.", 64,
     kReplyBytesMax},
    {"wait_ms", FieldOf<&IdempotencySettings::wait_ms>(),
     "How long a repeat of WEIR.IDEM that names no WAIT waits for the first to end, of a command "
     "under a claim.",
     0, kWaitMsMax},
    {"on_unknown", FieldOf<&IdempotencySettings::on_unknown>(),
     "What becomes of WEIR.IDEM's command under a claim whose owner died: -IDEMUNKNOWN, or it is "
     "run again.",
     0, 0, "error|run_again"},
    {"claim_ms", FieldOf<&IdempotencySettings::claim_ms>(),
     "How long after it was last heard of the owner of a claim is taken for dead.", 100, 600'000},
    {"claims_max", FieldOf<&IdempotencySettings::claims_max>(),
     "How many commands under a claim a worker may have on their way; more are refused.", 1,
     1'000'000},
};

constexpr ConfigKey kOwnRuleKeys[] = {
    {"name", FieldOf<&IdemRuleSettings::name>(),
     "For records, error replies, metrics and WEIR EXPLAIN; each rule has one of its own.", 0, 0,
     nullptr, &CheckRuleName},
    {"token", FieldOf<&IdemRuleSettings::token>(),
     "Where the token stands: arg(N), from the end if N is negative; key; key_part(N) of parts "
     "between ':'; field(NAME) of HSET or XADD.",
     0, 0, nullptr, &CheckToken},
    {"strip", FieldOf<&IdemRuleSettings::strip>(),
     "Whether Redis is not to see the token: the argument, part or field is taken out."},
    {"action", FieldOf<&IdemRuleSettings::action>(),
     "Run each token's command once, or only count what that would do.", 0, 0, "once|shadow"},
    {"ttl_ms", FieldOf<&IdemRuleSettings::ttl_ms>(),
     "How long a token is remembered, by Redis' clock.", 1, kTtlMsMax},
    {"record_errors", FieldOf<&IdemRuleSettings::record_errors>(),
     "Whether a repeat gets the first error, too, instead of being run."},
    {"wait_ms", FieldOf<&IdemRuleSettings::wait_ms>(),
     "How long a repeat waits for the first to end, of a command under a claim.", 0, kWaitMsMax},
    {"on_unknown", FieldOf<&IdemRuleSettings::on_unknown>(),
     "What becomes of a command under a claim whose owner died: -IDEMUNKNOWN, or it is run again.",
     0, 0, "error|run_again"},
};
const IdemRuleSettings kRuleDefaults;

// At the place of the key that it is about.
void Complain(const ConfigNode& table, std::string_view key, std::string_view text,
              ConfigErrors* errors) {
  const ConfigNode* value = table.Find(key);
  errors->Add(value == nullptr ? table.position : value->position, Concat(kTitle, " ", text));
}

void CheckRule(const ConfigNode& table, const IdemRuleSettings& rule, ConfigErrors* errors) {
  if (rule.name.empty()) Complain(table, "name", "name: expected one, found none", errors);
  if (rule.token.empty()) {
    Complain(table, "token", "token: expected where it stands, found nothing", errors);
  }
  if (rule.strip && rule.token == "key") {
    Complain(table, "strip", "strip: expected a token that the command can do without, found key",
             errors);
  }
  if (rule.strip && rule.action == IdemAction::kShadow) {
    Complain(table, "strip",
             "strip: expected action \"once\", because a shadow changes nothing of the request",
             errors);
  }
}

}  // namespace

IdempotencySettings ReadIdempotency(const PluginConfig& config, ConfigErrors* errors) {
  IdempotencySettings settings;
  ReadTable(config.table, "[plugin.idempotency]", kKeys, {"rule"}, &settings, errors);
  if (settings.ttl_ms > settings.ttl_ms_max) {
    const ConfigNode* value = config.table.Find("ttl_ms");
    errors->Add(value == nullptr ? config.table.position : value->position,
                Concat("[plugin.idempotency] ttl_ms: expected at most ttl_ms_max = ",
                       settings.ttl_ms_max, ", found ", settings.ttl_ms));
  }
  const ConfigNode* array = config.table.Find("rule");
  if (array == nullptr) return settings;
  std::map<std::string, ConfigPosition> names;
  for (const ConfigNode& table : array->elements) {
    IdemRuleSettings& rule = settings.rules.emplace_back();
    ReadTable(table, kTitle, IdempotencyTables()[0].keys, {}, &rule, errors);
    CheckRule(table, rule, errors);
    const auto [first, is_new] = names.emplace(rule.name, table.position);
    if (is_new || rule.name.empty()) continue;
    errors->Add(table.position, Concat(kTitle, " name: there are two called \"", rule.name,
                                       "\", the other in line ", first->second.line));
  }
  if (settings.rules.size() > RuleSet::kRulesMax) {
    errors->Add(array->position, Concat("expected at most ", RuleSet::kRulesMax, " tables ", kTitle,
                                        ", found ", settings.rules.size()));
  }
  return settings;
}

std::span<const ConfigKey> IdempotencyKeys() { return kKeys; }

const IdempotencySettings& IdempotencyDefaults() {
  static const IdempotencySettings defaults;
  return defaults;
}

std::span<const PluginTable> IdempotencyTables() {
  static const std::vector<ConfigKey> rule_keys = WithRuleKeys(kOwnRuleKeys);
  static const PluginTable rules[] = {
      {"rule",
       "Which requests carry a token, and where; the first rule that matches a request is for it.",
       rule_keys, &kRuleDefaults}};
  return rules;
}

}  // namespace weir
