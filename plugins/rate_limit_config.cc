#include "plugins/rate_limit_config.h"

#include <map>

#include "plugins/limit_log.h"
#include "plugins/nearest_name.h"
#include "plugins/text.h"
#include "resp/wire_text.h"

namespace weir {
namespace {

constexpr int64_t kCostMax = 1'000'000;

absl::Status CheckBy(const std::string& part) {
  if (ParseIdentityPart(part)) return absl::OkStatus();
  return InvalidArgument(
      Concat("expected one of ", KnownIdentityParts(), ", found \"", Printable(part), "\""));
}

absl::Status CheckCost(const std::string& text) {
  const size_t equals = text.rfind('=');
  int64_t cost = 0;
  if (equals != std::string::npos &&
      ParseWireNumber(std::string_view(text).substr(equals + 1), &cost) && cost >= 0 &&
      cost <= kCostMax) {
    return CheckRuleCommand(text.substr(0, equals));
  }
  return InvalidArgument(Concat("expected a command, '=' and its cost of 0 to ", kCostMax,
                                ", such as \"KEYS=100\", found \"", Printable(text), "\""));
}

constexpr ConfigKey kLimitKeys[] = {
    {"algorithm", FieldOf<&LimitSettings::algorithm>(), "How it is counted.", 0, 0,
     kLimitAlgorithms},
    {"points", FieldOf<&LimitSettings::points>(),
     "How many a period; of concurrency: at the same time.", 1, int64_t{LimitMath::kPointsMax}},
    {"period_ms", FieldOf<&LimitSettings::period_ms>(), "The period; concurrency has none.", 1,
     int64_t{LimitMath::kPeriodMsMax}},
    {"burst", FieldOf<&LimitSettings::burst>(),
     "Of gcra and token_bucket: how many at once; 0: as many as points.", 0,
     int64_t{LimitMath::kPointsMax}},
    {"by", FieldOf<&LimitSettings::by>(),
     "What is counted apart: client_ip, cidr/N, user, client_name, db, listener, key, key_part(N); "
     "several together; none: everything is counted together.",
     0, 0, nullptr, &CheckBy},
    {"cost", FieldOf<&LimitSettings::cost>(),
     "What a request costs: 1, its bytes, or what the rule's `costs` say.", 0, 0,
     "request|bytes|command"},
    {"keys_max", FieldOf<&LimitSettings::keys_max>(),
     "Of scope local: how many are counted apart at the same time, in at most 48 bytes each (of "
     "sliding_log: 8 for each point, and 100); beyond, who has used least is forgotten.",
     64, 1 << 28},
};
const LimitSettings kLimitDefaults;

constexpr ConfigKey kOwnRuleKeys[] = {
    {"name", FieldOf<&LimitRuleSettings::name>(),
     "For error replies, metrics and WEIR EXPLAIN; each rule has one of its own.", 0, 0, nullptr,
     &CheckRuleName},
    {"action", FieldOf<&LimitRuleSettings::action>(),
     "What becomes of a request above the limit: an error, a delay until its turn, or nothing but "
     "being counted.",
     0, 0, "reject|delay|shadow"},
    {"scope", FieldOf<&LimitRuleSettings::scope>(),
     "Who counts together: this process, or all that share the Redis.", 0, 0, "local|shared"},
    {"on_store_error", FieldOf<&LimitRuleSettings::on_store_error>(),
     "Of scope shared, when Redis does not answer: let pass, or reject.", 0, 0, "open|closed"},
    {"counts", FieldOf<&LimitRuleSettings::counts>(),
     "What is counted: requests, or AUTH and HELLO with a wrong password.", 0, 0,
     "requests|auth_failures"},
    {"costs", FieldOf<&LimitRuleSettings::costs>(),
     "For limits with cost = \"command\": \"KEYS=100\", \"@write=5\"; the first that fits, else 1.",
     0, 0, nullptr, &CheckCost},
    {"delay_ms_max", FieldOf<&LimitRuleSettings::delay_ms_max>(),
     "Of action delay: how long a request may wait; one that would wait longer is rejected.", 1,
     600000},
    {"delayed_requests_max", FieldOf<&LimitRuleSettings::delayed_requests_max>(),
     "How many may wait in one worker; more are rejected.", 1, 1000000},
    {"delayed_bytes_max", FieldOf<&LimitRuleSettings::delayed_bytes_max>(),
     "How many bytes of requests may wait in one worker; more are rejected.", 1, int64_t{1} << 32},
    {"store_timeout_ms", FieldOf<&LimitRuleSettings::store_timeout_ms>(),
     "Of scope shared: how long Redis may take before on_store_error is what counts.", 1, 600000},
    {"lease", FieldOf<&LimitRuleSettings::lease>(),
     "Of scope shared: how many points a worker takes at a time and then gives out by itself; 1: "
     "each request asks Redis.",
     1, 1000000},
    {"lease_ms_max", FieldOf<&LimitRuleSettings::lease_ms_max>(),
     "After that time what is left of a lease is forgotten.", 1, 600000},
};
const LimitRuleSettings kRuleDefaults;

// Collects what is wrong about one table, each at the place of the key that it is about.
class Complaints {
 public:
  Complaints(const ConfigNode& table, std::string_view title, ConfigErrors* errors)
      : table_(table), title_(title), errors_(errors) {}

