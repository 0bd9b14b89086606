// The program under test, started as its users start it: with a configuration file, as a process.
//
// With WEIR_TEST_DIRECT=1 in the environment no weir is started and port() is Redis' own: what a
// test says Redis does, Redis then does itself. It proves the test, not weir; tests of what only
// weir does fail then.
#ifndef WEIR_TESTS_SUPPORT_WEIR_SERVER_H_
#define WEIR_TESTS_SUPPORT_WEIR_SERVER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/net.h"
#include "tests/support/process.h"

namespace weir::harness {

class RedisServer;

// The lines of a configuration, by table; each text is TOML ("request_timeout_ms = 100\n").
struct WeirConfig {
  std::string url;  // of the upstream "default"
  int workers = 2;
  std::string top;                       // before all tables
  std::string upstream;                  // in [upstream.default]
  std::string listener;                  // in the one [[listener]], whose address is given
  std::string limits;                    // in [limits]
  std::string commands;                  // in [commands]
  std::string rest;                      // further tables, whole
  bool admin = false;                    // admin HTTP on admin_port()
  std::vector<std::string> environment;  // "NAME=value" additions
};

class WeirServer {
 public:
  // Starts weir and waits until it says that it is ready.
  explicit WeirServer(WeirConfig config);
  explicit WeirServer(const RedisServer& redis);  // all defaults, two workers
  // Asks it to end (SIGTERM) unless the test has ended it, and fails the test when its exit code is
  // not 0 or when it printed a sanitizer's report.
  ~WeirServer();
  WeirServer(const WeirServer&) = delete;
  WeirServer& operator=(const WeirServer&) = delete;

  uint16_t port() const;
  uint16_t admin_port() const { return admin_reservation_.port(); }
  Process& process() const { return *process_; }
  // SIGTERM, then expects exit code 0 within the drain time-out. Answers how long it took.
  int64_t Terminate();
  // The value of `name` in INFO weir, as text; asked on a new connection.
  std::string Info(const std::string& name);

  static bool direct();
  static std::string binary();

 private:
  std::string Toml(const WeirConfig& config) const;
  bool ToldReady(int notify_fd) const;

  TempDir dir_;
  PortReservation reservation_;
  PortReservation admin_reservation_;
  uint16_t direct_port_ = 0;
  std::unique_ptr<Process> process_;
};

// What comes from an HTTP GET on a loopback port.
struct HttpResponse {
  int status = 0;  // 0: no answer
  std::string body;
};
HttpResponse HttpGet(uint16_t port, const std::string& path);

}  // namespace weir::harness

#endif  // WEIR_TESTS_SUPPORT_WEIR_SERVER_H_
