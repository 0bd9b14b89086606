// Admin HTTP, asked over real sockets on a port that the system chose.
#include "proxy/admin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

#include "plugins/text.h"
#include "proxy/net/address.h"
#include "proxy/node_states.h"
#include "proxy/process_metrics.h"
#include "proxy/stats.h"
#include "tests/proxy/http_client.h"
#include "tests/proxy/promtool.h"

namespace weir {
namespace {

using harness::ConnectTo;
using harness::Fd;
using harness::Get;
using harness::HttpReply;
using harness::NowMs;
using harness::ReadHttpReply;
using harness::SendHttp;
using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class FakeProcess final : public AdminSource {
 public:
  std::vector<uint64_t> HeartbeatAgesMs() override {
    const std::lock_guard lock(mutex_);
    return ages_ms_;
  }
  std::vector<std::string> NotReady() override {
    const std::lock_guard lock(mutex_);
    return not_ready_;
  }
  std::vector<std::shared_ptr<const MetricsSource>> MetricsSources() override {
    return {std::make_shared<ProcessMetrics>(
        std::vector<const WorkerStats*>{&stats_[0], &stats_[1]}, &nodes_)};
  }

  void SetAges(std::vector<uint64_t> ages_ms) {
    const std::lock_guard lock(mutex_);
    ages_ms_ = std::move(ages_ms);
  }
  void SetNotReady(std::vector<std::string> reasons) {
    const std::lock_guard lock(mutex_);
    not_ready_ = std::move(reasons);
  }

 private:
  std::mutex mutex_;
  std::vector<uint64_t> ages_ms_ = {0, 0};
  std::vector<std::string> not_ready_;
  WorkerStats stats_[2];
  NodeStates nodes_;
};

uint16_t PortOf(const Admin& admin) {
  const std::string& address = admin.address();
  return static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
}

class AdminTest : public testing::Test {
 protected:
  AdminTest() : admin_(Admin::Start("127.0.0.1:0", &process_).value()), port_(PortOf(*admin_)) {}

  FakeProcess process_;
  const std::unique_ptr<Admin> admin_;
  const uint16_t port_;
};

TEST_F(AdminTest, SaysWhereItListens) {
  EXPECT_NE(port_, 0);
  EXPECT_EQ(admin_->address(), Concat("127.0.0.1:", port_));
}

TEST_F(AdminTest, HasAnIndex) {
  const HttpReply reply = Get(port_, "/");
  EXPECT_EQ(reply.status, 200);
  EXPECT_THAT(reply.body,
              AllOf(HasSubstr("/metrics"), HasSubstr("/healthz"), HasSubstr("/readyz")));
  EXPECT_THAT(reply.headers, HasSubstr(Concat("Content-Length: ", reply.body.size(), "\r\n")));
}

TEST_F(AdminTest, ServesMetricsThatPrometheusLikes) {
  const HttpReply reply = Get(port_, "/metrics");
  EXPECT_EQ(reply.status, 200);
  EXPECT_THAT(reply.headers,
              HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
  EXPECT_THAT(reply.body, HasSubstr("\nweir_clients{worker=\"1\"} 0\n"));
  EXPECT_EQ(harness::CheckWithPromtool(reply.body), "");
  EXPECT_EQ(Get(port_, "/metrics?name=weir_clients").status, 200);
}

TEST_F(AdminTest, NamesWorkersThatHang) {
  EXPECT_EQ(Get(port_, "/healthz").body, "ok\n");
  process_.SetAges({Admin::kHeartbeatAgeMaxMs, 7200});
  const HttpReply reply = Get(port_, "/healthz");
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.body, "worker 1: its event loop has not turned for 7200 ms\n");
  process_.SetAges({0, 0});
  EXPECT_EQ(Get(port_, "/healthz").status, 200);
}

TEST_F(AdminTest, SaysWhyItIsNotReady) {
  EXPECT_EQ(Get(port_, "/readyz").body, "ok\n");
  process_.SetNotReady({"draining", "upstream default: no node is up"});
  const HttpReply reply = Get(port_, "/readyz");
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.body, "draining\nupstream default: no node is up\n");
  EXPECT_EQ(Get(port_, "/healthz").status, 200);
}

TEST_F(AdminTest, AnswersHeadWithoutTheBody) {
  const HttpReply reply = Get(port_, "/healthz", "HEAD");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, "");
  EXPECT_THAT(reply.headers, HasSubstr("Content-Length: 3\r\n"));
}

