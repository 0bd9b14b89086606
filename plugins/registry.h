// The one table of the plugins that exist, in the order in which requests pass them.
#ifndef WEIR_PLUGINS_REGISTRY_H_
#define WEIR_PLUGINS_REGISTRY_H_

#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "plugins/chain.h"
#include "plugins/config_key.h"
#include "plugins/plugin_config.h"

namespace weir {

class Host;
class Plugin;

// A kind of plugin. `make` is called once a worker, on the control thread before the worker runs;
// nullptr: configured to do nothing, so not installed. InvalidArgument: what is wrong with the
// configuration, for people. The host outlives the plugin, the configuration need not.
struct PluginKind {
  PluginSchema schema;
  absl::StatusOr<std::unique_ptr<Plugin>> (*make)(const PluginConfig& config, Host& host);
};

std::span<const PluginKind> PluginKinds();

// The schemas of all kinds, in the same order: what config_file.h and command_line.h ask for.
std::span<const PluginSchema> PluginSchemas();

// A worker's chain: the plugins that `configs` (Config::plugins) has enabled, in the order of
// `kinds`. The error of the first that could not be made.
absl::StatusOr<Chain> BuildChain(const std::vector<PluginConfig>& configs, Host& host,
                                 std::span<const PluginKind> kinds = PluginKinds());

}  // namespace weir

#endif  // WEIR_PLUGINS_REGISTRY_H_
