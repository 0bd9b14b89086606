// When Redis makes some wait, the others do not, although they share a link.
#include <memory>
#include <string>
#include <vector>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

class StandstillTest : public ::testing::Test {
 protected:
  WeirConfig Config() {
    WeirConfig config;
    config.url = redis_.url();
    config.commands = "allow = [\"@all\"]\n";
    return config;
  }

  RedisServer redis_{{"--lua-time-limit", "10"}};
  WeirServer weir_{Config()};
};

// A write that CLIENT PAUSE kept waiting once stood in front of everybody's reads, and of the
// CLIENT UNPAUSE that would have ended it.
TEST_F(StandstillTest, PausedWritersDoNotHoldUpReaders) {
  RawClient operator_client(weir_.port());
  RawClient reader(weir_.port());
  std::vector<std::unique_ptr<RawClient>> writers;
  reader.Command({"SET", "k", "v"});
  EXPECT_EQ(operator_client.Command({"CLIENT", "PAUSE", "60000", "WRITE"}), "+OK\r\n");
  for (int i = 0; i < 5; ++i) {
    writers.push_back(std::make_unique<RawClient>(weir_.port()));
    writers.back()->Send(Encode({"SET", "k", std::to_string(i)}));
  }
  ASSERT_TRUE(Eventually([&] { return redis_.Info("clients", "blocked_clients") == "5"; }));
  EXPECT_EQ(reader.Text({"GET", "k"}), "v");
  EXPECT_EQ(operator_client.Command({"CLIENT", "UNPAUSE"}), "+OK\r\n");
  for (const auto& writer : writers) EXPECT_EQ(writer->ReadFrame(), "+OK\r\n");
  EXPECT_TRUE(Eventually([&] { return weir_.Info("weir_pinned").ends_with("other=0"); }));
}

TEST_F(StandstillTest, APauseIsNoTimeout) {
  WeirConfig config = Config();
  config.upstream = "request_timeout_ms = 200\n";
  WeirServer weir(config);
  RawClient client(weir.port());
  RawClient writer(weir.port());
  EXPECT_EQ(client.Command({"CLIENT", "PAUSE", "600"}), "+OK\r\n");
  EXPECT_EQ(writer.Command({"SET", "k", "v"}), "+OK\r\n");
}

// SCRIPT KILL once waited behind the script that it was to end, and so did everybody else, who with
// Redis itself hear that it is busy.
TEST_F(StandstillTest, BehindABusyScriptOthersHearThatRedisIsBusy) {
  RawClient looping(weir_.port());
  RawClient other(weir_.port());
  other.Command({"SET", "k", "v"});
  looping.Send(Encode({"EVAL", "while true do end", "0"}));
  ASSERT_TRUE(Eventually([&] { return other.Command({"PING"}).starts_with("-BUSY "); }));
  EXPECT_TRUE(other.Command({"GET", "k"}).starts_with("-BUSY "));
  EXPECT_EQ(other.Command({"SCRIPT", "KILL"}), "+OK\r\n");
  EXPECT_NE(looping.ReadFrame().find("Script killed by user"), std::string::npos);
  EXPECT_TRUE(Eventually([&] { return other.Command({"PING"}) == "+PONG\r\n"; }));
  EXPECT_EQ(other.Text({"GET", "k"}), "v");
  EXPECT_EQ(looping.Text({"GET", "k"}), "v");
}

}  // namespace
}  // namespace weir::harness