TEST_F(AdminTest, RefusesOtherMethods) {
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS"}) {
    const HttpReply reply = Get(port_, "/metrics", method);
    EXPECT_EQ(reply.status, 405) << method;
    EXPECT_THAT(reply.headers, HasSubstr("Allow: GET, HEAD\r\n"));
  }
  EXPECT_EQ(
      SendHttp(port_, "POST /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello").status,
      405);
}

// A reply must not be lost because the client said more than a method.
TEST_F(AdminTest, ReadsBodiesToTheirEndOrToTheBound) {
  const AdminLimits limits;
  const std::string post = "POST /metrics HTTP/1.1\r\nHost: x\r\n";
  const std::string body(limits.body_bytes_max, 'b');
  const auto length = [](size_t bytes) { return Concat("Content-Length: ", bytes, "\r\n\r\n"); };
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(SendHttp(port_, post + length(body.size()) + body).status, 405);
    EXPECT_EQ(SendHttp(port_, post + length(body.size() + 1) + body + "b").status, 0);
  }
  EXPECT_EQ(
      SendHttp(port_, post + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n").status,
      405);
}

TEST_F(AdminTest, KnowsNoOtherPage) {
  for (const char* path : {"/metric", "/metrics/", "/etc/passwd", "/../../../../etc/passwd",
                           "/%2e%2e/etc/passwd", "/index.html", "/readyz%00", "/METRICS"}) {
    const HttpReply reply = Get(port_, path);
    EXPECT_EQ(reply.status, 404) << path;
    EXPECT_THAT(reply.body, Not(HasSubstr("root:"))) << path;
  }
}

TEST_F(AdminTest, ServesSeveralAtOnce) {
  std::vector<std::thread> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([this] {
      for (int n = 0; n < 20; ++n) {
        EXPECT_EQ(Get(port_, n % 2 == 0 ? "/metrics" : "/readyz").status, 200);
      }
    });
  }
  for (std::thread& client : clients) client.join();
}

TEST_F(AdminTest, ReadsRequestsByteByByte) {
  const Fd fd = ConnectTo(port_);
  for (const char c : std::string_view("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")) {
    ASSERT_EQ(send(fd.get(), &c, 1, MSG_NOSIGNAL), 1);
  }
  EXPECT_EQ(ReadHttpReply(fd.get()).body, "ok\n");
}

