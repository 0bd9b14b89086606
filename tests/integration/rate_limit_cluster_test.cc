// Rate limits that weirs share in a cluster: plugins' calls go where the nodes say.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/cluster.h"
#include "tests/support/raw_client.h"
#include "tests/support/weir_server.h"

namespace weir::harness {
namespace {

class RateLimitClusterTest : public ::testing::Test {
 protected:
  std::unique_ptr<WeirServer> Start(const std::string& upstream) {
    // Whoever could not be asked rejects, so that a redirect that is not followed is seen.
    WeirConfig config = InFrontOf(cluster_.url(0), upstream);
    config.rest += R"([plugin.rate_limit]
enabled = true
[[plugin.rate_limit.rule]]
name = "s"
scope = "shared"
on_store_error = "closed"
commands = ["INCR"]
[[plugin.rate_limit.rule.limit]]
points = 40
period_ms = 3600000
)";
    return std::make_unique<WeirServer>(config);
  }
  static int Increments(RawClient& client, int times) {
    std::string requests;
    for (int i = 0; i < times; ++i) requests += Encode({"INCR", "n" + std::to_string(i)});
    client.Send(requests);
    int passed = 0;
    for (int i = 0; i < times; ++i) passed += client.ReadFrame().starts_with(':') ? 1 : 0;
    return passed;
  }
  // The only key of the limit, and where it is.
  std::string LimitKey(size_t* node) {
    for (size_t i = 0; i < 3; ++i) {
      RawClient client(cluster_.node(i).port());
      const Reply keys = ParseReply(client.Command({"KEYS", "weir:limit:*"}));
      if (keys.elements.empty()) continue;
      *node = i;
      return keys.elements.front().text;
    }
    return "";
  }

  Cluster cluster_{Cluster::Options{.replicas_each = 0}};
};

TEST_F(RateLimitClusterTest, ALimitIsFollowedToWhereItsSlotMoves) {
  const auto weir = Start("topology_refresh_interval_ms = 0\n");
  RawClient client(weir->port());
  EXPECT_EQ(Increments(client, 10), 10);
  size_t node = 0;
  const std::string key = LimitKey(&node);
  ASSERT_NE(key, "");
  cluster_.MoveSlots(node, (node + 1) % 3, SlotOf(key), 1);
  EXPECT_EQ(Increments(client, 10), 10);
  // On its way once more: what has arrived is asked for behind ASKING.
  const size_t from = (node + 1) % 3;
  const size_t to = (node + 2) % 3;
  RawClient source(cluster_.node(from).port());
  RawClient target(cluster_.node(to).port());
  const std::string slot = std::to_string(SlotOf(key));
  EXPECT_EQ(target.Text({"CLUSTER", "SETSLOT", slot, "IMPORTING", cluster_.id(from)}), "OK");
  EXPECT_EQ(source.Text({"CLUSTER", "SETSLOT", slot, "MIGRATING", cluster_.id(to)}), "OK");
  EXPECT_EQ(source.Text({"MIGRATE", "127.0.0.1", std::to_string(cluster_.node(to).port()), key, "0",
                         "5000"}),
            "OK");
  EXPECT_EQ(Increments(client, 30), 20);
  EXPECT_NE(weir->Info("weir_requests_redirected"), "0");
}

// Nobody serves the slot for a while: the question waits, within the budget of any request.
TEST_F(RateLimitClusterTest, ALimitWhoseSlotNobodyServesIsWaitedFor) {
  const auto weir = Start("");
  RawClient client(weir->port());
  EXPECT_EQ(Increments(client, 1), 1);
  size_t node = 0;
  const std::string key = LimitKey(&node);
  ASSERT_NE(key, "");
  const std::string slot = std::to_string(SlotOf(key));
  for (size_t i = 0; i < 3; ++i) {
    RawClient direct(cluster_.node(i).port());
    direct.Text({"CLUSTER", "DELSLOTS", slot});
  }
  std::thread again([&] {
    EXPECT_TRUE(Eventually([&] { return weir->Info("weir_requests_redirected") != "0"; }));
    EXPECT_EQ(RawClient(cluster_.node(node).port()).Text({"CLUSTER", "ADDSLOTS", slot}), "OK");
  });
  EXPECT_EQ(Increments(client, 1), 1);
  again.join();
}

// A limit on requests in flight forgot those that are split over nodes as soon as they were sent.
TEST_F(RateLimitClusterTest, RequestsOverSeveralNodesAreInFlightUntilAllHaveAnswered) {
  WeirConfig config = InFrontOf(cluster_.url(0), "request_timeout_ms = 60000\n");
  config.admin = true;
  config.rest += R"([plugin.rate_limit]
enabled = true
[[plugin.rate_limit.rule]]
name = "c"
commands = ["MGET"]
[[plugin.rate_limit.rule.limit]]
by = ["constant"]
algorithm = "concurrency"
points = 1
)";
  WeirServer weir(config);
  std::vector<std::string> mget = {"MGET"};
  for (size_t node = 0; node < 3; ++node) mget.push_back(cluster_.KeyOn(node, 1));
  RawClient first(weir.port()), other(weir.port());
  const std::string nulls = "*3\r\n$-1\r\n$-1\r\n$-1\r\n";
  ASSERT_EQ(other.Command(mget), nulls);
  cluster_.node(1).Pause();
  first.Send(Encode(mget));
  // Had the other asked before it, that would be the one that waits.
  ASSERT_TRUE(Eventually([&] {
    const std::string page = HttpGet(weir.admin_port(), "/metrics").body;
    return page.find("weir_rate_limit_decisions_total{outcome=\"allowed\",rule=\"c\"} 2\n") !=
           std::string::npos;
  }));
  const std::string rejected = "-RATELIMIT rule=c limit=1 remaining=0\r\n";
  EXPECT_EQ(other.Command(mget), rejected);
  cluster_.node(1).Resume();
  EXPECT_EQ(first.ReadFrame(), nulls);
  EXPECT_EQ(other.Command(mget), nulls);
}

}  // namespace
}  // namespace weir::harness
