// What is wrong with a configuration, collected so that one run names all of it.
#ifndef WEIR_PLUGINS_CONFIG_ERRORS_H_
#define WEIR_PLUGINS_CONFIG_ERRORS_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "plugins/config_tree.h"

namespace weir {

// Up to kShownMax errors of one file, each "FILE:LINE:COLUMN: TEXT".
class ConfigErrors {
 public:
  static constexpr size_t kShownMax = 10;

  explicit ConfigErrors(std::string filename) : filename_(std::move(filename)) {}

  // `text` says what was expected and what was found, and never repeats a secret.
  void Add(ConfigPosition position, std::string_view text);

  bool empty() const { return count_ == 0; }
  size_t count() const { return count_; }
  const std::string& filename() const { return filename_; }

  // OK when empty; else InvalidArgument with a line for each error, without a newline at the end.
  absl::Status ToStatus() const;

 private:
  std::string filename_;
  size_t count_ = 0;
  std::vector<std::string> shown_;
};

// `text` fit for an error line: what cannot be printed escaped, and cut to about 80 bytes.
std::string Printable(std::string_view text);

}  // namespace weir

#endif  // WEIR_PLUGINS_CONFIG_ERRORS_H_
