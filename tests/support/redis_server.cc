// A real redis-server for a test.
#include "tests/support/redis_server.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <utility>

#include "tests/support/raw_client.h"
#include "tests/support/resp.h"

namespace weir::harness {

std::string RedisServer::binary() {
  const char* other = getenv("WEIR_TEST_REDIS_SERVER");
  return other != nullptr ? other : "redis-server";
}

RedisServer::RedisServer(std::vector<std::string> args) : args_(std::move(args)) { Start(); }

void RedisServer::Start() {
  std::vector<std::string> argv = {binary(),
                                   "--port",
                                   std::to_string(port()),
                                   "--bind",
                                   "127.0.0.1",
                                   "--unixsocket",
                                   unix_path(),
                                   "--dir",
                                   dir_.path(),
                                   "--save",
                                   "",
                                   "--appendonly",
                                   "no",
                                   "--daemonize",
                                   "no"};
  argv.insert(argv.end(), args_.begin(), args_.end());
  process_ = std::make_unique<Process>(argv, dir_.path() + "/redis.log");
  const bool listening =
      Eventually([this] { return !process_->Running() || static_cast<bool>(ConnectTo(port())); });
  if (!listening || !process_->Running()) {
    ADD_FAILURE() << binary() << " did not start:\n" << process_->output();
  }
}

void RedisServer::Kill() { process_->Kill(); }

void RedisServer::Restart() {
  Kill();
  Start();
}

void RedisServer::Replace(std::vector<std::string> args) {
  args_ = std::move(args);
  Kill();
  Restart();
}

void RedisServer::Pause() {
  process_->Signal(SIGSTOP);
  // The signal takes effect when the process next runs; it has when its state says so.
  Eventually([this] {
    const std::string stat = ReadFile("/proc/" + std::to_string(process_->pid()) + "/stat");
    return stat.find(") T ") != std::string::npos;
  });
}

void RedisServer::Resume() { process_->Signal(SIGCONT); }

std::string RedisServer::Info(const std::string& section, const std::string& name) {
  RawClient client(port());
  return ParseInfo(client.Text({"INFO", section}))[name];
}

int64_t RedisServer::Calls(const std::string& command) {
  const std::string stats = Info("commandstats", "cmdstat_" + command);
  return stats.empty() ? 0 : std::stoll(stats.substr(stats.find('=') + 1));
}

}  // namespace weir::harness
