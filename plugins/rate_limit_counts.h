// What one worker counts of its rate limits, by rule.
#ifndef WEIR_PLUGINS_RATE_LIMIT_COUNTS_H_
#define WEIR_PLUGINS_RATE_LIMIT_COUNTS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plugins/counter.h"
#include "plugins/histogram.h"
#include "plugins/metrics_source.h"

namespace weir {

// What became of a request that a rule was for.
enum class LimitOutcome : uint8_t {
  kAllowed,
  kRejected,
  kDelayed,            // and then let pass
  kShadowRejected,     // would have been rejected; passed
  kUncheckedPassed,    // Redis did not answer: on_store_error = "open"
  kUncheckedRejected,  // … "closed"
};
inline constexpr size_t kLimitOutcomes = 6;

struct LimitRuleCounts {
  explicit LimitRuleCounts(std::string rule) : name(std::move(rule)) {}
  const std::string name;
  std::array<Counter, kLimitOutcomes> outcomes;
  Counter keys_evicted;    // forgotten before their time, see LimitTable
  Counter keys_untracked;  // not counted for want of room
  Counter delay_overflow;  // rejected because too many wait
  Counter script_calls;
  Gauge waiting;
  Histogram waits;  // of the delayed

  Counter& operator[](LimitOutcome outcome) { return outcomes[static_cast<size_t>(outcome)]; }
};

// The worker counts, any thread collects.
class RateLimitCounts final : public MetricsSource {
 public:
  explicit RateLimitCounts(const std::vector<std::string>& rules) {
    for (const std::string& rule : rules) rules_.emplace_back(rule);
  }
  LimitRuleCounts& rule(size_t i) { return rules_[i]; }
  Counter& commands() { return commands_; }  // WEIR.LIMIT and CL.THROTTLE
  void Collect(MetricsSink& sink) const override;

 private:
  std::deque<LimitRuleCounts> rules_;
  Counter commands_;
};

}  // namespace weir

#endif  // WEIR_PLUGINS_RATE_LIMIT_COUNTS_H_
