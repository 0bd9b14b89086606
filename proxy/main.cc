// The program: command line, log, server.
#include <cstdio>

#include "plugins/registry.h"
#include "plugins/text.h"
#include "proxy/command_line.h"
#include "proxy/log.h"
#include "proxy/server.h"

int main(int argc, char** argv) {
  weir::CommandLine command_line = weir::ParseCommandLine(argc, argv, weir::PluginSchemas());
  if (!command_line.run) {
    std::fputs(command_line.message.c_str(), command_line.exit_code == 0 ? stdout : stderr);
    return command_line.exit_code;
  }
  if (const absl::Status log = weir::StartLog(command_line.config.log); !log.ok()) {
    std::fprintf(stderr, "weir: %s\n", std::string(weir::Message(log)).c_str());
    return 1;
  }
  absl::Status status;
  {
    weir::Server server(std::move(command_line.config));
    status = server.Run();
  }
  if (!status.ok()) {
    weir::Log(weir::LogLevel::kError, "cannot start", {{"cause", weir::Message(status)}});
  }
  weir::StopLog();
  return status.ok() ? 0 : 1;
}
