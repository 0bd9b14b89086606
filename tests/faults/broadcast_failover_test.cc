// What concerns all nodes of a cluster, while one of them dies: it is asked of the replica that
// takes over. (Its client got -DOWN as soon as the map had changed.)
#include <gtest/gtest.h>

#include <string>

#include "tests/support/cluster.h"
#include "tests/support/raw_client.h"
#include "tests/support/weir_server.h"

namespace weir::harness {
namespace {

TEST(BroadcastFailoverTest, ThePartOfADeadPrimaryGoesToItsReplica) {
  Cluster cluster;
  WeirServer weir(InFrontOf(cluster.url(), "retry_budget_ms = 60000\n"));
  RawClient client(weir.port());
  client.set_timeout_ms(60000);
  for (int i = 0; i < 90; ++i) {
    ASSERT_EQ(client.Text({"SET", cluster.KeyOn(static_cast<size_t>(i) % 3, i), "v"}), "OK");
  }
  for (size_t i = 0; i < 3; ++i) {
    RawClient primary(cluster.node(i).port());
    ASSERT_TRUE(Eventually([&] { return cluster.KnowsReplica(i, i + 3); }));
    RawClient replica(cluster.node(i + 3).port());
    ASSERT_TRUE(Eventually([&] { return replica.Text({"DBSIZE"}) == primary.Text({"DBSIZE"}); }));
  }
  EXPECT_EQ(client.Text({"DBSIZE"}), "90");
  cluster.node(1).Kill();
  EXPECT_EQ(client.Text({"DBSIZE"}), "90");
  const std::string sha = client.Text({"SCRIPT", "LOAD", "return 7"});
  EXPECT_EQ(client.Command({"SCRIPT", "EXISTS", sha}), "*1\r\n:1\r\n");
}

}  // namespace
}  // namespace weir::harness
