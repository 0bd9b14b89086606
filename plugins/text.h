// Lists in text, and the text of statuses, over std::string_view (Debian's abseil brings a
// string_view of its own, which does not convert); with Concat from the storey below.
#ifndef WEIR_PLUGINS_TEXT_H_
#define WEIR_PLUGINS_TEXT_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "routing/text.h"  // IWYU pragma: export

namespace weir {

// The parts with `between` between each two.
std::string Join(const std::vector<std::string_view>& parts, std::string_view between);

// The parts of `text` between the separators, at least one; views into `text`.
std::vector<std::string_view> Split(std::string_view text, char separator);

inline absl::Status InvalidArgument(std::string_view message) {
  return absl::InvalidArgumentError(absl::string_view(message.data(), message.size()));
}

// The message of a status. Valid as long as the status.
inline std::string_view Message(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

}  // namespace weir

#endif  // WEIR_PLUGINS_TEXT_H_
