// A cluster behind weir looks like one server: single keys, pipelines, transactions, blocking
// commands, scripts.
#include "tests/support/cluster.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/raw_client.h"
#include "tests/support/weir_server.h"

namespace weir::harness {
namespace {

class ClusterTest : public ::testing::Test {
 protected:
  Cluster cluster_;
  WeirServer weir_{InFrontOf(cluster_.url(0))};
};

TEST_F(ClusterTest, EachKeyGoesToItsNodeAndPipelinesKeepTheirOrder) {
  RawClient client(weir_.port());
  for (int i = 0; i < 300; ++i) {
    const std::string key = "key:" + std::to_string(i);
    ASSERT_EQ(client.Text({"SET", key, "value " + std::to_string(i)}), "OK");
  }
  for (size_t i = 0; i < 3; ++i) EXPECT_GT(cluster_.node(i).Calls("set"), 50) << i;
  std::string batch;
  for (int i = 0; i < 300; ++i) {
    batch += Encode({"GET", "key:" + std::to_string(i)});
    batch += Encode({"INCR", "count:" + std::to_string(i % 7)});
  }
  client.Send(batch);
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(client.ReadFrame(), Bulk("value " + std::to_string(i)));
    ASSERT_EQ(client.ReadFrame(), ":" + std::to_string(i / 7 + 1) + "\r\n");
  }
  EXPECT_EQ(client.Text({"GET"}), "-ERR wrong number of arguments for 'get' command");
  EXPECT_EQ(client.Text({"NOSUCH", "a"}),
            "-ERR unknown command 'NOSUCH', with args beginning with: 'a' ");
}

TEST_F(ClusterTest, WhatHasNoKeyGoesToOnePrimaryAndLooksLikeOneServer) {
  RawClient client(weir_.port());
  EXPECT_EQ(client.Text({"PING"}), "PONG");
  EXPECT_EQ(client.Command({"TIME"}).substr(0, 4), "*2\r\n");
  EXPECT_NE(client.Command({"HELLO", "3"}).find("standalone"), std::string::npos);
  EXPECT_EQ(client.Text({"SET", "a", "1"}), "OK");
  EXPECT_EQ(client.Command({"HGETALL", "nothing"}), "%0\r\n");
  EXPECT_EQ(client.Text({"SELECT", "1"}), "-ERR SELECT is not allowed in cluster mode");
  EXPECT_EQ(client.Text({"SELECT", "0"}), "OK");
  EXPECT_EQ(client.Text({"GET", "a"}), "1");
  EXPECT_EQ(client.Text({"READONLY"}), "-ERR This instance has cluster support disabled");
}

TEST_F(ClusterTest, WaitIsAboutTheNodeOfTheLastWrite) {
  RawClient client(weir_.port());
  for (size_t node = 0; node < 3; ++node) {
    EXPECT_EQ(client.Text({"SET", cluster_.KeyOn(node, 9), "x"}), "OK");
    const int64_t before = cluster_.node(node).Calls("wait");
    EXPECT_EQ(client.Text({"WAIT", "1", "10000"}), "1");
    EXPECT_EQ(cluster_.node(node).Calls("wait"), before + 1);
  }
}

TEST_F(ClusterTest, KeysOfSeveralSlotsAreRefusedInRedisWords) {
  RawClient client(weir_.port());
  const std::string crossslot = "-CROSSSLOT Keys in request don't hash to the same slot";
  const std::string a = cluster_.KeyOn(0, 1);
  const std::string b = cluster_.KeyOn(1, 1);
  EXPECT_EQ(client.Text({"RENAME", a, b}), crossslot);
  EXPECT_EQ(client.Text({"MSETNX", a, "1", b, "1"}), crossslot);
  EXPECT_EQ(client.Text({"BLPOP", a, b, "1"}), crossslot);
  EXPECT_EQ(client.Text({"EVAL", "return 1", "2", a, b}), crossslot);
  EXPECT_EQ(client.Text({"SUNIONSTORE", "{t}1", "{t}2", "{t}3"}), "0");
}

TEST_F(ClusterTest, TransactionsBeginAtTheirFirstKey) {
  RawClient client(weir_.port());
  for (size_t node = 0; node < 3; ++node) {
    const std::string key = cluster_.KeyOn(node, 7);
    EXPECT_EQ(client.Text({"MULTI"}), "OK");
    EXPECT_EQ(client.Text({"PUBLISH", "nobody", "listens"}), "QUEUED");
    EXPECT_EQ(client.Text({"SET", key, "1"}), "QUEUED");
    EXPECT_EQ(client.Text({"INCR", key}), "QUEUED");
    EXPECT_EQ(client.Text({"PING"}), "QUEUED");
    EXPECT_EQ(client.Command({"EXEC"}), "*4\r\n:0\r\n+OK\r\n:2\r\n+PONG\r\n");
    EXPECT_EQ(client.Text({"GET", key}), "2");
  }
  // In one piece, and beside other clients' requests.
  const std::string key = cluster_.KeyOn(1, 8);
  client.Send(Encode({"SET", cluster_.KeyOn(0, 8), "x"}) + Encode({"MULTI"}) +
              Encode({"INCR", key}) + Encode({"INCR", key}) + Encode({"EXEC"}) +
              Encode({"GET", cluster_.KeyOn(0, 8)}));
  EXPECT_EQ(client.ReadFrames(6),
            (std::vector<std::string>{"+OK\r\n", "+OK\r\n", "+QUEUED\r\n", "+QUEUED\r\n",
                                      "*2\r\n:1\r\n:2\r\n", "$1\r\nx\r\n"}));
  EXPECT_EQ(client.Text({"EXEC"}), "-ERR EXEC without MULTI");
  EXPECT_EQ(client.Text({"MULTI"}), "OK");
  EXPECT_EQ(client.Text({"MULTI"}), "-ERR MULTI calls can not be nested");
  EXPECT_EQ(client.Text({"WATCH", "a"}), "-ERR WATCH inside MULTI is not allowed");
  EXPECT_EQ(client.Command({"EXEC"}), "*0\r\n");
  EXPECT_EQ(client.Text({"MULTI"}), "OK");
  EXPECT_EQ(client.Text({"DISCARD"}), "OK");
  EXPECT_EQ(client.Text({"MULTI"}), "OK");
  EXPECT_EQ(client.Text({"GET"}), "-ERR wrong number of arguments for 'get' command");
  EXPECT_EQ(client.Text({"EXEC"}), "-EXECABORT Transaction discarded because of previous errors.");
}

TEST_F(ClusterTest, ATransactionOverTwoSlotsIsRefusedWhenTheSecondIsQueued) {
  RawClient client(weir_.port());
  const std::string a = cluster_.KeyOn(0, 1);
  const std::string b = cluster_.KeyOn(2, 1);
  EXPECT_EQ(client.Text({"MULTI"}), "OK");
  EXPECT_EQ(client.Text({"SET", a, "1"}), "QUEUED");
  EXPECT_EQ(client.Text({"SET", b, "1"}), "-CROSSSLOT Keys in request don't hash to the same slot");
  EXPECT_EQ(client.Text({"MGET", a, b}), "-CROSSSLOT Keys in request don't hash to the same slot");
  EXPECT_EQ(client.Text({"EXEC"}), "-EXECABORT Transaction discarded because of previous errors.");
  EXPECT_EQ(client.Text({"EXISTS", a}), "0");
}

TEST_F(ClusterTest, WatchPinsToItsNodeAndSeesOthersWrites) {
  RawClient client(weir_.port());
  RawClient other(weir_.port());
  for (size_t node = 0; node < 3; ++node) {
    const std::string key = cluster_.KeyOn(node, 3);
    EXPECT_EQ(client.Text({"WATCH", key}), "OK");
    // What is elsewhere can be read meanwhile.
    EXPECT_EQ(client.Text({"GET", cluster_.KeyOn((node + 1) % 3, 99)}), "(nil)");
    EXPECT_EQ(other.Text({"SET", key, "theirs"}), "OK");
    EXPECT_EQ(client.Text({"MULTI"}), "OK");
    EXPECT_EQ(client.Text({"SET", key, "mine"}), "QUEUED");
    EXPECT_EQ(client.Command({"EXEC"}), "*-1\r\n");
    EXPECT_EQ(client.Text({"GET", key}), "theirs");
  }
  EXPECT_EQ(client.Text({"WATCH", cluster_.KeyOn(0, 4)}), "OK");
  EXPECT_EQ(client.Text({"WATCH", cluster_.KeyOn(1, 4)}),
            "-CROSSSLOT Keys in request don't hash to the same slot");
  EXPECT_EQ(client.Text({"UNWATCH"}), "OK");
}

// The MULTI behind an EXEC on its way was sent to that EXEC's node, and its first key, on another,
// got CROSSSLOT; as did the first key of a transaction behind its PING.
TEST_F(ClusterTest, TransactionsOneBehindTheOtherEachBeginAtTheirNode) {
  RawClient client(weir_.port());
  std::string bytes;
  for (int i = 0; i < 12; ++i) {
    const std::string key = cluster_.KeyOn(static_cast<size_t>(i) % 3, i);
    bytes += Encode({"MULTI"}) + Encode({"PING"}) + Encode({"INCR", key}) + Encode({"EXEC"});
  }
  client.Send(bytes);
  for (int i = 0; i < 12; ++i) {
    EXPECT_EQ(client.ReadFrames(4).back(), "*2\r\n+PONG\r\n:1\r\n") << i;
  }
}

TEST_F(ClusterTest, BlockingCommandsWaitAtTheirNode) {
  for (size_t node = 0; node < 3; ++node) {
    RawClient client(weir_.port());
    RawClient other(weir_.port());
    const std::string key = cluster_.KeyOn(node, 5);
    client.Send(Encode({"BLPOP", key, "0"}));
    EXPECT_TRUE(
        Eventually([&] { return cluster_.node(node).Info("clients", "blocked_clients") == "1"; }));
    EXPECT_EQ(other.Text({"RPUSH", key, "x"}), "1");
    EXPECT_EQ(client.ReadFrame(), "*2\r\n" + Bulk(key) + Bulk("x"));
  }
}

TEST_F(ClusterTest, AScriptThatANodeHasNotSeenIsSentWithItsText) {
  RawClient client(weir_.port());
  const std::string sha = client.Text({"SCRIPT", "LOAD", "return redis.call('INCR', KEYS[1])"});
  ASSERT_EQ(sha.size(), 40u);
  for (size_t node = 0; node < 3; ++node) {
    EXPECT_EQ(client.Text({"EVALSHA", sha, "1", cluster_.KeyOn(node, 6)}), "1");
  }
}

}  // namespace
}  // namespace weir::harness
