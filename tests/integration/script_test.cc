// Scripts that do not end: Redis is busy for everybody until another client says SCRIPT KILL or
// FUNCTION KILL.
//
// While a script runs, Redis reads nothing from the connection that it came on, and that is one
// that clients share. So what ends it must come on another, and nothing that is said there before
// it may need a Redis that is not busy.
#include <string>
#include <vector>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

const std::vector<std::string> kEndlessScript = {"EVAL", "while true do end", "0"};
const std::vector<std::string> kEndlessFunction = {"FCALL", "endless", "0"};

struct Killer {
  const char* name;
  std::vector<std::vector<std::string>> before;  // what it says first, while all is well
};

const Killer kKillers[] = {
    {"plain", {}},
    {"in another db", {{"SELECT", "3"}}},
    {"in RESP3", {{"HELLO", "3"}}},
    {"in RESP3 and another db", {{"HELLO", "3"}, {"SELECT", "5"}}},
};

class ScriptTest : public ::testing::Test {
 protected:
  static WeirConfig Config(const RedisServer& redis, int workers) {
    WeirConfig config;
    config.url = redis.url();
    config.workers = workers;
    config.upstream = "health_check_interval_ms = 100\n";
    return config;
  }

  // Sends `endless` by one client, has another kill it with `kill`, and answers what both heard.
  static std::vector<std::string> Kill(uint16_t port, const RedisServer& redis,
                                       const std::vector<std::string>& endless,
                                       const std::vector<std::string>& kill, const Killer& killer) {
    RawClient runs(port);
    RawClient kills(port);
    for (const auto& args : killer.before) EXPECT_NE(kills.Command(args)[0], '-') << killer.name;
    runs.Send(Encode(endless));
    EXPECT_TRUE(Eventually([&] {
      RawClient asks(redis.port());
      return asks.Text({"GET", "k"}).starts_with("-BUSY ");
    }));
    std::vector<std::string> heard = {Printable(kills.Command(kill))};
    heard.push_back(Printable(runs.ReadFrame()));
    EXPECT_EQ(kills.Text({"ECHO", "still here"}), "still here");
    EXPECT_EQ(runs.Text({"ECHO", "still here"}), "still here");
    return heard;
  }

  // Each way of one server: with clients of the same worker and of different ones.
  void ExpectSameAsDirect(const std::vector<std::string>& endless,
                          const std::vector<std::string>& kill) {
    for (const int workers : {1, 2}) {
      WeirServer weir(Config(redis_, workers));
      RawClient bystander(weir.port());
      ASSERT_EQ(bystander.Text({"SET", "k", "v"}), "OK");
      for (const Killer& killer : kKillers) {
        SCOPED_TRACE(killer.name);
        const auto direct = Kill(direct_.port(), direct_, endless, kill, killer);
        EXPECT_EQ(Kill(weir.port(), redis_, endless, kill, killer), direct);
        EXPECT_EQ(direct[0], Printable("+OK\r\n"));
        EXPECT_EQ(bystander.Text({"GET", "k"}), "v");
      }
    }
  }

  static const std::vector<std::string> kArgs;
  RedisServer direct_{kArgs};
  RedisServer redis_{kArgs};
};
const std::vector<std::string> ScriptTest::kArgs = {"--lua-time-limit", "20"};

TEST_F(ScriptTest, ScriptKillEndsIt) { ExpectSameAsDirect(kEndlessScript, {"SCRIPT", "KILL"}); }

TEST_F(ScriptTest, FunctionKillEndsIt) {
  for (const RedisServer* redis : {&direct_, &redis_}) {
    RawClient client(redis->port());
    ASSERT_EQ(client.Text({"FUNCTION", "LOAD",
                           "#!lua name=library\n"
                           "redis.register_function('endless', function() while true do end end)"}),
              "library");
  }
  ExpectSameAsDirect(kEndlessFunction, {"FUNCTION", "KILL"});
}

TEST_F(ScriptTest, WhereNoneRunsRedisSaysSo) {
  WeirServer weir(redis_);
  RawClient direct(direct_.port());
  RawClient through(weir.port());
  for (const char* what : {"SCRIPT", "FUNCTION"}) {
    EXPECT_EQ(through.Command({what, "KILL"}), direct.Command({what, "KILL"}));
  }
}

TEST_F(ScriptTest, OthersHearThatRedisIsBusyOrWaitAndGoOn) {
  WeirServer weir(Config(redis_, 2));
  RawClient runs(weir.port());       // dealt to one worker,
  RawClient other(weir.port());      // to the other,
  RawClient neighbour(weir.port());  // and to either
  for (RawClient* client : {&runs, &other, &neighbour}) {
    ASSERT_EQ(client->Text({"SET", "k", "v"}), "OK");
  }
  runs.Send(Encode(kEndlessScript));
  ASSERT_TRUE(Eventually([&] { return other.Text({"GET", "k"}).starts_with("-BUSY "); }));
  neighbour.Send(Encode({"GET", "k"}));
  // Health checks meanwhile hear BUSY too, and must not make weir take Redis for dead.
  PauseMs(500);
  EXPECT_TRUE(other.Text({"GET", "k"}).starts_with("-BUSY "));
  RawClient late(weir.port());
  EXPECT_EQ(late.Text({"SCRIPT", "KILL"}), "OK");
  EXPECT_TRUE(runs.ReadFrame().starts_with("-ERR Script killed by user"));
  // It waited behind the script, or heard at once that Redis is busy.
  const std::string heard = neighbour.ReadFrame();
  EXPECT_TRUE(heard == Bulk("v") || heard.starts_with("-BUSY ")) << heard;
  for (RawClient* client : {&runs, &other, &neighbour, &late}) {
    EXPECT_EQ(client->Text({"GET", "k"}), "v");
  }
}

