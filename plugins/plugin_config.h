// What the configuration says about one plugin: whether it is on, and its keys.
#ifndef WEIR_PLUGINS_PLUGIN_CONFIG_H_
#define WEIR_PLUGINS_PLUGIN_CONFIG_H_

#include <string>

#include "plugins/config_tree.h"

namespace weir {

// One [plugin.NAME] table, or its absence. The values were checked against the plugin's own key
// table (PluginSchema in plugins/config_key.h) when the file was read; ReadKeys() puts them into
// the plugin's struct.
struct PluginConfig {
  std::string name;      // NAME
  bool enabled = false;  // the schema's default where the file is silent
  std::string filename;  // for errors that only the plugin itself can find; "" if not from a file
  ConfigNode table;      // the plugin's own keys, without `enabled`
};

}  // namespace weir

#endif  // WEIR_PLUGINS_PLUGIN_CONFIG_H_
