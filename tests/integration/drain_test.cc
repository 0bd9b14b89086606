// SIGTERM: no new connections, requests in flight end, exit code 0.
#include <signal.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

TEST(DrainTest, RequestsInFlightAreAnswered) {
  RedisServer redis;
  WeirServer weir(redis);
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 10; ++i) {
    clients.push_back(std::make_unique<RawClient>(weir.port()));
    ASSERT_EQ(clients.back()->Text({"SET", "k" + std::to_string(i), std::to_string(i)}), "OK");
  }
  redis.Pause();
  for (size_t i = 0; i < 10; ++i) {
    clients[i]->Send(Encode({"GET", "k" + std::to_string(i)}) + Encode({"PING"}));
  }
  // weir must have read them before it is told to stop: the last client's PING behind all others.
  RawClient probe(weir.port());
  ASSERT_EQ(probe.Text({"PING"}), "PONG");
  weir.process().Signal(SIGTERM);
  ASSERT_TRUE(Eventually([&] { return !ConnectTo(weir.port()); })) << "still accepts";
  EXPECT_TRUE(weir.process().Running());
  redis.Resume();
  for (size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(clients[i]->ReadUntilClose(), Bulk(std::to_string(i)) + "+PONG\r\n");
  }
  weir.Terminate();
}

TEST(DrainTest, EndsAtItsTimeoutThoughRedisIsSilent) {
  RedisServer redis;
  WeirConfig config;
  config.url = redis.url();
  config.top = "drain_timeout_ms = 300\n";
  WeirServer weir(config);
  RawClient client(weir.port());
  ASSERT_EQ(client.Text({"SET", "k", "v"}), "OK");
  redis.Pause();
  client.Send(Encode({"GET", "k"}));
  RawClient probe(weir.port());
  ASSERT_EQ(probe.Text({"PING"}), "PONG");
  EXPECT_LT(weir.Terminate(), 5000 + (kSanitized ? 20000 : 0));
  redis.Resume();
}

TEST(DrainTest, IdleClientsDoNotHoldItUp) {
  RedisServer redis;
  WeirServer weir(redis);
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 50; ++i) {
    clients.push_back(std::make_unique<RawClient>(weir.port()));
    if (i % 2 == 0) {
      ASSERT_EQ(clients.back()->Text({"PING"}), "PONG");
    }
  }
  EXPECT_LT(weir.Terminate(), 5000) << "the drain time-out is 10 s";
}

TEST(DrainTest, WhileRedisIsDown) {
  RedisServer redis;
  WeirServer weir(redis);
  RawClient client(weir.port());
  ASSERT_EQ(client.Text({"SET", "k", "v"}), "OK");
  redis.Kill();
  client.Send(Encode({"GET", "k"}));
  weir.Terminate();
  EXPECT_EQ(client.ReadUntilClose()[0], '-');
}

TEST(DrainTest, SigintToo) {
  RedisServer redis;
  WeirServer weir(redis);
  RawClient client(weir.port());
  ASSERT_EQ(client.Text({"PING"}), "PONG");
  weir.process().Signal(SIGINT);
  EXPECT_EQ(weir.process().Wait(kPatience_ms), 0);
}

TEST(DrainTest, NothingIsLeftBehind) {
  RedisServer redis;
  const TempDir dir;
  WeirConfig config;
  config.url = redis.url();
  config.rest = "[[listener]]\naddress = \"unix:" + dir.path() + "/weir.sock\"\n";
  WeirServer weir(config);
  RawClient client(dir.path() + "/weir.sock");
  ASSERT_EQ(client.Text({"PING"}), "PONG");
  weir.Terminate();
  EXPECT_FALSE(ConnectToUnix(dir.path() + "/weir.sock"));
  EXPECT_EQ(errno, ENOENT) << "the socket's file is still there";
}

}  // namespace
}  // namespace weir::harness
