#include "plugins/error_codes.h"

#include <algorithm>

namespace weir {
namespace {

bool IsCodeByte(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

bool IsCode(std::string_view word) {
  return !word.empty() && word.size() <= ErrorCodes::kWordBytesMax &&
         std::all_of(word.begin(), word.end(), IsCodeByte);
}

}  // namespace

size_t ErrorCodes::Number(std::string_view word) {
  const size_t size = size_.load(std::memory_order_relaxed);
  for (size_t i = 0; i < size; ++i) {
    if (words_[i] == word) return i;
  }
  if (size == kErrorCodesMax || !IsCode(word)) return kOther;
  words_[size] = word;
  size_.store(size + 1, std::memory_order_release);
  return size;
}

}  // namespace weir
