// The plugin that limits how many requests pass, by rules: [plugin.rate_limit].
#ifndef WEIR_PLUGINS_RATE_LIMIT_H_
#define WEIR_PLUGINS_RATE_LIMIT_H_

#include <memory>

#include "absl/status/statusor.h"
#include "plugins/config_key.h"
#include "plugins/plugin_config.h"

namespace weir {

class Host;
class Plugin;

PluginSchema RateLimitSchema();
absl::StatusOr<std::unique_ptr<Plugin>> MakeRateLimit(const PluginConfig& config, Host& host);

}  // namespace weir

#endif  // WEIR_PLUGINS_RATE_LIMIT_H_
