// Scripts that Redis has forgotten and weir has not.
#include <algorithm>
#include <string>
#include <vector>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

constexpr const char* kText = "return {KEYS[1], ARGV[1]}";
constexpr const char* kReply = "*2\r\n$1\r\nk\r\n$1\r\na\r\n";

class ScriptAgainTest : public ThroughWeir {
 protected:
  void Restart() {
    redis_.Kill();
    redis_.Restart();
    RawClient client(weir_.port());
    ASSERT_TRUE(Eventually([&] { return client.Command({"SET", "up", "1"}) == "+OK\r\n"; }));
  }
};

TEST_F(ScriptAgainTest, EvalshaWorksOnAfterARestart) {
  RawClient client(weir_.port());
  RawClient other(weir_.port());  // of the other worker
  const std::string loaded = client.Text({"SCRIPT", "LOAD", kText});
  EXPECT_EQ(client.Command({"EVALSHA", loaded, "1", "k", "a"}), kReply);
  Restart();
  EXPECT_EQ(other.Command({"EVALSHA", loaded, "1", "k", "a"}), kReply);
  EXPECT_EQ(client.Command({"EVALSHA", loaded, "1", "k", "a"}), kReply);
  EXPECT_EQ(client.Command({"SCRIPT", "EXISTS", loaded}), "*1\r\n:1\r\n");
}

TEST_F(ScriptAgainTest, AlsoOfAScriptSeenInEvalAndInAPipeline) {
  RawClient client(weir_.port());
  const std::string text = "return redis.call('INCR', KEYS[1])";
  EXPECT_EQ(client.Command({"EVAL", text, "1", "n"}), ":1\r\n");
  RawClient direct(redis_.port());
  const std::string sha1 = direct.Text({"SCRIPT", "LOAD", text});
  Restart();
  std::string bytes;
  for (int i = 0; i < 50; ++i) bytes += Encode({"EVALSHA", sha1, "1", "n"});
  bytes += Encode({"ECHO", "end"});
  client.Send(bytes);
  std::vector<std::string> replies = client.ReadFrames(51);
  ASSERT_EQ(replies.size(), 51u);
  EXPECT_EQ(replies.back(), Bulk("end"));
  replies.pop_back();
  std::sort(replies.begin(), replies.end());
  EXPECT_EQ(std::unique(replies.begin(), replies.end()), replies.end()) << "one ran twice";
  EXPECT_EQ(client.Text({"GET", "n"}), "50");
}

TEST_F(ScriptAgainTest, ReadOnlyOnesStayReadOnly) {
  RawClient client(weir_.port());
  const std::string loaded = client.Text({"SCRIPT", "LOAD", "return redis.call('SET', 'x', '1')"});
  Restart();
  const std::string reply = client.Command({"EVALSHA_RO", loaded, "0"});
  EXPECT_NE(reply.find("Write commands are not allowed from read-only scripts"), std::string::npos)
      << reply;
}

TEST_F(ScriptAgainTest, WhatNobodyLoadedOrSomebodyFlushedIsUnknown) {
  RawClient client(weir_.port());
  const std::string kNoScript = "-NOSCRIPT No matching script. Please use EVAL.\r\n";
  EXPECT_EQ(client.Command({"EVALSHA", std::string(40, 'f'), "0"}), kNoScript);
  const std::string loaded = client.Text({"SCRIPT", "LOAD", kText});
  EXPECT_EQ(client.Command({"SCRIPT", "FLUSH"}), "+OK\r\n");
  EXPECT_EQ(client.Command({"EVALSHA", loaded, "1", "k", "a"}), kNoScript);
}

// A script that was queued and never run counted as seen: an EVALSHA that Redis answers with
// NOSCRIPT succeeded.
TEST_F(ScriptAgainTest, OfATransactionOnlyWhatExecHasRun) {
  const std::string kNoScript = "-NOSCRIPT No matching script. Please use EVAL.";
  const RedisServer aside;
  const auto sha1 = [&](const std::string& text) {
    return RawClient(aside.port()).Text({"SCRIPT", "LOAD", text});
  };
  const auto step_by_step = [](RawClient* client, const std::vector<std::string>& queued,
                               const std::string& end) {
    EXPECT_EQ(client->Text({"MULTI"}), "OK");
    EXPECT_EQ(client->Text(queued), "QUEUED");
    return client->Command({end});
  };
  RawClient client(weir_.port());
  EXPECT_EQ(step_by_step(&client, {"EVAL", "return 1", "0"}, "DISCARD"), "+OK\r\n");
  EXPECT_EQ(client.Text({"EVALSHA", sha1("return 1"), "0"}), kNoScript);
  EXPECT_EQ(client.Text({"WATCH", "w"}), "OK");
  RawClient other(weir_.port());
  EXPECT_EQ(other.Text({"SET", "w", "1"}), "OK");
  EXPECT_EQ(step_by_step(&client, {"EVAL", "return 2", "0"}, "EXEC"), "*-1\r\n");
  EXPECT_EQ(client.Text({"EVALSHA", sha1("return 2"), "0"}), kNoScript);
  EXPECT_EQ(step_by_step(&client, {"EVAL", "return 3", "0"}, "EXEC"), "*1\r\n:3\r\n");
  EXPECT_TRUE(step_by_step(&client, {"SCRIPT", "LOAD", "return 4"}, "EXEC").starts_with("*1"));
  // With an answer of weir's own in EXEC's reply.
  EXPECT_EQ(client.Text({"MULTI"}), "OK");
  EXPECT_EQ(client.Text({"CLIENT", "ID"}), "QUEUED");
  EXPECT_EQ(client.Text({"EVAL", "return 5", "0"}), "QUEUED");
  EXPECT_TRUE(client.Command({"EXEC"}).starts_with("*2"));
  Restart();
  for (int i = 3; i <= 5; ++i) {
    const std::string number = std::to_string(i);
    EXPECT_TRUE(Eventually([&] { return other.Text({"PING"}) == "PONG"; }));
    EXPECT_NE(other.Text({"EVALSHA", sha1("return " + number), "0"}), kNoScript) << number;
  }
  EXPECT_EQ(step_by_step(&client, {"SCRIPT", "FLUSH"}, "EXEC"), "*1\r\n+OK\r\n");
  EXPECT_EQ(client.Text({"EVALSHA", sha1("return 3"), "0"}), kNoScript);
}

}  // namespace
}  // namespace weir::harness
