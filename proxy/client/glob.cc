#include "proxy/client/glob.h"

#include <utility>

#include "routing/text.h"

namespace weir {
namespace {

unsigned char Fold(char c) { return static_cast<unsigned char>(ToLower(c)); }

// Whether `c` is in the class whose text follows the '['; takes the class off the pattern.
bool MatchClass(std::string_view* pattern, char c) {
  const bool negated = pattern->starts_with('^');
  if (negated) pattern->remove_prefix(1);
  bool found = false;
  while (!pattern->empty() && pattern->front() != ']') {
    if (pattern->front() == '\\' && pattern->size() >= 2) {
      found |= (*pattern)[1] == c;  // exactly: Redis does not fold case here
      pattern->remove_prefix(2);
    } else if (pattern->size() >= 3 && (*pattern)[1] == '-') {
      unsigned char low = Fold((*pattern)[0]);
      unsigned char high = Fold((*pattern)[2]);
      if (low > high) std::swap(low, high);
      found |= low <= Fold(c) && Fold(c) <= high;
      pattern->remove_prefix(3);
    } else {
      found |= Fold(pattern->front()) == Fold(c);
      pattern->remove_prefix(1);
    }
  }
  if (!pattern->empty()) pattern->remove_prefix(1);
  return found != negated;
}

// Whether one byte matches the next piece of the pattern, which is not a '*'; takes the piece off.
bool MatchOne(std::string_view* pattern, char c) {
  const char first = pattern->front();
  pattern->remove_prefix(1);
  if (first == '?') return true;
  if (first == '[') return MatchClass(pattern, c);
  if (first != '\\' || pattern->empty()) return Fold(first) == Fold(c);
  const char literal = pattern->front();
  pattern->remove_prefix(1);
  return Fold(literal) == Fold(c);
}

}  // namespace

bool MatchesGlob(std::string_view pattern, std::string_view text) {
  // Where to go on when a piece fails: the last '*' takes one byte more. An earlier one need not be
  // tried again, as whatever it could leave to the last one, that one can take by itself.
  bool starred = false;
  std::string_view star_pattern;
  std::string_view star_text;
  while (true) {
    if (pattern.starts_with('*')) {
      pattern.remove_prefix(1);
      starred = true;
      star_pattern = pattern;
      star_text = text;
      continue;
    }
    if (text.empty()) return pattern.empty();
    if (!pattern.empty()) {
      std::string_view rest = pattern;
      if (MatchOne(&rest, text.front())) {
        pattern = rest;
        text.remove_prefix(1);
        continue;
      }
    }
    if (!starred || star_text.empty()) return false;
    star_text.remove_prefix(1);
    pattern = star_pattern;
    text = star_text;
  }
}

}  // namespace weir
