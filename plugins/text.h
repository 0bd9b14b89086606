// Text put together from pieces, over std::string_view (Debian's abseil brings a string_view of
// its own, which does not convert).
#ifndef WEIR_PLUGINS_TEXT_H_
#define WEIR_PLUGINS_TEXT_H_

#include <concepts>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace weir {

inline void AppendPiece(std::string* out, std::string_view piece) { out->append(piece); }
template <std::integral Integer>
void AppendPiece(std::string* out, Integer piece) {
  out->append(std::to_string(piece));
}

// Concat("port ", 6380, " of ", host): the pieces in one string.
template <typename... Pieces>
std::string Concat(const Pieces&... pieces) {
  std::string out;
  (AppendPiece(&out, pieces), ...);
  return out;
}

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
