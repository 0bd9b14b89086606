// What MONITOR shows of a command, as Redis writes it, and which commands it shows.
#ifndef WEIR_PROXY_CLIENT_MONITOR_LINE_H_
#define WEIR_PROXY_CLIENT_MONITOR_LINE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "routing/arg_list.h"
#include "routing/command_class.h"

namespace weir {

// Redis shows what it executes: no command that it does not have or that has the wrong number of
// arguments (`argc`, as declared), and none of those that only administrators may use.
bool IsShownToMonitors(const CommandEntry* entry, uint32_t argc);

// `"SET" "k" "a\nb"`: with passwords as "(redacted)". `complete` false: it is too large for weir to
// hold, and only its first arguments are there; the others are shown as `...`.
std::string MonitorWords(const CommandEntry& entry, const ArgList& args, bool complete);

// `+1700000000.000001 [0 127.0.0.1:50000] "SET" "k" "v"` and CRLF. `who` is the client's address.
std::string MonitorLine(uint64_t unix_us, int db, std::string_view who, std::string_view words);

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_MONITOR_LINE_H_
