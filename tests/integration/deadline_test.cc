// A request past its deadline gets an error; its late reply is swallowed, and nobody else notices.
#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

class DeadlineTest : public ::testing::Test {
 protected:
  static WeirConfig Config(const RedisServer& redis) {
    WeirConfig config;
    config.url = redis.url();
    config.workers = 1;
    config.upstream = "request_timeout_ms = 200\n";
    return config;
  }
  std::string TimeoutError() const {
    return "-TIMEOUT weir: no answer from " + redis_.address() + " in 200 ms\r\n";
  }
  RedisServer redis_;
  WeirServer weir_{Config(redis_)};
};

TEST_F(DeadlineTest, SaysWhichNodeAndHowLong) {
  RawClient client(weir_.port());
  ASSERT_EQ(client.Text({"SET", "k", "v"}), "OK");
  redis_.Pause();
  const int64_t start_ms = NowMs();
  EXPECT_EQ(client.Command({"GET", "k"}), TimeoutError());
  const int64_t took_ms = NowMs() - start_ms;
  EXPECT_GE(took_ms, 190);
  EXPECT_LT(took_ms, 5000);
  redis_.Resume();
}

TEST_F(DeadlineTest, LateRepliesAreSwallowed) {
  RawClient client(weir_.port());
  for (int round = 0; round < 5; ++round) {
    const std::string tag = std::to_string(round);
    ASSERT_EQ(client.Text({"SET", "k", "v" + tag}), "OK");
    redis_.Pause();
    client.Send(Encode({"GET", "k"}) + Encode({"ECHO", "mine" + tag}) + Encode({"INCR", "n"}));
    EXPECT_EQ(client.ReadFrame(), TimeoutError());
    EXPECT_EQ(client.ReadFrame(), Bulk("mine" + tag));
    EXPECT_EQ(client.ReadFrame(), TimeoutError());
    redis_.Resume();
    // Whatever Redis answers late, the next replies belong to the next requests.
    for (int i = 0; i < 20; ++i) {
      const std::string value = tag + "-" + std::to_string(i);
      std::string reply = client.Command({"GETSET", "mark" + value, value});
      if (reply == TimeoutError()) continue;  // Redis was not scheduled again yet
      ASSERT_EQ(reply, "$-1\r\n");
      ASSERT_EQ(client.Command({"GET", "mark" + value}), Bulk(value));
    }
  }
  // Timed-out writes ran, each at most once.
  RawClient direct(redis_.port());
  EXPECT_LE(std::stoi(direct.Text({"GET", "n"})), 5);
}

TEST_F(DeadlineTest, OthersOnTheLinkAreUnaffected) {
  RawClient early(weir_.port());
  RawClient late(weir_.port());
  ASSERT_EQ(early.Text({"SET", "k", "v"}), "OK");
  redis_.Pause();
  early.Send(Encode({"GET", "k"}));
  EXPECT_EQ(early.ReadFrame(), TimeoutError());
  // Asked when the first had timed out already: its own deadline counts from its own start.
  late.Send(Encode({"GET", "k"}));
  redis_.Resume();
  EXPECT_EQ(late.ReadFrame(), Bulk("v"));
  EXPECT_EQ(early.Command({"GET", "k"}), Bulk("v"));
}

TEST_F(DeadlineTest, ManyClientsEachGetTheirOwnError) {
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 50; ++i) {
    clients.push_back(std::make_unique<RawClient>(weir_.port()));
    ASSERT_EQ(clients.back()->Text({"PING"}), "PONG");
  }
  RawClient direct(redis_.port());
  direct.Text({"SET", "k", "v"});
  redis_.Pause();
  for (auto& client : clients) client->Send(Encode({"GET", "k"}) + Encode({"PING"}));
  for (auto& client : clients) {
    EXPECT_EQ(client->ReadFrame(), TimeoutError());
    EXPECT_EQ(client->ReadFrame(), "+PONG\r\n");
  }
  redis_.Resume();
  for (size_t i = 0; i < clients.size(); ++i) {
    const std::string value = "v" + std::to_string(i);
    ASSERT_TRUE(Eventually([&] { return clients[i]->Text({"SET", "k", value}) == "OK"; }));
    EXPECT_EQ(clients[i]->Text({"GET", "k"}), value);
  }
}

