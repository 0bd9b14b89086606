// A transaction on a cluster begins at the node of its first key, whatever stands before that key;
// until then it looks as on one Redis.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "tests/support/cluster.h"
#include "tests/support/redis_server.h"
#include "tests/support/support.h"

namespace weir::harness {
namespace {

using Commands = std::vector<std::vector<std::string>>;

std::string Encoded(const Commands& commands) {
  std::string bytes;
  for (const auto& command : commands) bytes += Encode(command);
  return bytes;
}

class ClusterTransactionTest : public ::testing::Test {
 protected:
  void ExpectSame(const Commands& commands) {
    for (const std::string version : {"2", "3"}) {
      Commands all = commands;
      all.push_back({"QUIT"});
      const std::string bytes = Encoded(all);
      const auto heard = [&](uint16_t port) {
        RawClient client(port);
        client.Command({"HELLO", version});
        client.Send(bytes);
        return client.ReadUntilClose();
      };
      EXPECT_EQ(Printable(WithoutNode(heard(weir_.port())), 2000),
                Printable(WithoutNode(heard(redis_.port())), 2000))
          << Printable(bytes, 2000);
    }
  }

  // Inside MULTI the node itself answers HELLO: by its own client's id, and as what it is.
  static std::string WithoutNode(std::string heard) {
    for (const auto& [word, instead] : std::map<std::string, std::string>{
             {"$2\r\nid\r\n:", ":0"}, {"$4\r\nmode\r\n$", "$0\r\n"}}) {
      const size_t at = heard.find(word);
      if (at == std::string::npos) continue;
      const size_t value = at + word.size() - 1;
      size_t end = heard.find("\r\n", value);
      if (heard[value] == '$') end = heard.find("\r\n", end + 2);
      heard.replace(value, end - value, instead);
    }
    return heard;
  }

