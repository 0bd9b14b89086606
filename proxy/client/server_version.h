// A server's version as a number that can be compared, for answers that changed between versions.
#ifndef WEIR_PROXY_CLIENT_SERVER_VERSION_H_
#define WEIR_PROXY_CLIENT_SERVER_VERSION_H_

#include <string_view>

namespace weir {

// 7.0.15 is 70015.
constexpr int MakeVersion(int major, int minor, int patch = 0) {
  return major * 10000 + minor * 100 + patch;
}

// Reads "7.0.15", and of "8.0.0-rc1" what is a number. A server not reached yet ("") counts as 7.0,
// on which weir's built-in command table is modelled.
constexpr int ParseVersion(std::string_view text) {
  int parts[3] = {0, 0, 0};
  int part = 0;
  for (const char c : text) {
    if (c == '.' && part < 2) {
      ++part;
    } else if (c >= '0' && c <= '9' && parts[part] < 10) {
      parts[part] = parts[part] * 10 + (c - '0');
    } else {
      break;
    }
  }
  return text.empty() ? MakeVersion(7, 0) : MakeVersion(parts[0], parts[1], parts[2]);
}

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_SERVER_VERSION_H_
