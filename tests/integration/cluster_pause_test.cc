// CLIENT PAUSE on a cluster: all primaries, and nobody waits who would not with one Redis.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/support/cluster.h"
#include "tests/support/support.h"

namespace weir::harness {
namespace {

class ClusterPauseTest : public ::testing::Test {
 protected:
  int BlockedOn(size_t node) {
    return std::stoi(cluster_.node(node).Info("clients", "blocked_clients"));
  }

  Cluster cluster_{{.replicas_each = 0}};
  WeirServer weir_{InFrontOf(cluster_.url(0), "", "allow = [\"@all\"]\n")};
};

// One node was paused, which the client's number chose; and a write over several nodes that had to
// wait stood in front of others' reads, and of the UNPAUSE that would have ended it.
TEST_F(ClusterPauseTest, PausedWritersDoNotHoldUpReaders) {
  RawClient operator_client(weir_.port());
  RawClient reader(weir_.port());
  std::vector<std::string> keys;
  for (size_t node = 0; node < 3; ++node) {
    keys.push_back(cluster_.KeyOn(node, 1));
    EXPECT_EQ(reader.Text({"SET", keys[node], "v"}), "OK");
  }
  EXPECT_EQ(operator_client.Text({"CLIENT", "PAUSE", "100000", "WRITE"}), "OK");
  std::vector<std::unique_ptr<RawClient>> writers;
  for (int i = 0; i < 6; ++i) {
    writers.push_back(std::make_unique<RawClient>(weir_.port()));
    writers.back()->Send(Encode({"MSET", keys[0], "w", keys[1], "w", keys[2], "w"}));
    writers.push_back(std::make_unique<RawClient>(weir_.port()));
    writers.back()->Send(Encode({"SET", cluster_.KeyOn(static_cast<size_t>(i) % 3, 2), "w"}));
  }
  // Two SETs each, and at least one connection with an MSET's part.
  for (size_t node = 0; node < 3; ++node) {
    ASSERT_TRUE(Eventually([&] { return BlockedOn(node) >= 3; })) << node;
  }
  // On connections to every worker.
  for (int i = 0; i < 4; ++i) {
    RawClient other(weir_.port());
    for (const std::string& key : keys) EXPECT_EQ(other.Text({"GET", key}), "v");
    EXPECT_EQ(other.Command({"MGET", keys[0], keys[1], keys[2]}),
              "*3\r\n" + Bulk("v") + Bulk("v") + Bulk("v"));
    EXPECT_EQ(other.Text({"DBSIZE"}), "3");
    EXPECT_EQ(other.Text({"PING"}), "PONG");
  }
  EXPECT_EQ(operator_client.Text({"CLIENT", "UNPAUSE"}), "OK");
  for (const auto& writer : writers) EXPECT_EQ(writer->ReadFrame(), "+OK\r\n");
  EXPECT_EQ(reader.Text({"GET", keys[1]}), "w");
  EXPECT_TRUE(Eventually([&] { return weir_.Info("weir_pinned").ends_with("other=0"); }));
}

// What was on its way when the pause began may wait on a shared connection.
TEST_F(ClusterPauseTest, UnpauseEndsItWhateverWaits) {
  RawClient operator_client(weir_.port());
  const std::string key = cluster_.KeyOn(1, 1);
  // Weir does not know of this pause, so the writer is among those who share a connection.
  EXPECT_EQ(RawClient(cluster_.node(1).port()).Text({"CLIENT", "PAUSE", "100000", "WRITE"}), "OK");
  std::vector<std::unique_ptr<RawClient>> writers;
  for (int i = 0; i < 8; ++i) {
    writers.push_back(std::make_unique<RawClient>(weir_.port()));
    writers.back()->Send(Encode({"INCR", key}));
  }
  ASSERT_TRUE(Eventually([&] { return BlockedOn(1) > 0; }));
  EXPECT_EQ(operator_client.Text({"CLIENT", "UNPAUSE"}), "OK");
  for (const auto& writer : writers) EXPECT_EQ(writer->ReadFrame().front(), ':');
}

TEST_F(ClusterPauseTest, WhoPausesAllIsAnsweredAndAllOthersWait) {
  constexpr int kPause_ms = 1000;
  std::vector<std::unique_ptr<RawClient>> others;
  for (size_t node = 0; node < 3; ++node) {
    others.push_back(std::make_unique<RawClient>(weir_.port()));
    EXPECT_EQ(others[node]->Text({"SET", cluster_.KeyOn(node, 1), "v"}), "OK");
  }
  RawClient operator_client(weir_.port());
  const int64_t start_ms = NowMs();
  EXPECT_EQ(operator_client.Text({"CLIENT", "PAUSE", std::to_string(kPause_ms)}), "OK");
  for (size_t node = 0; node < 3; ++node) {
    others[node]->Send(Encode({"GET", cluster_.KeyOn(node, 1)}));
  }
  for (const auto& other : others) EXPECT_EQ(other->ReadFrame(), Bulk("v"));
  EXPECT_GE(NowMs() - start_ms, kPause_ms - 1);
  EXPECT_EQ(operator_client.Text({"PING"}), "PONG");
}

// With several nodes weir looked at these before it looked at what the configuration denies, so any
// client could stop a whole cluster.
TEST_F(ClusterPauseTest, WhatIsDeniedIsDeniedOnAClusterToo) {
  WeirServer denying(InFrontOf(cluster_.url(0), "",
                               "deny = [\"MULTI\", \"CLIENT|TRACKING\", \"CLIENT|UNPAUSE\"]\n"));
  RawClient client(denying.port());
  client.Command({"HELLO", "3"});
  for (const std::vector<std::string>& denied :
       std::vector<std::vector<std::string>>{{"CLIENT", "PAUSE", "50", "WRITE"},
                                             {"CLIENT", "UNPAUSE"},
                                             {"CLIENT", "TRACKING", "ON"},
                                             {"MULTI"}}) {
    EXPECT_TRUE(client.Command(denied).starts_with("-NOPERM weir: ")) << denied.back();
  }
  EXPECT_EQ(client.Command({"EXEC"}), "-ERR EXEC without MULTI\r\n");
}

TEST_F(ClusterPauseTest, SubscribersOfResp2MayNotSayIt) {
  RawClient client(weir_.port());
  client.Command({"SUBSCRIBE", "x"});
  EXPECT_TRUE(client.Command({"CLIENT", "PAUSE", "10", "WRITE"})
                  .starts_with("-ERR Can't execute 'client|pause': only (P|S)SUBSCRIBE"));
}

TEST_F(ClusterPauseTest, WhatIsWrongWithItRedisSays) {
  RawClient client(weir_.port());
  RawClient direct(cluster_.node(0).port());
  for (const std::vector<std::string>& command : {std::vector<std::string>{"CLIENT", "PAUSE"},
                                                  {"CLIENT", "PAUSE", "x"},
                                                  {"CLIENT", "PAUSE", "-1"},
                                                  {"CLIENT", "PAUSE", "1", "SOME"},
                                                  {"CLIENT", "UNPAUSE", "x"}}) {
    EXPECT_EQ(client.Command(command), direct.Command(command)) << command.back();
  }
}

}  // namespace
}  // namespace weir::harness
