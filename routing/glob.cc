#include "routing/glob.h"

#include <algorithm>

#include "routing/text.h"

namespace weir {
namespace {

char Fold(char c, GlobCase letters) { return letters == GlobCase::kFold ? ToLower(c) : c; }

// Whether `c` is in the class whose text follows the '['; takes the class off the pattern.
bool MatchClass(std::string_view* pattern, char c, GlobCase letters) {
  const bool negated = pattern->starts_with('^');
  if (negated) pattern->remove_prefix(1);
  bool found = false;
  while (!pattern->empty() && pattern->front() != ']') {
    if (pattern->front() == '\\' && pattern->size() >= 2) {
      found |= (*pattern)[1] == c;  // exactly: Redis does not fold case here
      pattern->remove_prefix(2);
    } else if (pattern->size() >= 3 && (*pattern)[1] == '-') {
      // The ends are put in order before their case is folded: "[E-[]" is empty, as in Redis.
      const auto [low, high] = std::minmax({(*pattern)[0], (*pattern)[2]});
      found |= Fold(low, letters) <= Fold(c, letters) && Fold(c, letters) <= Fold(high, letters);
      pattern->remove_prefix(3);
    } else {
      found |= Fold(pattern->front(), letters) == Fold(c, letters);
      pattern->remove_prefix(1);
    }
  }
  if (!pattern->empty()) pattern->remove_prefix(1);
  return found != negated;
}

// Whether one byte matches the next piece of the pattern, which is not a '*'; takes the piece off.
bool MatchOne(std::string_view* pattern, char c, GlobCase letters) {
  const char first = pattern->front();
  pattern->remove_prefix(1);
  if (first == '?') return true;
  if (first == '[') return MatchClass(pattern, c, letters);
  if (first != '\\' || pattern->empty()) return Fold(first, letters) == Fold(c, letters);
  const char literal = pattern->front();
  pattern->remove_prefix(1);
  return Fold(literal, letters) == Fold(c, letters);
}

}  // namespace

bool MatchesGlob(std::string_view pattern, std::string_view text, GlobCase letters) {
  if (letters == GlobCase::kExact && text.empty()) return pattern.empty();
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
      if (MatchOne(&rest, text.front(), letters)) {
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

bool MayMatchWithPrefix(std::string_view pattern, std::string_view prefix) {
  for (const char c : prefix) {
    // It takes all that is left of the prefix, and the rest of the pattern what comes behind.
    if (pattern.starts_with('*')) return true;
    if (pattern.empty() || !MatchOne(&pattern, c, GlobCase::kExact)) return false;
  }
  return true;
}

}  // namespace weir
