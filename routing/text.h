// ASCII text: comparing without case as Redis does, lowering, putting together.
//
// Debian's abseil has a string_view type of its own, to which std::string_view does not convert, so
// absl's string functions cannot take ours.
#ifndef WEIR_ROUTING_TEXT_H_
#define WEIR_ROUTING_TEXT_H_

#include <algorithm>
#include <concepts>
#include <string>
#include <string_view>

namespace weir {

constexpr char ToLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }
constexpr char ToUpper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c & ~0x20) : c; }

inline std::string ToLower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = ToLower(c);
  return lower;
}

inline std::string ToUpper(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) c = ToUpper(c);
  return upper;
}

constexpr bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return ToLower(x) == ToLower(y);
         });
}

// Whether Redis would take the argument for this keyword: its strcasecmp() stops at a NUL byte, so
// "BLOCK\0x" is BLOCK.
constexpr bool IsKeyword(std::string_view arg, std::string_view keyword) {
  return EqualsIgnoreCase(arg.substr(0, arg.find('\0')), keyword);
}

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

}  // namespace weir

#endif  // WEIR_ROUTING_TEXT_H_
