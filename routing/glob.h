// Redis' glob patterns (KEYS, PSUBSCRIBE, COMMAND LIST FILTERBY PATTERN).
#ifndef WEIR_ROUTING_GLOB_H_
#define WEIR_ROUTING_GLOB_H_

#include <string_view>

namespace weir {

// kFold: letters of ASCII match in either case, as in COMMAND LIST; kExact: as in KEYS and
// PSUBSCRIBE.
enum class GlobCase : bool { kExact, kFold };

// Whether `text` matches. `*` any bytes, `?` one byte, `[a-c_]` one
// of these, `[^a]` any other, `\` takes what follows literally; a `[` without `]` ends with the
// pattern. Takes at most pattern times text steps. With kExact an empty text matches only an empty
// pattern, as in Redis, where not even `*` does.
bool MatchesGlob(std::string_view pattern, std::string_view text,
                 GlobCase letters = GlobCase::kFold);

// Whether a text with this prefix may match. False is certain; true is not where the pattern's end
// can match nothing ("[]"). Exact letters; takes at most as many steps as the prefix has bytes.
bool MayMatchWithPrefix(std::string_view pattern, std::string_view prefix);

}  // namespace weir

#endif  // WEIR_ROUTING_GLOB_H_
