// TOML text to a configuration tree, with environment variables filled in; hides toml++.
#ifndef WEIR_PROXY_CONFIG_TOML_H_
#define WEIR_PROXY_CONFIG_TOML_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "plugins/config_errors.h"
#include "plugins/config_tree.h"

namespace weir {

// Parses `text` into a tree. Errors are added to `errors`; the tree is then partial.
ConfigNode ParseToml(std::string_view text, ConfigErrors* errors);

// `text` with each ${NAME} replaced by that environment variable, each ${NAME:-DEFAULT} by it or,
// where it is unset or empty, by DEFAULT, and each $${ by ${. What was filled in is not looked at
// again. InvalidArgument names a variable that is missing, or says what a reference should look
// like.
absl::StatusOr<std::string> FillInEnvironment(std::string_view text);

}  // namespace weir

#endif  // WEIR_PROXY_CONFIG_TOML_H_
