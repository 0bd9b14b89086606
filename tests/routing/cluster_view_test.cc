// Topology parsers, on what real clusters said (recorded/) and on what they should not say.
#include "routing/cluster_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "routing/slot.h"

namespace weir {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Recorded(const std::string& server, const std::string& name) {
  const std::string path =
      std::string(WEIR_SOURCE_DIR) + "/tests/routing/recorded/" + server + "/" + name;
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

Reply Tree(const std::string& bytes) {
  auto reply = ParseReply(bytes);
  EXPECT_TRUE(reply.ok()) << reply.status();
  return *std::move(reply);
}

const ViewSource kAsked = {.asked = {"seed.example", 1}};

std::vector<std::string> Addresses(const ClusterView& view) {
  std::vector<std::string> addresses;
  for (const Node& node : view.nodes) addresses.push_back(node.Address());
  return addresses;
}

// "0-5460 of …" as "0-5460", for each run of slots of one owner.
std::vector<std::string> Runs(const ClusterView& view) {
  std::vector<std::string> runs;
  for (size_t first = 0; first < view.slots.size();) {
    size_t end = first;
    while (end < view.slots.size() && view.slots[end] == view.slots[first]) ++end;
    const bool served = view.slots[first] != kNoNode;
    if (served) runs.push_back(std::to_string(first) + "-" + std::to_string(end - 1));
    first = end;
  }
  return runs;
}

size_t Count(const ClusterView& view, NodeRole role) {
  return static_cast<size_t>(std::count_if(view.nodes.begin(), view.nodes.end(),
                                           [&](const Node& node) { return node.role == role; }));
}

// Both commands of the same node say the same of who serves what, whatever else they say.
class RecordedTest : public ::testing::TestWithParam<std::string> {
 protected:
  ClusterView Shards(const std::string& situation, const ViewSource& source = kAsked) {
    auto view = ParseClusterShards(Tree(Recorded(GetParam(), situation + ".shards")), source);
    EXPECT_TRUE(view.ok()) << view.status();
    return *std::move(view);
  }
  ClusterView Slots(const std::string& situation, const ViewSource& source = kAsked) {
    auto view = ParseClusterSlots(Tree(Recorded(GetParam(), situation + ".slots")), source);
    EXPECT_TRUE(view.ok()) << view.status();
    return *std::move(view);
  }
  static void ExpectSameOwners(const ClusterView& a, const ClusterView& b) {
    for (size_t slot = 0; slot < kSlotCount; ++slot) {
      ASSERT_NE(a.slots[slot], kNoNode);
      ASSERT_NE(b.slots[slot], kNoNode);
      ASSERT_EQ(a.nodes[a.slots[slot]].id, b.nodes[b.slots[slot]].id) << slot;
      ASSERT_EQ(a.nodes[a.slots[slot]].Address(), b.nodes[b.slots[slot]].Address()) << slot;
    }
  }
};

TEST_P(RecordedTest, ThreePrimariesWithAReplicaEach) {
  for (const std::string situation : {"plain", "plain-replica"}) {
    const ClusterView view = Shards(situation);
    EXPECT_EQ(view.nodes.size(), 6U);
    EXPECT_EQ(Count(view, NodeRole::kPrimary), 3U);
    EXPECT_THAT(Runs(view), ElementsAre("0-5460", "5461-10922", "10923-16383"));
    for (const Node& node : view.nodes) {
      EXPECT_EQ(node.host, "127.0.0.1");
      EXPECT_EQ(node.id.size(), 40U);
      EXPECT_EQ(node.health, NodeHealth::kOnline);
      if (node.role == NodeRole::kReplica) {
        ASSERT_NE(node.primary, kNoNode);
        EXPECT_EQ(view.nodes[node.primary].role, NodeRole::kPrimary);
      }
    }
    const ClusterView by_slots = Slots(situation);
    ExpectSameOwners(view, by_slots);
    EXPECT_EQ(by_slots.nodes.size(), 6U);
    EXPECT_EQ(Count(by_slots, NodeRole::kReplica), 3U);
  }
}

TEST_P(RecordedTest, ANodeThatNobodyMetHasTheHostThatWasAsked) {
  const ClusterView view = Shards("alone");
  ASSERT_EQ(view.nodes.size(), 1U);
  EXPECT_EQ(view.nodes[0].host, "seed.example");
  EXPECT_TRUE(Runs(view).empty());
  EXPECT_TRUE(Slots("alone").nodes.empty());
}

TEST_P(RecordedTest, AFailedPrimaryServesNothingAnyMore) {
  const ClusterView view = Shards("failed-over");
  EXPECT_THAT(Runs(view), ElementsAre("0-5460", "5461-10922", "10923-16383"));
  const auto failed = std::find_if(view.nodes.begin(), view.nodes.end(), [](const Node& node) {
    return node.health == NodeHealth::kFailed;
  });
  ASSERT_NE(failed, view.nodes.end());
  const auto place = static_cast<NodeIndex>(failed - view.nodes.begin());
  EXPECT_EQ(std::count(view.slots.begin(), view.slots.end(), place), 0);
  ExpectSameOwners(view, Slots("failed-over"));
}

// One of them never got a hostname: '?' stands in its place, and its address beside it.
TEST_P(RecordedTest, HostnamesArePreferredIfTheClusterDoes) {
  for (const ClusterView& view : {Shards("hostname"), Slots("hostname")}) {
    std::vector<std::string> hosts;
    for (const Node& node : view.nodes) hosts.push_back(node.host);
    EXPECT_THAT(hosts,
                ::testing::UnorderedElementsAre("node0.example", "node1.example", "127.0.0.1",
                                                "node3.example", "node4.example", "node5.example"));
    EXPECT_EQ(Runs(view).size(), 3U);
  }
}

TEST_P(RecordedTest, UnknownEndpointsAreAtTheHostThatWasAsked) {
  for (const ClusterView& view : {Shards("unknown-endpoint"), Slots("unknown-endpoint")}) {
    ASSERT_EQ(view.nodes.size(), 6U);
    for (const Node& node : view.nodes) EXPECT_EQ(node.host, "seed.example");
  }
}

TEST_P(RecordedTest, Ipv6Works) {
  for (const ClusterView& view : {Shards("ipv6"), Slots("ipv6")}) {
    ASSERT_EQ(view.nodes.size(), 6U);
    EXPECT_THAT(view.nodes[0].Address(), HasSubstr("[::1]:"));
  }
}

TEST_P(RecordedTest, AddressesAreMapped) {
  AddressMap map;
  ASSERT_TRUE(map.Add("127.0.0.1", "10.9.8.7").ok());
  const ViewSource source = {.asked = {"seed.example", 1}, .address_map = &map};
  for (const ClusterView& view : {Shards("plain", source), Slots("plain", source)}) {
    for (const Node& node : view.nodes) EXPECT_EQ(node.host, "10.9.8.7");
  }
}

TEST_P(RecordedTest, ClusterInfoTellsStateAndEpoch) {
  const ClusterInfo plain = ParseClusterInfo(Tree(Recorded(GetParam(), "plain.info")));
  EXPECT_TRUE(plain.ok);
  EXPECT_TRUE(plain.is_cluster);
  const ClusterInfo later = ParseClusterInfo(Tree(Recorded(GetParam(), "failed-over.info")));
  EXPECT_GT(later.epoch, plain.epoch);
  EXPECT_FALSE(ParseClusterInfo(Tree(Recorded(GetParam(), "alone.info"))).ok);
}

INSTANTIATE_TEST_SUITE_P(Servers, RecordedTest, ::testing::Values("redis-7.0", "valkey-8.0"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace_if(
                               name.begin(), name.end(), [](char c) { return !std::isalnum(c); },
                               '_');
                           return name;
                         });

ClusterView ViewOfSlots(const std::string& bytes) {
  auto view = ParseClusterSlots(Tree(bytes), kAsked);
  EXPECT_TRUE(view.ok()) << view.status();
  return *std::move(view);
}

// Written by the documented format: nodes of three fields since Redis 4, of two before.
TEST(ClusterViewTest, OlderServersSayLess) {
  const ClusterView redis5 = ViewOfSlots(
      "*2\r\n"
      "*4\r\n:0\r\n:99\r\n*3\r\n$8\r\n10.0.0.1\r\n:7000\r\n$1\r\na\r\n*3\r\n$8\r\n10.0.0.2\r\n:"
      "7001\r\n$1\r\nb\r\n"
      "*3\r\n:200\r\n:299\r\n*3\r\n$8\r\n10.0.0.1\r\n:7000\r\n$1\r\na\r\n");
  EXPECT_THAT(Addresses(redis5), ElementsAre("10.0.0.1:7000", "10.0.0.2:7001"));
  EXPECT_THAT(Runs(redis5), ElementsAre("0-99", "200-299"));
  EXPECT_EQ(redis5.nodes[1].primary, 0);
  const ClusterView redis3 =
      ViewOfSlots("*1\r\n*3\r\n:5\r\n:5\r\n*2\r\n$8\r\n10.0.0.1\r\n:7000\r\n");
  EXPECT_EQ(redis3.nodes[0].id, "");
  EXPECT_THAT(Runs(redis3), ElementsAre("5-5"));
}

std::string Bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}
std::string Number(int64_t number) { return ":" + std::to_string(number) + "\r\n"; }

struct ShardNode {
  std::string id{}, endpoint{}, role{}, health{};
  int port = 7000;
  std::string more{};  // pairs, as bytes
  int more_pairs = 0;
};
std::string Shard(const std::vector<int>& slots, const std::vector<ShardNode>& nodes) {
  std::string bytes = "*4\r\n" + Bulk("slots") + "*" + std::to_string(slots.size()) + "\r\n";
  for (const int slot : slots) bytes += Number(slot);
  bytes += Bulk("nodes") + "*" + std::to_string(nodes.size()) + "\r\n";
  for (const ShardNode& node : nodes) {
    bytes += "*" + std::to_string(10 + 2 * node.more_pairs) + "\r\n" + Bulk("id") + Bulk(node.id) +
             Bulk("port") + Number(node.port) + Bulk("endpoint") + Bulk(node.endpoint) +
             Bulk("role") + Bulk(node.role) + Bulk("health") + Bulk(node.health) + node.more;
  }
  return bytes;
}
absl::StatusOr<ClusterView> ViewOfShards(const std::vector<std::string>& shards,
                                         const ViewSource& source = kAsked) {
  std::string bytes = "*" + std::to_string(shards.size()) + "\r\n";
  for (const std::string& shard : shards) bytes += shard;
  return ParseClusterShards(Tree(bytes), source);
}

TEST(ClusterViewTest, HealthAndZoneAndTlsPort) {
  const auto shards = {
      Shard({0, 9}, {{"a", "h", "primary", "online", 1,
                      Bulk("tls-port") + Number(2) + Bulk("availability-zone") + Bulk("eu-1"), 2},
                     {"b", "h", "slave", "loading", 3, Bulk("tls-port") + Number(4), 1},
                     {"c", "h", "replica", "failed", 5, "", 0}})};
  const auto plain = ViewOfShards(shards);
  EXPECT_THAT(Addresses(*plain), ElementsAre("h:1", "h:3", "h:5"));
  EXPECT_EQ(plain->nodes[0].zone, "eu-1");
  EXPECT_EQ(plain->nodes[1].health, NodeHealth::kLoading);
  EXPECT_EQ(plain->nodes[1].role, NodeRole::kReplica);
  EXPECT_EQ(plain->nodes[2].health, NodeHealth::kFailed);
  // One without a port for TLS cannot be reached over TLS.
  const auto tls = ViewOfShards(shards, {.asked = {"s", 1}, .tls = true});
  EXPECT_THAT(Addresses(*tls), ElementsAre("h:2", "h:4"));
}

// A node in handshake has no address yet, and one that lost its own has port 0.
TEST(ClusterViewTest, NodesWithoutAnAddressAreLeftOut) {
  const auto view = ViewOfShards(
      {Shard({0, 9}, {{"a", "h", "master", "online"}, {"b", "h", "replica", "online", 0}}),
       Shard({10, 19}, {{"c", "?", "master", "online"}})});
  EXPECT_THAT(Addresses(*view), ElementsAre("h:7000"));
  EXPECT_THAT(Runs(*view), ElementsAre("0-9"));
}

// A node that was reset comes back at its address with another id, and both are listed for a while.
TEST(ClusterViewTest, OfTwoNodesWithOneAddressTheOneThatServesIs) {
  const auto view = ViewOfShards({Shard({}, {{"old", "h", "master", "fail"}}),
                                  Shard({0, 16383}, {{"new", "h", "master", "online"}})});
  ASSERT_EQ(view->nodes.size(), 1U);
  EXPECT_EQ(view->nodes[0].id, "new");
  EXPECT_EQ(view->nodes[0].health, NodeHealth::kOnline);
}

TEST(ClusterViewTest, TheFailedOneOfTwoPrimariesServesNothing) {
  const auto view = ViewOfShards(
      {Shard({0, 9}, {{"old", "h", "master", "fail", 1}, {"new", "h", "master", "online", 2}})});
  EXPECT_EQ(view->nodes[view->slots[0]].id, "new");
}

// Found by the fuzzer: two nodes of one name made two places for it, and which of them was meant
// depended on who looked.
TEST(ClusterViewTest, TwoNodesOfOneNameAreTheFirst) {
  const auto view = ViewOfShards({Shard({0, 9}, {{"a", "h", "master", "online", 1}}),
                                  Shard({10, 19}, {{"a", "h", "master", "online", 2}})});
  EXPECT_THAT(Addresses(*view), ElementsAre("h:1"));
  EXPECT_THAT(Runs(*view), ElementsAre("0-19"));
}

TEST(ClusterViewTest, ASlotStaysWithWhomClaimsItFirst) {
  const ClusterView view = ViewOfSlots(
      "*2\r\n*3\r\n:0\r\n:9\r\n*3\r\n$1\r\na\r\n:1\r\n$1\r\na\r\n"
      "*3\r\n:5\r\n:12\r\n*3\r\n$1\r\nb\r\n:1\r\n$1\r\nb\r\n");
  EXPECT_THAT(Runs(view), ElementsAre("0-9", "10-12"));
}

TEST(ClusterViewTest, NonsenseIsAnError) {
  for (const std::string bytes :
       {"-ERR This instance has cluster support disabled\r\n", "+OK\r\n", "$-1\r\n",
        "*1\r\n+OK\r\n", "*1\r\n*0\r\n", "*1\r\n*2\r\n:1\r\n:2\r\n",
        "*1\r\n*3\r\n$1\r\n0\r\n:9\r\n*2\r\n$1\r\nh\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\nh\r\n:1\r\n",
        "*1\r\n*3\r\n:-1\r\n:9\r\n*2\r\n$1\r\nh\r\n:1\r\n",
        "*1\r\n*3\r\n:9\r\n:1\r\n*2\r\n$1\r\nh\r\n:1\r\n"}) {
    EXPECT_FALSE(ParseClusterSlots(Tree(bytes), kAsked).ok()) << bytes;
    EXPECT_FALSE(ParseClusterShards(Tree(bytes), kAsked).ok()) << bytes;
  }
  EXPECT_FALSE(ViewOfShards({Shard({0}, {})}).ok());
  EXPECT_FALSE(ViewOfShards({Shard({0, 16384}, {})}).ok());
  const ClusterInfo none =
      ParseClusterInfo(Tree("-ERR This instance has cluster support disabled\r\n"));
  EXPECT_FALSE(none.is_cluster);
}

TEST(ClusterViewTest, NodesAreBounded) {
  std::vector<ShardNode> nodes;
  for (size_t i = 0; i <= kClusterNodesMax; ++i) {
    nodes.push_back({std::to_string(i), "h", "replica", "online", static_cast<int>(i + 1)});
  }
  EXPECT_FALSE(ViewOfShards({Shard({}, nodes)}).ok());
  nodes.pop_back();
  EXPECT_TRUE(ViewOfShards({Shard({}, nodes)}).ok());
}

}  // namespace
}  // namespace weir
