// A real redis-server for a test, on a port that stays its own when it is killed and started again.
//
// With WEIR_TEST_REDIS_SERVER=PROGRAM in the environment that program is started instead: another
// version, or the valkey-server that `./dev conformance --valkey` unpacks under build/.
#ifndef WEIR_TESTS_SUPPORT_REDIS_SERVER_H_
#define WEIR_TESTS_SUPPORT_REDIS_SERVER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/net.h"
#include "tests/support/process.h"

namespace weir::harness {

class RedisServer {
 public:
  // Starts it and waits until it answers. `args` are added to the command line. It also listens on
  // unix_path(). Persists nothing.
  explicit RedisServer(std::vector<std::string> args = {});

  uint16_t port() const { return reservation_.port(); }
  std::string address() const { return reservation_.address(); }
  std::string url() const { return "redis://" + address(); }
  std::string unix_path() const { return dir_.path() + "/redis.sock"; }
  Process& process() { return *process_; }

  void Kill();                                  // SIGKILL; from then on connecting is refused
  void Restart();                               // starts it again, empty, on the same port
  void Replace(std::vector<std::string> args);  // the same by another one, with these arguments
  void Pause();                                 // SIGSTOP: accepts in the kernel, answers nothing
  void Resume();                                // SIGCONT

  static std::string binary();

  // INFO's value of that name, asked on a connection of its own.
  std::string Info(const std::string& section, const std::string& name);
  // How often a command ran, from INFO commandstats. "config|get" for subcommands.
  int64_t Calls(const std::string& command);

 private:
  void Start();

  TempDir dir_;
  PortReservation reservation_;
  std::vector<std::string> args_;
  std::unique_ptr<Process> process_;
};

}  // namespace weir::harness

#endif  // WEIR_TESTS_SUPPORT_REDIS_SERVER_H_