  Cluster cluster_;
  RedisServer redis_;
  WeirServer weir_{InFrontOf(cluster_.url(0))};
};

// Each of these began the transaction at any node, so the key behind it got CROSSSLOT two times out
// of three.
TEST_F(ClusterTransactionTest, WhatOnlyWeirAnswersMayStandBeforeTheFirstKey) {
  const std::vector<Commands> beginnings = {
      {{"CLIENT", "GETNAME"}},
      {{"CLIENT", "SETNAME", "bob"}, {"CLIENT", "GETNAME"}},
      {{"CLIENT", "GETNAME"}, {"CLIENT", "SETNAME", "bob"}},
      {{"CLIENT", "REPLY", "ON"}},
      {{"CLIENT", "REPLY", "OFF"}},
      {{"CLIENT", "REPLY", "SKIP"}},
      {{"CLIENT", "REPLY", "DIM"}},
      {{"CLIENT", "KILL", "ID", "999999"}, {"CLIENT", "KILL", "USER", "nobody"}},
      {{"CLIENT", "UNBLOCK", "999999"}},
      {{"CLIENT", "NO-EVICT", "ON"}},
      {{"SUBSCRIBE", "c", "d"}},
      {{"PSUBSCRIBE", "c*"}, {"SUBSCRIBE", "c"}, {"UNSUBSCRIBE", "c"}, {"PUNSUBSCRIBE"}},
      {{"SSUBSCRIBE", "c"}},
      {{"SUNSUBSCRIBE", "c"}},
      {{"HELLO", "3"}},
      {{"HELLO", "2"}},
      {{"HELLO", "9"}},
      {{"SELECT", "0"}},
      {{"ECHO", "x"}, {"PING"}, {"PING", "y"}},
      {{"WAIT", "0", "0"}},
      {{"UNWATCH"}},
      {{"COMMAND", "COUNT", "x"}},
      {{"CLIENT", "ID", "x"}},
      {{"SUBSCRIBE"}},
      {{"ECHO"}},
      {{"GET"}},
      {{"CLIENT"}},
      {{"CLIENT", "GETNAME"}, {"GET"}, {"CLIENT", "GETNAME"}},
      {{"MULTI"}},
      {{"WATCH", "k"}, {"CLIENT", "GETNAME"}},
  };
  for (const Commands& beginning : beginnings) {
    for (const char* end : {"EXEC", "DISCARD"}) {
      Commands only = {{"MULTI"}};
      only.insert(only.end(), beginning.begin(), beginning.end());
      only.push_back({end});
      only.push_back({"PING", "a"});
      only.push_back({"CLIENT", "REPLY", "ON"});
      only.push_back({"CLIENT", "GETNAME"});
      ExpectSame(only);
      for (size_t node = 0; node < 3; ++node) {
        Commands all = {{"MULTI"}};
        all.insert(all.end(), beginning.begin(), beginning.end());
        all.push_back({"SET", cluster_.KeyOn(node, 1), "x"});
        all.push_back({"CLIENT", "GETNAME"});
        all.push_back({"GET", cluster_.KeyOn(node, 1)});
        all.push_back({end});
        all.push_back({"PING", "a"});
        all.push_back({"CLIENT", "REPLY", "ON"});
        ExpectSame(all);
      }
    }
  }
}

TEST_F(ClusterTransactionTest, ClientsKnowTheirNumbersInIt) {
  RawClient client(weir_.port());
  const std::string id = client.Text({"CLIENT", "ID"});
  for (size_t node = 0; node < 3; ++node) {
    client.Send(Encoded({{"MULTI"},
                         {"CLIENT", "ID"},
                         {"CLIENT", "INFO"},
                         {"WEIR", "HELP"},
                         {"INCR", cluster_.KeyOn(node, 2)},
                         {"CLIENT", "ID"},
                         {"EXEC"}}));
    EXPECT_EQ(client.ReadFrames(6).back(), "+QUEUED\r\n");
    const Reply all = ParseReply(client.ReadFrame());
    ASSERT_EQ(all.elements.size(), 5U);
    EXPECT_EQ(all.elements[0].text, id);
    EXPECT_NE(all.elements[1].text.find("id=" + id + " "), std::string::npos);
    EXPECT_EQ(all.elements[3].text, "1");
    EXPECT_EQ(all.elements[4].text, id);
  }
  // What is not possible fails it, before any node knows of it.
  EXPECT_EQ(client.Text({"MULTI"}), "OK");
  EXPECT_EQ(client.Text({"WEIR", "HEALTH"}),
            "-ERR weir: 'weir|health' is not possible inside MULTI");
  EXPECT_EQ(client.Text({"CLIENT", "TRACKING", "ON"}),
            "-ERR weir: CLIENT TRACKING is not possible inside MULTI on a cluster");
  EXPECT_EQ(client.Text({"MGET", cluster_.KeyOn(0, 2), cluster_.KeyOn(1, 2)}),
            "-CROSSSLOT Keys in request don't hash to the same slot");
  EXPECT_EQ(client.Text({"INCR", cluster_.KeyOn(1, 2)}), "QUEUED");
  EXPECT_EQ(client.Text({"EXEC"}), "-EXECABORT Transaction discarded because of previous errors.");
  EXPECT_EQ(client.Text({"GET", cluster_.KeyOn(1, 2)}), "1");
}

TEST_F(ClusterTransactionTest, ASubscriptionThatStandsFirstHears) {
  RawClient publisher(weir_.port());
  for (size_t node = 0; node < 3; ++node) {
    RawClient client(weir_.port());
    const std::string channel = "c" + std::to_string(node);
    client.Send(
        Encoded({{"MULTI"}, {"SUBSCRIBE", channel}, {"INCR", cluster_.KeyOn(node, 3)}, {"EXEC"}}));
    EXPECT_EQ(client.ReadFrames(3).back(), "+QUEUED\r\n");
    EXPECT_EQ(client.ReadFrame(),
              "*2\r\n*3\r\n$9\r\nsubscribe\r\n" + Bulk(channel) + ":1\r\n:1\r\n");
    EXPECT_EQ(publisher.Text({"PUBLISH", channel, "hi"}), "1");
    EXPECT_EQ(client.ReadFrame(), "*3\r\n$7\r\nmessage\r\n" + Bulk(channel) + Bulk("hi"));
    // A transaction of a subscriber was begun, as if it were none.
    const std::string refused = client.Text({"MULTI"});
    EXPECT_TRUE(refused.starts_with("-ERR Can't execute 'multi': ")) << refused;
  }
}

// With passthrough authentication Redis says when it is queued whether the user may.
TEST(ClusterTransactionAclTest, WhatTheUserMayNotIsSaidAtOnce) {
  Cluster cluster;
  for (size_t i = 0; i < cluster.size(); ++i) {
    EXPECT_EQ(
        RawClient(cluster.node(i).port())
            .Text({"ACL", "SETUSER", "bob", "on", ">secret", "~*", "&*", "+@all", "-client|list"}),
        "OK");
  }
  WeirConfig config = InFrontOf(cluster.url(0));
  config.rest += "[auth]\nmode = \"passthrough\"\n";
  WeirServer weir(config);
  RawClient client(weir.port());
  ASSERT_EQ(client.Text({"AUTH", "bob", "secret"}), "OK");
  const std::string id = client.Text({"CLIENT", "ID"});
  for (size_t node = 0; node < 3; ++node) {
    const std::string key = cluster.KeyOn(node, 1);
    EXPECT_EQ(client.Text({"MULTI"}), "OK");
    EXPECT_EQ(client.Text({"CLIENT", "ID"}), "QUEUED");
    EXPECT_EQ(client.Text({"SET", key, "1"}), "QUEUED");
    EXPECT_EQ(client.Command({"EXEC"}), "*2\r\n:" + id + "\r\n+OK\r\n");
    EXPECT_EQ(client.Text({"MULTI"}), "OK");
    const std::string refused = client.Text({"CLIENT", "LIST"});
    EXPECT_TRUE(refused.starts_with("-NOPERM ")) << refused;
    EXPECT_EQ(client.Text({"SET", key, "2"}), "QUEUED");
    EXPECT_TRUE(client.Text({"EXEC"}).starts_with("-EXECABORT "));
    EXPECT_EQ(client.Text({"GET", key}), "1");
  }
}

}  // namespace
}  // namespace weir::harness
