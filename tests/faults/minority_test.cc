// A partition of a cluster, as weir sees it: a minority goes on telling the map of before. Envoy
// believed whichever node it asked (its issue 8099). The nodes are simulated, so that each says
// exactly what a real one would say on its side.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/cluster.h"
#include "tests/support/fake_backend.h"
#include "tests/support/fake_cluster.h"
#include "tests/support/raw_client.h"
#include "tests/support/weir_server.h"

namespace weir::harness {
namespace {

constexpr int kPrimaries = 5;

// Which map a node tells.
enum class Tells {
  kBefore,    // nodes 0 to 4 serve everything
  kAfter,     // 5 and 6 have taken the place of 0 and 1, in a later epoch
  kAlone,     // as one that was reset and took all slots for itself
  kAloneNew,  // the same in an epoch later than all others'
  kSilent,    // it accepts, and answers nothing
};

// Five primaries and two that may replace the first two.
class MinorityTest : public ::testing::Test {
 protected:
  MinorityTest() {
    for (size_t i = 0; i < kPrimaries + 2; ++i) tells_[i] = Tells::kBefore;
    for (size_t i = 0; i < kPrimaries + 2; ++i) {
      nodes_.push_back(
          std::make_unique<FakeBackend>([this, i](const std::vector<std::string>& args) {
            return Answer{.bytes = Say(i, args)};
          }));
      ready_ = i + 1;
    }
  }

  FakeShard Shard(size_t node, int first, int last) const {
    return {FakeNodeId(node), nodes_[node]->port(), first, last};
  }

  std::string Shards(size_t node) const {
    const Tells tells = tells_[node];
    if (tells == Tells::kAlone || tells == Tells::kAloneNew) {
      return ClusterShardsReply({Shard(node, 0, 16383)});
    }
    std::vector<FakeShard> all;
    for (int i = 0; i < kPrimaries; ++i) {
      const auto serves = static_cast<size_t>(tells == Tells::kAfter && i < 2 ? i + 5 : i);
      all.push_back(Shard(serves, (i * 16384 + kPrimaries - 1) / kPrimaries,
                          ((i + 1) * 16384 - 1) / kPrimaries));
    }
    return ClusterShardsReply(all);
  }

  // On the node's thread.
  std::string Say(size_t node, const std::vector<std::string>& args) {
    if (tells_[node] == Tells::kSilent || ready_ < kPrimaries + 2) return "";
    if (args[0] == "GET") return Bulk("node " + std::to_string(node));
    if (args[0] != "CLUSTER") return "-ERR unknown command\r\n";
    if (args[1] == "MYID") return Bulk(FakeNodeId(node));
    if (args[1] == "SHARDS") {
      ++asked_[node];
      return Shards(node);
    }
    const int epoch = tells_[node] == Tells::kAfter ? 7 : tells_[node] == Tells::kAloneNew ? 9 : 5;
    return ClusterInfoReply(epoch);
  }

  WeirConfig Config(const std::vector<size_t>& seeds) const {
    std::string url = "redis+cluster://";
    for (const size_t seed : seeds) {
      url += (url.back() == '/' ? "" : ",") + nodes_[seed]->address();
    }
    return InFrontOf(url, "topology_refresh_interval_ms = 50\n");
  }

  // A key in the slots of that fifth.
  static std::string KeyIn(int fifth) {
    for (int i = 0;; ++i) {
      const std::string key = "k" + std::to_string(i);
      if (SlotOf(key) * kPrimaries / 16384 == fifth) return key;
    }
  }
  static std::string Served(WeirServer& weir, int fifth) {
    RawClient client(weir.port());
    return client.Text({"GET", KeyIn(fifth)});
  }
  static std::string Node(size_t i) { return "node " + std::to_string(i); }
  bool AwaitServed(WeirServer& weir, int fifth, size_t by) {
    return Eventually([&] { return Served(weir, fifth) == Node(by); });
  }
  // So often has a node been asked which said it; what they said before has been judged by then.
  bool AwaitRounds(size_t node, int rounds) {
    const int until = asked_[node] + rounds;
    return Eventually([&] { return asked_[node] >= until; });
  }

