// The HTTP server of admin: what it takes for a request, and what its bounds do.
#include "proxy/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "plugins/text.h"
#include "proxy/http_message.h"
#include "tests/proxy/http_client.h"

namespace weir {
namespace {

using harness::ConnectTo;
using harness::Fd;
using harness::Get;
using harness::HttpReply;
using harness::NowMs;
using harness::ReadHttpReply;
using harness::SendHttp;
using testing::HasSubstr;

struct ParseCase {
  std::string bytes;
  HttpParseStatus status;
  std::string_view method = "";
  std::string_view path = "";
};

TEST(HttpMessage, IsReadOrRefused) {
  using enum HttpParseStatus;
  const ParseCase cases[] = {
      {"GET / HTTP/1.1\r\n\r\n", kRequest, "GET", "/"},
      {"GET /metrics?a=/b HTTP/1.0\r\nHost: x\r\n\r\nrest", kRequest, "GET", "/metrics"},
      {"HEAD /readyz HTTP/1.1\nHost: x\n\n", kRequest, "HEAD", "/readyz"},
      {"GET / HTTP/2.0\r\n\r\n", kWrongVersion},
      {"GET / HTTP/1.10\r\n\r\n", kWrongVersion},
      {"GET /\r\n\r\n", kMalformed},
      {"GET  / HTTP/1.1\r\n\r\n", kMalformed},
      {"GET / x HTTP/1.1\r\n\r\n", kMalformed},
      {"GET /\x01 HTTP/1.1\r\n\r\n", kMalformed},
      {"GET / FTP/1.1\r\n\r\n", kMalformed},
      {"get / HTTP/1.1\r\n\r\n", kMalformed},
      {"\r\nGET / HTTP/1.1\r\n\r\n", kMalformed},
      {"*1\r\n$4\r\nPING\r\n", kMalformed},
      {std::string("\0", 1), kMalformed},
      {" ", kMalformed},
      {"GET x", kMalformed},
      {"", kNeedMore},
      {"GET", kNeedMore},
      {"GET / HTTP/1.1\r\nHost: x\r\n", kNeedMore},
  };
  for (const ParseCase& expected : cases) {
    HttpRequest request;
    EXPECT_EQ(ParseHttpRequest(expected.bytes, &request), expected.status) << expected.bytes;
    EXPECT_EQ(request.method, expected.method);
    EXPECT_EQ(request.path, expected.path);
  }
}

TEST(HttpMessage, IsNoRequestBeforeItsHeadEnds) {
  const std::string head = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n";
  for (size_t cut = 0; cut < head.size(); ++cut) {
    HttpRequest request;
    EXPECT_EQ(ParseHttpRequest(std::string_view(head).substr(0, cut), &request),
              HttpParseStatus::kNeedMore)
        << cut;
  }
}

TEST(HttpMessage, IsWrittenWithItsLength) {
  const weir::HttpReply reply{.status = 405, .body = "no\n", .allow = "GET"};
  const std::string head =
      "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain; charset=utf-8\r\n"
      "Content-Length: 3\r\nCache-Control: no-store\r\nConnection: close\r\nAllow: GET\r\n\r\n";
  EXPECT_EQ(FormatHttpReply(reply, true), head + "no\n");
  EXPECT_EQ(FormatHttpReply(reply, false), head);
}

// Answers each path with itself; "/large" with more than sockets hold.
class HttpServerTest : public testing::Test {
 protected:
  static constexpr size_t kLargeBytes = 32 << 20;

  void Start(const HttpLimits& limits = {}) {
    auto server = HttpServer::Start(
        "127.0.0.1:0",
        [](const HttpRequest& request) -> weir::HttpReply {
          if (request.path == "/large") return {200, std::string(kLargeBytes, 'x')};
          return {200, std::string(request.path)};
        },
        limits);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    port_ = static_cast<uint16_t>(
        std::stoi(server_->address().substr(server_->address().rfind(':') + 1)));
  }

