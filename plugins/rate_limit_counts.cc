#include "plugins/rate_limit_counts.h"

namespace weir {
namespace {

constexpr Metric kDecisions = {"weir_rate_limit_decisions_total", MetricType::kCounter,
                               "Requests that a rule of rate_limit was for, by what became of "
                               "them."};
constexpr Metric kEvicted = {"weir_rate_limit_keys_evicted_total", MetricType::kCounter,
                             "Keys that were forgotten before their time for want of room."};
constexpr Metric kUntracked = {"weir_rate_limit_keys_untracked_total", MetricType::kCounter,
                               "Requests that were let pass uncounted for want of room."};
constexpr Metric kOverflow = {"weir_rate_limit_delay_overflows_total", MetricType::kCounter,
                              "Requests rejected because too many were waiting already."};
constexpr Metric kCalls = {"weir_rate_limit_script_calls_total", MetricType::kCounter,
                           "Times that Redis was asked for a decision or a lease."};
constexpr Metric kWaiting = {"weir_rate_limit_waiting", MetricType::kGauge,
                             "Requests that wait for their turn."};
constexpr Metric kWaits = {"weir_rate_limit_wait_seconds", MetricType::kHistogram,
                           "How long delayed requests waited."};
constexpr Metric kCommands = {"weir_rate_limit_commands_total", MetricType::kCounter,
                              "WEIR.LIMIT and CL.THROTTLE commands answered."};

constexpr std::array<std::string_view, kLimitOutcomes> kOutcomeNames = {
    "allowed", "rejected", "delayed", "shadow_rejected", "unchecked_passed", "unchecked_rejected"};

double AsDouble(const Counter& counter) { return static_cast<double>(counter.Get()); }

}  // namespace

void RateLimitCounts::Collect(MetricsSink& sink) const {
  for (const LimitRuleCounts& rule : rules_) {
    for (size_t i = 0; i < kLimitOutcomes; ++i) {
      sink.Add(kDecisions, {{"outcome", kOutcomeNames[i]}, {"rule", rule.name}},
               AsDouble(rule.outcomes[i]));
    }
    const std::vector<MetricLabel> labels = {{"rule", rule.name}};
    sink.Add(kEvicted, labels, AsDouble(rule.keys_evicted));
    sink.Add(kUntracked, labels, AsDouble(rule.keys_untracked));
    sink.Add(kOverflow, labels, AsDouble(rule.delay_overflow));
    sink.Add(kCalls, labels, AsDouble(rule.script_calls));
    sink.Add(kWaiting, labels, static_cast<double>(rule.waiting.Get()));
    sink.Add(kWaits, labels, rule.waits.Read());
  }
  sink.Add(kCommands, {}, AsDouble(commands_));
}

}  // namespace weir
