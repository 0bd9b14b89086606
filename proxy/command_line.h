// What `weir` was told to do by its command line, and the configuration that follows from it.
#ifndef WEIR_PROXY_COMMAND_LINE_H_
#define WEIR_PROXY_COMMAND_LINE_H_

#include <span>
#include <string>

#include "plugins/config_key.h"
#include "proxy/config.h"

namespace weir {

// Either a Config to run with, or a message to print and the code to exit with.
struct CommandLine {
  bool run = false;
  Config config;        // if run
  int exit_code = 0;    // if not: 0 done (--help, --version, --check), 1 bad file, 2 bad arguments
  std::string message;  // if not: for stdout if the code is 0, else for stderr; ends in a newline
};

// Reads the file that --config names, if any, then lets the other arguments override it: each
// --listen replaces the file's listeners, URL that of the upstream "default".
// A password in a URL among `argv` is overwritten with asterisks, so that `ps` no longer shows it.
CommandLine ParseCommandLine(int argc, char** argv, std::span<const PluginSchema> plugins);

}  // namespace weir

#endif  // WEIR_PROXY_COMMAND_LINE_H_
