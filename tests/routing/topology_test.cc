#include "routing/topology.h"

#include <gtest/gtest.h>

#include "routing/slot.h"

namespace weir {
namespace {

TEST(TopologyTest, WritesAddressesAsTheyAreConfigured) {
  EXPECT_EQ((Node{.host = "10.0.0.1", .port = 6379}.Address()), "10.0.0.1:6379");
  EXPECT_EQ((Node{.host = "::1", .port = 7000}.Address()), "[::1]:7000");
  EXPECT_EQ((Node{.host = "/run/redis.sock"}.Address()), "unix:/run/redis.sock");
}

TEST(TopologyTest, ASingleNodeServesEverySlot) {
  const auto topology = Topology::Single({.host = "h", .port = 1});
  EXPECT_TRUE(topology->is_single());
  EXPECT_EQ(topology->PrimaryOf(0), 0);
  EXPECT_EQ(topology->PrimaryOf(kSlotCount - 1), 0);
}

TEST(TopologyTest, AClusterMapsSlotsToPrimaries) {
  std::vector<NodeIndex> slots(kSlotCount, kNoNode);
  slots[7] = 1;
  const auto topology = Topology::Cluster({{.id = "a"}, {.id = "b"}}, slots, 3);
  EXPECT_FALSE(topology->is_single());
  EXPECT_EQ(topology->PrimaryOf(7), 1);
  EXPECT_EQ(topology->PrimaryOf(8), kNoNode);
  EXPECT_EQ(topology->version(), 3U);
}

}  // namespace
}  // namespace weir
