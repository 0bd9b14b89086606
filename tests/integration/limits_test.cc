// The bounds of what clients may use, each with its stated behaviour.
#include <memory>
#include <string>
#include <vector>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

class LimitsTest : public ::testing::Test {
 protected:
  static WeirConfig Config(const RedisServer& redis, const std::string& limits) {
    WeirConfig config;
    config.url = redis.url();
    config.limits = limits;
    return config;
  }
  RedisServer redis_;
};

TEST_F(LimitsTest, ClientsMaxAnswersAsRedisDoes) {
  RedisServer direct({"--maxclients", "3"});
  WeirServer weir(Config(redis_, "clients_max = 3\n"));
  for (const uint16_t port : {direct.port(), weir.port()}) {
    // A server that has just been waited for may not have seen that connection's end yet.
    std::vector<std::unique_ptr<RawClient>> clients;
    ASSERT_TRUE(Eventually([&, port] {
      clients.clear();
      for (int i = 0; i < 3; ++i) {
        clients.push_back(std::make_unique<RawClient>(port));
        if (clients.back()->Text({"PING"}) != "PONG") return false;
      }
      return true;
    }));
    RawClient one_too_many(port);
    EXPECT_EQ(one_too_many.ReadUntilClose(), "-ERR max number of clients reached\r\n");
    clients.pop_back();
    EXPECT_TRUE(Eventually([port] { return RawClient(port).Text({"PING"}) == "PONG"; }));
    EXPECT_EQ(clients[0]->Text({"PING"}), "PONG");
  }
}

TEST_F(LimitsTest, IdleClientsAreClosed) {
  WeirServer weir(Config(redis_, "client_idle_timeout_ms = 400\n"));
  RawClient silent(weir.port());
  RawClient once(weir.port());
  RawClient busy(weir.port());
  ASSERT_EQ(once.Text({"PING"}), "PONG");
  const int64_t start_ms = NowMs();
  while (NowMs() - start_ms < 1200) {
    ASSERT_EQ(busy.Text({"PING"}), "PONG");
    PauseMs(50);
  }
  EXPECT_EQ(silent.ReadUntilClose(), "");
  EXPECT_EQ(once.ReadUntilClose(), "");
  EXPECT_EQ(busy.Text({"PING"}), "PONG");
}

TEST_F(LimitsTest, AClientThatWaitsForItsReplyIsNotIdle) {
  WeirServer weir(Config(redis_, "client_idle_timeout_ms = 200\n"));
  RawClient client(weir.port());
  ASSERT_EQ(client.Text({"SET", "k", "v"}), "OK");
  redis_.Pause();
  client.Send(Encode({"GET", "k"}));
  EXPECT_EQ(client.ReadAvailable(1000), "");
  redis_.Resume();
  EXPECT_EQ(client.ReadFrame(), Bulk("v"));
}

TEST_F(LimitsTest, HalfARequestMayNotTakeForEver) {
  WeirServer weir(Config(redis_, "request_arrival_timeout_ms = 400\n"));
  RawClient half(weir.port());
  RawClient idle(weir.port());
  RawClient drip(weir.port());
  half.Send("*2\r\n$3\r\nGET\r\n$100\r\nonly a part");
  ASSERT_EQ(idle.Text({"PING"}), "PONG");
  const std::string request = Encode({"ECHO", std::string(40, 'x')});
  const int64_t start_ms = NowMs();
  size_t sent = 0;
  while (NowMs() - start_ms < 1500 && sent + 1 < request.size()) {
    if (!drip.Send(request.substr(sent++, 1))) break;
    PauseMs(40);
  }
  EXPECT_TRUE(half.ReadUntilClose().find(kTimedOut) == std::string::npos);
  EXPECT_TRUE(drip.ReadUntilClose().find(kTimedOut) == std::string::npos) << "a byte at a time";
  EXPECT_EQ(idle.Text({"PING"}), "PONG") << "between requests time does not count";
}

TEST_F(LimitsTest, BulkBytesMax) {
  WeirServer weir(Config(redis_, "bulk_bytes_max = 1048576\n"));
  RawClient client(weir.port());
  EXPECT_EQ(client.Text({"SET", "k", std::string(1048576, 'x')}), "OK");
  client.Send("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1048577\r\n");
  EXPECT_EQ(client.ReadUntilClose(), "-ERR Protocol error: invalid bulk length\r\n");
}

TEST_F(LimitsTest, RequestBufferBytesMaxStreamsWhatIsLarger) {
  WeirServer weir(Config(redis_, "request_buffer_bytes_max = 65536\n"));
  RawClient client(weir.port());
  for (const size_t size : {60000u, 65000u, 65500u, 65536u, 66000u, 200000u, 5000000u}) {
    const std::string value(size, 'x');
    ASSERT_EQ(client.Text({"SET", "k", value}), "OK") << size;
    ASSERT_TRUE(client.Text({"GET", "k"}) == value) << size;
  }
}

TEST_F(LimitsTest, IdleConnectionsHoldNoBuffers) {
  WeirServer weir(Config(redis_, ""));
  RaiseOpenFilesLimit();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 100; ++i) {
    clients.push_back(std::make_unique<RawClient>(weir.port()));
    ASSERT_EQ(clients.back()->Text({"PING"}), "PONG");
  }
  const size_t before = weir.process().rss_bytes();
  for (int i = 0; i < 2000; ++i) {
    clients.push_back(std::make_unique<RawClient>(weir.port()));
    ASSERT_EQ(clients.back()->Text({"ECHO", std::string(3000, 'x')}), std::string(3000, 'x'));
  }
  if (kSanitized) return;
  const size_t after = weir.process().rss_bytes();
  EXPECT_LT((after - std::min(after, before)) / 2000, 4096u) << before << " " << after;
}

TEST_F(LimitsTest, FilesAreGivenBack) {
  WeirServer weir(Config(redis_, ""));
  RawClient client(weir.port());
  ASSERT_EQ(client.Text({"SET", "k", "v"}), "OK");
  const size_t before = weir.process().open_files();
  for (int round = 0; round < 5; ++round) {
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < 100; ++i) {
      clients.push_back(std::make_unique<RawClient>(weir.port()));
      clients.back()->Send(Encode({"GET", "k"}));
      if (i % 3 == 0) clients.back()->ReadFrame();
      if (i % 3 == 1) clients.back()->Reset();
    }
  }
  // The other workers' links may have been opened meanwhile.
  EXPECT_TRUE(Eventually([&] { return weir.process().open_files() <= before + 4; }))
      << before << " " << weir.process().open_files();
}

}  // namespace
}  // namespace weir::harness
