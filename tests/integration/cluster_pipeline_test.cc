// Pipelines of like requests over all nodes of a cluster (proxy/client/fanned_run.h): each reply in
// its place, whatever its size, and whatever becomes of the nodes meanwhile.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "tests/support/cluster.h"
#include "tests/support/raw_client.h"
#include "tests/support/redis_server.h"
#include "tests/support/weir_server.h"

namespace weir::harness {
namespace {

class ClusterPipelineTest : public ::testing::Test {
 protected:
  // Counters on all nodes, `each` on every one.
  std::vector<std::string> Counters(int each) const {
    std::vector<std::string> keys;
    for (int i = 0; i < each; ++i) {
      for (size_t node = 0; node < 3; ++node) keys.push_back(cluster_.KeyOn(node, i));
    }
    return keys;
  }

  // A node that hangs is not given up.
  Cluster cluster_{Cluster::Options{.replicas_each = 0,
                                    .node_timeout_ms = 60000,
                                    .args = {"--cluster-require-full-coverage", "no"}}};
};

std::string RandomValue(std::mt19937& random) {
  constexpr size_t kSizes[] = {1, 3, 10, 64, 500, 600, 1900, 2100, 3000, 20000, 70000};
  const size_t size = random() % 10 != 0 ? random() % 20 : kSizes[random() % std::size(kSizes)];
  return std::string(size, static_cast<char>('a' + random() % 26));
}

// What a client of one server would get: the same bytes are sent to one, too.
TEST_F(ClusterPipelineTest, EveryReplyIsWhatOneServerSays) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  RecordProperty("seed", std::to_string(seed));
  std::mt19937 random(seed);
  WeirServer weir(InFrontOf(cluster_.url()));
  RedisServer alone;
  for (const bool resp3 : {false, true}) {
    RawClient through(weir.port());
    RawClient direct(alone.port());
    if (resp3) {
      through.Command({"HELLO", "3"});
      direct.Command({"HELLO", "3"});
    }
    for (int round = 0; round < 60; ++round) {
      const char* const commands[] = {"SET", "GET", "INCR", "HGETALL", "HSET", "STRLEN", "APPEND"};
      std::string batch;
      const int count = static_cast<int>(random() % 200) + 1;
      std::string command = commands[random() % std::size(commands)];
      for (int i = 0; i < count; ++i) {
        if (random() % 16 == 0) command = commands[random() % std::size(commands)];
        std::vector<std::string> args = {command, "key " + std::to_string(random() % 300)};
        if (command == "HSET") args.insert(args.end(), {"f" + std::to_string(random() % 3), "v"});
        if (command == "SET" || command == "APPEND") args.push_back(RandomValue(random));
        batch += Encode(args);
      }
      ASSERT_TRUE(through.Send(batch));
      ASSERT_TRUE(direct.Send(batch));
      for (int i = 0; i < count; ++i) {
        const std::string expected = direct.ReadFrame();
        ASSERT_EQ(Printable(through.ReadFrame()), Printable(expected)) << round << " " << i;
      }
    }
  }
}

TEST_F(ClusterPipelineTest, WhatHasMovedIsDoneOnceAndInOrder) {
  WeirServer weir(InFrontOf(cluster_.url(0), "topology_refresh_interval_ms = 0\n"));
  RawClient client(weir.port());
  const std::vector<std::string> keys = Counters(8);
  std::string batch;
  for (int i = 0; i < 3; ++i) {
    for (const std::string& key : keys) batch += Encode({"INCR", key});
  }
  for (int round = 0; round < 4; ++round) {
    if (round == 1) cluster_.MoveSlots(0, 1, 0, 2000);
    if (round == 2) cluster_.MoveSlots(2, 0, 10923, 2000);
    if (round == 3) cluster_.MoveSlots(1, 2, 0, 2000);
    ASSERT_TRUE(client.Send(batch + batch));
    for (int i = 0; i < 6; ++i) {
      for (const std::string& key : keys) {
        ASSERT_EQ(client.ReadFrame(), ":" + std::to_string(6 * round + i + 1) + "\r\n") << key;
      }
    }
  }
}

// Half of the keys of a slot have gone to another node: the node says ASK for those, in the middle
// of what it answers itself.
TEST_F(ClusterPipelineTest, KeysOfASlotOnItsWayAreFoundOnEitherSide) {
  WeirServer weir(InFrontOf(cluster_.url(0)));
  RawClient client(weir.port());
  RawClient source(cluster_.node(0).port());
  RawClient target(cluster_.node(1).port());
  const std::string tag = "{" + cluster_.KeyOn(0, 2) + "}";
  const std::string slot = std::to_string(SlotOf(tag));
  std::vector<std::string> migrate = {
      "MIGRATE", "127.0.0.1", std::to_string(cluster_.node(1).port()), "", "0", "5000", "KEYS"};
  std::string sets;
  std::string gets;
  for (int i = 0; i < 40; ++i) {
    sets += Encode({"SET", tag + std::to_string(i), std::to_string(i)});
    gets += Encode({"GET", tag + std::to_string(i)}) + Encode({"GET", Counters(1)[i % 3]});
    if (i % 2 == 0) migrate.push_back(tag + std::to_string(i));
  }
  ASSERT_TRUE(client.Send(sets));
  for (int i = 0; i < 40; ++i) ASSERT_EQ(client.ReadFrame(), "+OK\r\n");
  EXPECT_EQ(target.Text({"CLUSTER", "SETSLOT", slot, "IMPORTING", cluster_.id(0)}), "OK");
  EXPECT_EQ(source.Text({"CLUSTER", "SETSLOT", slot, "MIGRATING", cluster_.id(1)}), "OK");
  EXPECT_EQ(source.Text(migrate), "OK");
  ASSERT_TRUE(client.Send(gets));
  for (int i = 0; i < 40; ++i) {
    ASSERT_EQ(client.ReadFrame(), Bulk(std::to_string(i)));
    ASSERT_EQ(client.ReadFrame(), "$-1\r\n");
  }
  EXPECT_NE(weir.Info("weir_requests_redirected"), "0");
}

// The hung node's replies come when nobody waits for them any more: they are nobody else's.
TEST_F(ClusterPipelineTest, AHungNodeCostsOnlyItsOwnReplies) {
  WeirServer weir(InFrontOf(cluster_.url(), "request_timeout_ms = 400\n"));
  RawClient client(weir.port());
  const std::vector<std::string> keys = Counters(10);
  std::string batch;
  for (const std::string& key : keys) batch += Encode({"INCR", key});
  ASSERT_TRUE(client.Send(batch));
  for (size_t i = 0; i < keys.size(); ++i) ASSERT_EQ(client.ReadFrame(), ":1\r\n");
  cluster_.node(1).Pause();
  ASSERT_TRUE(client.Send(batch));
  for (size_t i = 0; i < keys.size(); ++i) {
    const std::string reply = client.ReadFrame();
    if (i % 3 == 1) {
      ASSERT_TRUE(reply.starts_with("-TIMEOUT ") || reply.starts_with("-UNKNOWN ")) << reply;
    } else {
      ASSERT_EQ(reply, ":2\r\n");
    }
  }
  cluster_.node(1).Resume();
  ASSERT_TRUE(cluster_.AwaitOk());
  ASSERT_TRUE(client.Send(batch));
  for (size_t i = 0; i < keys.size(); ++i) {
    const std::string reply = client.ReadFrame();
    // The second was done or not, and told apart from the third.
    ASSERT_TRUE(reply == ":3\r\n" || (i % 3 == 1 && reply == ":2\r\n")) << i << " " << reply;
  }
}

TEST_F(ClusterPipelineTest, AKilledNodeCostsOnlyItsOwnReplies) {
  WeirServer weir(InFrontOf(cluster_.url(), "retry_budget_ms = 300\nrequest_timeout_ms = 0\n"));
  RawClient client(weir.port());
  const std::vector<std::string> keys = Counters(10);
  std::string incrs;
  std::string gets;
  for (const std::string& key : keys) incrs += Encode({"INCR", key}), gets += Encode({"GET", key});
  ASSERT_TRUE(client.Send(incrs));
  for (size_t i = 0; i < keys.size(); ++i) ASSERT_EQ(client.ReadFrame(), ":1\r\n");
  // What comes before a hung node's replies does not wait for those. (That they are said together
  // had no bound in time at first.) What it has been sent when it dies is a write whose fate is
  // unknown, or a read, sent again.
  cluster_.node(1).Pause();
  RawClient reader(weir.port());
  ASSERT_TRUE(client.Send(incrs));
  ASSERT_TRUE(reader.Send(gets));
  ASSERT_EQ(client.ReadFrame(), ":2\r\n");
  ASSERT_TRUE(reader.ReadFrame().starts_with("$1\r\n"));
  cluster_.node(1).Kill();
  for (size_t i = 1; i < keys.size(); ++i) {
    const std::string reply = client.ReadFrame();
    const std::string read = reader.ReadFrame();
    if (i % 3 == 1) {
      ASSERT_TRUE(reply.starts_with("-UNKNOWN ") || reply.starts_with("-DOWN ") ||
                  reply.starts_with("-CLUSTERDOWN "))
          << reply;
      ASSERT_TRUE(read.starts_with("-DOWN ") || read.starts_with("-CLUSTERDOWN ")) << read;
    } else {
      ASSERT_EQ(reply, ":2\r\n");
      ASSERT_TRUE(read.starts_with("$1\r\n")) << read;
    }
  }
}

// A client that leaves with its pipeline on the way: the replies are nobody's.
TEST_F(ClusterPipelineTest, AClientMayLeaveInTheMiddle) {
  WeirServer weir(InFrontOf(cluster_.url(), "request_timeout_ms = 0\n"));
  const std::vector<std::string> keys = Counters(10);
  std::string batch;
  for (const std::string& key : keys) batch += Encode({"INCR", key});
  cluster_.node(1).Pause();
  {
    RawClient client(weir.port());
    ASSERT_TRUE(client.Send(batch));
    ASSERT_EQ(client.ReadFrame(), ":1\r\n");
    client.Reset();
  }
  RawClient client(weir.port());
  ASSERT_TRUE(Eventually([&] {
    const std::string list = client.Text({"CLIENT", "LIST"});
    return std::count(list.begin(), list.end(), '\n') == 1;
  }));
  cluster_.node(1).Resume();
  ASSERT_TRUE(client.Send(batch));
  for (size_t i = 0; i < keys.size(); ++i) ASSERT_EQ(client.ReadFrame(), ":2\r\n");
}

}  // namespace
}  // namespace weir::harness
