#include "routing/slot_tag.h"

#include <array>
#include <string>

namespace weir {
namespace {

std::string Base36(uint32_t number) {
  std::string text;
  do {
    text.insert(text.begin(), "0123456789abcdefghijklmnopqrstuvwxyz"[number % 36]);
    number /= 36;
  } while (number != 0);
  return text;
}

using Tags = std::array<std::string, kSlotCount>;

}  // namespace

std::string_view TagOfSlot(uint16_t slot) {
  // Some milliseconds, once. Never freed: threads may ask until the very end.
  static const Tags& tags = []() -> const Tags& {
    auto* const made = new Tags;
    size_t missing = made->size();
    for (uint32_t number = 0; missing != 0; ++number) {
      std::string text = Base36(number);
      std::string& tag = (*made)[KeySlot(text)];
      if (!tag.empty()) continue;
      tag = std::move(text);
      --missing;
    }
    return *made;
  }();
  return tags[slot];
}

}  // namespace weir
