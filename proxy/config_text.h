// The configuration written out: as TOML that reads back the same, and as the list in --help.
#ifndef WEIR_PROXY_CONFIG_TEXT_H_
#define WEIR_PROXY_CONFIG_TEXT_H_

#include <span>
#include <string>

#include "plugins/config_key.h"
#include "proxy/config.h"

namespace weir {

// All of `config`, every key stated, without the plugins' own keys where the file was silent.
// A URL's password is shown as ***; password hashes are left out. So it may be logged, and it reads
// back as an equal Config unless there were secrets in it.
std::string FormatConfig(const Config& config);

// A line for each section and key: name, default and description. With no secrets in it.
std::string DescribeConfig(std::span<const PluginSchema> plugins);

}  // namespace weir

#endif  // WEIR_PROXY_CONFIG_TEXT_H_
