// All nodes of a cluster are restarted, one after the other, as for an upgrade: clients go on
// counting, and nothing is refused, lost or done twice.
#include <gtest/gtest.h>

#include "tests/support/cluster.h"
#include "tests/support/cluster_load.h"
#include "tests/support/raw_client.h"
#include "tests/support/weir_server.h"

namespace weir::harness {
namespace {

class ClusterRestartTest : public ::testing::Test {
 protected:
  static constexpr size_t kPrimaries = 3;

  bool AwaitReplicaOf(size_t replica, size_t primary) {
    return Eventually([&] {
             return cluster_.node(replica).Info("replication", "master_link_status") == "up";
           }) &&
           Eventually([&] { return cluster_.KnowsReplica(primary, replica); });
  }
  // The replica, which knows all that its primary does, takes its place.
  void Promote(size_t replica, size_t primary) {
    ASSERT_TRUE(AwaitReplicaOf(replica, primary));
    EXPECT_EQ(RawClient(cluster_.node(replica).port()).Text({"CLUSTER", "FAILOVER"}), "OK");
    ASSERT_TRUE(Eventually(
        [&] { return cluster_.PrimaryOf(cluster_.KeyOn(primary % kPrimaries, 0)) == replica; }));
    ASSERT_TRUE(cluster_.AwaitOk());
  }
  // It serves no slots.
  void Restart(size_t node, size_t primary) {
    cluster_.node(node).Kill();
    cluster_.node(node).Restart();
    ASSERT_TRUE(AwaitReplicaOf(node, primary));
    ASSERT_TRUE(cluster_.AwaitOk());
  }

  Cluster cluster_;
  WeirServer weir_{
      InFrontOf(cluster_.url(), "request_timeout_ms = 10000\nretry_budget_ms = 60000\n")};
};

TEST_F(ClusterRestartTest, OneByOne) {
  ClusterLoad load(weir_.port(), cluster_, kPrimaries, /*clients=*/2);
  for (size_t i = 0; i < kPrimaries; ++i) {
    ASSERT_TRUE(load.AwaitProgress(i, 50));
    const size_t replica = i + kPrimaries;
    ASSERT_NO_FATAL_FAILURE(Restart(replica, i));
    ASSERT_NO_FATAL_FAILURE(Promote(replica, i));
    ASSERT_NO_FATAL_FAILURE(Restart(i, replica));
    ASSERT_TRUE(load.AwaitProgress(i, 50));
  }
  for (size_t i = 0; i < kPrimaries; ++i) EXPECT_TRUE(load.AwaitProgress(i, 50));
  load.Stop();
  load.Check(weir_.port(), /*may_lose=*/false);
}

}  // namespace
}  // namespace weir::harness
