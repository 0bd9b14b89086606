// The plugin that gives clients namespaces of keys and channels, by rules: [plugin.namespaces].
#ifndef WEIR_PLUGINS_NAMESPACES_H_
#define WEIR_PLUGINS_NAMESPACES_H_

#include <memory>

#include "absl/status/statusor.h"
#include "plugins/config_key.h"
#include "plugins/plugin_config.h"

namespace weir {

class Host;
class Plugin;

PluginSchema NamespacesSchema();
absl::StatusOr<std::unique_ptr<Plugin>> MakeNamespaces(const PluginConfig& config, Host& host);

}  // namespace weir

#endif  // WEIR_PLUGINS_NAMESPACES_H_
