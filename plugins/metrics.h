// The plugin that counts and times commands for /metrics.
#ifndef WEIR_PLUGINS_METRICS_H_
#define WEIR_PLUGINS_METRICS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "plugins/config_key.h"
#include "plugins/plugin_config.h"

namespace weir {

class Host;
class Plugin;

PluginSchema MetricsSchema();
absl::StatusOr<std::unique_ptr<Plugin>> MakeMetrics(const PluginConfig& config, Host& host);

}  // namespace weir

#endif  // WEIR_PLUGINS_METRICS_H_
