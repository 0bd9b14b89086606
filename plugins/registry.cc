#include "plugins/registry.h"

#include <iterator>
#include <utility>

#include "plugins/idempotency.h"
#include "plugins/metrics.h"
#include "plugins/namespaces.h"
#include "plugins/plugin.h"
#include "plugins/rate_limit.h"
#include "plugins/skeleton.h"
#include "plugins/text.h"

namespace weir {
namespace {

const PluginConfig* FindConfig(const std::vector<PluginConfig>& configs, std::string_view name) {
  for (const PluginConfig& config : configs) {
    if (config.name == name) return &config;
  }
  return nullptr;
}

}  // namespace

std::span<const PluginKind> PluginKinds() {
  // Those that only watch first, then those that may answer. All behind the namespaces see the
  // names that the nodes see. What idempotency takes out of WEIR.IDEM, the limits behind it count.
  static const PluginKind kinds[] = {
      {MetricsSchema(), &MakeMetrics},
      {NamespacesSchema(), &MakeNamespaces},
      {IdempotencySchema(), &MakeIdempotency},
      {RateLimitSchema(), &MakeRateLimit},
      {SkeletonSchema(), &MakeSkeleton},
  };
  static_assert(std::size(kinds) <= Chain::kPluginsMax);
  return kinds;
}

std::span<const PluginSchema> PluginSchemas() {
  static const std::vector<PluginSchema> schemas = [] {
    std::vector<PluginSchema> all;
    for (const PluginKind& kind : PluginKinds()) all.push_back(kind.schema);
    return all;
  }();
  return schemas;
}

absl::StatusOr<Chain> BuildChain(const std::vector<PluginConfig>& configs, Host& host,
                                 std::span<const PluginKind> kinds) {
  std::vector<std::unique_ptr<Plugin>> plugins;
  for (const PluginKind& kind : kinds) {
    const PluginConfig* config = FindConfig(configs, kind.schema.name);
    if (config == nullptr || !config->enabled) continue;
    absl::StatusOr<std::unique_ptr<Plugin>> plugin = kind.make(*config, host);
    if (!plugin.ok()) return plugin.status();
    if (*plugin != nullptr) plugins.push_back(*std::move(plugin));
  }
  return Chain(std::move(plugins));
}

}  // namespace weir
