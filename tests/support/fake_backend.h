// A backend that answers what a test tells it to, sound or not, so that weir meets what no Redis
// would ever say.
#ifndef WEIR_TESTS_SUPPORT_FAKE_BACKEND_H_
#define WEIR_TESTS_SUPPORT_FAKE_BACKEND_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/net.h"

namespace weir::harness {

// What the backend does about one request.
struct Answer {
  std::string bytes;   // sent as they are; empty: it stays silent
  bool close = false;  // closes the connection after the bytes
  bool reset = false;  // or resets it
};

class FakeBackend {
 public:
  // Runs on the backend's thread for each request that is not part of a connection's handshake or
  // upkeep (HELLO, AUTH, SELECT, CLIENT, COMMAND, INFO, PING, ROLE), which it answers like an empty
  // Redis 7.0 in either protocol version.
  using Handler = std::function<Answer(const std::vector<std::string>& args)>;

  explicit FakeBackend(Handler handler);
  ~FakeBackend();

  uint16_t port() const { return reservation_.port(); }
  std::string address() const { return reservation_.address(); }
  std::string url() const { return "redis://" + address(); }

  // What it says to COMMAND, asked each time, in place of an empty array.
  void AnswerCommand(std::function<std::string()> answer);
  // Sends bytes that nobody asked for on every connection.
  void Say(const std::string& bytes);
  size_t connections() const;
  // Requests that reached the handler, in order of arrival.
  std::vector<std::vector<std::string>> requests() const;

 private:
  struct Core;

  PortReservation reservation_;
  std::unique_ptr<Core> core_;
};

}  // namespace weir::harness

#endif  // WEIR_TESTS_SUPPORT_FAKE_BACKEND_H_