TEST_F(AdminTest, AnswersOneRequestAConnection) {
  const HttpReply reply =
      SendHttp(port_, "GET /healthz HTTP/1.1\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n");
  EXPECT_EQ(reply.body, "ok\n");
  EXPECT_THAT(reply.headers, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(reply.headers, HasSubstr("Cache-Control: no-store\r\n"));
}

TEST_F(AdminTest, SurvivesWhatIsNotHttp) {
  const std::string much(1 << 20, 'h');
  const std::string nonsense[] = {"*1\r\n$4\r\nPING\r\n",
                                  std::string("\0\x01\r\n\r\n", 6),
                                  "GET\r\n\r\n",
                                  "GET /\r\n\r\n",
                                  "GET / HTTP/9.9\r\n\r\n",
                                  "GET / FTP/1.1\r\n\r\n",
                                  "GET /" + much,
                                  "GET / HTTP/1.1\r\n" + much + ": 1\r\n\r\n",
                                  much};
  for (const std::string& bytes : nonsense) {
    const Fd fd = ConnectTo(port_);
    send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    shutdown(fd.get(), SHUT_WR);
    const int status = ReadHttpReply(fd.get()).status;
    EXPECT_TRUE(status == 0 || status >= 400) << status << " to " << bytes.substr(0, 40);
  }
  EXPECT_EQ(Get(port_, "/healthz").body, "ok\n");
}

// They give up their places at once, not when the timeout has passed.
TEST_F(AdminTest, NoticesThatClientsLeave) {
  const int64_t start_ms = NowMs();
  for (int i = 0; i < 200; ++i) {
    const Fd fd = ConnectTo(port_);
    send(fd.get(), "GET /he", 7, MSG_NOSIGNAL);
    shutdown(fd.get(), SHUT_WR);
    EXPECT_EQ(ReadHttpReply(fd.get()).status, 0);
  }
  EXPECT_LT(NowMs() - start_ms, 1000 * AdminLimits().idle_timeout_s);
}

TEST_F(AdminTest, RefusesHeadsAboveTheBound) {
  const std::string much(AdminLimits().connection_bytes_max, 'h');
  EXPECT_EQ(Get(port_, "/" + much).status, 414);
  EXPECT_EQ(SendHttp(port_, "GET / HTTP/1.1\r\nX: " + much + "\r\n\r\n").status, 431);
}

// More than sockets hold.
TEST_F(AdminTest, WaitsForNoSlowReader) {
  const std::string reason(32 << 20, 'x');
  process_.SetNotReady({reason});
  const Fd slow = ConnectTo(port_);
  const std::string_view request = "GET /readyz HTTP/1.1\r\n\r\n";
  send(slow.get(), request.data(), request.size(), MSG_NOSIGNAL);
  EXPECT_EQ(Get(port_, "/healthz").body, "ok\n");
  EXPECT_EQ(ReadHttpReply(slow.get()).body, reason + "\n");
  EXPECT_EQ(Get(port_, "/readyz", "HEAD").body, "");
}

TEST(Admin, CutsOffThoseThatStaySilent) {
  FakeProcess process;
  const auto admin = Admin::Start("127.0.0.1:0", &process, {.idle_timeout_s = 1}).value();
  const int64_t start_ms = NowMs();
  const Fd silent = ConnectTo(PortOf(*admin));
  const Fd half = ConnectTo(PortOf(*admin));
  send(half.get(), "GET /", 5, MSG_NOSIGNAL);
  EXPECT_EQ(ReadHttpReply(silent.get()).status, 0);
  EXPECT_THAT(ReadHttpReply(half.get()).status, AnyOf(0, 408));
  EXPECT_GE(NowMs() - start_ms, 1000);
}

TEST_F(AdminTest, AnswersBesideSilentClients) {
  std::vector<Fd> silent;
  for (unsigned i = 0; i + 1 < AdminLimits().connections_max; ++i) {
    silent.push_back(ConnectTo(port_));
  }
  const int64_t start_ms = NowMs();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Get(port_, "/healthz").body, "ok\n");
  EXPECT_LT(NowMs() - start_ms, 1000 * AdminLimits().idle_timeout_s)
      << "it waited for a silent one";
}

TEST(Admin, LetsThoseAboveItsBoundWait) {
  FakeProcess process;
  const auto admin =
      Admin::Start("127.0.0.1:0", &process, {.connections_max = 2, .idle_timeout_s = 1}).value();
  const int64_t start_ms = NowMs();
  std::vector<Fd> silent;
  for (int i = 0; i < 2; ++i) silent.push_back(ConnectTo(PortOf(*admin)));
  EXPECT_EQ(Get(PortOf(*admin), "/healthz").body, "ok\n");
  EXPECT_GE(NowMs() - start_ms, 1000);
}

