// The plugin to copy: small, whole, and using every hook.
//
// To add a plugin of your own:
//   1. copy skeleton.{h,cc} and tests/plugins/skeleton_test.cc, and rename what they define;
//   2. drop the hooks you do not need, from hooks() too: what is not named there costs nothing;
//   3. add a line to the table in registry.cc, where its place in the chain is, and its keys with
//      their defaults to conf/weir.toml (a test compares them).
#ifndef WEIR_PLUGINS_SKELETON_H_
#define WEIR_PLUGINS_SKELETON_H_

#include <memory>

#include "absl/status/statusor.h"
#include "plugins/config_key.h"
#include "plugins/plugin_config.h"

namespace weir {

class Host;
class Plugin;

PluginSchema SkeletonSchema();

// nullptr when the greeting is empty: there is nothing to do then.
absl::StatusOr<std::unique_ptr<Plugin>> MakeSkeleton(const PluginConfig& config, Host& host);

}  // namespace weir

#endif  // WEIR_PLUGINS_SKELETON_H_
