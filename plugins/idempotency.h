// The plugin that runs writes exactly once by their tokens: [plugin.idempotency].
#ifndef WEIR_PLUGINS_IDEMPOTENCY_H_
#define WEIR_PLUGINS_IDEMPOTENCY_H_

#include <memory>

#include "absl/status/statusor.h"
#include "plugins/config_key.h"
#include "plugins/plugin_config.h"

namespace weir {

class Host;
class Plugin;

PluginSchema IdempotencySchema();
absl::StatusOr<std::unique_ptr<Plugin>> MakeIdempotency(const PluginConfig& config, Host& host);

}  // namespace weir

#endif  // WEIR_PLUGINS_IDEMPOTENCY_H_
