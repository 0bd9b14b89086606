// Subscribers to keyspace events while nodes fail over: what happens at the new primary is heard,
// each event once, and so is what happens at a node that weir subscribed at and came to be none.
#include <gtest/gtest.h>

#include <string>

#include "tests/support/cluster.h"
#include "tests/support/support.h"

namespace weir::harness {
namespace {

class ClusterEventsFaultTest : public ::testing::Test {
 protected:
  // Writes numbered values to a key of each first primary's slots until the client has heard the
  // last of each; none may come twice.
  void ExpectHeardOnce(RawClient* client) {
    RawClient writer(weir_.port());
    for (size_t shard = 0; shard < 3; ++shard) {
      const Deadline deadline(kPatience_ms);
      bool heard = false;
      while (!heard) {
        ASSERT_FALSE(deadline.over()) << "no events of shard " << shard;
        // A write whose fate is unknown may have been told of, so each has a key of its own.
        std::string key, answer;
        ASSERT_TRUE(Eventually([&] {
          key = cluster_.KeyOn(shard, ++written_);
          answer = writer.Text({"SET", key, "v"});
          return answer == "OK";
        })) << answer;
        client->set_timeout_ms(kAgain_ms);
        for (std::string frame = client->ReadFrame(); frame != kTimedOut;
             frame = client->ReadFrame()) {
          const Reply message = ParseReply(frame);
          ASSERT_EQ(message.elements.size(), 4U) << Printable(frame);
          const std::string& channel = message.elements[2].text;
          ASSERT_NE(channel, last_) << "twice";
          last_ = channel;
          heard = heard || channel == "__keyspace@0__:" + key;
        }
        client->set_timeout_ms(kPatience_ms);
      }
    }
  }

  static constexpr int kAgain_ms = 50;
  Cluster cluster_{{.args = {"--notify-keyspace-events", "KEA"}}};
  WeirServer weir_{InFrontOf(cluster_.url(0))};
  int written_ = 100;
  std::string last_;
};

TEST_F(ClusterEventsFaultTest, FailoversOfEachPrimary) {
  RawClient client(weir_.port());
  client.Command({"HELLO", "3"});
  EXPECT_EQ(client.Command({"PSUBSCRIBE", "__keyspace@0__:*"}).front(), '>');
  ExpectHeardOnce(&client);
  for (size_t primary = 0; primary < 3; ++primary) {
    ASSERT_TRUE(Eventually([&] { return cluster_.KnowsReplica(primary, primary + 3); }));
    EXPECT_EQ(RawClient(cluster_.node(primary + 3).port()).Text({"CLUSTER", "FAILOVER"}), "OK");
    const std::string key = cluster_.KeyOn(primary, 1);
    ASSERT_TRUE(Eventually([&] { return cluster_.PrimaryOf(key) == primary + 3; }));
    ASSERT_TRUE(cluster_.AwaitOk());
    ExpectHeardOnce(&client);
    if (HasFatalFailure()) return;
  }
}

TEST_F(ClusterEventsFaultTest, APrimaryIsKilled) {
  RawClient client(weir_.port());
  EXPECT_EQ(client.Command({"PSUBSCRIBE", "__keyspace@0__:*"}).front(), '*');
  for (size_t primary = 0; primary < 2; ++primary) {
    ASSERT_TRUE(Eventually([&] { return cluster_.KnowsReplica(primary, primary + 3); }));
    cluster_.node(primary).Kill();
    const std::string key = cluster_.KeyOn(primary, 1);
    ASSERT_TRUE(Eventually([&] { return cluster_.PrimaryOf(key) == primary + 3; }));
    ExpectHeardOnce(&client);
    if (HasFatalFailure()) return;
    cluster_.node(primary).Restart();
    ASSERT_TRUE(cluster_.AwaitOk());
  }
  // Who comes now is not kept waiting by anybody who is gone.
  RawClient another(weir_.port());
  EXPECT_EQ(another.Command({"PSUBSCRIBE", "__keyspace@0__:*"}).front(), '*');
}

}  // namespace
}  // namespace weir::harness
