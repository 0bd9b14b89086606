// The name under which Redis knows a script.
#ifndef WEIR_PLUGINS_SCRIPT_SHA1_H_
#define WEIR_PLUGINS_SCRIPT_SHA1_H_

#include <string>
#include <string_view>

namespace weir {

// The SHA-1 of the text in lower-case hex, as SCRIPT LOAD answers and EVALSHA takes it
// (https://redis.io/docs/latest/commands/evalsha).
std::string ScriptSha1(std::string_view text);

}  // namespace weir

#endif  // WEIR_PLUGINS_SCRIPT_SHA1_H_