// Whose request came just behind a script, before weir could know that it would run for long,
// waited on the same link for as long as it ran; Redis itself answers BUSY. Its own test suite does
// so.
TEST_F(ScriptTest, WhoAsksJustBehindOneDoesNotWaitForIt) {
  WeirServer weir(Config(redis_, 1));
  RawClient runs(weir.port());
  RawClient neighbour(weir.port());
  for (RawClient* client : {&runs, &neighbour}) ASSERT_EQ(client->Text({"SET", "k", "v"}), "OK");
  runs.Send(Encode(kEndlessScript));
  for (int i = 0; i < 5; ++i) {
    const std::string heard = neighbour.Text({"GET", "k"});
    EXPECT_TRUE(heard == "v" || heard.starts_with("-BUSY ")) << heard;
  }
  ASSERT_TRUE(Eventually([&] { return neighbour.Text({"SCRIPT", "KILL"}) == "OK"; }));
  EXPECT_TRUE(runs.ReadFrame().starts_with("-ERR Script killed by user"));
  EXPECT_EQ(neighbour.Text({"GET", "k"}), "v");
}

TEST_F(ScriptTest, OneThatHasWrittenCannotBeKilled) {
  WeirServer weir(Config(redis_, 1));
  RawClient runs(weir.port());
  RawClient kills(weir.port());
  runs.Send(Encode({"EVAL", "redis.call('set', KEYS[1], 'v') while true do end", "1", "k"}));
  ASSERT_TRUE(Eventually([&] {
    return RawClient(redis_.port()).Text({"GET", "k"}).starts_with("-BUSY ");
  }));
  EXPECT_TRUE(kills.Text({"SCRIPT", "KILL"}).starts_with("-UNKILLABLE "));
  redis_.Kill();
  EXPECT_TRUE(runs.ReadFrame().starts_with("-UNKNOWN weir: "));
  redis_.Restart();
  EXPECT_TRUE(Eventually([&] { return runs.Text({"SET", "k", "w"}) == "OK"; }));
}

// SCRIPT KILL goes on a connection in db 0, whatever the client's; what the client sent right
// behind it went there, too, and read and wrote in the wrong db.
TEST_F(ScriptTest, WhatFollowsRunsInTheClientsDb) {
  WeirServer weir(Config(redis_, 1));
  RawClient client(weir.port());
  ASSERT_EQ(client.Text({"SET", "k", "in 0"}), "OK");
  ASSERT_EQ(client.Text({"SELECT", "3"}), "OK");
  ASSERT_EQ(client.Text({"SET", "k", "in 3"}), "OK");
  for (const char* what : {"SCRIPT", "FUNCTION"}) {
    client.Send(Encode({"GET", "k"}) + Encode({what, "KILL"}) + Encode({"GET", "k"}) +
                Encode({"MULTI"}) + Encode({"GET", "k"}) + Encode({what, "KILL"}) +
                Encode({"EXEC"}) + Encode({"GET", "k"}));
    EXPECT_EQ(client.ReadFrame(), Bulk("in 3"));
    EXPECT_TRUE(client.ReadFrame().starts_with("-NOTBUSY "));
    EXPECT_EQ(client.ReadFrame(), Bulk("in 3"));
    EXPECT_EQ(client.ReadFrame(), "+OK\r\n");
    EXPECT_EQ(client.ReadFrame(), "+QUEUED\r\n");
    EXPECT_EQ(client.ReadFrame(), "+QUEUED\r\n");
    const std::string results = client.ReadFrame();
    EXPECT_TRUE(results.starts_with("*2\r\n" + Bulk("in 3") + "-NOTBUSY ")) << results;
    EXPECT_EQ(client.ReadFrame(), Bulk("in 3"));
  }
}

// weir asked the server for its commands once a connection; if it was busy just then, weir never
// learned them.
TEST_F(ScriptTest, WhatABusyRedisDoesNotSayIsAskedAgain) {
  const RedisServer redis({"--lua-time-limit", "20", "--rename-command", "GETSET", "FETCHSET"});
  RawClient runs(redis.port());
  runs.Send(Encode(kEndlessScript));
  RawClient direct(redis.port());
  ASSERT_TRUE(Eventually([&] { return direct.Text({"GET", "k"}).starts_with("-BUSY "); }));
  WeirServer weir(Config(redis, 1));
  RawClient client(weir.port());
  EXPECT_EQ(client.Text({"SCRIPT", "KILL"}), "OK");
  // Redis says so a moment before the script ends.
  EXPECT_TRUE(runs.ReadFrame().starts_with("-ERR Script killed by user"));
  const std::string known = direct.Command({"COMMAND", "INFO", "FETCHSET"});
  EXPECT_TRUE(Eventually([&] { return client.Command({"COMMAND", "INFO", "FETCHSET"}) == known; }));
}

}  // namespace
}  // namespace weir::harness
