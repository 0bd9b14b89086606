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

TEST(TopologyTest, KnowsPrimariesAndTheirReplicas) {
  std::vector<NodeIndex> slots(kSlotCount, kNoNode);
  slots[7] = 3;
  slots[8] = 0;
  const auto topology = Topology::Cluster({{.id = "a"},
                                           {.id = "b", .role = NodeRole::kReplica, .primary = 3},
                                           {.id = "without slots"},
                                           {.id = "d", .host = "::1", .port = 7},
                                           {.id = "e", .role = NodeRole::kReplica, .primary = 3},
                                           {.id = "orphan", .role = NodeRole::kReplica}},
                                          slots, 1);
  EXPECT_EQ(topology->primaries(), (std::vector<NodeIndex>{0, 3}));
  EXPECT_EQ(topology->replicas(3), (std::vector<NodeIndex>{1, 4}));
  EXPECT_TRUE(topology->replicas(0).empty());
  EXPECT_EQ(topology->Find("::1", 7), 3);
  EXPECT_EQ(topology->Find("::1", 8), kNoNode);
  EXPECT_TRUE(Topology::Single({})->replicas(0).empty());
}

TEST(TopologyTest, ASlotCanBePatched) {
  std::vector<NodeIndex> slots(kSlotCount, 0);
  const auto topology = Topology::Cluster({{.id = "a"}, {.id = "b"}}, slots, 4);
  const auto patched = topology->WithSlot(9, 1);
  EXPECT_EQ(patched->PrimaryOf(9), 1);
  EXPECT_EQ(patched->PrimaryOf(10), 0);
  EXPECT_EQ(topology->PrimaryOf(9), 0);
  EXPECT_EQ(patched->primaries().size(), 2U);
  EXPECT_EQ(patched->version(), 4U);
}

// Every weir, of whatever build, must get these numbers: they are part of cursors.
TEST(TopologyTest, ANodesHashIsOfItsIdElseOfItsAddress) {
  EXPECT_EQ(NodeHash({.id = "a"}), NodeHash({.id = "a", .host = "h", .port = 1}));
  EXPECT_NE(NodeHash({.id = "a"}), NodeHash({.id = "b"}));
  EXPECT_NE(NodeHash({.host = "h", .port = 1}), NodeHash({.host = "h", .port = 2}));
  EXPECT_EQ(NodeHash({.id = "a"}), 6857225946766476583U);
}

}  // namespace
}  // namespace weir
