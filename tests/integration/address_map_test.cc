// Where nodes are called by names that only they understand, address_map says where they are; and
// sentinels may want a password of their own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/integration/fixture.h"
#include "tests/support/cluster.h"
#include "tests/support/sentinel.h"

namespace weir::harness {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr char kMap[] = "address_map = [\"node.invalid=127.0.0.1\"]\n";

// Nodes that name each other by a hostname which no resolver has, in CLUSTER SHARDS and in MOVED.
Cluster::Options Hidden() {
  return {.replicas_each = 0,
          .args = {"--cluster-announce-hostname", "node.invalid",
                   "--cluster-preferred-endpoint-type", "hostname"}};
}

TEST(AddressMapTest, FindsTheNodesOfAClusterAndTheTargetsOfItsRedirects) {
  Cluster cluster(Hidden());
  const std::string key = cluster.KeyOn(0, 1);
  const uint16_t slot = SlotOf(key);
  RawClient direct(cluster.node(1).port());
  ASSERT_THAT(direct.Text({"GET", key}),
              StartsWith("-MOVED " + std::to_string(slot) + " node.invalid:"));
  WeirServer weir(InFrontOf(cluster.url(0), kMap));
  RawClient client(weir.port());
  for (size_t node = 0; node < 3; ++node) {
    EXPECT_EQ(client.Text({"SET", cluster.KeyOn(node, 1), "v"}), "OK") << node;
  }
  EXPECT_THAT(client.Command({"WEIR", "TOPOLOGY"}),
              HasSubstr("127.0.0.1:" + std::to_string(cluster.node(2).port())));
  // The old map still says node 0, which answers MOVED to a name.
  cluster.MoveSlots(0, 1, slot, 1);
  EXPECT_EQ(client.Text({"GET", key}), "v");
  EXPECT_EQ(client.Text({"SET", key, "w"}), "OK");
  EXPECT_EQ(direct.Text({"GET", key}), "w");
}

TEST(AddressMapTest, FindsWhatSentinelsNameOtherwise) {
  SentinelDeployment deployment(1, 1);
  // As behind NAT: sentinels call the primary by its address, clients reach it by another.
  WeirConfig config;
  config.url = deployment.url();
  ReplicatedServers other(0);
  config.upstream = "retry_budget_ms = 30000\naddress_map = [\"" + deployment.server(0).address() +
                    "=" + other.server(0).address() + "\"]\n";
  WeirServer weir(config);
  RawClient client(weir.port());
  EXPECT_EQ(client.Text({"SET", "k", "mapped"}), "OK");
  EXPECT_EQ(RawClient(other.server(0).port()).Text({"GET", "k"}), "mapped");
  EXPECT_EQ(RawClient(deployment.server(0).port()).Text({"EXISTS", "k"}), "0");
}

class SentinelPasswordTest : public ::testing::Test {
 protected:
  // From now on sentinels want to know who asks; their own connections to each other stay.
  void Protect() {
    for (size_t i = 0; i < deployment_.sentinels(); ++i) {
      RawClient admin(deployment_.sentinel_port(i));
      EXPECT_EQ(admin.Text({"ACL", "SETUSER", "weir", "on", ">pw", "allchannels", "+@all"}), "OK");
      EXPECT_EQ(admin.Text({"ACL", "SETUSER", "default", "resetpass", ">secret"}), "OK");
    }
  }
  WeirConfig Config(const std::string& credentials) const {
    WeirConfig config;
    config.url = deployment_.url();
    config.upstream = "retry_budget_ms = 300\n" + credentials;
    return config;
  }
  SentinelDeployment deployment_{1, 1};
};

TEST_F(SentinelPasswordTest, IsTheirsAndNotTheServers) {
  Protect();
  for (const char* credentials : {"sentinel_password = \"secret\"\n",
                                  "sentinel_user = \"weir\"\nsentinel_password = \"pw\"\n"}) {
    WeirServer weir(Config(credentials));
    RawClient client(weir.port());
    EXPECT_TRUE(Eventually([&] { return client.Text({"SET", "k", "v"}) == "OK"; })) << credentials;
  }
  for (const char* credentials : {"", "sentinel_password = \"wrong\"\n"}) {
    WeirServer weir(Config(credentials));
    RawClient client(weir.port());
    EXPECT_THAT(client.Text({"SET", "k", "v"}), HasSubstr("DOWN weir: ")) << credentials;
  }
}

}  // namespace
}  // namespace weir::harness
