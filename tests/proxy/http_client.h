// One HTTP exchange over a socket of its own, seen as bytes.
#ifndef WEIR_TESTS_PROXY_HTTP_CLIENT_H_
#define WEIR_TESTS_PROXY_HTTP_CLIENT_H_

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/support/net.h"

namespace weir::harness {

struct HttpReply {
  int status = 0;       // 0: closed without an answer
  std::string headers;  // with the status line
  std::string body;
};

// Reads until the server closes.
inline HttpReply ReadHttpReply(int fd) {
  std::string bytes;
  char buffer[65536];
  while (WaitFor(fd, POLLIN, kPatience_ms)) {
    const ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
    if (n <= 0) break;
    bytes.append(buffer, static_cast<size_t>(n));
  }
  HttpReply reply;
  const size_t end = bytes.find("\r\n\r\n");
  if (end == std::string::npos || !bytes.starts_with("HTTP/1.1 ")) return reply;
  reply.status = atoi(bytes.c_str() + 9);
  reply.headers = bytes.substr(0, end + 2);
  reply.body = bytes.substr(end + 4);
  return reply;
}

inline HttpReply SendHttp(uint16_t port, std::string_view request) {
  const Fd fd = ConnectTo(port);
  if (!fd) {
    ADD_FAILURE() << "nobody listens on port " << port;
    return {};
  }
  send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL);
  return ReadHttpReply(fd.get());
}

inline HttpReply Get(uint16_t port, const std::string& path, const std::string& method = "GET") {
  return SendHttp(port, method + " " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
}

}  // namespace weir::harness

#endif  // WEIR_TESTS_PROXY_HTTP_CLIENT_H_
