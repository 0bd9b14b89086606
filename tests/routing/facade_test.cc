// What weir says of itself to clients of clusters and sentinels, in the words of Redis.
#include "routing/facade.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "tests/support/resp.h"

namespace weir {
namespace {

using harness::ParseReply;
using harness::Reply;
using testing::HasSubstr;

class FacadeTest : public testing::Test {
 protected:
  Facade facade_ = {.kind = FacadeKind::kCluster,
                    .name = "mymaster",
                    .weirs = {{.host = "10.0.0.1", .port = 6380},
                              {.host = "::1", .port = 6381},
                              {.host = "weir", .port = 60000}},
                    .self = 1};

  std::string Cluster(std::vector<std::string_view> args, int version = 2) {
    args.insert(args.begin(), "CLUSTER");
    return FacadeClusterReply(facade_, ArgList(absl::MakeConstSpan(args)), version);
  }
  std::string Sentinel(std::vector<std::string_view> args, int version = 2) {
    args.insert(args.begin(), "SENTINEL");
    return FacadeSentinelReply(facade_, ArgList(absl::MakeConstSpan(args)), version);
  }
};

TEST_F(FacadeTest, AllSlotsAreServedOnce) {
  for (const int version : {2, 3}) {
    const Reply slots = ParseReply(Cluster({"SLOTS"}, version));
    ASSERT_EQ(slots.elements.size(), 3u);
    int next = 0;
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(slots.elements[i].elements[0].text, std::to_string(next));
      next = std::stoi(slots.elements[i].elements[1].text) + 1;
      EXPECT_EQ(slots.elements[i].elements[2].elements[0].text, facade_.weirs[i].host);
      EXPECT_EQ(slots.elements[i].elements[2].elements[2].text, FacadeId(facade_.weirs[i]));
    }
    EXPECT_EQ(next, 16384);
    EXPECT_EQ(ParseReply(Cluster({"shards"}, version)).elements.size(), 3u);
  }
  facade_.weirs.resize(1);
  facade_.self = 0;
  EXPECT_THAT(Cluster({"NODES"}), HasSubstr("10.0.0.1:6380@16380 myself,master - 0 0 1 connected "
                                            "0-16383\n"));
}

TEST_F(FacadeTest, NodesNamesItself) {
  const std::string nodes = ParseReply(Cluster({"NODES"})).text;
  EXPECT_THAT(nodes, HasSubstr(FacadeId(facade_.weirs[1]) + " ::1:6381@16381 myself,master"));
  EXPECT_THAT(nodes, HasSubstr("weir:60000@0 master - 0 0 3 connected 10922-16383\n"));
  EXPECT_EQ(ParseReply(Cluster({"MYID"})).text, FacadeId(facade_.weirs[1]));
  EXPECT_THAT(Cluster({"INFO"}), HasSubstr("cluster_state:ok\r\ncluster_slots_assigned:16384"));
  EXPECT_EQ(Cluster({"KEYSLOT", "foo"}), ":12182\r\n");
  EXPECT_EQ(Cluster({"REPLICAS", FacadeId(facade_.weirs[0])}), "*0\r\n");
  EXPECT_EQ(Cluster({"REPLICAS", "x"}), "-ERR Unknown node x\r\n");
  EXPECT_EQ(Cluster({"COUNTKEYSINSLOT", "1"}), "");
}

TEST_F(FacadeTest, IdsAreOfTheAddressAndDiffer) {
  std::set<std::string> ids;
  for (uint16_t port = 1; port <= 1000; ++port) {
    const std::string id = FacadeId({.host = "h", .port = port});
    EXPECT_EQ(id.size(), 40u);
    EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos);
    ids.insert(id);
  }
  EXPECT_EQ(ids.size(), 1000u);
}

TEST_F(FacadeTest, SentinelsNameTheWeirThatWasAsked) {
  EXPECT_EQ(Sentinel({"get-master-addr-by-name", "mymaster"}), "*2\r\n$3\r\n::1\r\n$4\r\n6381\r\n");
  EXPECT_EQ(Sentinel({"GET-MASTER-ADDR-BY-NAME", "x"}), "*-1\r\n");
  EXPECT_EQ(Sentinel({"GET-MASTER-ADDR-BY-NAME", "x"}, 3), "_\r\n");
  EXPECT_EQ(Sentinel({"master", "x"}), "-ERR No such master with that name\r\n");
  EXPECT_EQ(ParseReply(Sentinel({"masters"}, 3)).elements[0].at("num-other-sentinels").text, "2");
  EXPECT_EQ(ParseReply(Sentinel({"sentinels", "mymaster"})).elements.size(), 2u);
  EXPECT_EQ(Sentinel({"replicas", "mymaster"}), "*0\r\n");
  EXPECT_THAT(Sentinel({"ckquorum", "mymaster"}), HasSubstr("+OK 3 usable Sentinels."));
  EXPECT_THAT(Sentinel({"failover", "mymaster"}), HasSubstr("-ERR weir: in this facade"));
  EXPECT_THAT(Sentinel({}), HasSubstr("wrong number of arguments for 'sentinel' command"));
  EXPECT_THAT(FacadeSentinelInfo(facade_),
              HasSubstr("master0:name=mymaster,status=ok,address=::1:6381,slaves=0,sentinels=3"));
}

}  // namespace
}  // namespace weir
