// Who belongs to a primary and its replicas, by what they say of each other.
#include "routing/replica_discovery.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weir {
namespace {

using Servers = std::vector<DiscoveredServer>;

HostPort At(const std::string& host) { return {host, 1}; }

DiscoveredServer Primary(const std::string& host, const std::vector<std::string>& replicas,
                         bool configured = false) {
  RoleReport role{.is_primary = true, .replicas = {}};
  for (const std::string& replica : replicas) role.replicas.push_back(At(replica));
  return {.address = At(host), .configured = configured, .role = role, .run_id = "id-" + host};
}
DiscoveredServer ReplicaOf(const std::string& host, const std::string& primary,
                           bool configured = false) {
  return {.address = At(host),
          .configured = configured,
          .role = RoleReport{.primary = At(primary), .replicas = {}},
          .run_id = "id-" + host};
}
DiscoveredServer Silent(const std::string& host, bool configured = false) {
  return {.address = At(host), .configured = configured};
}
DiscoveredServer Called(DiscoveredServer server, const std::string& run_id) {
  server.run_id = run_id;
  return server;
}

// Who is asked next, by their hosts.
std::vector<std::string> Next(const Servers& servers, const Topology* known = nullptr) {
  std::vector<std::string> hosts;
  const ReplicaSet set = MakeReplicaSet(DistinctServers(servers), known);
  for (const HostPort& address : WhoToAsk(servers, set)) hosts.push_back(address.host);
  return hosts;
}
using Hosts = std::vector<std::string>;

TEST(ReplicaDiscoveryTest, ThePrimaryNamesItsReplicas) {
  EXPECT_EQ(Next({Primary("seed", {"a", "b"}, true)}), (Hosts{"seed", "a", "b"}));
}

TEST(ReplicaDiscoveryTest, AReplicaThatIsConfiguredNamesThePrimary) {
  EXPECT_EQ(Next({ReplicaOf("seed", "p", true)}), (Hosts{"seed", "p"}));
  EXPECT_EQ(Next({ReplicaOf("seed", "p", true), Primary("p", {"seed", "a"})}),
            (Hosts{"seed", "p", "a"}));
}

TEST(ReplicaDiscoveryTest, WhoLeavesIsForgotten) {
  const DiscoveredServer seed = Primary("seed", {"a"}, true);
  EXPECT_EQ(Next({seed, ReplicaOf("a", "seed"), Silent("dead")}), (Hosts{"seed", "a"}));
  EXPECT_EQ(Next({seed, ReplicaOf("a", "seed"), Primary("independent", {})}), (Hosts{"seed", "a"}));
  EXPECT_EQ(Next({seed, ReplicaOf("a", "seed"), ReplicaOf("b", "elsewhere")}),
            (Hosts{"seed", "a"}));
}

// Its link is down for a moment, so that the primary does not name it; or it copies a replica.
TEST(ReplicaDiscoveryTest, WhoFollowsStays) {
  EXPECT_EQ(Next({Primary("seed", {"a"}, true), ReplicaOf("a", "seed"), ReplicaOf("b", "seed"),
                  ReplicaOf("c", "a"), ReplicaOf("d", "e"), ReplicaOf("e", "d")}),
            (Hosts{"seed", "a", "b", "c"}));
}

// b was given to another deployment: what it says must not lead there.
TEST(ReplicaDiscoveryTest, OthersReplicasLeadNowhere) {
  EXPECT_EQ(Next({Primary("seed", {"b"}, true), ReplicaOf("b", "foreign")}), (Hosts{"seed", "b"}));
  EXPECT_EQ(Next({Silent("seed", true), ReplicaOf("b", "foreign"), ReplicaOf("c", "seed")}),
            (Hosts{"seed", "b", "c"}));
}

TEST(ReplicaDiscoveryTest, WhileNobodyIsThePrimaryNobodyIsForgotten) {
  EXPECT_EQ(Next({Silent("seed", true), Silent("a"), ReplicaOf("b", "seed")}),
            (Hosts{"seed", "a", "b"}));
}

// By hand: a is promoted, then the others are pointed at it.
TEST(ReplicaDiscoveryTest, AFailoverIsFollowedWhileTheSeedIsDead) {
  EXPECT_EQ(Next({Silent("seed", true), Primary("a", {"b"}), ReplicaOf("b", "a")}),
            (Hosts{"seed", "a", "b"}));
  EXPECT_EQ(Next({ReplicaOf("seed", "a", true), Primary("a", {"b", "seed"}), ReplicaOf("b", "a")}),
            (Hosts{"seed", "a", "b"}));
}

// The configuration says "redis-1", the servers say 10.0.0.1.
TEST(ReplicaDiscoveryTest, OneServerWithTwoAddressesIsOne) {
  const Servers servers = {Called(ReplicaOf("redis-1", "10.0.0.2", true), "first"),
                           Called(ReplicaOf("10.0.0.1", "10.0.0.2"), "first"),
                           Primary("10.0.0.2", {"10.0.0.1"})};
  const std::vector<ReplicaSetMember> distinct = DistinctServers(servers);
  ASSERT_EQ(distinct.size(), 2U);
  EXPECT_EQ(distinct[0].address, At("redis-1"));
  EXPECT_EQ(distinct[1].address, At("10.0.0.2"));
  EXPECT_EQ(distinct[1].role->replicas, (std::vector<HostPort>{At("redis-1")}));
  EXPECT_EQ(Next(servers), (Hosts{"redis-1", "10.0.0.2", "10.0.0.1"})) << "both are asked on";
}

TEST(ReplicaDiscoveryTest, OfItsAddressesOneThatAnswersStandsForAServer) {
  Servers servers = {Called(Silent("redis-1", true), "first"),
                     Called(Primary("10.0.0.1", {}), "first")};
  EXPECT_EQ(DistinctServers(servers).size(), 1U);
  EXPECT_EQ(DistinctServers(servers)[0].address, At("10.0.0.1"));
  servers[1].role.reset();
  EXPECT_EQ(DistinctServers(servers)[0].address, At("redis-1"));
  servers[0].run_id = servers[1].run_id = "";
  EXPECT_EQ(DistinctServers(servers).size(), 2U) << "who has no run id is nobody else";
}

TEST(ReplicaDiscoveryTest, IsBounded) {
  std::vector<std::string> many;
  for (size_t i = 0; i < 2 * kDiscoveredMax; ++i) many.push_back(std::to_string(i));
  EXPECT_EQ(Next({Primary("seed", many, true)}).size(), kDiscoveredMax);
}

TEST(ReplicaDiscoveryTest, ReadsRunIds) {
  EXPECT_EQ(ParseRunId("# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\ntcp_port:1\r\n"), "abc");
  EXPECT_EQ(ParseRunId("# Server\r\n"), "");
}

}  // namespace
}  // namespace weir
