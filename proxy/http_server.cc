// Exchanges as a state machine over non-blocking sockets and poll(2).
//
//   kReading --head whole, or wrong--> kWriting --all written--> kDraining --peer closed--> kOver
//
// A socket that is closed while bytes of the peer's lie unread is reset, which may destroy the
// reply on its way. So the server says that it is done (shutdown) and reads on until the peer is.
#include "proxy/http_server.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>
#include <vector>

#include "plugins/text.h"
#include "proxy/listen_address.h"

namespace weir {
namespace {

int64_t NowMs() {
  using std::chrono::steady_clock;
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             steady_clock::now().time_since_epoch())
      .count();
}

bool WouldBlock() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

absl::Status SystemError(std::string_view prefix = "") {
  const std::string message = Concat(prefix, std::strerror(errno));
  return absl::FailedPreconditionError(message);
}

}  // namespace

struct HttpServer::Connection {
  enum class State : uint8_t { kReading, kWriting, kDraining, kOver };

  Connection(int socket, int64_t cut_off_ms) : fd(socket), deadline_ms(cut_off_ms) {}
  ~Connection() { ::close(fd); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const int fd;
  const int64_t deadline_ms;
  State state = State::kReading;
  std::string head;   // read so far
  std::string reply;  // to write
  size_t written = 0;
  bool ready = false;  // poll says that it can go on
};

HttpServer::HttpServer(Handler handler, const HttpLimits& limits)
    : handler_(std::move(handler)), limits_(limits) {}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(std::string_view address,
                                                              Handler handler,
                                                              const HttpLimits& limits) {
  std::unique_ptr<HttpServer> server(new HttpServer(std::move(handler), limits));
  if (const absl::Status status = server->Listen(address); !status.ok()) return status;
  server->thread_ = std::thread([raw = server.get()] { raw->Run(); });
  return server;
}

HttpServer::~HttpServer() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    // Cannot fail: the counter is far from full.
    [[maybe_unused]] const ssize_t n = ::write(stop_fd_, &one, sizeof(one));
    thread_.join();
  }
  if (listen_fd_ >= 0) ::close(listen_fd_);
  if (stop_fd_ >= 0) ::close(stop_fd_);
}

absl::Status HttpServer::Listen(std::string_view text) {
  const absl::StatusOr<Address> address = ParseTcpAddress(text);
  if (!address.ok()) return address.status();
  stop_fd_ = ::eventfd(0, EFD_CLOEXEC);
  if (stop_fd_ < 0) return SystemError("eventfd: ");
  listen_fd_ = ::socket(address->family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listen_fd_ < 0) return SystemError();
  const int on = 1;
  ::setsockopt(listen_fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  // So that an old process and the new one that takes over can listen side by side.
  ::setsockopt(listen_fd_, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
  if (address->family() == AF_INET6) {
    ::setsockopt(listen_fd_, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  }
  if (::bind(listen_fd_, address->get(), address->length()) != 0) return SystemError();
  if (::listen(listen_fd_, static_cast<int>(limits_.connections_max)) != 0) return SystemError();
  address_ = Address::LocalOf(listen_fd_).ToString();
  return absl::OkStatus();
}

void HttpServer::Run() {
  while (!stopped_) {
    WaitForEvents();
    const int64_t now_ms = NowMs();
    for (Connection& connection : connections_) {
      if (connection.ready) Advance(connection);
      if (connection.deadline_ms <= now_ms) connection.state = Connection::State::kOver;
    }
    connections_.remove_if(
        [](const Connection& connection) { return connection.state == Connection::State::kOver; });
  }
  connections_.clear();
}

void HttpServer::WaitForEvents() {
  const bool has_room = connections_.size() < limits_.connections_max;
  std::vector<pollfd> polled = {{stop_fd_, POLLIN, 0},
                                {listen_fd_, static_cast<short>(has_room ? POLLIN : 0), 0}};
  for (const Connection& connection : connections_) {
    const bool writes = connection.state == Connection::State::kWriting;
    polled.push_back({connection.fd, static_cast<short>(writes ? POLLOUT : POLLIN), 0});
  }
  // All have the same time, so the oldest is the first to be cut off.
  const int64_t timeout_ms =
      connections_.empty() ? -1 : std::max<int64_t>(connections_.front().deadline_ms - NowMs(), 0);
  ::poll(polled.data(), polled.size(), static_cast<int>(timeout_ms));
  size_t i = 2;
  for (Connection& connection : connections_) connection.ready = polled[i++].revents != 0;
  stopped_ = polled[0].revents != 0;
  if (polled[1].revents != 0) Accept();
}

void HttpServer::Accept() {
  const int fd = ::accept4(listen_fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) {
    connections_.emplace_back(fd, NowMs() + limits_.exchange_timeout_ms);
    return;
  }
  // Without a descriptor to spare, the listener would stay readable and the thread turn idly. Give
  // up the oldest exchange instead; without one, wait a little for the rest of the process.
  if (errno != EMFILE && errno != ENFILE) return;
  if (!connections_.empty()) {
    connections_.pop_front();
  } else {
    pollfd stop = {stop_fd_, POLLIN, 0};
    ::poll(&stop, 1, 100);
  }
}

void HttpServer::Advance(Connection& connection) {
  if (connection.state == Connection::State::kReading) Read(connection);
  if (connection.state == Connection::State::kWriting) Write(connection);
  if (connection.state == Connection::State::kDraining) Drain(connection);
}

void HttpServer::Read(Connection& connection) {
  std::array<char, 2048> buffer;
  const ssize_t n = ::recv(connection.fd, buffer.data(), buffer.size(), 0);
  if (n < 0 && WouldBlock()) return;
  if (n <= 0) {
    connection.state = Connection::State::kOver;
    return;
  }
  connection.head.append(buffer.data(), static_cast<size_t>(n));
  HttpRequest request;
  switch (ParseHttpRequest(connection.head, &request)) {
    case HttpParseStatus::kNeedMore:
      if (connection.head.size() > limits_.request_head_bytes_max) {
        Answer(connection, {431, "the request is too long\n"});
      }
      return;
    case HttpParseStatus::kMalformed:
      return Answer(connection, {400, "this is not HTTP\n"});
    case HttpParseStatus::kWrongVersion:
      return Answer(connection, {505, "only HTTP/1.0 and HTTP/1.1\n"});
    case HttpParseStatus::kRequest:
      return Answer(connection, handler_(request), request.method != "HEAD");
  }
}

void HttpServer::Answer(Connection& connection, const HttpReply& reply, bool with_body) {
  connection.reply = FormatHttpReply(reply, with_body);
  connection.state = Connection::State::kWriting;
}

void HttpServer::Write(Connection& connection) {
  const std::string_view rest = std::string_view(connection.reply).substr(connection.written);
  const ssize_t n = ::send(connection.fd, rest.data(), rest.size(), MSG_NOSIGNAL);
  if (n < 0) {
    if (!WouldBlock()) connection.state = Connection::State::kOver;
    return;
  }
  connection.written += static_cast<size_t>(n);
  if (connection.written < connection.reply.size()) return;
  ::shutdown(connection.fd, SHUT_WR);
  connection.state = Connection::State::kDraining;
}

void HttpServer::Drain(Connection& connection) {
  std::array<char, 16384> buffer;
  const ssize_t n = ::recv(connection.fd, buffer.data(), buffer.size(), 0);
  if (n == 0 || (n < 0 && !WouldBlock())) connection.state = Connection::State::kOver;
}

}  // namespace weir
