// Which of MONITOR's lines tell of what weir itself says to Redis.
#ifndef WEIR_PROXY_BACKEND_MONITOR_LINE_H_
#define WEIR_PROXY_BACKEND_MONITOR_LINE_H_

#include <string_view>

namespace weir {

// `line` is one of MONITOR's, from its + to its CRLF; `client_name` the name that links give
// themselves, or "". True for the handshake of a link and for health checks: their commands are
// weir's own answers when clients say them, so no client's command is taken for one.
bool IsOwnChatter(std::string_view line, std::string_view client_name);

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_MONITOR_LINE_H_
