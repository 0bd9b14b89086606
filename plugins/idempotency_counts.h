// What one worker counts of its tokens, by rule.
#ifndef WEIR_PLUGINS_IDEMPOTENCY_COUNTS_H_
#define WEIR_PLUGINS_IDEMPOTENCY_COUNTS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "plugins/counter.h"
#include "plugins/metrics_source.h"

namespace weir {

// What became of a request that a rule, or WEIR.IDEM, was for.
enum class IdemOutcome : uint8_t {
  kRan,             // for the first time
  kReplayed,        // its first reply was said again
  kFailed,          // ran into an error, which is not recorded
  kMismatched,      // its token was used with other arguments
  kUnanswered,      // Redis did not run the script, or nobody knows
  kRefused,         // it cannot be run under a token
  kWithoutToken,    // it passed as it is
  kShadowRan,       // action = "shadow": it passed, and would have been the first
  kShadowReplayed,  // … would have been answered from the record
  kShadowMismatched,
  kShadowUnknown,  // … Redis did not say
  kTimedOut,       // of those under a claim: the first had not ended, or its node not answered
  kUnknown,        // nobody knows what has become of the first, or of this
  kTakenOver,      // ran, but another had taken its claim by then
  kUnrecorded,     // ran and was answered, but the reply could not be recorded
};
inline constexpr size_t kIdemOutcomes = 15;

struct IdemRuleCounts {
  explicit IdemRuleCounts(std::string rule) : name(std::move(rule)) {}
  const std::string name;
  std::array<Counter, kIdemOutcomes> outcomes;

  void Add(IdemOutcome outcome) { outcomes[static_cast<size_t>(outcome)].Add(); }
};

// The worker counts, any thread collects.
class IdempotencyCounts final : public MetricsSource {
 public:
  // The last is that of WEIR.IDEM.
  explicit IdempotencyCounts(const std::vector<std::string>& rules) {
    for (const std::string& rule : rules) rules_.emplace_back(rule);
    rules_.emplace_back("weir.idem");
  }
  IdemRuleCounts& rule(size_t i) { return i < rules_.size() ? rules_[i] : rules_.back(); }
  void Collect(MetricsSink& sink) const override;

 private:
  std::deque<IdemRuleCounts> rules_;
};

}  // namespace weir

#endif  // WEIR_PLUGINS_IDEMPOTENCY_COUNTS_H_
