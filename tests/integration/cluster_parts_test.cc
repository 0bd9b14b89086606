// Commands over several nodes of a cluster give what one server would give.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "tests/support/cluster.h"
#include "tests/support/raw_client.h"
#include "tests/support/weir_server.h"

namespace weir::harness {
namespace {

class ClusterPartsTest : public ::testing::Test {
 protected:
  Cluster cluster_{Cluster::Options{.replicas_each = 0}};
  WeirServer weir_{
      InFrontOf(cluster_.url(), "", "allow = [\"FLUSHALL\", \"KEYS\", \"CONFIG|SET\"]\n")};
};

TEST_F(ClusterPartsTest, KeysAreSplitAndTheirRepliesPutTogether) {
  RawClient client(weir_.port());
  std::vector<std::string> mset = {"MSET"};
  std::vector<std::string> mget = {"MGET"};
  std::vector<std::string> keys;
  std::string expected = "*40\r\n";
  for (int i = 0; i < 40; ++i) {
    const std::string key = "key " + std::to_string(i);
    keys.push_back(key);
    if (i % 5 != 0) {
      mset.insert(mset.end(), {key, std::to_string(i)});
      expected += Bulk(std::to_string(i));
    } else {
      expected += "$-1\r\n";
    }
    mget.push_back(key);
  }
  EXPECT_EQ(client.Text(mset), "OK");
  EXPECT_EQ(client.Command(mget), expected);
  // Once more in one piece, before and behind single ones.
  client.Send(Encode({"GET", "key 1"}) + Encode(mget) + Encode({"INCR", "key 1"}) + Encode(mget));
  EXPECT_EQ(client.ReadFrame(), Bulk("1"));
  EXPECT_EQ(client.ReadFrame(), expected);
  EXPECT_EQ(client.ReadFrame(), ":2\r\n");
  EXPECT_NE(client.ReadFrame(), expected);
  for (const char* command : {"EXISTS", "TOUCH", "UNLINK", "DEL"}) {
    std::vector<std::string> args = {command};
    args.insert(args.end(), keys.begin(), keys.end());
    EXPECT_EQ(client.Text(args), std::string(command) == "DEL" ? "0" : "32") << command;
  }
  // The same key twice, as Redis counts it.
  EXPECT_EQ(client.Text({"MSET", "a", "1", "b", "2", "a", "3"}), "OK");
  EXPECT_EQ(client.Text({"EXISTS", "a", "b", "a"}), "3");
  EXPECT_EQ(client.Command({"MGET", "a", "b", "a"}), "*3\r\n" + Bulk("3") + Bulk("2") + Bulk("3"));
}

TEST_F(ClusterPartsTest, WhatConcernsAllNodesIsAskedOfAll) {
  RawClient client(weir_.port());
  for (int i = 0; i < 100; ++i) client.Text({"SET", "k" + std::to_string(i), "v"});
  EXPECT_EQ(client.Text({"DBSIZE"}), "100");
  const Reply keys = ParseReply(client.Command({"KEYS", "k*"}));
  EXPECT_EQ(keys.elements.size(), 100u);
  EXPECT_EQ(client.Text({"RANDOMKEY"}).front(), 'k');
  const std::string sha = client.Text({"SCRIPT", "LOAD", "return 7"});
  EXPECT_EQ(client.Command({"SCRIPT", "EXISTS", sha, "0"}), "*2\r\n:1\r\n:0\r\n");
  for (size_t i = 0; i < 3; ++i) {
    RawClient direct(cluster_.node(i).port());
    EXPECT_EQ(direct.Text({"EVALSHA", sha, "0"}), "7");
  }
  EXPECT_EQ(client.Text({"SCRIPT", "FLUSH"}), "OK");
  EXPECT_EQ(client.Command({"SCRIPT", "EXISTS", sha}), "*1\r\n:0\r\n");
  EXPECT_EQ(client.Text({"CONFIG", "SET", "maxmemory-samples", "6"}), "OK");
  for (size_t i = 0; i < 3; ++i) {
    RawClient direct(cluster_.node(i).port());
    EXPECT_NE(direct.Command({"CONFIG", "GET", "maxmemory-samples"}).find('6'), std::string::npos);
  }
  EXPECT_EQ(client.Text({"FLUSHALL"}), "OK");
  EXPECT_EQ(client.Text({"DBSIZE"}), "0");
  EXPECT_EQ(client.Command({"RANDOMKEY"}), "$-1\r\n");
}

// It was that of one node: a third of the keys, and of the clients that wait.
TEST_F(ClusterPartsTest, InfoIsThatOfAllNodes) {
  RawClient client(weir_.port());
  for (int i = 0; i < 100; ++i) client.Text({"SET", "k" + std::to_string(i), "v"});
  EXPECT_NE(client.Text({"INFO", "keyspace"}).find("db0:keys=100,expires=0"), std::string::npos);
  std::vector<RawClient> waiting;
  for (size_t node = 0; node < 3; ++node) {
    waiting.emplace_back(weir_.port());
    waiting.back().Send(Encode({"BLPOP", cluster_.KeyOn(node, 1), "0"}));
  }
  EXPECT_TRUE(Eventually([&] {
    return client.Text({"INFO", "clients"}).find("blocked_clients:3\r\n") != std::string::npos;
  }));
  const std::string all = client.Text({"INFO", "everything"});
  EXPECT_NE(all.find("redis_mode:standalone\r\n"), std::string::npos);
  EXPECT_NE(all.find("cmdstat_set:calls=100,"), std::string::npos);
  EXPECT_NE(all.find("\r\n# Weir\r\n"), std::string::npos);
  RawClient resp3(weir_.port());
  resp3.Command({"HELLO", "3"});
  EXPECT_EQ(resp3.Command({"INFO", "keyspace"}).front(), '=');
  // Silence, order, and a node that is away: what the others say.
  client.Send(Encode({"CLIENT", "REPLY", "SKIP"}) + Encode({"INFO"}) + Encode({"GET", "k1"}) +
              Encode({"INFO", "keyspace"}) + Encode({"INCR", "n"}));
  EXPECT_EQ(client.ReadFrame(), Bulk("v"));
  EXPECT_NE(client.ReadFrame().find("db0:keys=100,"), std::string::npos);
  EXPECT_EQ(client.ReadFrame(), ":1\r\n");
  cluster_.node(2).Kill();
  EXPECT_TRUE(Eventually([&] {
    const std::string text = client.Text({"INFO", "keyspace"});
    return text.find("db0:keys=") != std::string::npos && text.find("=101,") == std::string::npos;
  }));
}

TEST_F(ClusterPartsTest, ScanGoesOverAllNodes) {
  RawClient client(weir_.port());
  std::set<std::string> all;
  for (int i = 0; i < 500; ++i) {
    all.insert("k" + std::to_string(i));
    client.Text({"SET", "k" + std::to_string(i), "v"});
  }
  std::set<std::string> seen;
  std::string cursor = "0";
  do {
    const Reply reply = ParseReply(client.Command({"SCAN", cursor, "COUNT", "50"}));
    ASSERT_EQ(reply.elements.size(), 2u);
    cursor = reply.elements[0].text;
    for (const Reply& key : reply.elements[1].elements) seen.insert(key.text);
  } while (cursor != "0");
  EXPECT_EQ(seen, all);
  EXPECT_EQ(client.Text({"SCAN", "x"}), "-ERR invalid cursor");
  EXPECT_EQ(client.Text({"SCAN"}), "-ERR wrong number of arguments for 'scan' command");
}

// A part that fails is the error that the client sees; the others have run, once.
TEST_F(ClusterPartsTest, OneFailedPartIsTheErrorAndTheOthersAreDone) {
  RawClient client(weir_.port());
  const std::string full = cluster_.KeyOn(1, 1);
  RawClient direct(cluster_.node(1).port());
  EXPECT_EQ(direct.Text({"CONFIG", "SET", "maxmemory", "1"}), "OK");
  const std::string reply =
      client.Text({"MSET", cluster_.KeyOn(0, 1), "a", full, "b", cluster_.KeyOn(2, 1), "c"});
  EXPECT_EQ(reply.substr(0, 5), "-OOM ") << reply;
  EXPECT_NE(reply.find("2 of 3 parts were done"), std::string::npos) << reply;
  EXPECT_EQ(client.Text({"GET", cluster_.KeyOn(0, 1)}), "a");
  EXPECT_EQ(client.Text({"GET", cluster_.KeyOn(2, 1)}), "c");
  EXPECT_EQ(direct.Text({"CONFIG", "SET", "maxmemory", "0"}), "OK");
}

TEST_F(ClusterPartsTest, PublishReachesAllSubscribersWhereverTheyAre) {
  RawClient listener(weir_.port());
  RawClient direct(cluster_.node(2).port());
  RawClient publisher(weir_.port());
  EXPECT_EQ(listener.Command({"SUBSCRIBE", "news"}),
            "*3\r\n" + Bulk("subscribe") + Bulk("news") + ":1\r\n");
  EXPECT_EQ(direct.Command({"SUBSCRIBE", "news"}),
            "*3\r\n" + Bulk("subscribe") + Bulk("news") + ":1\r\n");
  EXPECT_EQ(publisher.Command({"PUBSUB", "NUMSUB", "news"}).find(":0\r\n"), std::string::npos);
  publisher.Text({"PUBLISH", "news", "today"});
  const std::string message = "*3\r\n" + Bulk("message") + Bulk("news") + Bulk("today");
  EXPECT_EQ(listener.ReadFrame(), message);
  EXPECT_EQ(direct.ReadFrame(), message);
}

// It gave the last ten of each node, one node's behind the other's.
TEST_F(ClusterPartsTest, TheSlowLogIsThatOfOneServer) {
  RawClient client(weir_.port());
  EXPECT_EQ(client.Text({"CONFIG", "SET", "slowlog-log-slower-than", "0"}), "OK");
  EXPECT_EQ(client.Text({"SLOWLOG", "RESET"}), "OK");
  for (int i = 0; i < 60; ++i)
    client.Command({"GET", cluster_.KeyOn(static_cast<size_t>(i) % 3, i)});
  const auto expect = [&client](const std::vector<std::string>& command, size_t count) {
    const Reply entries = ParseReply(client.Command(command));
    EXPECT_EQ(entries.elements.size(), count);
    int64_t before = INT64_MAX;
    for (const Reply& entry : entries.elements) {
      ASSERT_EQ(entry.elements.size(), 6U);
      EXPECT_LE(std::stoll(entry.elements[1].text), before);
      before = std::stoll(entry.elements[1].text);
    }
  };
  expect({"SLOWLOG", "GET"}, 10);
  expect({"SLOWLOG", "GET", "3"}, 3);
  expect({"SLOWLOG", "GET", "0"}, 0);
  expect({"SLOWLOG", "GET", "25"}, 25);
  EXPECT_GE(ParseReply(client.Command({"SLOWLOG", "GET", "-1"})).elements.size(), 60U);
  EXPECT_EQ(client.Text({"SLOWLOG", "GET", "x"}),
            RawClient(cluster_.node(0).port()).Text({"SLOWLOG", "GET", "x"}));
}

}  // namespace
}  // namespace weir::harness
