// SCAN over a cluster: nothing that stays is lost, whatever moves; it ends; foreign cursors do no
// harm.
#include "routing/cluster_scan.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "routing/slot.h"
#include "tests/support/seed.h"

namespace weir {
namespace {

using harness::Below;
using harness::Random;

// Shards of keys, each served by a node that can be replaced. A node's own cursor is a bucket of
// its keys' hashes, and each node hashes in its own way, as each Redis has a seed of its own.
class Model {
 public:
  Model(int shards, int runs_each, Random* random) : random_(*random), owner_(kSlotCount, -1) {
    for (int shard = 0; shard < shards; ++shard) ids_.push_back(NewId());
    const size_t runs = static_cast<size_t>(shards) * static_cast<size_t>(runs_each);
    for (size_t slot = 0; slot < kSlotCount; ++slot) {
      owner_[slot] = static_cast<int>(slot * runs / kSlotCount) % shards;
    }
    for (int i = 0; i < 400; ++i) keys_.push_back("key:" + std::to_string(random_() % 100000));
  }

  std::shared_ptr<const Topology> Map() const {
    std::vector<Node> nodes;
    for (const std::string& id : ids_) nodes.push_back({.id = id, .host = id, .port = 1});
    std::vector<NodeIndex> slots;
    for (const int owner : owner_) {
      slots.push_back(owner < 0 ? kNoNode : static_cast<NodeIndex>(owner));
    }
    return Topology::Cluster(nodes, slots, 1);
  }

  // SCAN on one node: its next cursor and some keys.
  uint64_t Scan(NodeIndex node, uint64_t cursor, std::set<std::string>* found) {
    constexpr uint64_t kSteps = 64;
    for (const std::string& key : keys_) {
      if (owner_[KeySlot(key)] != node) continue;
      if (std::hash<std::string>()(key + ids_[node]) % kSteps == cursor) found->insert(key);
    }
    ++calls_;
    return cursor + 1 == kSteps ? 0 : cursor + 1;
  }

  void FailOver() { ids_[Below(random_, ids_.size())] = NewId(); }
  void AddNode() {
    ids_.push_back(NewId());
    for (int i = 0; i < 200; ++i) MoveSlot(static_cast<int>(ids_.size()) - 1);
  }
  void Reshard() {
    const int to = static_cast<int>(Below(random_, ids_.size()));
    const size_t count = 1 + Below(random_, 300);
    for (size_t i = 0; i < count; ++i) MoveSlot(to);
  }
  void UnassignSlot() { owner_[Below(random_, kSlotCount)] = -1; }

  const std::vector<std::string>& keys() const { return keys_; }
  int OwnerOf(const std::string& key) const { return owner_[KeySlot(key)]; }
  int calls() const { return calls_; }

 private:
  std::string NewId() { return "node" + std::to_string(next_id_++) + std::to_string(random_()); }
  void MoveSlot(int to) { owner_[Below(random_, kSlotCount)] = to; }

