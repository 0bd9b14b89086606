#include "proxy/backend/node_map.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace weir {
namespace {

constexpr size_t kSlots = 16384;

Node At(uint16_t port) {
  Node node;
  node.host = "127.0.0.1";
  node.port = port;
  return node;
}

// Slots in equal parts to nodes at these ports.
std::shared_ptr<const Topology> Of(const std::vector<uint16_t>& ports) {
  std::vector<Node> nodes;
  for (const uint16_t port : ports) nodes.push_back(At(port));
  std::vector<NodeIndex> slots(kSlots);
  for (size_t i = 0; i < kSlots; ++i) {
    slots[i] = static_cast<NodeIndex>(i * ports.size() / kSlots);
  }
  return Topology::Cluster(std::move(nodes), std::move(slots), 1);
}

uint16_t PortOf(const NodeMap& map, uint16_t slot) {
  return map.node(map.PrimaryOf(slot))->address.port;
}

TEST(NodeMap, ANodeKeepsItsNumberInWhateverOrderSnapshotsNameIt) {
  NodeMap map(*Of({1, 2, 3}));
  const NodeIndex two = map.FindOrAdd(At(2));
  EXPECT_TRUE(map.Adopt(*Of({3, 2, 1})).empty());
  EXPECT_EQ(map.FindOrAdd(At(2)), two);
  EXPECT_EQ(PortOf(map, 0), 3);
  EXPECT_EQ(PortOf(map, kSlots - 1), 1);
}

TEST(NodeMap, TheSameSnapshotAgainChangesNothing) {
  NodeMap map(*Of({1, 2, 3}));
  const uint64_t epoch = map.epoch();
  EXPECT_TRUE(map.Adopt(*Of({1, 2, 3})).empty());
  EXPECT_EQ(map.epoch(), epoch);
}

TEST(NodeMap, APatchHoldsUntilTheNextSnapshot) {
  NodeMap map(*Of({1, 2, 3}));
  const uint64_t epoch = map.epoch();
  EXPECT_TRUE(map.Patch(7, map.FindOrAdd(At(3))));
  EXPECT_NE(map.epoch(), epoch);
  EXPECT_FALSE(map.Patch(7, map.FindOrAdd(At(3))));
  EXPECT_EQ(PortOf(map, 7), 3);
  EXPECT_EQ(PortOf(map, 8), 1);
  map.Adopt(*Of({1, 2, 3}));
  EXPECT_EQ(PortOf(map, 7), 1);
}

TEST(NodeMap, WhoLeavesIsNamedOnceAndItsNumberUsedAgainWithoutLinks) {
  NodeMap map(*Of({1, 2, 3}));
  const NodeIndex three = map.FindOrAdd(At(3));
  map.node(three)->links = 1;
  EXPECT_EQ(map.Adopt(*Of({1, 2})), std::vector<NodeIndex>{three});
  EXPECT_TRUE(map.Adopt(*Of({1, 2})).empty());
  map.ForgetIfUnused(three);
  ASSERT_NE(map.node(three), nullptr) << "a link still refers to it";
  map.node(three)->links = 0;
  map.ForgetIfUnused(three);
  EXPECT_EQ(map.node(three), nullptr);
  EXPECT_EQ(map.FindOrAdd(At(4)), three);
}

TEST(NodeMap, AFailedNodeServesNothing) {
  std::vector<Node> nodes = {At(1), At(2)};
  nodes[1].health = NodeHealth::kFailed;
  std::vector<NodeIndex> slots(kSlots, 0);
  slots[5] = 1;
  NodeMap map(*Topology::Cluster(nodes, slots, 1));
  EXPECT_EQ(PortOf(map, 4), 1);
  EXPECT_EQ(map.PrimaryOf(5), kNoNode);
}

TEST(NodeMap, WhatHasNoKeyGoesToPrimariesInTurnAndToSeedsBeforeTheyAreKnown) {
  NodeMap map(*Of({1, 2, 3}));
  EXPECT_EQ(map.Steady(4), map.Steady(1));
  EXPECT_NE(map.Steady(0), map.Steady(1));
  EXPECT_TRUE(map.serves_slots());
  NodeMap unknown(*Topology::Cluster({At(1), At(2)}, std::vector<NodeIndex>(kSlots, kNoNode), 0));
  EXPECT_FALSE(unknown.serves_slots());
  EXPECT_NE(unknown.Steady(0), kNoNode);
  EXPECT_EQ(unknown.PrimaryOf(0), kNoNode);
}

TEST(NodeMap, TakesNoMoreNodesThanItsBound) {
  NodeMap map(*Of({1}));
  for (size_t i = 1; i < NodeMap::kNodesMax; ++i) {
    ASSERT_NE(map.FindOrAdd(At(static_cast<uint16_t>(i + 1))), kNoNode);
  }
  EXPECT_EQ(map.FindOrAdd(At(60000)), kNoNode);
  EXPECT_EQ(map.FindOrAdd(At(7)), 6);
}

}  // namespace
}  // namespace weir
