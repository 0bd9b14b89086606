// What nodes of a cluster refuse goes where it belongs, and the client sees nothing of it.
#include <gtest/gtest.h>

#include <string>

#include "tests/support/cluster.h"
#include "tests/support/raw_client.h"
#include "tests/support/weir_server.h"

namespace weir::harness {
namespace {

class ClusterRedirectTest : public ::testing::Test {
 protected:
  // Slots move from node 0 to node 1, and only redirects tell weir of it.
  std::string Id(size_t node) { return cluster_.id(node); }

  Cluster cluster_;
  WeirServer weir_{InFrontOf(cluster_.url(0), "topology_refresh_interval_ms = 0\n")};
};

TEST_F(ClusterRedirectTest, AMovedSlotIsFollowed) {
  RawClient client(weir_.port());
  const std::string key = cluster_.KeyOn(0, 1);
  EXPECT_EQ(client.Text({"SET", key, "1"}), "OK");
  cluster_.MoveSlots(0, 1, SlotOf(key), 1);
  std::string batch;
  for (int i = 0; i < 100; ++i) batch += Encode({"INCR", key});
  client.Send(batch);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(client.ReadFrame(), ":" + std::to_string(i + 2) + "\r\n");
  EXPECT_NE(weir_.Info("weir_requests_redirected"), "0");
}

// While a slot is on its way, keys that have arrived are asked for behind ASKING, and those that
// have not are still where they were.
TEST_F(ClusterRedirectTest, KeysOfASlotOnItsWayAreFoundOnEitherSide) {
  RawClient client(weir_.port());
  RawClient source(cluster_.node(0).port());
  RawClient target(cluster_.node(1).port());
  const std::string tag = "{" + cluster_.KeyOn(0, 2) + "}";
  const std::string slot = std::to_string(SlotOf(tag));
  EXPECT_EQ(client.Text({"SET", tag + "stays", "old"}), "OK");
  EXPECT_EQ(client.Text({"SET", tag + "goes", "gone"}), "OK");
  EXPECT_EQ(target.Text({"CLUSTER", "SETSLOT", slot, "IMPORTING", Id(0)}), "OK");
  EXPECT_EQ(source.Text({"CLUSTER", "SETSLOT", slot, "MIGRATING", Id(1)}), "OK");
  EXPECT_EQ(source.Text({"MIGRATE", "127.0.0.1", std::to_string(cluster_.node(1).port()),
                         tag + "goes", "0", "5000"}),
            "OK");
  EXPECT_EQ(client.Text({"GET", tag + "goes"}), "gone");
  EXPECT_EQ(client.Text({"GET", tag + "stays"}), "old");
  EXPECT_EQ(client.Text({"INCR", tag + "new"}), "1");
  // Several keys that are here and there: TRYAGAIN, until all have arrived.
  RawClient other(weir_.port());
  other.Send(Encode({"MGET", tag + "goes", tag + "stays"}) + Encode({"PING"}));
  EXPECT_EQ(other.ReadAvailable(200), "");
  EXPECT_EQ(source.Text({"MIGRATE", "127.0.0.1", std::to_string(cluster_.node(1).port()),
                         tag + "stays", "0", "5000"}),
            "OK");
  EXPECT_EQ(other.ReadFrame(), "*2\r\n" + Bulk("gone") + Bulk("old"));
  EXPECT_EQ(other.ReadFrame(), "+PONG\r\n");
  EXPECT_EQ(target.Text({"CLUSTER", "SETSLOT", slot, "NODE", Id(1)}), "OK");
  EXPECT_EQ(source.Text({"CLUSTER", "SETSLOT", slot, "NODE", Id(1)}), "OK");
  EXPECT_EQ(other.Text({"GET", tag + "stays"}), "old");
}

TEST_F(ClusterRedirectTest, ATransactionWhoseSlotMovesIsAborted) {
  RawClient client(weir_.port());
  const std::string key = cluster_.KeyOn(0, 3);
  EXPECT_EQ(client.Text({"MULTI"}), "OK");
  EXPECT_EQ(client.Text({"SET", key, "1"}), "QUEUED");
  cluster_.MoveSlots(0, 1, SlotOf(key), 1);
  EXPECT_EQ(client.Text({"SET", key, "2"}),
            "-TRYAGAIN weir: the slot has moved to another node; the command did not run, send it "
            "again");
  EXPECT_EQ(
      client.Text({"EXEC"}),
      "-EXECABORT weir: the transaction was discarded because its slot has moved to another node; "
      "start it again");
  EXPECT_EQ(client.Text({"EXISTS", key}), "0");
}

TEST_F(ClusterRedirectTest, ABlockedCommandMovesWithItsSlot) {
  RawClient client(weir_.port());
  RawClient other(weir_.port());
  const std::string key = cluster_.KeyOn(0, 4);
  client.Send(Encode({"BLPOP", key, "0"}));
  EXPECT_TRUE(
      Eventually([&] { return cluster_.node(0).Info("clients", "blocked_clients") == "1"; }));
  cluster_.MoveSlots(0, 1, SlotOf(key), 1);
  EXPECT_TRUE(
      Eventually([&] { return cluster_.node(1).Info("clients", "blocked_clients") == "1"; }));
  EXPECT_EQ(other.Text({"RPUSH", key, "x"}), "1");
  EXPECT_EQ(client.ReadFrame(), "*2\r\n" + Bulk(key) + Bulk("x"));
}

}  // namespace
}  // namespace weir::harness
