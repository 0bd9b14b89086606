// What Redis accepts as a client's name, and as what CLIENT SETINFO tells.
#ifndef WEIR_PROXY_CLIENT_CLIENT_NAME_H_
#define WEIR_PROXY_CLIENT_CLIENT_NAME_H_

#include <algorithm>
#include <string_view>

namespace weir {

// Printable ASCII without spaces, so that a line of CLIENT LIST can be split at its spaces. Empty
// is good: it takes the name away. (Since Redis 7.2 what stands behind a NUL byte is not looked at:
// give it only what stands before.)
inline bool IsClientName(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) { return c >= '!' && c <= '~'; });
}

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_CLIENT_NAME_H_
