// What [plugin.rate_limit] may hold, read and checked.
#ifndef WEIR_PLUGINS_RATE_LIMIT_CONFIG_H_
#define WEIR_PLUGINS_RATE_LIMIT_CONFIG_H_

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "plugins/config_key.h"
#include "plugins/limit_algorithm.h"
#include "plugins/limit_identity.h"
#include "plugins/rule.h"

namespace weir {

enum class LimitAction : uint8_t { kReject, kDelay, kShadow };
enum class LimitScope : uint8_t { kLocal, kShared };
enum class OnStoreError : uint8_t { kOpen, kClosed };
enum class LimitCounts : uint8_t { kRequests, kAuthFailures };
enum class LimitCost : uint8_t { kRequest, kBytes, kCommand };

// One [[plugin.rate_limit.rule.limit]].
struct LimitSettings {
  LimitAlgorithm algorithm = LimitAlgorithm::kGcra;
  int64_t points = 100;
  int64_t period_ms = 60000;
  int64_t burst = 0;
  std::vector<std::string> by;
  LimitCost cost = LimitCost::kRequest;
  int64_t keys_max = 65536;

  LimitShape Shape() const;
  std::vector<IdentityPart> Identity() const;  // REQUIRES: checked
};

// One [[plugin.rate_limit.rule]].
struct LimitRuleSettings : RuleMatch {
  std::string name;
  LimitAction action = LimitAction::kReject;
  LimitScope scope = LimitScope::kLocal;
  OnStoreError on_store_error = OnStoreError::kOpen;
  LimitCounts counts = LimitCounts::kRequests;
  std::vector<std::string> costs;  // "KEYS=100"
  int64_t delay_ms_max = 1000;
  int64_t delayed_requests_max = 1000;
  int64_t delayed_bytes_max = 1 << 20;
  int64_t store_timeout_ms = 1000;
  int64_t lease = 1;
  int64_t lease_ms_max = 1000;
  std::vector<LimitSettings> limits;
};

// "KEYS=100" as name and number. REQUIRES: checked.
std::pair<std::string, uint64_t> ParseLimitCost(const std::string& text);

inline constexpr size_t kLimitsOfRuleMax = 4;

// Reads the tables; what is wrong, with its place in the file, goes to `errors`.
std::vector<LimitRuleSettings> ReadLimitRules(const PluginConfig& config, ConfigErrors* errors);

std::span<const PluginTable> RateLimitTables();

}  // namespace weir

#endif  // WEIR_PLUGINS_RATE_LIMIT_CONFIG_H_
