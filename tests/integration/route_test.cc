// [[route]]: one client's requests go to several upstreams, and it notices nothing but the
// documented refusals.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "tests/integration/fixture.h"
#include "tests/support/cluster.h"
#include "tests/support/seed.h"

namespace weir::harness {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

WeirConfig Routed(const RedisServer& home, const std::string& other, const std::string& routes,
                  const std::string& other_lines = "") {
  WeirConfig config;
  config.url = home.url();
  config.upstream = "reconnect_max_ms = 100\n";
  config.rest =
      "[upstream.other]\nurl = \"" + other + "\"\nreconnect_max_ms = 100\n" + other_lines + routes;
  return config;
}

constexpr char kByKey[] = "[[route]]\nkeys = [\"o:*\"]\nupstream = \"other\"\n";

class RouteTest : public ::testing::Test {
 protected:
  RedisServer home_;
  RedisServer other_;
  WeirServer weir_{Routed(home_, other_.url(), kByKey)};
  RawClient client_{weir_.port()};
  RawClient at_home_{home_.port()};
  RawClient at_other_{other_.port()};
};

TEST_F(RouteTest, EachKeyGoesWhereItsRuleSays) {
  EXPECT_EQ(client_.Text({"SET", "o:1", "there"}), "OK");
  EXPECT_EQ(client_.Text({"SET", "h:1", "here"}), "OK");
  EXPECT_EQ(at_other_.Text({"GET", "o:1"}), "there");
  EXPECT_EQ(at_home_.Text({"EXISTS", "o:1"}), "0");
  EXPECT_EQ(at_home_.Text({"GET", "h:1"}), "here");
  EXPECT_EQ(at_other_.Text({"EXISTS", "h:1"}), "0");
  EXPECT_EQ(client_.Text({"DBSIZE"}), "1") << "without a key: the listener's";
  const std::string explained = client_.Command({"WEIR", "EXPLAIN", "GET", "o:1"});
  EXPECT_THAT(explained, HasSubstr("route: rule 1"));
  EXPECT_THAT(explained, HasSubstr("upstream: other"));
  EXPECT_THAT(client_.Command({"WEIR", "EXPLAIN", "GET", "h"}), HasSubstr("route: no rule"));
  EXPECT_THAT(client_.Command({"WEIR", "EXPLAIN", "MGET", "h", "o:"}), HasSubstr("it is split"));
  EXPECT_THAT(client_.Command({"WEIR", "EXPLAIN", "RENAME", "h", "o:"}), HasSubstr("is refused"));
}

// Replies keep their order though one upstream is slower than the other, and what is for the
// faster is not kept from it meanwhile.
TEST_F(RouteTest, RepliesKeepTheirOrderAndUpstreamsDoNotWaitForEachOther) {
  client_.Text({"GET", "o:1"});
  other_.Pause();
  client_.Send(Encode({"SET", "o:a", "1"}) + Encode({"SET", "h:a", "2"}) + Encode({"GET", "o:a"}) +
               Encode({"GET", "h:a"}));
  while (at_home_.Text({"GET", "h:a"}) != "2") {
  }
  EXPECT_TRUE(client_.TakeFrames().empty());
  other_.Resume();
  EXPECT_EQ(client_.ReadFrame(), "+OK\r\n");
  EXPECT_EQ(client_.ReadFrame(), "+OK\r\n");
  EXPECT_EQ(client_.ReadFrame(), Bulk("1"));
  EXPECT_EQ(client_.ReadFrame(), Bulk("2"));
}

TEST_F(RouteTest, CommandsThatCanBeSplitAreAndOthersAreRefused) {
  EXPECT_EQ(client_.Text({"MSET", "h:1", "1", "o:1", "2", "h:2", "3", "o:1", "4"}), "OK");
  EXPECT_EQ(at_other_.Text({"GET", "o:1"}), "4");
  EXPECT_EQ(client_.Command({"MGET", "o:1", "h:2", "no", "h:1", "o:1"}),
            "*5\r\n" + Bulk("4") + Bulk("3") + "$-1\r\n" + Bulk("1") + Bulk("4"));
  EXPECT_EQ(client_.Text({"EXISTS", "o:1", "h:1", "h:9"}), "2");
  EXPECT_EQ(client_.Text({"TOUCH", "o:1", "h:1"}), "2");
  EXPECT_EQ(client_.Text({"UNLINK", "o:1", "h:1", "x"}), "2");
  EXPECT_EQ(client_.Text({"DEL", "h:2", "o:2"}), "1");
  EXPECT_THAT(
      client_.Text({"MSETNX", "h:1", "1", "o:1", "1"}),
      HasSubstr("CROSSSLOT weir: the keys are on different upstreams, 'default' and 'other'"));
  EXPECT_THAT(client_.Text({"RENAME", "o:1", "h:1"}), HasSubstr("'other' and 'default'"));
  EXPECT_THAT(client_.Text({"EVAL", "return 1", "2", "h", "o:"}), HasSubstr("CROSSSLOT"));
  EXPECT_EQ(client_.Text({"EVAL", "return KEYS[1]", "1", "o:"}), "o:");
  EXPECT_THAT(client_.Text({"MSET", "h:1", "1", "o:1"}), HasSubstr("wrong number of arguments"));
}

TEST_F(RouteTest, APartWhoseUpstreamIsDownIsTheReply) {
  client_.Text({"MSET", "h:1", "1", "o:1", "1"});
  other_.Kill();
  EXPECT_THAT(client_.Text({"MGET", "h:1", "o:1"}), HasSubstr("DOWN weir: "));
  const std::string reply = client_.Text({"MSET", "h:1", "2", "o:1", "2"});
  EXPECT_THAT(reply, HasSubstr("DOWN weir: "));
  EXPECT_THAT(reply, HasSubstr("1 of 2 parts were done"));
  EXPECT_EQ(client_.Text({"GET", "h:1"}), "2");
}

TEST_F(RouteTest, ATransactionIsWhereItsFirstKeyIs) {
  for (const std::string key : {"o:n", "h:n"}) {
    client_.Send(Encode({"MULTI"}) + Encode({"PING"}) + Encode({"TIME"}) + Encode({"INCR", key}) +
                 Encode({"DBSIZE"}) + Encode({"EXEC"}));
    EXPECT_EQ(client_.ReadFrame(), "+OK\r\n");
    for (int i = 0; i < 4; ++i) EXPECT_EQ(client_.ReadFrame(), "+QUEUED\r\n") << key << i;
    const Reply exec = ParseReply(client_.ReadFrame());
    ASSERT_EQ(exec.elements.size(), 4u) << key;
    EXPECT_EQ(exec.elements[2].text, "1");
    EXPECT_EQ(exec.elements[3].text, "1") << "DBSIZE goes along";
  }
  EXPECT_EQ(at_other_.Text({"GET", "o:n"}), "1");
  // Keys of another upstream are refused when they are queued, and nothing runs.
  client_.Send(Encode({"MULTI"}) + Encode({"INCR", "o:n"}) + Encode({"INCR", "h:n"}) +
               Encode({"EXEC"}) + Encode({"MULTI"}) + Encode({"DEL", "o:n", "h:n"}) +
               Encode({"EXEC"}) + Encode({"GET", "o:n"}));
  EXPECT_EQ(client_.ReadFrame(), "+OK\r\n");
  EXPECT_EQ(client_.ReadFrame(), "+QUEUED\r\n");
  EXPECT_THAT(client_.ReadFrame(),
              StartsWith("-CROSSSLOT weir: all keys of a transaction must be on one upstream"));
  EXPECT_THAT(client_.ReadFrame(), StartsWith("-EXECABORT"));
  EXPECT_EQ(client_.ReadFrame(), "+OK\r\n");
  EXPECT_THAT(client_.ReadFrame(), StartsWith("-CROSSSLOT weir: "));
  EXPECT_THAT(client_.ReadFrame(), StartsWith("-EXECABORT"));
  EXPECT_EQ(client_.ReadFrame(), Bulk("1"));
  // One behind the other in a pipeline, each is decided by its own.
  client_.Send(Encode({"MULTI"}) + Encode({"SET", "o:p", "1"}) + Encode({"EXEC"}) +
               Encode({"MULTI"}) + Encode({"SET", "h:p", "2"}) + Encode({"EXEC"}) +
               Encode({"MULTI"}) + Encode({"MGET", "o:p", "o:n"}) + Encode({"EXEC"}));
  EXPECT_EQ(client_.ReadFrames(9).back(), "*1\r\n*2\r\n" + Bulk("1") + Bulk("1"));
  EXPECT_EQ(at_home_.Text({"GET", "h:p"}), "2");
  // Without a key there is none to wait for.
  client_.Send(Encode({"MULTI"}) + Encode({"EXEC"}) + Encode({"MULTI"}) + Encode({"DISCARD"}) +
               Encode({"EXEC"}));
  EXPECT_EQ(client_.ReadFrame(), "+OK\r\n");
  EXPECT_EQ(client_.ReadFrame(), "*0\r\n");
  EXPECT_EQ(client_.ReadFrame(), "+OK\r\n");
  EXPECT_EQ(client_.ReadFrame(), "+OK\r\n");
  EXPECT_EQ(client_.ReadFrame(), "-ERR EXEC without MULTI\r\n");
}

TEST_F(RouteTest, WatchedKeysAreOnOneUpstream) {
  EXPECT_EQ(client_.Text({"WATCH", "o:w"}), "OK");
  EXPECT_EQ(client_.Text({"SET", "h:w", "1"}), "OK") << "others are used meanwhile";
  EXPECT_THAT(client_.Text({"WATCH", "h:w"}), HasSubstr("CROSSSLOT weir: "));
  at_other_.Text({"SET", "o:w", "changed"});
  client_.Send(Encode({"MULTI"}) + Encode({"SET", "o:w", "lost"}) + Encode({"EXEC"}));
  EXPECT_EQ(client_.ReadFrame(), "+OK\r\n");
  EXPECT_EQ(client_.ReadFrame(), "+QUEUED\r\n");
  EXPECT_EQ(client_.ReadFrame(), "*-1\r\n");
  EXPECT_EQ(client_.Text({"WATCH", "o:w"}), "OK");
  EXPECT_THAT(client_.Text({"BLPOP", "h:list", "1"}), HasSubstr("a connection of its own"));
  EXPECT_EQ(client_.Text({"UNWATCH"}), "OK");
  at_home_.Text({"RPUSH", "h:list", "x"});
  EXPECT_EQ(client_.Command({"BLPOP", "h:list", "1"}), "*2\r\n" + Bulk("h:list") + Bulk("x"));
}

// What comes behind a command that blocks waits for it, wherever it goes.
TEST_F(RouteTest, BlockingCommandsHoldUpTheirOwnClientAlone) {
  client_.Send(Encode({"BLPOP", "o:l", "0"}) + Encode({"SET", "h:behind", "1"}));
  RawClient second(weir_.port());
  EXPECT_EQ(second.Text({"SET", "o:x", "1"}), "OK");
  while (at_other_.Text({"INFO", "clients"}).find("blocked_clients:1") == std::string::npos) {
  }
  EXPECT_EQ(second.Text({"GET", "h:behind"}), "(nil)");
  EXPECT_EQ(second.Text({"RPUSH", "o:l", "e"}), "1");
  EXPECT_EQ(client_.ReadFrame(), "*2\r\n" + Bulk("o:l") + Bulk("e"));
  EXPECT_EQ(client_.ReadFrame(), "+OK\r\n");
}

TEST_F(RouteTest, ChannelsMatchAsKeysDo) {
  RawClient subscriber(weir_.port());
  subscriber.Send(Encode({"SUBSCRIBE", "o:c"}) + Encode({"SUBSCRIBE", "h:c"}) +
                  Encode({"PSUBSCRIBE", "o:*"}));
  for (int i = 0; i < 3; ++i) subscriber.ReadFrame();
  EXPECT_EQ(client_.Text({"PUBLISH", "o:c", "1"}), "2");
  EXPECT_THAT(subscriber.ReadFrame(), HasSubstr("o:c"));
  EXPECT_THAT(subscriber.ReadFrame(), HasSubstr("pmessage"));
  // Between upstreams there is no order.
  EXPECT_EQ(client_.Text({"PUBLISH", "h:c", "2"}), "1");
  EXPECT_THAT(subscriber.ReadFrame(), HasSubstr("h:c"));
  EXPECT_EQ(at_other_.Text({"PUBLISH", "h:c", "no"}), "0");
  EXPECT_EQ(client_.Command({"PUBSUB", "NUMSUB", "o:c"}), "*2\r\n" + Bulk("o:c") + ":1\r\n");
  EXPECT_THAT(client_.Text({"SUBSCRIBE", "o:c", "h:c"}), HasSubstr("CROSSSLOT weir: "));
  subscriber.Send(Encode({"UNSUBSCRIBE"}));
  EXPECT_THAT(subscriber.ReadFrame(), HasSubstr("unsubscribe"));
  EXPECT_THAT(subscriber.ReadFrame(), HasSubstr("unsubscribe"));
}

TEST_F(RouteTest, ATrackingClientCannotReadWhereItDoesNotTrack) {
  client_.Text({"HELLO", "3"});
  client_.Command({"HELLO", "3"});
  RawClient tracker(weir_.port());
  tracker.Command({"HELLO", "3"});
  EXPECT_EQ(tracker.Text({"CLIENT", "TRACKING", "ON"}), "OK");
  tracker.Command({"GET", "h:t"});
  EXPECT_THAT(tracker.Command({"GET", "o:t"}), HasSubstr("-ERR weir: this client tracks"));
  client_.Command({"SET", "h:t", "1"});
  EXPECT_THAT(tracker.ReadFrame(), HasSubstr("invalidate"));
  EXPECT_EQ(tracker.Text({"CLIENT", "TRACKING", "OFF"}), "OK");
  EXPECT_EQ(tracker.Command({"GET", "o:t"}), "_\r\n");
}

TEST_F(RouteTest, LargeRequestsGoWhereTheirKeySays) {
  const std::string large(3 << 20, 'x');
  EXPECT_EQ(client_.Text({"SET", "o:large", large}), "OK");
  EXPECT_EQ(at_other_.Text({"STRLEN", "o:large"}), std::to_string(large.size()));
  EXPECT_EQ(client_.Text({"SET", "h:large", large}), "OK");
  EXPECT_EQ(at_home_.Text({"STRLEN", "h:large"}), std::to_string(large.size()));
  EXPECT_THAT(client_.Text({"MSET", "o:1", large, "h:1", "1"}),
              HasSubstr("ERR weir: where [[route]]"));
  EXPECT_EQ(client_.Text({"EXISTS", "o:1", "h:1"}), "0");
  EXPECT_EQ(client_.Text({"STRLEN", "o:large"}), std::to_string(large.size()));
}

// A long random history of one pipelining client over two upstreams gives what one Redis gives.
TEST_F(RouteTest, RandomPipelinesGiveWhatOneRedisGives) {
  RedisServer single;
  RawClient direct(single.port());
  std::mt19937 random(static_cast<uint32_t>(Seed()));
  const auto below = [&](uint32_t n) { return random() % n; };
  const auto key = [&] {
    return std::string(below(2) == 0 ? "o:" : "h:") + std::to_string(below(8));
  };
  for (int round = 0; round < 60; ++round) {
    std::string bytes;
    const uint32_t count = 1 + below(60);
    for (uint32_t i = 0; i < count; ++i) {
      const std::string k = key();
      const std::string v = std::to_string(below(100));
      switch (below(9)) {
        case 0:
          bytes += Encode({"SET", k, v});
          break;
        case 1:
          bytes += Encode({"GET", k});
          break;
        case 2:
          bytes += Encode({"INCRBY", k, v});
          break;
        case 3:
          bytes += Encode({"MGET", k, key(), key()});
          break;
        case 4:
          bytes += Encode({"MSET", k, v, key(), v, key(), v});
          break;
        case 5:
          bytes += Encode({"DEL", k, key()});
          break;
        case 6:
          bytes += Encode({"EXISTS", k, key(), key()});
          break;
        case 7:
          bytes += Encode({"ECHO", v});
          break;
        default:
          bytes += Encode({"APPEND", k, v});
          break;
      }
    }
    direct.Send(bytes);
    client_.Send(bytes);
    for (uint32_t i = 0; i < count; ++i) {
      ASSERT_EQ(client_.ReadFrame(), direct.ReadFrame()) << "round " << round << ", reply " << i;
    }
  }
}

TEST(RouteKindsTest, ByCommandUserAndDb) {
  RedisServer home;
  RedisServer other;
  WeirServer weir(Routed(home, other.url() + "/2",
                         "[[route]]\nusers = [\"bob\"]\nupstream = \"other\"\n"
                         "[[route]]\ndbs = [\"7\"]\nupstream = \"other\"\n"
                         "[[route]]\ncommands = [\"@hash\", \"LASTSAVE\"]\nupstream = \"other\"\n"
                         "[auth]\nmode = \"users\"\n[[auth.user]]\nname = \"bob\"\npasswords = [\"#"
                         "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8\"]\n"
                         "[[auth.user]]\nname = \"eve\"\npasswords = [\"#"
                         "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8\"]\n"));
  RawClient at_other(other.port());
  at_other.Text({"SELECT", "2"});
  RawClient eve(weir.port());
  EXPECT_EQ(eve.Text({"AUTH", "eve", "password"}), "OK");
  EXPECT_EQ(eve.Text({"HSET", "h", "f", "v"}), "1");
  EXPECT_EQ(at_other.Text({"HGET", "h", "f"}), "v") << "in the db of that upstream's URL";
  EXPECT_EQ(eve.Text({"SET", "s", "home"}), "OK");
  EXPECT_EQ(at_other.Text({"EXISTS", "s"}), "0");
  EXPECT_EQ(eve.Text({"SELECT", "7"}), "OK");
  EXPECT_EQ(eve.Text({"SET", "s", "seven"}), "OK");
  at_other.Text({"SELECT", "7"});
  EXPECT_EQ(at_other.Text({"GET", "s"}), "seven");
  RawClient bob(weir.port());
  EXPECT_EQ(bob.Text({"AUTH", "bob", "password"}), "OK");
  bob.Send(Encode({"MULTI"}) + Encode({"SET", "b", "1"}) + Encode({"EXEC"}));
  EXPECT_EQ(bob.ReadFrames(3).back(), "*1\r\n+OK\r\n");
  at_other.Text({"SELECT", "2"});
  EXPECT_EQ(at_other.Text({"GET", "b"}), "1");
}

TEST(RouteKindsTest, ClustersAndServersTogether) {
  RedisServer home;
  Cluster cluster(Cluster::Options{.replicas_each = 0});
  WeirServer weir(Routed(home, cluster.url(), kByKey, "retry_budget_ms = 20000\n"));
  RawClient client(weir.port());
  std::string bytes;
  std::vector<std::string> mset = {"MSET"};
  std::vector<std::string> mget = {"MGET"};
  std::string expected;
  for (int i = 0; i < 60; ++i) {
    const std::string key = (i % 3 == 0 ? "h:" : "o:") + std::to_string(i);
    mset.insert(mset.end(), {key, key});
    mget.push_back(key);
    expected += Bulk(key);
    bytes += Encode({"GET", key});
  }
  ASSERT_EQ(client.Text(mset), "OK");
  EXPECT_EQ(client.Command(mget), "*60\r\n" + expected);
  client.Send(bytes);
  for (int i = 0; i < 60; ++i) {
    EXPECT_EQ(client.ReadFrame(), Bulk(mget[static_cast<size_t>(i) + 1])) << i;
  }
  RawClient at_home(home.port());
  EXPECT_EQ(at_home.Text({"DBSIZE"}), "20");
  client.Send(Encode({"MULTI"}) + Encode({"INCR", "o:t"}) + Encode({"EXEC"}) + Encode({"MULTI"}) +
              Encode({"INCR", "h:t"}) + Encode({"EXEC"}) + Encode({"GET", "o:t"}));
  EXPECT_EQ(client.ReadFrames(6).back(), "*1\r\n:1\r\n");
  EXPECT_EQ(client.ReadFrame(), Bulk("1"));
}

class WeirOnTest : public RouteTest {};

TEST_F(WeirOnTest, NamesTheUpstreamOfOneCommand) {
  EXPECT_EQ(client_.Text({"WEIR.ON", "other", "SET", "h:1", "there"}), "OK");
  EXPECT_EQ(client_.Text({"GET", "h:1"}), "(nil)");
  EXPECT_EQ(at_other_.Text({"GET", "h:1"}), "there");
  EXPECT_EQ(client_.Text({"weir.on", "default", "SET", "o:1", "here"}), "OK");
  EXPECT_EQ(at_home_.Text({"GET", "o:1"}), "here");
  client_.Send(Encode({"WEIR.ON", "other", "GET", "h:1"}) + Encode({"GET", "h:1"}) +
               Encode({"WEIR.ON", "default", "MGET", "o:1", "h:1"}));
  EXPECT_EQ(client_.ReadFrame(), Bulk("there"));
  EXPECT_EQ(client_.ReadFrame(), "$-1\r\n");
  EXPECT_EQ(client_.ReadFrame(), "*2\r\n" + Bulk("here") + "$-1\r\n");
  EXPECT_THAT(client_.Command({"WEIR", "EXPLAIN", "WEIR.ON", "other", "GET", "a"}),
              HasSubstr("upstream: other"));
  const std::string large(2 << 20, 'x');
  EXPECT_EQ(client_.Text({"WEIR.ON", "other", "SET", "h:large", large}), "OK");
  EXPECT_EQ(at_other_.Text({"STRLEN", "h:large"}), std::to_string(large.size()));
  at_other_.Text({"RPUSH", "h:l", "x"});
  EXPECT_EQ(client_.Command({"WEIR.ON", "other", "BLPOP", "h:l", "1"}),
            "*2\r\n" + Bulk("h:l") + Bulk("x"));
}

TEST_F(WeirOnTest, WhatItRefuses) {
  EXPECT_EQ(client_.Text({"WEIR.ON", "othr", "GET", "a"}),
            "-ERR weir: there is no upstream 'othr'; did you mean 'other'?");
  EXPECT_THAT(client_.Text({"WEIR.ON", "a\r\nb", "GET", "a"}), HasSubstr("there is no upstream"));
  EXPECT_THAT(client_.Text({"WEIR.ON", "other"}), HasSubstr("wrong number of arguments"));
  EXPECT_THAT(client_.Text({"WEIR.ON", "other", "SHUTDOWN"}), StartsWith("-NOPERM weir: "));
  for (const std::string command : {"MULTI", "SUBSCRIBE", "SELECT", "AUTH", "WEIR.ON"}) {
    EXPECT_THAT(client_.Text({"WEIR.ON", "other", command, "1"}),
                HasSubstr("leave nothing behind"));
  }
  EXPECT_THAT(client_.Text({"WEIR.ON", "other", "NOSUCH"}), HasSubstr("unknown command"));
  client_.Send(Encode({"MULTI"}) + Encode({"WEIR.ON", "other", "GET", "a"}) + Encode({"EXEC"}));
  EXPECT_EQ(client_.ReadFrame(), "+OK\r\n");
  EXPECT_THAT(client_.ReadFrame(), HasSubstr("'weir.on' is not possible inside MULTI"));
  EXPECT_THAT(client_.ReadFrame(), StartsWith("-EXECABORT"));
  EXPECT_EQ(client_.Text({"PING"}), "PONG");
}

TEST_F(WeirOnTest, COMMANDKnowsIt) {
  EXPECT_THAT(client_.Command({"COMMAND", "INFO", "WEIR.ON"}), HasSubstr("weir.on"));
  EXPECT_EQ(client_.Command({"COMMAND", "GETKEYS", "WEIR.ON", "other", "MSET", "a", "1", "b", "2"}),
            "*2\r\n" + Bulk("a") + Bulk("b"));
  EXPECT_THAT(client_.Text({"COMMAND", "GETKEYS", "WEIR.ON", "other"}), StartsWith("-ERR"));
}

// Without any rule, and as a user whom Redis' ACLs hold for.
TEST(WeirOnAclTest, TheCommandWithinIsWhatIsAllowedOrNot) {
  RedisServer home;
  RedisServer other;
  for (RedisServer* server : {&home, &other}) {
    RawClient admin(server->port());
    admin.Text(
        {"ACL", "SETUSER", "reader", "on", ">pw", "~*", "+get", "+ping", "+select", "+hello"});
  }
  WeirServer weir(Routed(home, other.url(), "[auth]\nmode = \"passthrough\"\n"));
  RawClient client(weir.port());
  EXPECT_EQ(client.Text({"AUTH", "reader", "pw"}), "OK");
  EXPECT_EQ(client.Text({"WEIR.ON", "other", "GET", "a"}), "(nil)");
  EXPECT_THAT(client.Text({"WEIR.ON", "other", "SET", "a", "1"}), StartsWith("-NOPERM"));
  EXPECT_EQ(client.Text({"GET", "a"}), "(nil)");
}

TEST(WeirOnAclTest, StrangersAreRefused) {
  RedisServer home;
  WeirServer weir(Routed(home, home.url(),
                         "[auth]\nmode = \"users\"\n[[auth.user]]\npasswords = [\"#"
                         "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8\"]\n"));
  RawClient client(weir.port());
  EXPECT_THAT(client.Text({"WEIR.ON", "other", "GET", "a"}), StartsWith("-NOAUTH"));
}

}  // namespace
}  // namespace weir::harness
