// Redis' glob patterns (KEYS, PSUBSCRIBE, COMMAND LIST FILTERBY PATTERN).
#ifndef WEIR_PROXY_CLIENT_GLOB_H_
#define WEIR_PROXY_CLIENT_GLOB_H_

#include <string_view>

namespace weir {

// Whether `text` matches, in any case of ASCII letters. `*` any bytes, `?` one byte, `[a-c_]` one
// of these, `[^a]` any other, `\` takes what follows literally; a `[` without `]` ends with the
// pattern. Takes at most pattern times text steps.
bool MatchesGlob(std::string_view pattern, std::string_view text);

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_GLOB_H_
