// Strict decimal numbers, and one complaint.

#include "resp/wire_text.h"

#include <charconv>

namespace weir {

bool ParseWireNumber(std::string_view text, int64_t* number) {
  const char* const end = text.data() + text.size();
  int64_t value = 0;
  // from_chars takes no '+' and no spaces, and notices overflow; zeros are left to check.
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end) return false;
  const std::string_view digits = text.substr(text[0] == '-' ? 1 : 0);
  const bool zero_first = digits[0] == '0';
  if (zero_first && text.size() > 1) return false;
  *number = value;
  return true;
}

std::string ExpectedDollar(std::string_view line) {
  const char got = line.empty() || line[0] == '\n' ? ' ' : line[0];
  return {"expected '$', got '" + std::string(1, got) + "'"};
}

}  // namespace weir
