// Reads a configuration file into a Config, or says all that is wrong with it.
#ifndef WEIR_PROXY_CONFIG_FILE_H_
#define WEIR_PROXY_CONFIG_FILE_H_

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "plugins/config_key.h"
#include "proxy/config.h"

namespace weir {

// A larger file is refused unread: no configuration is that long, so it is the wrong file.
inline constexpr size_t kConfigFileBytesMax = 1 << 20;

// The configuration that `text` describes, everything that it does not mention at its default.
// `filename` is what errors call it. `plugins` are those that exist: a [plugin.NAME] table is
// checked against its schema, and Config::plugins has an entry for each schema in their order.
// InvalidArgument has a line for each error, at most ten: FILE:LINE:COLUMN, what was expected,
// what was found, and the nearest valid name for a wrong one. Passwords are never repeated.
absl::StatusOr<Config> ParseConfig(std::string_view text, const std::string& filename,
                                   std::span<const PluginSchema> plugins);

// The same for a file. Also NotFound and so on when it cannot be read.
absl::StatusOr<Config> LoadConfig(const std::string& path, std::span<const PluginSchema> plugins);

// What a Config is when there is no file.
Config DefaultConfig(std::span<const PluginSchema> plugins);

}  // namespace weir

#endif  // WEIR_PROXY_CONFIG_FILE_H_
