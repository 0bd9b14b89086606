// Commands that would harm others, and those that need a connection of their own: a clear error,
// and the connection goes on working.
#include <string>
#include <vector>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

class DeniedTest : public ::testing::Test {
 protected:
  static WeirConfig Config(const RedisServer& redis, const std::string& commands) {
    WeirConfig config;
    config.url = redis.url();
    config.commands = commands;
    return config;
  }
  static void ExpectStillExact(RawClient* client) {
    EXPECT_EQ(client->Text({"PING", "still here"}), "still here");
    EXPECT_EQ(client->Text({"SET", "k", "v"}), "OK");
    EXPECT_EQ(client->Text({"GET", "k"}), "v");
  }
  RedisServer redis_{{"--enable-debug-command", "yes"}};
};

TEST_F(DeniedTest, ByDefaultWhatHarmsOthers) {
  WeirServer weir(redis_);
  RawClient client(weir.port());
  const std::string pid_before = redis_.Info("server", "process_id");
  const std::vector<std::vector<std::string>> kDenied = {
      {"SHUTDOWN"},
      {"SHUTDOWN", "NOSAVE"},
      {"DEBUG", "SLEEP", "10"},
      {"DEBUG", "SEGFAULT"},
      {"REPLICAOF", "127.0.0.1", "1"},
      {"SLAVEOF", "127.0.0.1", "1"},
      {"FAILOVER"},
      {"CLUSTER", "RESET"},
      {"CLUSTER", "MEET", "127.0.0.1", "1"},
      {"MODULE", "LOAD", "/nosuch.so"},
      {"SYNC"},
      {"PSYNC", "?", "-1"},
      {"REPLCONF", "listening-port", "1"},
      {"CONFIG", "SET", "maxmemory", "1"},
      {"config", "set", "maxmemory", "1"},
      {"CONFIG", "REWRITE"},
      {"ACL", "SETUSER", "evil", "on"},
      {"ACL", "DELUSER", "default"},
      {"SAVE"},
      {"BGSAVE"},
      {"CLIENT", "PAUSE", "10000"},
  };
  for (const auto& args : kDenied) {
    const std::string answer = client.Text(args);
    EXPECT_EQ(answer.compare(0, 14, "-NOPERM weir: "), 0) << args[0] << ": " << answer;
    EXPECT_NE(answer.find("[commands] allow"), std::string::npos) << answer;
  }
  ExpectStillExact(&client);
  EXPECT_EQ(redis_.Info("server", "process_id"), pid_before);
  EXPECT_EQ(redis_.Calls("config|set"), 0);
}

TEST_F(DeniedTest, ReadingSubcommandsPass) {
  WeirServer weir(redis_);
  RawClient client(weir.port());
  EXPECT_EQ(client.Command({"CONFIG", "GET", "maxmemory"}), "*2\r\n$9\r\nmaxmemory\r\n$1\r\n0\r\n");
  EXPECT_EQ(client.Text({"ACL", "WHOAMI"}), "default");
  EXPECT_EQ(client.Command({"ACL", "LIST"})[0], '*');
  EXPECT_EQ(client.Command({"MODULE", "LIST"}), "*0\r\n");
  EXPECT_EQ(client.Command({"CLUSTER", "INFO"})[0], '-');  // Redis' own: cluster support disabled
  EXPECT_EQ(client.Text({"CLUSTER", "INFO"}).find("weir"), std::string::npos);
}

TEST_F(DeniedTest, AllowOpens) {
  WeirServer weir(Config(redis_, "allow = [\"DEBUG\", \"CONFIG|SET\"]\n"));
  RawClient client(weir.port());
  EXPECT_EQ(client.Text({"DEBUG", "SLEEP", "0"}), "OK");
  EXPECT_EQ(client.Text({"CONFIG", "SET", "maxmemory", "100mb"}), "OK");
  EXPECT_EQ(client.Text({"CONFIG", "REWRITE"}).compare(0, 14, "-NOPERM weir: "), 0);
}

TEST_F(DeniedTest, AllowAllOpensAll) {
  WeirServer weir(Config(redis_, "allow = [\"@all\"]\n"));
  RawClient client(weir.port());
  EXPECT_EQ(client.Text({"DEBUG", "SLEEP", "0"}), "OK");
  EXPECT_EQ(client.Text({"ACL", "SETUSER", "someone"}), "OK");
  ExpectStillExact(&client);
}

TEST_F(DeniedTest, DenyCloses) {
  WeirServer weir(Config(redis_, "deny = [\"KEYS\", \"@geo\", \"OBJECT|FREQ\"]\n"));
  RawClient client(weir.port());
  for (const std::vector<std::string>& args : std::vector<std::vector<std::string>>{
           {"KEYS", "*"}, {"keys", "*"}, {"GEOADD", "g", "1", "1", "m"}, {"OBJECT", "FREQ", "k"}}) {
    EXPECT_EQ(client.Text(args).compare(0, 14, "-NOPERM weir: "), 0) << args[0];
  }
  EXPECT_EQ(client.Text({"OBJECT", "ENCODING", "nosuch"}), "(nil)");
  ExpectStillExact(&client);
}

TEST_F(DeniedTest, AnUnknownNameInTheListsStopsTheStart) {
  const TempDir dir;
  const std::string path =
      dir.Write("weir.toml", "[upstream.default]\nurl = \"" + redis_.url() +
                                 "\"\n[commands]\nallow = [\"DEBUGG\", \"@nosuch\"]\n");
  const RunResult result = RunToEnd({WeirServer::binary(), "--check", path}, kPatience_ms);
  EXPECT_NE(result.exit_code, 0) << result.output;
  EXPECT_NE(result.output.find("weir.toml:4:"), std::string::npos) << result.output;
}

TEST_F(DeniedTest, TheSameWithoutBlockPasses) {
  WeirServer weir(redis_);
  RawClient client(weir.port());
  EXPECT_EQ(client.Text({"XADD", "x", "1-1", "BLOCK", "0"}), "1-1");
  EXPECT_EQ(client.Command({"XREAD", "STREAMS", "x", "0"})[0], '*');
  EXPECT_EQ(client.Command({"XREAD", "STREAMS", "BLOCK", "0"}), "*-1\r\n");
}

TEST_F(DeniedTest, InPipelinesTheErrorsStandInTheirPlace) {
  WeirServer weir(redis_);
  RawClient client(weir.port());
  std::string requests;
  for (int i = 0; i < 500; ++i) {
    requests += Encode({"INCR", "n"}) + Encode({"SHUTDOWN"}) + Encode({"MONITOR"}) +
                Encode({"ECHO", std::to_string(i)});
  }
  client.Send(requests);
  const std::vector<std::string> replies = client.ReadFrames(2000);
  ASSERT_EQ(replies.size(), 2000u);
  for (size_t i = 0; i < 500; ++i) {
    EXPECT_EQ(replies[4 * i], ":" + std::to_string(i + 1) + "\r\n");
    EXPECT_TRUE(replies[4 * i + 1].starts_with("-NOPERM weir: ")) << replies[4 * i + 1];
    EXPECT_TRUE(replies[4 * i + 2].starts_with("-NOPERM weir: ")) << replies[4 * i + 2];
    EXPECT_EQ(replies[4 * i + 3], Bulk(std::to_string(i)));
  }
}

}  // namespace
}  // namespace weir::harness