  Random& random_;
  std::vector<int> owner_;
  std::vector<std::string> ids_;
  std::vector<std::string> keys_;
  int next_id_ = 0;
  int calls_ = 0;
};

// Scans to the end; `change` may change the model before each step. Keys that nobody saw although
// they stayed are the result.
std::vector<std::string> LostKeys(Model* model, const std::function<void(int)>& change) {
  std::map<std::string, int> stays;
  for (const std::string& key : model->keys()) stays[key] = model->OwnerOf(key);
  std::set<std::string> found;
  uint64_t cursor = 0;
  int steps = 0;
  do {
    change(steps);
    const auto map = model->Map();
    const ScanPosition position = ResumeScan(cursor, *map);
    for (auto& [key, owner] : stays) {
      if (owner != model->OwnerOf(key)) owner = -1;
    }
    if (position.node == kNoNode) break;
    const uint64_t node_cursor = model->Scan(position.node, position.node_cursor, &found);
    cursor = ContinueScan(position, node_cursor, *map).value();
    EXPECT_LT(++steps, 500000) << "it does not end";
  } while (cursor != 0 && steps < 500000);
  std::vector<std::string> lost;
  for (const auto& [key, owner] : stays) {
    if (owner >= 0 && !found.contains(key)) lost.push_back(key);
  }
  return lost;
}

TEST(ClusterScanTest, AQuietClusterIsScannedOnce) {
  Random random(harness::Seed());
  for (const int runs_each : {1, 2, 50}) {
    Model model(5, runs_each, &random);
    EXPECT_TRUE(LostKeys(&model, [](int) {}).empty());
    EXPECT_EQ(model.calls(), 5 * 64) << "each node once, however its slots lie";
  }
}

TEST(ClusterScanTest, OneNodeAloneWorks) {
  Random random(harness::Seed());
  Model model(1, 1, &random);
  EXPECT_TRUE(LostKeys(&model, [](int) {}).empty());
  EXPECT_EQ(model.calls(), 64);
}

TEST(ClusterScanTest, NothingThatStaysIsLostWhateverMoves) {
  Random random(harness::Seed());
  for (int round = 0; round < 40; ++round) {
    Model model(2 + static_cast<int>(Below(random, 5)), 1 + static_cast<int>(Below(random, 4)),
                &random);
    const uint64_t every = 20 + Below(random, 200);
    int changes = 0;
    const auto lost = LostKeys(&model, [&](int) {
      if (changes > 20 || Below(random, every) != 0) return;
      ++changes;
      switch (Below(random, 8)) {
        case 0:
          return model.FailOver();
        case 1:
          return model.AddNode();
        case 2:
          return model.UnassignSlot();
        default:
          return model.Reshard();
      }
    });
    // Each change of nodes goes unseen with a chance of 1 in 16383.
    EXPECT_TRUE(lost.empty()) << lost.size() << " in round " << round;
    if (HasFailure()) return;
  }
}

// Slots move before every single step: a node's cursor must still come forward.
// Slots move before every single step: that alone makes no node be scanned twice.
TEST(ClusterScanTest, ItEndsWhileSlotsMoveAllTheTime) {
  Random random(harness::Seed());
  Model model(3, 1, &random);
  EXPECT_TRUE(LostKeys(&model, [&](int) { model.Reshard(); }).empty());
  EXPECT_EQ(model.calls(), 3 * 64);
}

// A failover in the middle: the replica hashes by another seed, so what the cursor says of it means
// nothing, and that it is done cannot be known of any.
TEST(ClusterScanTest, OtherNodesStartItAnew) {
  const auto map = [](const std::string& id) {
    return Topology::Cluster({{.id = id, .host = "h", .port = 1}},
                             std::vector<NodeIndex>(kSlotCount, 0), 1);
  };
  const auto before = map("a");
  const uint64_t cursor = *ContinueScan(ResumeScan(0, *before), 1234, *before);
  EXPECT_EQ(ResumeScan(cursor, *before).node_cursor, 1234U);
  EXPECT_EQ(ResumeScan(cursor, *map("b")).node_cursor, 0U);
  // Another weir, which knows the nodes in another order or by other addresses, goes on.
  const auto elsewhere = Topology::Cluster({{.id = "z"}, {.id = "a", .host = "i", .port = 2}},
                                           std::vector<NodeIndex>(kSlotCount, 1), 7);
  EXPECT_EQ(ResumeScan(cursor, *elsewhere).node_cursor, 1234U);
  EXPECT_EQ(ResumeScan(cursor, *elsewhere).node, 1);
}

TEST(ClusterScanTest, ForeignCursorsDoNoHarm) {
  Random random(harness::Seed());
  Model model(3, 2, &random);
  const auto map = model.Map();
  for (int i = 0; i < 1000; ++i) {
    const ScanPosition position = ResumeScan(random(), *map);
    ASSERT_LT(position.node, 3);
    ASSERT_LT(position.rank, 3);
  }
}

TEST(ClusterScanTest, AClusterWithoutSlotsHasNothing) {
  const auto map = Topology::Cluster({{.id = "a"}}, std::vector<NodeIndex>(kSlotCount, kNoNode), 1);
  EXPECT_EQ(ResumeScan(0, *map).node, kNoNode);
  EXPECT_EQ(ResumeScan(UINT64_MAX, *map).node, kNoNode);
}

TEST(ClusterScanTest, CursorsAreReadAsRedisReadsThem) {
  EXPECT_EQ(ParseScanCursor("0"), 0U);
  EXPECT_EQ(ParseScanCursor(""), 0U);
  EXPECT_EQ(ParseScanCursor("00001"), 1U);
  EXPECT_EQ(ParseScanCursor("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(ParseScanCursor("-1"), UINT64_MAX);
  EXPECT_EQ(ParseScanCursor("+7"), 7U);
  EXPECT_EQ(ParseScanCursor(std::string_view("7\0x", 3)), 7U);
  for (const std::string_view wrong :
       {"18446744073709551616", " 1", "1 ", "x", "1x", "+", "-", "0x1"}) {
    EXPECT_EQ(ParseScanCursor(wrong), std::nullopt) << wrong;
  }
}

TEST(ClusterScanTest, RepliesGetTheClientsCursor) {
  const auto map = Topology::Cluster({{.id = "a"}}, std::vector<NodeIndex>(kSlotCount, 0), 1);
  const ScanPosition start = ResumeScan(0, *map);
  const std::string more = RewriteScanReply("*2\r\n$2\r\n17\r\n*1\r\n$1\r\nk\r\n", start, *map);
  const std::string cursor = std::to_string(*ContinueScan(start, 17, *map));
  EXPECT_EQ(more,
            "*2\r\n$" + std::to_string(cursor.size()) + "\r\n" + cursor + "\r\n*1\r\n$1\r\nk\r\n");
  EXPECT_EQ(RewriteScanReply("*2\r\n$1\r\n0\r\n*0\r\n", start, *map), "*2\r\n$1\r\n0\r\n*0\r\n");
  EXPECT_EQ(RewriteScanReply("-LOADING x\r\n", start, *map), "-LOADING x\r\n");
  EXPECT_NE(ResumeScan(*ContinueScan(start, kNodeCursorMax, *map), *map).node_cursor, 0U);
  EXPECT_EQ(RewriteScanReply("*2\r\n$11\r\n68719476736\r\n*0\r\n", start, *map).substr(0, 10),
            "-ERR weir:");
  for (const std::string_view wrong :
       {"", "*2\r\n", "*2\r\n$", "*2\r\n$-1\r\n*0\r\n", "*2\r\n$9\r\n1\r\n*0\r\n",
        "*2\r\n$1\r\nx\r\n*0\r\n", "*3\r\n$1\r\n0\r\n", "+OK\r\n"}) {
    EXPECT_EQ(RewriteScanReply(wrong, start, *map).substr(0, 10), "-ERR weir:") << wrong;
  }
}

}  // namespace
}  // namespace weir
