// Roles by ROLE: who is the primary of some servers, and who may be read from.
#include "routing/replica_set.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weir {
namespace {

absl::StatusOr<RoleReport> Role(const std::string& bytes) { return ParseRole(*ParseReply(bytes)); }

TEST(ParseRoleTest, ReadsBothRoles) {
  const auto primary = Role(
      "*3\r\n$6\r\nmaster\r\n:3129659\r\n*2\r\n*3\r\n$9\r\n127.0.0.1\r\n$4\r\n9001\r\n$"
      "7\r\n3129242\r\n"
      "*3\r\n$3\r\n::1\r\n$4\r\n9002\r\n$7\r\n3129543\r\n");
  ASSERT_TRUE(primary.ok());
  EXPECT_TRUE(primary->is_primary);
  EXPECT_EQ(primary->offset, 3129659);
  ASSERT_EQ(primary->replicas.size(), 2U);
  EXPECT_EQ(primary->replicas[1], (HostPort{"::1", 9002}));
  const auto replica =
      Role("*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:9000\r\n$9\r\nconnected\r\n:3167038\r\n");
  ASSERT_TRUE(replica.ok());
  EXPECT_FALSE(replica->is_primary);
  EXPECT_TRUE(replica->connected);
  EXPECT_EQ(replica->primary, (HostPort{"127.0.0.1", 9000}));
  EXPECT_FALSE(Role("*5\r\n$5\r\nslave\r\n$1\r\nh\r\n:1\r\n$7\r\nconnect\r\n:-1\r\n")->connected);
}

TEST(ParseRoleTest, NothingElseIsARole) {
  for (const std::string bytes :
       {"-ERR x\r\n", "*0\r\n", "+OK\r\n", "*2\r\n$8\r\nsentinel\r\n*0\r\n",
        "*1\r\n$6\r\nmaster\r\n", "*1\r\n$5\r\nslave\r\n",
        "*5\r\n$5\r\nslave\r\n$1\r\nh\r\n:0\r\n$1\r\nx\r\n:1\r\n",
        "*3\r\n$6\r\nmaster\r\n:1\r\n:1\r\n", "*1\r\n*0\r\n"}) {
    EXPECT_FALSE(Role(bytes).ok()) << bytes;
  }
}

ReplicaSetMember Primary(const std::string& host) {
  return {.address = {host, 1}, .role = RoleReport{.is_primary = true, .replicas = {}}};
}
ReplicaSetMember ReplicaOf(const std::string& host, const std::string& primary,
                           bool connected = true) {
  return {.address = {host, 1},
          .role = RoleReport{.primary = {primary, 1}, .connected = connected, .replicas = {}}};
}
ReplicaSetMember Silent(const std::string& host) { return {.address = {host, 1}}; }

TEST(ReplicaSetTest, WhoSaysSoIsThePrimary) {
  const ReplicaSet set = MakeReplicaSet(
      {{ReplicaOf("a", "b"), Primary("b"), ReplicaOf("c", "b", false), Silent("d")}}, nullptr);
  ASSERT_EQ(set.nodes.size(), 4U);
  EXPECT_EQ(set.nodes[0].host, "b");
  EXPECT_EQ(set.nodes[0].role, NodeRole::kPrimary);
  EXPECT_EQ(set.nodes[1].host, "a");
  EXPECT_EQ(set.nodes[1].health, NodeHealth::kOnline);
  EXPECT_EQ(set.nodes[2].health, NodeHealth::kLoading);
  EXPECT_EQ(set.nodes[3].health, NodeHealth::kFailed);
  EXPECT_EQ(set.why, "b:1 says that it is the primary");
}

// The old primary comes back from a crash and still thinks that it is one.
TEST(ReplicaSetTest, OfTwoPrimariesTheFollowedOneIs) {
  const ReplicaSet set = MakeReplicaSet(
      {{Primary("a"), Primary("b"), ReplicaOf("c", "b")}},
      Topology::Replicated({{.host = "a", .port = 1}, {.host = "b", .port = 1}}, 1).get());
  EXPECT_EQ(set.nodes[0].host, "b");
  EXPECT_EQ(set.nodes[1].host, "a");
  EXPECT_EQ(set.nodes[1].health, NodeHealth::kFailed) << "it has data of its own";
}

TEST(ReplicaSetTest, ElseTheKnownOneElseTheFirst) {
  const std::vector<ReplicaSetMember> members = {Primary("a"), Primary("b")};
  EXPECT_EQ(MakeReplicaSet(members, nullptr).nodes[0].host, "a");
  const auto known = Topology::Replicated({{.host = "b", .port = 1}, {.host = "a", .port = 1}}, 1);
  EXPECT_EQ(MakeReplicaSet(members, known.get()).nodes[0].host, "b");
}

TEST(ReplicaSetTest, WithoutAPrimaryThereIsNone) {
  EXPECT_TRUE(MakeReplicaSet({{ReplicaOf("a", "b"), Silent("b")}}, nullptr).nodes.empty());
}

TEST(ReplicaSetTest, SameSetsAreNoNews) {
  const std::vector<Node> nodes =
      MakeReplicaSet({{Primary("a"), ReplicaOf("b", "a"), ReplicaOf("c", "a")}}, nullptr).nodes;
  const auto topology = Topology::Replicated({nodes[0], nodes[2], nodes[1]}, 1);
  EXPECT_TRUE(SameReplicaSet(nodes, *topology));
  std::vector<Node> other = nodes;
  other[1].health = NodeHealth::kFailed;
  EXPECT_FALSE(SameReplicaSet(other, *topology));
  other = nodes;
  other.pop_back();
  EXPECT_FALSE(SameReplicaSet(other, *topology));
  EXPECT_FALSE(SameReplicaSet(
      MakeReplicaSet({{Primary("b"), ReplicaOf("a", "b"), ReplicaOf("c", "b")}}, nullptr).nodes,
      *topology));
}

}  // namespace
}  // namespace weir
