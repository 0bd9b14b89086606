// Whose view of the cluster is believed: partitions, failovers, resharding, first starts.
#include "routing/agreement.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "routing/slot.h"

namespace weir {
namespace {

// A node "a1" is at host "a1", port 1; the first letter names its shard.
using Ranges = std::map<std::string, std::pair<int, int>>;

ClusterView View(const Ranges& primaries, const std::vector<std::string>& replicas = {}) {
  ClusterView view;
  view.slots.assign(kSlotCount, kNoNode);
  for (const auto& [id, range] : primaries) {
    const auto place = static_cast<NodeIndex>(view.nodes.size());
    view.nodes.push_back({.id = id, .host = id, .port = 1});
    for (int slot = range.first; slot <= range.second; ++slot) {
      view.slots[static_cast<size_t>(slot)] = place;
    }
  }
  for (const std::string& id : replicas) {
    view.nodes.push_back({.id = id, .host = id, .port = 1, .role = NodeRole::kReplica});
  }
  return view;
}

ClusterAnswer Answer(const std::string& id, const ClusterView& view, uint64_t epoch = 1) {
  return {.id = id, .asked = {id, 1}, .info = {.ok = true, .epoch = epoch}, .view = view};
}

std::string OwnerOf(const ClusterView& view, size_t slot) {
  return view.slots[slot] == kNoNode ? "" : view.nodes[view.slots[slot]].id;
}

const Ranges kOld = {{"a1", {0, 99}}, {"b1", {100, 199}}, {"c1", {200, 299}}};
const Ranges kFailedOver = {{"a2", {0, 99}}, {"b1", {100, 199}}, {"c1", {200, 299}}};

class AgreementTest : public ::testing::Test {
 protected:
  static std::shared_ptr<const Topology> Known(const Ranges& ranges) {
    ClusterView view = View(ranges);
    return Topology::Cluster(view.nodes, view.slots, 1);
  }
  Agreement Decide(const std::vector<ClusterAnswer>& answers,
                   const std::vector<HostPort>& silent = {}) {
    return Agree(answers, silent, known_.get());
  }
  std::shared_ptr<const Topology> known_ = Known(kOld);
};

TEST_F(AgreementTest, AllAgree) {
  const ClusterView view = View(kOld);
  const Agreement agreement = Decide({Answer("a1", view), Answer("b1", view), Answer("c1", view)});
  EXPECT_EQ(agreement.result, Agreement::Result::kAgreed);
  EXPECT_TRUE(SameTopology(agreement.view, *known_));
  EXPECT_TRUE(agreement.ask_too.empty());
  EXPECT_EQ(agreement.why, "3 of 3 primaries agree, 3 were asked");
}

// Two of three have seen the failover; the dead one says nothing, the promoted one was not asked
// yet.
TEST_F(AgreementTest, AMajoritySeesAFailover) {
  const ClusterView view = View(kFailedOver, {"a1"});
  Agreement agreement = Decide({Answer("b1", view, 2), Answer("c1", view, 2)}, {{"a1", 1}});
  EXPECT_EQ(agreement.result, Agreement::Result::kNone);
  ASSERT_EQ(agreement.ask_too.size(), 1U);
  EXPECT_EQ(agreement.ask_too[0].host, "a2");
  agreement =
      Decide({Answer("b1", view, 2), Answer("c1", view, 2), Answer("a2", view, 2)}, {{"a1", 1}});
  EXPECT_EQ(agreement.result, Agreement::Result::kAgreed);
  EXPECT_EQ(OwnerOf(agreement.view, 50), "a2");
  // The promoted one may be slow to answer: two of three still suffice.
  agreement = Decide({Answer("b1", view, 2), Answer("c1", view, 2)}, {{"a1", 1}, {"a2", 1}});
  EXPECT_EQ(agreement.result, Agreement::Result::kAgreed);
}

// weir and one primary are cut off together: it still tells the old map, and must not undo what
// weir has learnt from the others before. (Envoy's issue 8099: one node of a minority was
// believed.)
TEST_F(AgreementTest, AMinorityIsNeverBelieved) {
  known_ = Known(kFailedOver);
  Agreement agreement = Decide({Answer("a1", View(kOld))}, {{"b1", 1}, {"c1", 1}, {"a2", 1}});
  EXPECT_EQ(agreement.result, Agreement::Result::kNone);
  EXPECT_EQ(agreement.why, "1 of 3 primaries agree, 3 were asked");
  // Nor if it lost its cluster and thinks that it is alone with some slots left to others.
  agreement = Decide(
      {Answer("a1", View(kOld)), Answer("x", View(kOld, {"x"})), Answer("y", View(kOld, {"y"}))},
      {{"b1", 1}, {"c1", 1}, {"a2", 1}});
  EXPECT_EQ(agreement.result, Agreement::Result::kNone) << "replicas do not vote";
}

TEST_F(AgreementTest, OneThatAnswersTwiceCountsOnce) {
  const ClusterView view = View(kFailedOver);
  const Agreement agreement =
      Decide({Answer("b1", view, 2), Answer("b1", view, 2)}, {{"a2", 1}, {"c1", 1}});
  EXPECT_EQ(agreement.result, Agreement::Result::kNone);
}

// A node that restarts with nothing says that it serves everything, or nothing.
TEST_F(AgreementTest, OneMadNodeIsOutvoted) {
  const ClusterView view = View(kOld);
  const ClusterView nothing = View({});
  const Agreement agreement =
      Decide({Answer("a1", view), Answer("b1", view), Answer("c1", nothing, 99)});
  EXPECT_EQ(agreement.result, Agreement::Result::kAgreed);
  EXPECT_TRUE(SameTopology(agreement.view, *known_));
}

// One that was reset, and given all slots in a late epoch, agrees with itself only.
TEST_F(AgreementTest, OneThatClaimsEverythingIsOutvoted) {
  const ClusterView view = View(kOld);
  const ClusterView alone = View({{"a1", {0, 299}}});
  const Agreement first = Decide({Answer("a1", alone, 99)}, {{"b1", 1}, {"c1", 1}});
  EXPECT_FALSE(first.certain) << "the others may still speak";
  const Agreement agreement =
      Decide({Answer("a1", alone, 99), Answer("b1", view), Answer("c1", view)});
  EXPECT_EQ(agreement.result, Agreement::Result::kAgreed);
  EXPECT_TRUE(agreement.certain);
  EXPECT_EQ(OwnerOf(agreement.view, 150), "b1");
  EXPECT_EQ(OwnerOf(agreement.view, 250), "c1");
}

// An operator gives the slots of two dead primaries to their replicas by force: the new primaries
// and the one left are a majority of what is now the cluster.
TEST_F(AgreementTest, ATakeoverIsBelievedOnceTheNewPrimariesSaySo) {
  const Ranges taken = {{"a1", {0, 99}}, {"b2", {100, 199}}, {"c2", {200, 299}}};
  const ClusterView view = View(taken);
  Agreement agreement = Decide({Answer("a1", view, 5)}, {{"b1", 1}, {"c1", 1}});
  EXPECT_EQ(agreement.result, Agreement::Result::kNone);
  EXPECT_EQ(agreement.ask_too.size(), 2U);
  agreement = Decide({Answer("a1", view, 5), Answer("b2", view, 5), Answer("c2", view, 5)},
                     {{"b1", 1}, {"c1", 1}});
  EXPECT_EQ(agreement.result, Agreement::Result::kAgreed);
  EXPECT_EQ(OwnerOf(agreement.view, 250), "c2");
}

// Half have heard of the failover: each set of primaries has two of three of its own.
TEST_F(AgreementTest, OfTwoMajoritiesTheNewerWins) {
  const ClusterView before = View(kOld);
  const ClusterView after = View(kFailedOver);
  const Agreement agreement = Decide({Answer("a1", before, 1), Answer("b1", before, 1),
                                      Answer("a2", after, 2), Answer("c1", after, 2)});
  EXPECT_EQ(agreement.result, Agreement::Result::kAgreed);
  EXPECT_EQ(OwnerOf(agreement.view, 50), "a2");
}

// SETSLOT NODE comes to the new owner first: it has raised its epoch and says that it serves the
// slot, the old owner says the same of itself, the third has heard nothing.
TEST_F(AgreementTest, WhileSlotsMoveTheNewOwnerIsTheFirstToKnow) {
  const ClusterView before = View(kOld);
  ClusterView after = View(kOld);
  after.slots[7] = 1;
  Agreement agreement =
      Decide({Answer("a1", before, 3), Answer("b1", after, 4), Answer("c1", before, 3)});
  EXPECT_EQ(agreement.result, Agreement::Result::kAgreed);
  EXPECT_EQ(OwnerOf(agreement.view, 7), "b1");
  EXPECT_EQ(OwnerOf(agreement.view, 8), "a1");
  // Then the old owner knows, and only the third does not.
  agreement = Decide({Answer("a1", after, 4), Answer("b1", after, 4), Answer("c1", before, 3)});
  EXPECT_EQ(OwnerOf(agreement.view, 7), "b1");
  // Two that claim it with the same epoch: what is known stays.
  agreement = Decide({Answer("a1", before, 4), Answer("b1", after, 4), Answer("c1", after, 4)});
  EXPECT_EQ(OwnerOf(agreement.view, 7), "a1");
}

TEST_F(AgreementTest, ASlotThatNobodyClaimsGoesByMostVotes) {
  // c1 has given it up, and the two others say of each other that they have it: one vote each.
  ClusterView by_a = View(kOld);
  ClusterView by_b = View(kOld);
  ClusterView by_c = View(kOld);
  by_a.slots[250] = 1;
  by_b.slots[250] = 0;
  by_c.slots[250] = kNoNode;
  Agreement agreement = Decide({Answer("a1", by_a), Answer("b1", by_b), Answer("c1", by_c)});
  EXPECT_EQ(agreement.result, Agreement::Result::kAgreed);
  by_c.slots[250] = 1;
  agreement = Decide({Answer("a1", by_a), Answer("b1", by_b), Answer("c1", by_c)});
  EXPECT_EQ(OwnerOf(agreement.view, 250), "b1");
}

TEST_F(AgreementTest, AtTheFirstStartTheBestIsTaken) {
  known_ = nullptr;
  const ClusterView view = View(kOld);
  Agreement agreement = Decide({Answer("a1", view)});
  EXPECT_EQ(agreement.result, Agreement::Result::kUnsure);
  EXPECT_EQ(agreement.ask_too.size(), 2U);
  agreement = Decide({Answer("a1", view), Answer("b1", view)}, {{"c1", 1}});
  EXPECT_EQ(agreement.result, Agreement::Result::kAgreed);
  // A replica alone is better than nothing, too.
  agreement = Decide({Answer("a2", View(kOld, {"a2"}))});
  EXPECT_EQ(agreement.result, Agreement::Result::kUnsure);
  EXPECT_EQ(OwnerOf(agreement.view, 150), "b1");
  EXPECT_EQ(Decide({}).result, Agreement::Result::kNone);
  EXPECT_EQ(Decide({Answer("a1", View({}))}).why, "no node knows who serves any slot");
}

// Redis older than 4 has no CLUSTER MYID: a node is then found by its address.
TEST_F(AgreementTest, NodesWithoutIdsAreKnownByAddress) {
  ClusterView view = View(kOld);
  for (Node& node : view.nodes) node.id.clear();
  known_ = Topology::Cluster(view.nodes, view.slots, 1);
  std::vector<ClusterAnswer> answers;
  for (const std::string id : {"a1", "b1"}) {
    answers.push_back(Answer(id, view));
    answers.back().id.clear();
  }
  EXPECT_EQ(Decide(answers, {{"c1", 1}}).result, Agreement::Result::kAgreed);
  EXPECT_EQ(Decide({answers[0]}, {{"b1", 1}, {"c1", 1}}).result, Agreement::Result::kNone);
}

// Of 100 primaries 32 are asked, and more than half of those must agree.
TEST_F(AgreementTest, ManyPrimariesAreSampled) {
  Ranges ranges;
  for (int i = 0; i < 100; ++i) ranges["n" + std::to_string(i)] = {i * 100, i * 100 + 99};
  known_ = Known(ranges);
  const ClusterView view = View(ranges);
  std::vector<ClusterAnswer> answers;
  for (int i = 0; i < 31; ++i) answers.push_back(Answer("n" + std::to_string(i), view));
  EXPECT_EQ(Decide(answers).result, Agreement::Result::kNone);
  EXPECT_EQ(Decide(answers).ask_too.size(), Agreement::kAskMax);
  EXPECT_EQ(Decide(answers, {{"n77", 1}}).result, Agreement::Result::kAgreed);
  answers.resize(16);
  std::vector<HostPort> silent;
  for (int i = 16; i < 32; ++i) silent.push_back({"n" + std::to_string(i), 1});
  EXPECT_EQ(Decide(answers, silent).result, Agreement::Result::kNone) << "16 of 32 is no majority";
}

TEST_F(AgreementTest, SameTopologyLooksAtAllOfIt) {
  EXPECT_TRUE(SameTopology(View(kOld), *known_));
  ClusterView reordered = View(kOld);
  std::swap(reordered.nodes[0], reordered.nodes[2]);
  for (NodeIndex& owner : reordered.slots) {
    if (owner != kNoNode) owner = static_cast<NodeIndex>(2 - owner);
  }
  EXPECT_TRUE(SameTopology(reordered, *known_));
  ClusterView other = View(kOld);
  other.slots[5] = 2;
  EXPECT_FALSE(SameTopology(other, *known_));
  other = View(kOld);
  other.nodes[0].health = NodeHealth::kFailed;
  EXPECT_FALSE(SameTopology(other, *known_));
  EXPECT_FALSE(SameTopology(View(kOld, {"a2"}), *known_));
  EXPECT_FALSE(SameTopology(View(kFailedOver), *known_));
  EXPECT_FALSE(SameTopology(View(kOld), *Topology::Single({.host = "h", .port = 1})));
}

}  // namespace
}  // namespace weir
