// Admin HTTP: metrics that Prometheus accepts, and health that means what it says.
#include <string>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

class AdminTest : public ::testing::Test {
 protected:
  static WeirConfig Config(const RedisServer& redis) {
    WeirConfig config;
    config.url = redis.url();
    config.admin = true;
    config.upstream = "health_check_interval_ms = 100\nreconnect_max_ms = 100\n";
    return config;
  }
  // weir listens for clients a moment before it listens here.
  void SetUp() override {
    ASSERT_TRUE(Eventually([&] { return static_cast<bool>(ConnectTo(weir_.admin_port())); }));
  }
  RedisServer redis_;
  WeirServer weir_{Config(redis_)};
};

TEST_F(AdminTest, MetricsPassPromtool) {
  RawClient client(weir_.port());
  for (int i = 0; i < 100; ++i) {
    client.Text({"SET", "k" + std::to_string(i), "v"});
    client.Text({"GET", "k" + std::to_string(i)});
  }
  client.Text({"NOSUCH"});
  client.Text({"GET"});
  client.Text({"SHUTDOWN"});
  const HttpResponse metrics = HttpGet(weir_.admin_port(), "/metrics");
  ASSERT_EQ(metrics.status, 200);
  EXPECT_NE(metrics.body.find("weir_"), std::string::npos);
  EXPECT_EQ(metrics.body.find("k42"), std::string::npos) << "a key in a label";
  const TempDir dir;
  const std::string path = dir.Write("metrics", metrics.body);
  const RunResult result =
      RunToEnd({"sh", "-c", "exec promtool check metrics < '" + path + "'"}, kPatience_ms);
  EXPECT_EQ(result.exit_code, 0) << result.output << metrics.body.substr(0, 3000);
}

// A client may not make labels: neither unknown commands nor error texts of its own choice.
TEST_F(AdminTest, LabelsAreBounded) {
  RawClient client(weir_.port());
  client.Text({"PING"});
  client.Text({"NOSUCHCOMMAND0"});
  client.Command({"EVAL", "return redis.error_reply('MYERR0 x')", "0"});
  const size_t before = HttpGet(weir_.admin_port(), "/metrics").body.size();
  for (int i = 1; i < 500; ++i) {
    client.Text({"NOSUCHCOMMAND" + std::to_string(i)});
    client.Command({"EVAL", "return redis.error_reply('MYERR" + std::to_string(i) + " x')", "0"});
  }
  const std::string after = HttpGet(weir_.admin_port(), "/metrics").body;
  EXPECT_EQ(after.find("NOSUCHCOMMAND499"), std::string::npos);
  EXPECT_LT(after.size(), before + 20000);
}

TEST_F(AdminTest, HealthAndReadiness) {
  RawClient client(weir_.port());
  ASSERT_EQ(client.Text({"SET", "k", "v"}), "OK");
  EXPECT_EQ(HttpGet(weir_.admin_port(), "/healthz").status, 200);
  EXPECT_TRUE(Eventually([&] { return HttpGet(weir_.admin_port(), "/readyz").status == 200; }));
  redis_.Kill();
  EXPECT_TRUE(Eventually([&] { return HttpGet(weir_.admin_port(), "/readyz").status == 503; }))
      << "Redis is down";
  EXPECT_EQ(HttpGet(weir_.admin_port(), "/healthz").status, 200) << "weir itself is well";
  redis_.Restart();
  EXPECT_TRUE(Eventually([&] { return HttpGet(weir_.admin_port(), "/readyz").status == 200; }))
      << "Redis is back";
}

TEST_F(AdminTest, UnknownPathsAndNonsense) {
  EXPECT_EQ(HttpGet(weir_.admin_port(), "/nosuch").status, 404);
  RawClient noise(weir_.admin_port());
  noise.Send(std::string("\0\x01garbage\r\n\r\n", 13));
  noise.HalfClose();
  noise.ReadUntilClose();
  RawClient redis_protocol(weir_.admin_port());
  redis_protocol.Send(Encode({"PING"}));
  redis_protocol.HalfClose();
  redis_protocol.ReadUntilClose();
  EXPECT_EQ(HttpGet(weir_.admin_port(), "/healthz").status, 200);
}

}  // namespace
}  // namespace weir::harness