  void Add(std::string_view key, std::string_view text) const {
    const ConfigNode* value = table_.Find(key);
    errors_->Add(value == nullptr ? table_.position : value->position, Concat(title_, " ", text));
  }

 private:
  const ConfigNode& table_;
  std::string_view title_;
  ConfigErrors* errors_;
};

void CheckLimit(const LimitRuleSettings& rule, const LimitSettings& limit,
                const Complaints& complaints) {
  const std::string wrong = LimitMath::Check(limit.Shape());
  if (!wrong.empty()) complaints.Add(wrong.substr(0, wrong.find(':')), wrong);
  const bool shared = rule.scope == LimitScope::kShared;
  const bool concurrency = limit.algorithm == LimitAlgorithm::kConcurrency;
  if (limit.algorithm == LimitAlgorithm::kSlidingLog) {
    const auto points = static_cast<uint64_t>(limit.points);
    if (points > LimitLog::kPointsMax) {
      complaints.Add("points", Concat("points: a sliding_log keeps at most ", LimitLog::kPointsMax,
                                      ", found ", points));
    } else if (!shared && points * static_cast<uint64_t>(limit.keys_max) > LimitLog::kTimesMax) {
      complaints.Add("keys_max",
                     Concat("keys_max: a local sliding_log keeps at most ", LimitLog::kTimesMax,
                            " times, 8 bytes each, so for ", points, " points expected at most ",
                            LimitLog::kTimesMax / points, " keys, found ", limit.keys_max));
    }
  }
  if (concurrency && shared) {
    complaints.Add("algorithm",
                   "algorithm: requests at the same time are counted where they pass, so "
                   "concurrency needs scope = \"local\"");
  }
  if (concurrency && limit.cost != LimitCost::kRequest) {
    complaints.Add("cost", "cost: each request is one for concurrency, expected \"request\"");
  }
  if (concurrency && rule.counts == LimitCounts::kAuthFailures) {
    complaints.Add("algorithm", "algorithm: expected a rate for auth_failures, not concurrency");
  }
  if (limit.cost == LimitCost::kCommand && rule.costs.empty()) {
    complaints.Add("cost", "cost: \"command\" expects the rule to have `costs`");
  }
  const bool is_gcra = limit.algorithm <= LimitAlgorithm::kTokenBucket;
  if (rule.action == LimitAction::kDelay && !is_gcra) {
    complaints.Add("algorithm",
                   "algorithm: only gcra and token_bucket know when a request's turn is, as action "
                   "= \"delay\" needs");
  }
}

void CheckLease(const LimitRuleSettings& rule, const Complaints& complaints) {
  if (rule.scope != LimitScope::kShared || rule.action != LimitAction::kReject) {
    complaints.Add("lease", "lease: expected only with scope = \"shared\" and action = \"reject\"");
  }
  for (const LimitSettings& limit : rule.limits) {
    if (limit.cost == LimitCost::kRequest) continue;
    complaints.Add("lease", "lease: expected only limits with cost = \"request\"");
    return;
  }
}

void CheckRule(const LimitRuleSettings& rule, const Complaints& complaints) {
  if (rule.name.empty()) complaints.Add("name", "name: expected one, found none");
  if (rule.limits.empty() || rule.limits.size() > kLimitsOfRuleMax) {
    complaints.Add("limit",
                   Concat("expected 1 to ", kLimitsOfRuleMax,
                          " tables [[plugin.rate_limit.rule.limit]], found ", rule.limits.size()));
  }
  const bool shared = rule.scope == LimitScope::kShared;
  for (const LimitSettings& limit : rule.limits) {
    // One script decides on all, so on a cluster all must lie in one slot.
    if (shared && limit.by != rule.limits[0].by) {
      complaints.Add("scope",
                     "scope: \"shared\" decides on all limits of a rule in one place, so expected "
                     "the same `by` in each");
      break;
    }
  }
  if (rule.lease > 1) CheckLease(rule, complaints);
  if (rule.counts != LimitCounts::kAuthFailures) return;
  if (shared || rule.action == LimitAction::kDelay) {
    complaints.Add("counts",
                   "counts: auth_failures expects scope = \"local\", and action \"reject\" or "
                   "\"shadow\"");
  }
  if (!rule.commands.empty() || !rule.keys.empty()) {
    complaints.Add("counts",
                   "counts: auth_failures is about AUTH and HELLO, and expects neither "
                   "commands nor keys");
  }
}

void ReadRule(const ConfigNode& table, LimitRuleSettings* rule, ConfigErrors* errors) {
  const PluginTable& rule_table = RateLimitTables()[0];
  constexpr std::string_view kTitle = "[[plugin.rate_limit.rule]]";
  constexpr std::string_view kLimitTitle = "[[plugin.rate_limit.rule.limit]]";
  ReadTable(table, kTitle, rule_table.keys, {"limit"}, rule, errors);
  const ConfigNode* limits = table.Find("limit");
  if (limits != nullptr) {
    for (const ConfigNode& node : limits->elements) {
      ReadTable(node, kLimitTitle, kLimitKeys, {}, &rule->limits.emplace_back(), errors);
    }
    for (size_t i = 0; i < rule->limits.size(); ++i) {
      CheckLimit(*rule, rule->limits[i], Complaints(limits->elements[i], kLimitTitle, errors));
    }
  }
  CheckRule(*rule, Complaints(table, kTitle, errors));
  if (rule->counts == LimitCounts::kAuthFailures) rule->commands = {"AUTH", "HELLO"};
}

}  // namespace

LimitShape LimitSettings::Shape() const {
  return {algorithm, static_cast<uint64_t>(points), static_cast<uint64_t>(period_ms),
          static_cast<uint64_t>(burst)};
}

std::vector<IdentityPart> LimitSettings::Identity() const {
  std::vector<IdentityPart> parts;
  for (const std::string& part : by) {
    if (const auto parsed = ParseIdentityPart(part)) parts.push_back(*parsed);
  }
  return parts;
}

std::pair<std::string, uint64_t> ParseLimitCost(const std::string& text) {
  const size_t equals = text.rfind('=');
  int64_t cost = 1;
  if (!ParseWireNumber(std::string_view(text).substr(equals + 1), &cost)) cost = 1;
  return {text.substr(0, equals), static_cast<uint64_t>(cost)};
}

std::vector<LimitRuleSettings> ReadLimitRules(const PluginConfig& config, ConfigErrors* errors) {
  std::vector<LimitRuleSettings> rules;
  const ConfigNode* array = config.table.Find("rule");
  if (array == nullptr) return rules;
  std::map<std::string, ConfigPosition> names;
  for (const ConfigNode& table : array->elements) {
    LimitRuleSettings& rule = rules.emplace_back();
    ReadRule(table, &rule, errors);
    const auto [first, is_new] = names.emplace(rule.name, table.position);
    if (is_new || rule.name.empty()) continue;
    errors->Add(table.position, Concat("[[plugin.rate_limit.rule]] name: there are two called \"",
                                       rule.name, "\", the other in line ", first->second.line));
  }
  if (rules.size() > RuleSet::kRulesMax) {
    errors->Add(array->position,
                Concat("expected at most ", RuleSet::kRulesMax,
                       " tables [[plugin.rate_limit.rule]], found ", rules.size()));
  }
  return rules;
}

std::span<const PluginTable> RateLimitTables() {
  static const std::vector<ConfigKey> rule_keys = WithRuleKeys(kOwnRuleKeys);
  static const PluginTable limits[] = {
      {"limit", "How much; a rule may have up to four, and a request needs room in all of them.",
       kLimitKeys, &kLimitDefaults}};
  static const PluginTable rules[] = {
      {"rule", "Which requests are limited; the first rule that matches a request is for it.",
       rule_keys, &kRuleDefaults, limits}};
  return rules;
}

}  // namespace weir