class StalledReplyTest : public ::testing::Test {
 protected:
  static WeirConfig Config(const Saboteur& saboteur) {
    WeirConfig config;
    config.url = saboteur.url();
    config.workers = 1;
    config.upstream = "request_timeout_ms = 300\n";
    return config;
  }
  void SetUp() override {
    RawClient direct(redis_.port());
    ASSERT_EQ(direct.Text({"SET", "k", std::string(2000, 'v')}), "OK");
    ASSERT_EQ(client_.Text({"STRLEN", "k"}), "2000");
  }
  RedisServer redis_;
  Saboteur saboteur_{redis_.port()};
  WeirServer weir_{Config(saboteur_)};
  RawClient client_{weir_.port()};
};

// What comes after the deadline, from the middle of a reply on, is swallowed to its end.
TEST_F(StalledReplyTest, TheRestIsSwallowed) {
  saboteur_.CutAfter(Direction::kToClient, 1000, Breakage::kStall);
  const std::string reply = client_.Command({"GET", "k"});
  EXPECT_TRUE(reply.starts_with("-TIMEOUT weir: ")) << Printable(reply);
  saboteur_.Blackhole(Direction::kToClient, false);
  EXPECT_EQ(client_.Text({"STRLEN", "k"}), "2000");
  EXPECT_EQ(client_.Command({"GET", "k"}), Bulk(std::string(2000, 'v')));
}

// A large reply that keeps coming may take longer than the deadline.
TEST_F(StalledReplyTest, SlowIsNotStalled) {
  const std::string value(200000, 'L');
  RawClient direct(redis_.port());
  ASSERT_EQ(direct.Text({"SET", "large", value}), "OK");
  saboteur_.Throttle(Direction::kToClient, 300000);
  const int64_t start_ms = NowMs();
  EXPECT_TRUE(client_.Command({"GET", "large"}) == Bulk(value));
  EXPECT_GT(NowMs() - start_ms, 400);
}

TEST(NoDeadlineTest, ZeroMeansNone) {
  RedisServer redis;
  WeirConfig config;
  config.url = redis.url();
  config.upstream = "request_timeout_ms = 0\n";
  WeirServer weir(config);
  RawClient client(weir.port());
  ASSERT_EQ(client.Text({"SET", "k", "v"}), "OK");
  redis.Pause();
  client.Send(Encode({"GET", "k"}));
  EXPECT_EQ(client.ReadAvailable(1500), "");
  redis.Resume();
  EXPECT_EQ(client.ReadFrame(), Bulk("v"));
}

// A machine stood still for longer than a deadline. Timers come before events in a loop's turn, so
// requests were failed whose replies were there, and connections that had been made were given up.
TEST_F(DeadlineTest, AReplyThatCameWhileWeirStoodStillCounts) {
  WeirConfig config = Config(redis_);
  config.upstream = "request_timeout_ms = 3000\n";
  WeirServer weir(config);
  RawClient client(weir.port());
  ASSERT_EQ(client.Text({"SET", "k", "v"}), "OK");
  redis_.Pause();
  client.Send(Encode({"GET", "k"}));
  ASSERT_TRUE(Eventually([&] { return weir.Info("weir_requests_in_flight") == "1"; }));
  weir.process().Signal(SIGSTOP);
  redis_.Resume();
  const int64_t start_ms = NowMs();
  ASSERT_TRUE(Eventually([&] { return redis_.Calls("get") == 1 && NowMs() > start_ms + 3500; }));
  weir.process().Signal(SIGCONT);
  EXPECT_EQ(client.ReadFrame(), Bulk("v"));
}

}  // namespace
}  // namespace weir::harness
