// A part of a cluster that nobody serves: its clients wait as long as they may, then hear why, and
// go on when it is back.
#include <gtest/gtest.h>

#include <string>

#include "tests/support/cluster.h"
#include "tests/support/raw_client.h"
#include "tests/support/weir_server.h"

namespace weir::harness {
namespace {

class ClusterDownTest : public ::testing::Test {
 protected:
  Cluster cluster_{
      Cluster::Options{.replicas_each = 0, .args = {"--cluster-require-full-coverage", "no"}}};
  WeirServer weir_{InFrontOf(cluster_.url(), "retry_budget_ms = 300\n")};
};

TEST_F(ClusterDownTest, WhoAsksForItHearsWhyAndOthersNotice) {
  const std::string here = cluster_.KeyOn(0, 1);
  const std::string gone = cluster_.KeyOn(1, 1);
  RawClient client(weir_.port());
  EXPECT_EQ(client.Text({"MSET", here, "1", gone, "2"}), "OK");
  cluster_.node(1).Kill();
  // First it cannot be reached, and later the cluster says that nobody serves its slots.
  const auto is_down = [](const std::string& reply) {
    return reply.starts_with("-DOWN weir: ") || reply.starts_with("-CLUSTERDOWN ") ||
           reply.starts_with("-UNKNOWN weir: ");
  };
  for (int i = 0; i < 3; ++i) {
    const std::string reply = client.Text({"SET", gone, "3"});
    EXPECT_TRUE(is_down(reply)) << reply;
    EXPECT_EQ(client.Text({"GET", here}), "1");
  }
  const std::string reply = client.Text({"MSET", here, "4", gone, "4"});
  EXPECT_TRUE(is_down(reply)) << reply;
  EXPECT_NE(reply.find("1 of 2 parts were done"), std::string::npos) << reply;
  EXPECT_EQ(client.Text({"GET", here}), "4");
  // In a transaction, too, and blocked.
  EXPECT_EQ(client.Text({"MULTI"}), "OK");
  const std::string queued = client.Text({"SET", gone, "5"});
  EXPECT_TRUE(is_down(queued)) << queued;
  const std::string exec = client.Text({"EXEC"});
  EXPECT_EQ(exec.substr(0, 17), "-EXECABORT weir: ") << exec;
  const std::string blocked = client.Text({"BLPOP", gone, "0"});
  EXPECT_TRUE(is_down(blocked)) << blocked;
  cluster_.node(1).Restart();
  EXPECT_TRUE(cluster_.AwaitOk());
  EXPECT_TRUE(Eventually([&] { return client.Text({"SET", gone, "6"}) == "OK"; }));
  EXPECT_EQ(client.Text({"MULTI"}), "OK");
  EXPECT_EQ(client.Text({"GET", gone}), "QUEUED");
  EXPECT_EQ(client.Command({"EXEC"}), "*1\r\n" + Bulk("6"));
}

}  // namespace
}  // namespace weir::harness
