#include "plugins/idempotency_counts.h"

#include <string_view>

namespace weir {
namespace {

constexpr Metric kRequests = {"weir_idempotency_requests_total", MetricType::kCounter,
                              "Requests that a rule of idempotency or WEIR.IDEM was for, by what "
                              "became of them."};

constexpr std::array<std::string_view, kIdemOutcomes> kOutcomeNames = {"ran",
                                                                       "replayed",
                                                                       "failed",
                                                                       "mismatched",
                                                                       "unanswered",
                                                                       "refused",
                                                                       "without_token",
                                                                       "shadow_ran",
                                                                       "shadow_replayed",
                                                                       "shadow_mismatched",
                                                                       "shadow_unknown",
                                                                       "timed_out",
                                                                       "unknown",
                                                                       "taken_over",
                                                                       "unrecorded"};

}  // namespace

void IdempotencyCounts::Collect(MetricsSink& sink) const {
  for (const IdemRuleCounts& rule : rules_) {
    for (size_t i = 0; i < kIdemOutcomes; ++i) {
      sink.Add(kRequests, {{"outcome", kOutcomeNames[i]}, {"rule", rule.name}},
               static_cast<double>(rule.outcomes[i].Get()));
    }
  }
}

}  // namespace weir
