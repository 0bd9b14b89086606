// Which of MONITOR's lines tell of what weir itself says to Redis.
#include "proxy/backend/monitor_line.h"

namespace weir {
namespace {

bool Consume(std::string_view* text, std::string_view prefix) {
  if (!text->starts_with(prefix)) return false;
  text->remove_prefix(prefix.size());
  return true;
}

}  // namespace

// +1700000000.123456 [0 127.0.0.1:50000] "CLIENT" "SETNAME" "weir"
bool IsOwnChatter(std::string_view line, std::string_view client_name) {
  const size_t at = line.find("] \"");
  if (at == std::string_view::npos) return false;
  std::string_view said = line.substr(at + 2);
  if (said == "\"PING\"\r\n" || said == "\"CLIENT\" \"ID\"\r\n") return true;
  if (Consume(&said, "\"HELLO\" \"3\"")) return said == "\r\n" || said.starts_with(" \"AUTH\" ");
  return Consume(&said, "\"CLIENT\" \"SETNAME\" \"") && Consume(&said, client_name) &&
         said == "\"\r\n" && !client_name.empty();
}

}  // namespace weir
