// Redis goes away and comes back: nobody hangs, errors name the node and the cause, and clients
// need not connect again.
#include <memory>
#include <string>
#include <vector>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

class DownTest : public ::testing::Test {
 protected:
  static WeirConfig Config(const RedisServer& redis) {
    WeirConfig config;
    config.url = redis.url();
    config.upstream =
        "reconnect_min_ms = 10\nreconnect_max_ms = 100\noffline_queue_age_max_ms = 300\n";
    return config;
  }
  void ExpectDown(const std::string& answer) const {
    EXPECT_TRUE(answer.starts_with("-DOWN weir: no connection to " + redis_.address()))
        << Printable(answer);
    EXPECT_NE(answer.find("connection refused"), std::string::npos) << Printable(answer);
  }
  RedisServer redis_;
  WeirServer weir_{Config(redis_)};
};

TEST_F(DownTest, ErrorsNameNodeAndCauseAndComeAtOnceWhenItIsKnown) {
  RawClient client(weir_.port());
  ASSERT_EQ(client.Text({"SET", "k", "v"}), "OK");
  redis_.Kill();
  // The first may wait in the offline queue for as long as that may be.
  ASSERT_TRUE(Eventually([&] { return client.Command({"GET", "k"}).starts_with("-DOWN"); }));
  const int64_t start_ms = NowMs();
  for (int i = 0; i < 100; ++i) ExpectDown(client.Command({"GET", "k"}));
  EXPECT_LT(NowMs() - start_ms, 100 * 100) << "each waited although the node is known to be down";
  EXPECT_EQ(client.Text({"PING"}), "PONG") << "what weir answers itself still works";
  EXPECT_EQ(client.Text({"ECHO", "x"}), "x");
}

TEST_F(DownTest, ClientsGoOnWhenItComesBack) {
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<RawClient>(weir_.port()));
    ASSERT_EQ(clients.back()->Text({"SET", "k" + std::to_string(i), "v"}), "OK");
  }
  for (int round = 0; round < 3; ++round) {
    redis_.Kill();
    for (auto& client : clients) {
      ASSERT_TRUE(Eventually([&] { return client->Command({"GET", "k"}).starts_with("-DOWN"); }));
    }
    redis_.Restart();
    for (size_t i = 0; i < clients.size(); ++i) {
      const std::string value = std::to_string(round) + "-" + std::to_string(i);
      ASSERT_TRUE(Eventually([&] { return clients[i]->Text({"SET", "k", value}) == "OK"; }, 10000));
      ASSERT_EQ(clients[i]->Text({"GET", "k"}), value);
    }
  }
}

TEST_F(DownTest, DbAndNameSurvive) {
  RawClient client(weir_.port());
  ASSERT_EQ(client.Text({"SELECT", "4"}), "OK");
  ASSERT_EQ(client.Text({"CLIENT", "SETNAME", "steady"}), "OK");
  redis_.Restart();
  ASSERT_TRUE(Eventually([&] { return client.Text({"SET", "k", "in 4"}) == "OK"; }));
  EXPECT_EQ(client.Text({"CLIENT", "GETNAME"}), "steady");
  RawClient direct(redis_.port());
  EXPECT_EQ(direct.Text({"GET", "k"}), "(nil)");
  direct.Text({"SELECT", "4"});
  EXPECT_EQ(direct.Text({"GET", "k"}), "in 4");
}

TEST_F(DownTest, StartsBeforeRedisDoes) {
  redis_.Kill();
  WeirServer weir(Config(redis_));
  RawClient client(weir.port());
  EXPECT_EQ(client.Text({"PING"}), "PONG");
  EXPECT_EQ(client.Text({"SELECT", "99999999999999999999"})[0], '-');
  ExpectDown(client.Command({"GET", "k"}));
  redis_.Restart();
  EXPECT_TRUE(Eventually([&] { return client.Text({"SET", "k", "v"}) == "OK"; }));
  EXPECT_EQ(client.Text({"GET", "k"}), "v");
}

TEST_F(DownTest, PipelinesGetOneAnswerForEachRequest) {
  RawClient client(weir_.port());
  ASSERT_EQ(client.Text({"SET", "k", "v"}), "OK");
  redis_.Kill();
  std::string requests;
  for (int i = 0; i < 1000; ++i) requests += Encode({"INCR", "n"}) + Encode({"ECHO", "x"});
  client.Send(requests);
  const std::vector<std::string> replies = client.ReadFrames(2000);
  ASSERT_EQ(replies.size(), 2000u);
  for (size_t i = 0; i < 2000; i += 2) {
    EXPECT_EQ(replies[i][0], '-') << Printable(replies[i]);
    EXPECT_EQ(replies[i + 1], Bulk("x"));
  }
  redis_.Restart();
  ASSERT_TRUE(Eventually([&] { return client.Text({"SET", "k", "v"}) == "OK"; }));
}

// As behind a load balancer whose server is gone: connecting succeeds, and at once it breaks.
TEST_F(DownTest, ReconnectingIsNoStorm) {
  Saboteur saboteur(redis_.port());
  WeirConfig config;
  config.url = saboteur.url();
  config.workers = 1;
  config.upstream = "reconnect_min_ms = 50\nreconnect_max_ms = 400\n";
  WeirServer weir(config);
  RawClient client(weir.port());
  ASSERT_EQ(client.Text({"SET", "k", "v"}), "OK");
  redis_.Kill();
  const size_t before = saboteur.connections_total();
  const Deadline second(1000);
  while (!second.over()) client.Command({"GET", "k"});
  // 50, 100, 200, 400 … ms with jitter, of the worker's link and of discovery's.
  EXPECT_LT(saboteur.connections_total() - before, 30u);
}

TEST(DownForeverTest, UnknownHostIsNamed) {
  WeirConfig config;
  config.url = "redis://no-such-host.invalid:6379";
  config.upstream = "offline_queue_age_max_ms = 2000\n";
  WeirServer weir(config);
  RawClient client(weir.port());
  const std::string answer = client.Command({"GET", "k"});
  EXPECT_TRUE(answer.starts_with("-DOWN weir: no connection to no-such-host.invalid:6379"))
      << answer;
  EXPECT_EQ(client.Text({"PING"}), "PONG");
}

// A Redis that is loading answers with an error of its own, which clients know what to do with.
TEST(LoadingTest, ErrorIsRedisOwn) {
  FakeBackend backend([](const std::vector<std::string>&) {
    return Answer{"-LOADING Redis is loading the dataset in memory\r\n"};
  });
  WeirConfig config;
  config.url = backend.url();
  config.upstream = "request_timeout_ms = 1000\n";
  WeirServer weir(config);
  RawClient client(weir.port());
  EXPECT_EQ(client.Text({"GET", "k"}), "-LOADING Redis is loading the dataset in memory");
}

}  // namespace
}  // namespace weir::harness
