// The recipes of a plugin's documentation, so that tests run them as they stand there.
#ifndef WEIR_TESTS_INTEGRATION_RECIPES_H_
#define WEIR_TESTS_INTEGRATION_RECIPES_H_

#include <map>
#include <string>

#include "tests/support/support.h"

namespace weir::harness {

// The configuration in each recipe of plugins/`document`, by its title.
inline std::map<std::string, std::string> RecipesOf(const std::string& document) {
  std::map<std::string, std::string> recipes;
  const std::string text = ReadFile(WEIR_SOURCE_DIR "/plugins/" + document);
  std::string title;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    if (line.starts_with("### ")) title = line.substr(4);
    if (line == "```toml" || line == "```") {
      inside = line == "```toml";
    } else if (inside) {
      recipes[title] += line + "\n";
    }
  }
  return recipes;
}

}  // namespace weir::harness

#endif  // WEIR_TESTS_INTEGRATION_RECIPES_H_
