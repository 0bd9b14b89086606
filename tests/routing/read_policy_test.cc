// Which node of a shard is read from.
#include "routing/read_policy.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "routing/slot.h"

namespace weir {
namespace {

// Node 0 is the primary, 1 to 3 its replicas, 4 another primary.
class ReadPolicyTest : public ::testing::Test {
 protected:
  ReadPolicyTest() { Rebuild(); }
  void Rebuild() {
    std::vector<NodeIndex> slots(kSlotCount, 0);
    slots[9] = 4;
    topology_ = Topology::Cluster(nodes_, slots, 1);
  }
  std::set<NodeIndex> Chosen(const ReadPolicy& policy) {
    const std::vector<NodeIndex> readers = Readers(*topology_, 0, policy, figures_);
    const std::set<NodeIndex> chosen(readers.begin(), readers.end());
    EXPECT_EQ(chosen.size(), readers.size()) << "each once";
    return chosen;
  }
  std::vector<Node> nodes_ = {{.id = "p"},
                              {.id = "r1", .role = NodeRole::kReplica, .primary = 0},
                              {.id = "r2", .role = NodeRole::kReplica, .primary = 0},
                              {.id = "r3", .role = NodeRole::kReplica, .primary = 0},
                              {.id = "q"}};
  std::shared_ptr<const Topology> topology_;
  std::vector<NodeFigures> figures_ = std::vector<NodeFigures>(5);
  using Nodes = std::set<NodeIndex>;
};

TEST_F(ReadPolicyTest, EachPolicyChoosesAmongItsOwn) {
  EXPECT_EQ(Chosen({.read_from = ReadFrom::kPrimary}), (Nodes{0}));
  EXPECT_EQ(Chosen({.read_from = ReadFrom::kReplica}), (Nodes{1, 2, 3}));
  EXPECT_EQ(Chosen({.read_from = ReadFrom::kPreferReplica}), (Nodes{1, 2, 3}));
  EXPECT_EQ(Chosen({.read_from = ReadFrom::kAny}), (Nodes{0, 1, 2, 3}));
}

TEST_F(ReadPolicyTest, WhatCannotBeReadIsLeftOut) {
  figures_[1].up = false;
  figures_[2].ejected = true;
  EXPECT_EQ(Chosen({.read_from = ReadFrom::kReplica}), (Nodes{3}));
  nodes_[3].health = NodeHealth::kLoading;
  Rebuild();
  EXPECT_EQ(Chosen({.read_from = ReadFrom::kReplica}), (Nodes{}));
  EXPECT_EQ(Chosen({.read_from = ReadFrom::kPreferReplica}), (Nodes{0}));
  EXPECT_EQ(Chosen({.read_from = ReadFrom::kAny}), (Nodes{0}));
  // With nobody left the primary says itself what is wrong.
  figures_[0].up = false;
  EXPECT_EQ(Chosen({.read_from = ReadFrom::kAny}), (Nodes{0}));
}

TEST_F(ReadPolicyTest, LagIsBounded) {
  figures_[1].lag_ms = 100;
  figures_[2].lag_ms = 101;
  EXPECT_EQ(Chosen({.read_from = ReadFrom::kReplica, .max_lag_ms = 100}), (Nodes{1}))
      << "a lag that is not known is too much";
  EXPECT_EQ(Chosen({.read_from = ReadFrom::kAny, .max_lag_ms = 100}), (Nodes{0, 1}));
  EXPECT_EQ(Chosen({.read_from = ReadFrom::kReplica}), (Nodes{1, 2, 3}));
}

TEST_F(ReadPolicyTest, AReplicaIsReadableUntilItsLagWillBeTooMuch) {
  const ReadPolicy policy{.read_from = ReadFrom::kAny, .max_lag_ms = 100};
  NodeFigures figures{.lag_ms = 40};
  EXPECT_EQ(ReadableUntilMs(nodes_[1], policy, figures, 1000), 1061U);
  figures.lag_ms = 100;
  EXPECT_EQ(ReadableUntilMs(nodes_[1], policy, figures, 1000), 1001U);
  EXPECT_EQ(ReadableUntilMs(nodes_[0], policy, NodeFigures(), 1000), UINT64_MAX);
  EXPECT_EQ(ReadableUntilMs(nodes_[1], {.read_from = ReadFrom::kAny}, NodeFigures(), 1000),
            UINT64_MAX);
}

TEST_F(ReadPolicyTest, NearestIsWithinAFactor) {
  figures_[0].round_trip_us = 1000;
  figures_[1].round_trip_us = 1199;
  figures_[2].round_trip_us = 1201;
  figures_[3].round_trip_us = 0;
  EXPECT_EQ(Chosen({.read_from = ReadFrom::kNearest}), (Nodes{0, 1, 3}))
      << "3 is yet to be measured";
  // On one machine, microseconds say nothing.
  figures_[0].round_trip_us = 20;
  figures_[1].round_trip_us = 69;
  EXPECT_EQ(Chosen({.read_from = ReadFrom::kNearest}), (Nodes{0, 1, 3}));
}

TEST_F(ReadPolicyTest, TheOwnZoneComesFirst) {
  nodes_[2].zone = "a";
  nodes_[3].zone = "b";
  Rebuild();
  EXPECT_EQ(Chosen({.read_from = ReadFrom::kZone, .zone = "a"}), (Nodes{2}));
  figures_[2].up = false;
  EXPECT_EQ(Chosen({.read_from = ReadFrom::kZone, .zone = "a"}), (Nodes{0, 1, 3}));
  EXPECT_EQ(Chosen({.read_from = ReadFrom::kZone}), (Nodes{0, 1, 3}));
}

TEST_F(ReadPolicyTest, NamesAreThoseOfTheConfiguration) {
  for (const std::string_view name :
       {"primary", "replica", "prefer-replica", "any", "nearest", "zone"}) {
    EXPECT_EQ(ReadFromName(*ParseReadFrom(name)), name);
  }
  EXPECT_EQ(ParseReadFrom("master"), std::nullopt);
}

}  // namespace
}  // namespace weir