// A byte now and then is not silence: whoever dripped one request on each of the places kept
// everybody else out for as long as he liked.
TEST(Admin, EndsRequestsThatDrip) {
  FakeProcess process;
  const auto admin = Admin::Start("127.0.0.1:0", &process,
                                  {.connections_max = 4, .idle_timeout_s = 30, .exchange_max_s = 1})
                         .value();
  const uint16_t port = PortOf(*admin);
  std::vector<Fd> dripping;
  for (int i = 0; i < 4; ++i) {
    dripping.push_back(ConnectTo(port));
    send(dripping.back().get(), "GET /", 5, MSG_NOSIGNAL);
  }
  std::atomic<bool> stop{false};
  std::thread drips([&] {
    while (!stop) {
      for (const Fd& fd : dripping) send(fd.get(), "x", 1, MSG_NOSIGNAL);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  });
  EXPECT_EQ(Get(port, "/healthz").body, "ok\n");
  stop = true;
  drips.join();
  for (const Fd& fd : dripping) EXPECT_THAT(ReadHttpReply(fd.get()).status, AnyOf(0, 408));
}

// Nor may one hold a place by reading its reply for ever.
TEST(Admin, EndsRepliesThatAreNotRead) {
  FakeProcess process;
  process.SetNotReady({std::string(32 << 20, 'x')});
  const auto admin = Admin::Start("127.0.0.1:0", &process,
                                  {.connections_max = 1, .idle_timeout_s = 30, .exchange_max_s = 1})
                         .value();
  const Fd slow = ConnectTo(PortOf(*admin));
  const std::string_view request = "GET /readyz HTTP/1.1\r\n\r\n";
  send(slow.get(), request.data(), request.size(), MSG_NOSIGNAL);
  EXPECT_EQ(Get(PortOf(*admin), "/healthz").body, "ok\n");
}

TEST(Admin, StopsAtOnceThoughExchangesGoOn) {
  FakeProcess process;
  process.SetNotReady({std::string(32 << 20, 'x')});
  auto admin = Admin::Start("127.0.0.1:0", &process).value();
  const uint16_t port = PortOf(*admin);
  std::vector<Fd> silent;
  for (int i = 0; i < 10; ++i) silent.push_back(ConnectTo(port));
  const Fd slow = ConnectTo(port);
  const std::string_view request = "GET /readyz HTTP/1.1\r\n\r\n";
  send(slow.get(), request.data(), request.size(), MSG_NOSIGNAL);
  EXPECT_EQ(Get(port, "/healthz").body, "ok\n");
  const int64_t start_ms = NowMs();
  admin.reset();
  EXPECT_LT(NowMs() - start_ms, 5000) << "it waited for an exchange's timeout";
  for (const Fd& fd : silent) EXPECT_EQ(ReadHttpReply(fd.get()).status, 0);
  EXPECT_FALSE(ConnectTo(port));
}

TEST(Admin, SaysWhichAddressItCannotHave) {
  FakeProcess process;
  const Fd other = harness::ListenOn(0);
  const std::string address = Address::LocalOf(other.get()).ToString();
  const auto admin = Admin::Start(address, &process);
  ASSERT_FALSE(admin.ok());
  EXPECT_EQ(Message(admin.status()),
            Concat("admin HTTP cannot listen on ", address, ": Address already in use"));
  EXPECT_THAT(std::string(Message(Admin::Start("192.0.2.1:0", &process).status())),
              HasSubstr("Cannot assign requested address"));
  EXPECT_FALSE(Admin::Start("localhost:0", &process).ok());
}

// A new process takes over while the old one still drains.
TEST(Admin, LetsOldAndNewListenSideBySide) {
  FakeProcess process;
  auto old_admin = Admin::Start("127.0.0.1:0", &process);
  ASSERT_TRUE(old_admin.ok());
  const auto new_admin = Admin::Start((*old_admin)->address(), &process);
  ASSERT_TRUE(new_admin.ok()) << Message(new_admin.status());
  old_admin->reset();
  EXPECT_EQ(Get(PortOf(**new_admin), "/healthz").status, 200);
}

TEST(Admin, ListensOnIpv6) {
  FakeProcess process;
  const auto admin = Admin::Start("[::1]:0", &process);
  ASSERT_TRUE(admin.ok()) << Message(admin.status());
  EXPECT_THAT((*admin)->address(), StartsWith("[::1]:"));
}

TEST(Admin, CanBeStoppedAndStartedAgain) {
  FakeProcess process;
  auto admin = Admin::Start("127.0.0.1:0", &process);
  ASSERT_TRUE(admin.ok());
  const std::string address = (*admin)->address();
  EXPECT_EQ(Get(PortOf(**admin), "/healthz").status, 200);
  admin->reset();
  admin = Admin::Start(address, &process);
  ASSERT_TRUE(admin.ok()) << Message(admin.status());
  EXPECT_EQ(Get(PortOf(**admin), "/healthz").status, 200);
}

}  // namespace
}  // namespace weir
