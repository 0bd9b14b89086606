// What is wrong with a configuration, collected so that one run names all of it.
#include "plugins/config_errors.h"

#include <cstdio>

#include "plugins/text.h"

namespace weir {
namespace {

constexpr size_t kPrintableBytesMax = 80;

}  // namespace

void ConfigErrors::Add(ConfigPosition position, std::string_view text) {
  ++count_;
  if (shown_.size() >= kShownMax) return;
  std::string place = filename_;
  if (position.line > 0) place += Concat(":", position.line, ":", position.column);
  shown_.push_back(place.empty() ? std::string(text) : Concat(place, ": ", text));
}

absl::Status ConfigErrors::ToStatus() const {
  if (empty()) return absl::OkStatus();
  std::string text = Join({shown_.begin(), shown_.end()}, "\n");
  if (count_ > shown_.size()) {
    text += Concat("\n", filename_, ": and ", count_ - shown_.size(), " more errors");
  }
  return InvalidArgument(text);
}

std::string Printable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kPrintableBytesMax)) {
    // Bytes of UTF-8 pass: a terminal shows them as the file has them.
    if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) {
      out += c;
    } else {
      char escaped[8];
      std::snprintf(escaped, sizeof(escaped), "\\x%02x", static_cast<unsigned char>(c));
      out += escaped;
    }
  }
  return text.size() <= kPrintableBytesMax ? out : out + "...";
}

}  // namespace weir
