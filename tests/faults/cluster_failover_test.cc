// Clients go on counting while their cluster's nodes die, change places, hang, and hand over slots:
// nothing is done twice, nothing that Redis kept is lost, nobody gets another's reply.
#include <gtest/gtest.h>

#include <string>

#include "tests/support/cluster.h"
#include "tests/support/cluster_load.h"
#include "tests/support/raw_client.h"
#include "tests/support/weir_server.h"

namespace weir::harness {
namespace {

constexpr int kClientsOfEach = 3;

class ClusterFailoverTest : public ::testing::Test {
 protected:
  // The replica of node i (there is one each).
  size_t ReplicaOf(size_t i) const { return i + 3; }
  bool AwaitPrimary(size_t node, size_t of) {
    return Eventually([&] { return cluster_.PrimaryOf(cluster_.KeyOn(of, 0)) == node; });
  }

  Cluster cluster_;
  WeirServer weir_{
      InFrontOf(cluster_.url(), "request_timeout_ms = 3000\nretry_budget_ms = 60000\n")};
};

TEST_F(ClusterFailoverTest, APrimaryIsKilledAndItsReplicaTakesOver) {
  ClusterLoad load(weir_.port(), cluster_, 3, kClientsOfEach);
  for (size_t node = 0; node < 3; ++node) ASSERT_TRUE(load.AwaitProgress(node, 200));
  cluster_.node(1).Kill();
  // Nobody else notices, before the cluster itself has done anything.
  EXPECT_TRUE(load.AwaitProgress(0, 200));
  EXPECT_TRUE(load.AwaitProgress(2, 200));
  ASSERT_TRUE(AwaitPrimary(ReplicaOf(1), 1));
  const int64_t promoted_ms = NowMs();
  EXPECT_TRUE(load.AwaitProgress(1, 8));
  RecordProperty("ms_after_promotion", std::to_string(NowMs() - promoted_ms));
  EXPECT_TRUE(load.AwaitProgress(1, 200));
  load.Stop();
  load.Check(weir_.port(), /*may_lose=*/true);
}

TEST_F(ClusterFailoverTest, AReplicaTakesOverByCommandAndNothingIsLost) {
  ClusterLoad load(weir_.port(), cluster_, 3, kClientsOfEach);
  for (size_t node = 0; node < 3; ++node) ASSERT_TRUE(load.AwaitProgress(node, 200));
  ASSERT_TRUE(Eventually([&] { return cluster_.KnowsReplica(0, ReplicaOf(0)); }));
  RawClient replica(cluster_.node(ReplicaOf(0)).port());
  EXPECT_EQ(replica.Text({"CLUSTER", "FAILOVER"}), "OK");
  ASSERT_TRUE(AwaitPrimary(ReplicaOf(0), 0));
  for (size_t node = 0; node < 3; ++node) EXPECT_TRUE(load.AwaitProgress(node, 200));
  // And back.
  RawClient primary(cluster_.node(0).port());
  ASSERT_TRUE(Eventually(
      [&] { return cluster_.node(0).Info("replication", "master_link_status") == "up"; }));
  ASSERT_TRUE(Eventually([&] { return cluster_.KnowsReplica(ReplicaOf(0), 0); }));
  EXPECT_EQ(primary.Text({"CLUSTER", "FAILOVER"}), "OK");
  ASSERT_TRUE(AwaitPrimary(0, 0));
  for (size_t node = 0; node < 3; ++node) EXPECT_TRUE(load.AwaitProgress(node, 200));
  load.Stop();
  load.Check(weir_.port(), /*may_lose=*/false);
}

TEST_F(ClusterFailoverTest, APrimaryHangsAndItsReplicaTakesOver) {
  ClusterLoad load(weir_.port(), cluster_, 3, kClientsOfEach);
  for (size_t node = 0; node < 3; ++node) ASSERT_TRUE(load.AwaitProgress(node, 200));
  cluster_.node(2).Pause();
  EXPECT_TRUE(load.AwaitProgress(0, 200));
  EXPECT_TRUE(load.AwaitProgress(1, 200));
  EXPECT_TRUE(load.AwaitProgress(2, 200));
  cluster_.node(2).Resume();
  for (size_t node = 0; node < 3; ++node) EXPECT_TRUE(load.AwaitProgress(node, 200));
  load.Stop();
  load.Check(weir_.port(), /*may_lose=*/true);
}

TEST_F(ClusterFailoverTest, SlotsMoveThereAndBack) {
  ClusterLoad load(weir_.port(), cluster_, 3, kClientsOfEach);
  for (size_t node = 0; node < 3; ++node) ASSERT_TRUE(load.AwaitProgress(node, 200));
  // All that the first node has, 5,461 slots, in which its clients' keys are.
  cluster_.MoveSlots(0, 1, 0, 5461);
  EXPECT_EQ(cluster_.PrimaryOf(cluster_.KeyOn(0, 0)), 1u);
  for (size_t node = 0; node < 3; ++node) EXPECT_TRUE(load.AwaitProgress(node, 100));
  cluster_.MoveSlots(1, 0, 0, 5461);
  for (size_t node = 0; node < 3; ++node) EXPECT_TRUE(load.AwaitProgress(node, 100));
  load.Stop();
  load.Check(weir_.port(), /*may_lose=*/false);
  EXPECT_NE(weir_.Info("weir_requests_redirected"), "0");
}

TEST_F(ClusterFailoverTest, ANodeComesGetsSlotsAndLeaves) {
  ClusterLoad load(weir_.port(), cluster_, 3, kClientsOfEach);
  for (size_t node = 0; node < 3; ++node) ASSERT_TRUE(load.AwaitProgress(node, 100));
  const size_t added = cluster_.AddNode();
  cluster_.MoveSlots(1, added, 5461, 1000);
  for (size_t node = 0; node < 3; ++node) EXPECT_TRUE(load.AwaitProgress(node, 100));
  cluster_.MoveSlots(added, 1, 5461, 1000);
  cluster_.RemoveNode(added);
  cluster_.node(added).Kill();
  for (size_t node = 0; node < 3; ++node) EXPECT_TRUE(load.AwaitProgress(node, 100));
  load.Stop();
  load.Check(weir_.port(), /*may_lose=*/false);
}

}  // namespace
}  // namespace weir::harness
