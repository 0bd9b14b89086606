// What [plugin.idempotency] may hold, read and checked.
#ifndef WEIR_PLUGINS_IDEMPOTENCY_CONFIG_H_
#define WEIR_PLUGINS_IDEMPOTENCY_CONFIG_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "plugins/config_key.h"
#include "plugins/rule.h"

namespace weir {

enum class IdemAction : uint8_t { kOnce, kShadow };
enum class OnUnknown : uint8_t { kError, kRunAgain };

// One [[plugin.idempotency.rule]].
struct IdemRuleSettings : RuleMatch {
  std::string name;
  std::string token;
  bool strip = false;
  IdemAction action = IdemAction::kOnce;
  int64_t ttl_ms = 86'400'000;
  bool record_errors = false;
  int64_t wait_ms = 10'000;
  OnUnknown on_unknown = OnUnknown::kError;
};

struct IdempotencySettings {
  int64_t ttl_ms = 86'400'000;
  int64_t ttl_ms_max = 604'800'000;
  int64_t reply_bytes_max = 65536;
  int64_t wait_ms = 10'000;
  OnUnknown on_unknown = OnUnknown::kError;
  int64_t claim_ms = 10'000;
  int64_t claims_max = 10'000;
  std::vector<IdemRuleSettings> rules;  // no key of its own
};

// Reads the tables; what is wrong, with its place in the file, goes to `errors`.
IdempotencySettings ReadIdempotency(const PluginConfig& config, ConfigErrors* errors);

// The schema, but for its name and description.
std::span<const ConfigKey> IdempotencyKeys();
const IdempotencySettings& IdempotencyDefaults();
std::span<const PluginTable> IdempotencyTables();

}  // namespace weir

#endif  // WEIR_PLUGINS_IDEMPOTENCY_CONFIG_H_