  std::unique_ptr<HttpServer> server_;
  uint16_t port_ = 0;
};

TEST_F(HttpServerTest, ReadsRequestsByteByByte) {
  Start();
  const Fd fd = ConnectTo(port_);
  for (const char c : std::string_view("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")) {
    ASSERT_EQ(send(fd.get(), &c, 1, MSG_NOSIGNAL), 1);
  }
  EXPECT_EQ(ReadHttpReply(fd.get()).body, "/slow");
}

TEST_F(HttpServerTest, WritesLargeRepliesWhole) {
  Start();
  EXPECT_EQ(Get(port_, "/large").body.size(), kLargeBytes);
  EXPECT_EQ(Get(port_, "/large", "HEAD").body, "");
}

// A reply must not be lost because the client said more than was read.
TEST_F(HttpServerTest, RepliesToThoseThatSayTooMuch) {
  Start();
  const std::string much(1 << 20, 'h');
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(SendHttp(port_, "POST /x HTTP/1.1\r\nContent-Length: 1048576\r\n\r\n" + much).body,
              "/x");
    EXPECT_EQ(SendHttp(port_, "GET /" + much).status, 431);
    EXPECT_EQ(SendHttp(port_, "GET / HTTP/1.1\r\n" + much + ": 1\r\n\r\n").status, 431);
    EXPECT_EQ(SendHttp(port_, much).status, 400);
  }
}

TEST_F(HttpServerTest, SurvivesWhatIsNotHttp) {
  Start();
  EXPECT_EQ(SendHttp(port_, "*1\r\n$4\r\nPING\r\n").status, 400);
  EXPECT_EQ(SendHttp(port_, std::string(3, '\0') + "\r\n\r\n").status, 400);
  EXPECT_EQ(SendHttp(port_, "GET\r\n\r\n").status, 400);
  EXPECT_EQ(SendHttp(port_, "GET / HTTP/9.9\r\n\r\n").status, 505);
  EXPECT_EQ(Get(port_, "/still").body, "/still");
}

TEST_F(HttpServerTest, AnswersOneRequestAConnection) {
  Start();
  const HttpReply reply = SendHttp(port_, "GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n");
  EXPECT_EQ(reply.body, "/1");
  EXPECT_THAT(reply.headers, HasSubstr("Connection: close\r\n"));
}

TEST_F(HttpServerTest, CutsOffThoseThatTakeTooLong) {
  Start({.exchange_timeout_ms = 200});
  const int64_t start_ms = NowMs();
  const Fd silent = ConnectTo(port_);
  const Fd half = ConnectTo(port_);
  send(half.get(), "GET /", 5, MSG_NOSIGNAL);
  EXPECT_EQ(ReadHttpReply(silent.get()).status, 0);
  EXPECT_EQ(ReadHttpReply(half.get()).status, 0);
  EXPECT_GE(NowMs() - start_ms, 200);
  EXPECT_EQ(Get(port_, "/next").body, "/next");
}

TEST_F(HttpServerTest, WaitsForNoSlowReader) {
  Start();
  const Fd slow = ConnectTo(port_);
  const std::string_view request = "GET /large HTTP/1.1\r\n\r\n";
  send(slow.get(), request.data(), request.size(), MSG_NOSIGNAL);
  EXPECT_EQ(Get(port_, "/next").body, "/next");
  EXPECT_EQ(ReadHttpReply(slow.get()).body.size(), kLargeBytes);
}

TEST_F(HttpServerTest, LetsThoseAboveItsBoundWait) {
  Start({.connections_max = 2, .exchange_timeout_ms = 300});
  const int64_t start_ms = NowMs();
  std::vector<Fd> silent;
  for (int i = 0; i < 2; ++i) silent.push_back(ConnectTo(port_));
  EXPECT_EQ(Get(port_, "/patient").body, "/patient");
  EXPECT_GE(NowMs() - start_ms, 300);
}

TEST_F(HttpServerTest, StopsAtOnceThoughExchangesGoOn) {
  Start();
  std::vector<Fd> silent;
  for (int i = 0; i < 10; ++i) silent.push_back(ConnectTo(port_));
  EXPECT_EQ(Get(port_, "/seen").body, "/seen");
  const int64_t start_ms = NowMs();
  server_.reset();
  EXPECT_LT(NowMs() - start_ms, 5000) << "it waited for an exchange's timeout";
  for (const Fd& fd : silent) EXPECT_EQ(ReadHttpReply(fd.get()).status, 0);
}

}  // namespace
}  // namespace weir
