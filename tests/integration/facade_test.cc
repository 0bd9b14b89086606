// What clients see of a cluster behind weir, and the facades. Real clients: tests/clients/.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/integration/fixture.h"
#include "tests/support/cluster.h"

namespace weir::harness {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(FacadeTest, AClusterBehindWeirIsOneServerByDefault) {
  Cluster cluster(Cluster::Options{.replicas_each = 0});
  WeirServer weir(InFrontOf(cluster.url()));
  RedisServer redis;
  RawClient client(weir.port());
  RawClient direct(redis.port());
  const std::string info = client.Text({"INFO"});
  EXPECT_THAT(info, HasSubstr("redis_mode:standalone\r\n"));
  EXPECT_THAT(info, HasSubstr("cluster_enabled:0\r\n"));
  EXPECT_THAT(client.Text({"INFO", "server"}), HasSubstr("redis_mode:standalone\r\n"));
  EXPECT_THAT(client.Text({"INFO", "cluster"}), HasSubstr("cluster_enabled:0\r\n"));
  EXPECT_THAT(client.Command({"HELLO", "3"}), HasSubstr("$10\r\nstandalone\r\n"));
  for (const auto& command : {std::vector<std::string>{"CLUSTER", "INFO"},
                              {"CLUSTER", "SLOTS"},
                              {"CLUSTER", "KEYSLOT", "a"},
                              {"READONLY"},
                              {"READWRITE"}}) {
    EXPECT_EQ(client.Command(command), direct.Command(command)) << command.back();
  }
}

TEST(FacadeTest, InTheFacadeOfAClusterOneServerIsACluster) {
  RedisServer redis;
  WeirConfig config;
  config.url = redis.url();
  config.listener = "facade = \"cluster\"\nfacade_weirs = [\"192.0.2.1:6380\"]\n";
  WeirServer weir(config);
  RawClient client(weir.port());
  EXPECT_THAT(client.Command({"HELLO", "3"}), HasSubstr("$7\r\ncluster\r\n"));
  EXPECT_THAT(client.Text({"INFO"}), HasSubstr("redis_mode:cluster\r\n"));
  EXPECT_THAT(client.Text({"INFO"}), HasSubstr("cluster_enabled:1\r\n"));
  const Reply slots = ParseReply(client.Command({"CLUSTER", "SLOTS"}));
  ASSERT_EQ(slots.elements.size(), 2u);
  EXPECT_EQ(slots.elements[0].elements[2].elements[0].text, "192.0.2.1");
  EXPECT_EQ(slots.elements[1].elements[2].elements[1].text, std::to_string(weir.port()));
  for (const char* word : {"READONLY", "READWRITE", "ASKING"}) {
    EXPECT_EQ(client.Command({word}), "+OK\r\n") << word;
  }
  EXPECT_EQ(client.Command({"CLUSTER", "KEYSLOT", "foo"}), ":12182\r\n");
  EXPECT_THAT(client.Command({"CLUSTER", "KEYSLOT"}), HasSubstr("wrong number of arguments"));
  EXPECT_THAT(client.Command({"CLUSTER", "COUNTKEYSINSLOT", "1"}), HasSubstr("is a facade"));
  EXPECT_THAT(client.Command({"CLUSTER", "FAILOVER"}), HasSubstr("NOPERM weir"));
  EXPECT_THAT(client.Command({"CLUSTER", "NODES"}), HasSubstr("myself,master - 0 0 2 connected"));
  EXPECT_EQ(client.Text({"SET", "a", "1"}), "OK");
}

TEST(FacadeTest, InTheFacadeOfSentinelsWeirIsThePrimary) {
  RedisServer redis;
  WeirConfig config;
  config.url = redis.url();
  config.listener = "facade = \"sentinel\"\nfacade_name = \"main\"\n";
  WeirServer weir(config);
  RawClient client(weir.port());
  EXPECT_EQ(client.Command({"sentinel", "get-master-addr-by-name", "main"}),
            "*2\r\n" + Bulk("127.0.0.1") + Bulk(std::to_string(weir.port())));
  EXPECT_THAT(client.Text({"INFO"}), HasSubstr("# Sentinel\r\nsentinel_masters:1\r\n"));
  EXPECT_THAT(client.Text({"INFO", "sentinel"}), HasSubstr("master0:name=main"));
  EXPECT_THAT(client.Text({"INFO", "server"}), Not(HasSubstr("# Sentinel")));
  EXPECT_EQ(client.Text({"PING"}), "PONG");
  client.Send(Encode({"GET", "a"}) + Encode({"SENTINEL", "master", "x"}) + Encode({"GET", "a"}));
  EXPECT_EQ(client.ReadFrame(), "$-1\r\n");
  EXPECT_EQ(client.ReadFrame(), "-ERR No such master with that name\r\n");
  EXPECT_EQ(client.ReadFrame(), "$-1\r\n");
}

}  // namespace
}  // namespace weir::harness
