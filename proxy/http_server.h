// A small HTTP server on a thread of its own: one request a connection, bounded in every way.
//
// It does little, and that at once: IPv4 and IPv6, an old and a new process side by side on one
// port, an end that waits for nobody, and no client that can keep another from being answered for
// longer than the exchange's time.
#ifndef WEIR_PROXY_HTTP_SERVER_H_
#define WEIR_PROXY_HTTP_SERVER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "absl/status/statusor.h"
#include "proxy/http_message.h"

namespace weir {

struct HttpLimits {
  size_t connections_max = 64;           // more wait in the kernel's queue
  size_t request_head_bytes_max = 8192;  // longer: 431
  int64_t exchange_timeout_ms = 10000;   // from accepting to the last byte; then it is cut off
};

class HttpServer {
 public:
  // Called on the server's thread, one call at a time.
  using Handler = std::function<HttpReply(const HttpRequest&)>;

  // Listens on `address` ("127.0.0.1:9380", "[::1]:9380"; port 0: the system chooses) and answers
  // from then on. FailedPrecondition goes on from "cannot listen on ADDRESS: ".
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(std::string_view address,
                                                           Handler handler,
                                                           const HttpLimits& limits = {});
  // Cuts off exchanges that go on; waits only for a call of the handler.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // With the port that the system chose.
  const std::string& address() const { return address_; }

 private:
  struct Connection;

  HttpServer(Handler handler, const HttpLimits& limits);
  absl::Status Listen(std::string_view address);
  void Run();
  void WaitForEvents();
  void Accept();
  void Advance(Connection& connection);
  void Read(Connection& connection);
  void Write(Connection& connection);
  void Drain(Connection& connection);
  void Answer(Connection& connection, const HttpReply& reply, bool with_body = true);

  const Handler handler_;
  const HttpLimits limits_;
  int listen_fd_ = -1;
  int stop_fd_ = -1;  // an eventfd; readable: end
  std::string address_;
  std::list<Connection> connections_;  // oldest first; the thread's
  bool stopped_ = false;               // the thread's
  std::thread thread_;
};

}  // namespace weir

#endif  // WEIR_PROXY_HTTP_SERVER_H_