  std::atomic<Tells> tells_[kPrimaries + 2];
  std::atomic<int> asked_[kPrimaries + 2] = {};
  std::atomic<size_t> ready_{0};
  std::vector<std::unique_ptr<FakeBackend>> nodes_;
};

// The seeds themselves are of the minority, or one of each side: neither decides.
TEST_F(MinorityTest, AtTheStartTheMajoritysMapWinsWhateverTheSeeds) {
  for (const size_t i : {2, 3, 4, 5, 6}) tells_[i] = Tells::kAfter;
  for (const std::vector<size_t>& seeds : {std::vector<size_t>{0, 1}, {0, 2}, {1}, {4, 0}}) {
    WeirServer weir(Config(seeds));
    EXPECT_TRUE(AwaitServed(weir, 0, 5)) << seeds[0];
    EXPECT_EQ(Served(weir, 1), Node(6));
    for (int i = 2; i < kPrimaries; ++i) EXPECT_EQ(Served(weir, i), Node(static_cast<size_t>(i)));
  }
}

TEST_F(MinorityTest, ASeedWithTheOldMapDoesNotWinLater) {
  for (const size_t i : {2, 3, 4, 5, 6}) tells_[i] = Tells::kAfter;
  tells_[0] = tells_[1] = Tells::kSilent;
  WeirServer weir(Config({2, 0}));
  ASSERT_TRUE(AwaitServed(weir, 0, 5));
  // Both come back, and have not heard of anything.
  tells_[0] = tells_[1] = Tells::kBefore;
  ASSERT_TRUE(AwaitRounds(2, 5));
  EXPECT_EQ(Served(weir, 0), Node(5));
  EXPECT_EQ(Served(weir, 1), Node(6));
}

// The change is only believed once enough of the others tell of it.
TEST_F(MinorityTest, AMajoritysChangeIsFollowedAndAMinoritysIsNot) {
  WeirServer weir(Config({0}));
  ASSERT_TRUE(AwaitServed(weir, 0, 0));
  tells_[2] = tells_[3] = Tells::kAfter;
  ASSERT_TRUE(AwaitRounds(2, 5));
  EXPECT_EQ(Served(weir, 0), Node(0)) << "2 of 5 have said otherwise";
  EXPECT_EQ(Served(weir, 1), Node(1));
  for (const size_t i : {4, 5, 6}) tells_[i] = Tells::kAfter;
  EXPECT_TRUE(AwaitServed(weir, 0, 5));
  EXPECT_EQ(Served(weir, 1), Node(6));
}

// One node says that it serves everything, alone.
TEST_F(MinorityTest, OneThatClaimsEverythingIsOutvoted) {
  WeirServer weir(Config({0, 1}));
  ASSERT_TRUE(AwaitServed(weir, 2, 2));
  for (const Tells claim : {Tells::kAlone, Tells::kAloneNew}) {
    tells_[0] = claim;
    ASSERT_TRUE(AwaitRounds(0, 5));
    for (int i = 1; i < kPrimaries; ++i) EXPECT_EQ(Served(weir, i), Node(static_cast<size_t>(i)));
  }
}

// weir is with the minority: what the others serve waits for them, and is not looked for elsewhere.
TEST_F(MinorityTest, WhileTheMajorityIsSilentTheMapStays) {
  WeirServer weir(Config({0, 1}));
  ASSERT_TRUE(AwaitServed(weir, 4, 4));
  for (const size_t i : {2, 3, 4}) tells_[i] = Tells::kSilent;
  RawClient waits(weir.port());
  waits.Send(Encode({"GET", KeyIn(3)}));
  ASSERT_TRUE(AwaitRounds(0, 2));
  EXPECT_EQ(Served(weir, 0), Node(0));
  EXPECT_EQ(Served(weir, 1), Node(1));
  for (const size_t i : {2, 3, 4}) tells_[i] = Tells::kBefore;
  EXPECT_TRUE(AwaitServed(weir, 3, 3));
  EXPECT_TRUE(AwaitServed(weir, 2, 2));
}

}  // namespace
}  // namespace weir::harness
