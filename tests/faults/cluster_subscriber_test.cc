// Slots with shard channels move, and nodes that weir subscribes at die: messages go on arriving,
// none comes twice or out of order, and what may have been missed is counted.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/cluster.h"
#include "tests/support/fake_backend.h"
#include "tests/support/fake_cluster.h"
#include "tests/support/raw_client.h"
#include "tests/support/weir_server.h"

namespace weir::harness {
namespace {

std::string Ack(const std::string& word, const std::string& name, int count) {
  return "*3\r\n" + Bulk(word) + Bulk(name) + ":" + std::to_string(count) + "\r\n";
}

// One client that listens, and numbers that are published to it.
class Listener {
 public:
  Listener(uint16_t port, int protocol_version, bool shard, std::string channel)
      : client_(port), publisher_(port), shard_(shard), channel_(std::move(channel)) {
    if (protocol_version == 3) client_.Command({"HELLO", "3"});
    EXPECT_NE(client_.Command({shard ? "SSUBSCRIBE" : "SUBSCRIBE", channel_}).find("subscribe"),
              std::string::npos);
  }

  // Publishes through weir until the client hears the last one. Nothing may come twice, or out of
  // order.
  void ExpectWorks() {
    constexpr int kAgain_ms = 20;  // what was published may have been lost
    const Deadline deadline(kPatience_ms);
    client_.set_timeout_ms(kAgain_ms);
    for (bool publish = true; publish || heard_ != published_;) {
      ASSERT_FALSE(deadline.over()) << "nothing is delivered: " << last_reply_;
      if (std::exchange(publish, false)) {
        last_reply_ = publisher_.Command(
            {shard_ ? "SPUBLISH" : "PUBLISH", channel_, std::to_string(++published_)});
      }
      const std::string frame = client_.ReadFrame();
      if (frame == kTimedOut) {
        publish = true;
        continue;
      }
      const Reply reply = ParseReply(frame);
      ASSERT_EQ(reply.elements.size(), 3u) << Printable(frame);
      ASSERT_EQ(reply.elements[0].text, shard_ ? "smessage" : "message") << Printable(frame);
      const int64_t number = std::stoll(reply.elements[2].text);
      ASSERT_GT(number, heard_) << "twice, or out of order";
      heard_ = number;
    }
    client_.set_timeout_ms(kPatience_ms);
  }

  RawClient& client() { return client_; }
  RawClient& publisher() { return publisher_; }

 private:
  RawClient client_;
  RawClient publisher_;
  const bool shard_;
  const std::string channel_;
  int64_t published_ = 0;
  int64_t heard_ = 0;
  std::string last_reply_;
};

class ClusterSubscriberTest : public ::testing::Test {
 protected:
  // How many connections subscribe at the node to the channel.
  static std::string At(RedisServer& node, const std::string& kind, const std::string& channel) {
    RawClient direct(node.port());
    return ParseReply(direct.Command({"PUBSUB", kind, channel})).at(channel).text;
  }
  // Of the nodes that run, the one where somebody subscribes to the channel; size() if none.
  static size_t WhereIs(Cluster& cluster, const std::string& kind, const std::string& channel) {
    for (size_t i = 0; i < cluster.size(); ++i) {
      if (!cluster.node(i).process().Running()) continue;
      if (At(cluster.node(i), kind, channel) != "0") return i;
    }
    return cluster.size();
  }
  static size_t Gaps(WeirServer& weir) { return std::stoul(weir.Info("weir_subscriber_gaps")); }
};

TEST_F(ClusterSubscriberTest, ASlotMovesThereAndBack) {
  Cluster cluster({.replicas_each = 0});
  // weir learns of it from the nodes alone.
  WeirServer weir(InFrontOf(cluster.url(), "topology_refresh_interval_ms = 3600000\n"));
  const std::string channel = cluster.KeyOn(0, 0), stays = cluster.KeyOn(0, 1);
  Listener resp2(weir.port(), 2, true, channel);
  RawClient resp3(weir.port());  // hears the same
  resp3.Command({"HELLO", "3"});
  EXPECT_EQ(resp3.Command({"SSUBSCRIBE", channel}).front(), '>');
  Listener other(weir.port(), 2, true, stays);
  size_t at = 0;
  for (const size_t to : {1, 2, 0}) {
    const size_t gaps = Gaps(weir);
    cluster.MoveSlots(at, to, SlotOf(channel), 1);
    EXPECT_TRUE(Eventually([&] { return WhereIs(cluster, "SHARDNUMSUB", channel) == to; })) << to;
    ASSERT_NO_FATAL_FAILURE(resp2.ExpectWorks());
    EXPECT_TRUE(Eventually([&] { return Gaps(weir) > gaps; }));
    at = to;
  }
  ASSERT_NO_FATAL_FAILURE(other.ExpectWorks());
  EXPECT_EQ(ParseReply(resp3.ReadFrame()).elements[0].text, "smessage");
  // Nothing stays behind.
  for (size_t i = 1; i < 3; ++i) {
    EXPECT_TRUE(Eventually([&] { return At(cluster.node(i), "SHARDNUMSUB", channel) == "0"; }));
  }
  resp2.client().Send(Encode({"SUNSUBSCRIBE"}));
  EXPECT_EQ(resp2.client().ReadFrame(), Ack("sunsubscribe", channel, 0));
  EXPECT_EQ(resp2.client().Command({"PING"}), "+PONG\r\n");
}

TEST_F(ClusterSubscriberTest, ASlotMovesUnderAResp3Client) {
  Cluster cluster({.replicas_each = 0});
  WeirServer weir(InFrontOf(cluster.url(), "topology_refresh_interval_ms = 3600000\n"));
  const std::string channel = cluster.KeyOn(1, 0);
  Listener listener(weir.port(), 3, true, channel);
  ASSERT_NO_FATAL_FAILURE(listener.ExpectWorks());
  cluster.MoveSlots(1, 2, SlotOf(channel), 1);
  ASSERT_NO_FATAL_FAILURE(listener.ExpectWorks());
  EXPECT_EQ(WhereIs(cluster, "SHARDNUMSUB", channel), 2u);
  EXPECT_EQ(listener.publisher().Command({"PUBSUB", "SHARDNUMSUB", channel}),
            "*2\r\n" + Bulk(channel) + ":1\r\n");
}

// weir's map is old when somebody subscribes for the first time: MOVED is followed.
TEST_F(ClusterSubscriberTest, AnOldMapIsNoHindrance) {
  Cluster cluster({.replicas_each = 0});
  WeirServer weir(InFrontOf(cluster.url(), "topology_refresh_interval_ms = 3600000\n"));
  RawClient client(weir.port());
  EXPECT_EQ(client.Text({"SET", cluster.KeyOn(0, 0), "known"}), "OK");
  const uint16_t slot = SlotOf(cluster.KeyOn(0, 1));
  cluster.MoveSlots(0, 2, slot, 1);
  EXPECT_EQ(client.Command({"SSUBSCRIBE", cluster.KeyOn(0, 1)}),
            Ack("ssubscribe", cluster.KeyOn(0, 1), 1));
  EXPECT_EQ(WhereIs(cluster, "SHARDNUMSUB", cluster.KeyOn(0, 1)), 2u);
  EXPECT_EQ(Gaps(weir), 0u);
}

TEST_F(ClusterSubscriberTest, ManySlotsMoveWhileClientsComeAndGo) {
  Cluster cluster({.replicas_each = 0});
  WeirServer weir(InFrontOf(cluster.url()));
  std::vector<std::string> channels;
  std::vector<std::string> request = {"SSUBSCRIBE"};
  constexpr uint16_t kSlots = 40;
  for (int i = 0; channels.size() < 60; ++i) {
    const std::string name = "c" + std::to_string(i);
    if (SlotOf(name) < 6 * kSlots) channels.push_back(name);
  }
  request.insert(request.end(), channels.begin(), channels.end());
  RawClient stays(weir.port());
  stays.Send(Encode(request));
  stays.ReadFrames(channels.size());
  for (int round = 0; round < 6; ++round) {
    RawClient comes(weir.port());
    comes.Send(Encode(request));
    cluster.MoveSlots(0, 1, static_cast<uint16_t>(round * kSlots), kSlots);
    comes.Send(Encode({"SUNSUBSCRIBE"}) + Encode({"PING"}));
    for (size_t i = 0; i < 2 * channels.size(); ++i) {
      const Reply reply = ParseReply(comes.ReadFrame());
      ASSERT_EQ(reply.elements.size(), 3u) << i;
      EXPECT_EQ(reply.elements[1].text, channels[i % channels.size()]);
      EXPECT_EQ(reply.elements[2].text,
                std::to_string(i < channels.size() ? i + 1 : 2 * channels.size() - 1 - i));
    }
    EXPECT_EQ(comes.ReadFrame(), "+PONG\r\n");
  }
  RawClient publisher(weir.port());
  for (const std::string& channel : channels) {
    EXPECT_TRUE(Eventually([&] { return At(cluster.node(1), "SHARDNUMSUB", channel) == "1"; }));
    EXPECT_EQ(publisher.Command({"SPUBLISH", channel, "m"}), ":1\r\n");
    EXPECT_EQ(ParseReply(stays.ReadFrame()).elements[1].text, channel);
  }
}

TEST_F(ClusterSubscriberTest, TheSlotsNodeIsKilled) {
  Cluster cluster;
  WeirServer weir(InFrontOf(cluster.url(), "retry_budget_ms = 60000\n"));
  const std::string channel = cluster.KeyOn(1, 0);
  Listener listener(weir.port(), 3, true, channel);
  Listener other(weir.port(), 2, true, cluster.KeyOn(2, 0));
  ASSERT_NO_FATAL_FAILURE(listener.ExpectWorks());
  cluster.node(1).Kill();
  // Before anybody has taken over: the wish waits, others are not disturbed.
  RawClient late(weir.port());
  late.Send(Encode({"SSUBSCRIBE", cluster.KeyOn(1, 1)}));
  ASSERT_NO_FATAL_FAILURE(other.ExpectWorks());
  ASSERT_NO_FATAL_FAILURE(listener.ExpectWorks());
  EXPECT_EQ(late.ReadFrame(), Ack("ssubscribe", cluster.KeyOn(1, 1), 1));
  EXPECT_EQ(WhereIs(cluster, "SHARDNUMSUB", channel), 4u);
  EXPECT_GE(Gaps(weir), 1u);
}

TEST_F(ClusterSubscriberTest, AReplicaTakesOverByCommand) {
  Cluster cluster;
  WeirServer weir(InFrontOf(cluster.url()));
  const std::string channel = cluster.KeyOn(0, 0);
  Listener listener(weir.port(), 2, true, channel);
  ASSERT_NO_FATAL_FAILURE(listener.ExpectWorks());
  // A primary says nothing to one of whom it does not know yet that it is its replica.
  ASSERT_TRUE(Eventually([&] { return cluster.KnowsReplica(0, 3); }));
  RawClient replica(cluster.node(3).port());
  EXPECT_EQ(replica.Text({"CLUSTER", "FAILOVER"}), "OK");
  ASSERT_TRUE(Eventually([&] { return cluster.PrimaryOf(channel) == 3; }));
  EXPECT_TRUE(Eventually([&] { return At(cluster.node(3), "SHARDNUMSUB", channel) == "1"; }));
  EXPECT_TRUE(Eventually([&] { return At(cluster.node(0), "SHARDNUMSUB", channel) == "0"; }));
  ASSERT_NO_FATAL_FAILURE(listener.ExpectWorks());
}

TEST_F(ClusterSubscriberTest, ClientsAreClosedIfToldSo) {
  Cluster cluster({.replicas_each = 0});
  WeirServer weir(InFrontOf(cluster.url(), "on_subscriber_loss = \"close\"\n"));
  const std::string channel = cluster.KeyOn(0, 0);
  RawClient client(weir.port()), other(weir.port());
  client.Command({"SSUBSCRIBE", channel});
  other.Command({"SSUBSCRIBE", cluster.KeyOn(0, 1)});
  cluster.MoveSlots(0, 1, SlotOf(channel), 1);
  EXPECT_EQ(client.ReadUntilClose(), "");
  EXPECT_EQ(other.Command({"SUNSUBSCRIBE"}), Ack("sunsubscribe", cluster.KeyOn(0, 1), 0));
}

// The cluster itself would not notice for a minute: any other node hears everything, too.
TEST_F(ClusterSubscriberTest, ADeadNodeIsLeftAtOnceWhereAnyWillDo) {
  Cluster cluster({.replicas_each = 0, .node_timeout_ms = 60000});
  WeirServer weir(InFrontOf(cluster.url()));
  Listener resp2(weir.port(), 2, false, "news");
  Listener resp3(weir.port(), 3, false, "olds");
  const size_t at = WhereIs(cluster, "NUMSUB", "news");
  ASSERT_LT(at, 3u);
  EXPECT_EQ(WhereIs(cluster, "NUMSUB", "olds"), at) << "all workers are at the same node";
  cluster.node(at).Kill();
  ASSERT_NO_FATAL_FAILURE(resp2.ExpectWorks());
  ASSERT_NO_FATAL_FAILURE(resp3.ExpectWorks());
  const size_t now = WhereIs(cluster, "NUMSUB", "news");
  EXPECT_NE(now, at);
  EXPECT_EQ(WhereIs(cluster, "NUMSUB", "olds"), now);
  EXPECT_EQ(resp2.publisher().Command({"PUBLISH", "news", "0"}), ":1\r\n");
  EXPECT_GE(Gaps(weir), 1u);
  EXPECT_LE(Gaps(weir), 2u) << "one for each worker";
}

// Two nodes that say what the test wants about shard channels; half of the slots each.
class FakeShardsTest : public ::testing::Test {
 protected:
  using Says = std::function<std::string(size_t node, const std::vector<std::string>& args)>;

  FakeShardsTest() {
    for (size_t i = 0; i < 2; ++i) {
      nodes_.push_back(
          std::make_unique<FakeBackend>([this, i](const std::vector<std::string>& args) {
            return Answer{.bytes = Say(i, args)};
          }));
    }
    ready_ = true;
  }

  std::string Say(size_t node, const std::vector<std::string>& args) {
    if (!ready_) return "";
    if (args[0] != "CLUSTER") {
      if (args[0] == "SSUBSCRIBE") ++asked_;
      return says_(node, args);
    }
    if (args[1] == "MYID") return Bulk(FakeNodeId(node));
    if (args[1] == "INFO") return ClusterInfoReply(5);
    return ClusterShardsReply({{FakeNodeId(0), nodes_[0]->port(), 0, 8191},
                               {FakeNodeId(1), nodes_[1]->port(), 8192, 16383}});
  }
  static std::string ChannelOn(size_t node) {
    for (int i = 0;; ++i) {
      const std::string name = "c" + std::to_string(i);
      if (SlotOf(name) / 8192 == node) return name;
    }
  }
  std::string Moved(const std::string& channel, size_t to) const {
    return "-MOVED " + std::to_string(SlotOf(channel)) + " " + nodes_[to]->address() + "\r\n";
  }
  WeirConfig Config(const std::string& more = "") const {
    WeirConfig config =
        InFrontOf("redis+cluster://" + nodes_[0]->address() + "," + nodes_[1]->address(), more);
    config.workers = 1;
    return config;
  }

  std::atomic<bool> ready_{false};
  std::atomic<int> asked_{0};  // SSUBSCRIBEs
  Says says_;                  // set before weir starts
  std::vector<std::unique_ptr<FakeBackend>> nodes_;
};

// The node gives the slot up while SUNSUBSCRIBE is on its way: it unsubscribes of its own accord,
// which looks like the acknowledgement, and says MOVED to the command. That error belongs to
// nothing that comes later.
TEST_F(FakeShardsTest, UnsubscribingCrossesTheSlotsMove) {
  const std::string channel = ChannelOn(0), other = ChannelOn(0) + "{" + ChannelOn(0) + "}";
  says_ = [&](size_t node, const std::vector<std::string>& args) -> std::string {
    if (args[0] == "SSUBSCRIBE") return Ack("ssubscribe", args[1], 1);
    if (args[0] != "SUNSUBSCRIBE") return "-ERR unknown command\r\n";
    return node == 0 && args[1] == channel ? Ack("sunsubscribe", channel, 0) + Moved(channel, 1)
                                           : Ack("sunsubscribe", args[1], 0);
  };
  WeirConfig config = Config();
  config.admin = true;
  WeirServer weir(config);
  RawClient client(weir.port());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(client.Command({"SSUBSCRIBE", channel}), Ack("ssubscribe", channel, 1));
    client.Send(Encode({"SUNSUBSCRIBE", channel}) + Encode({"SSUBSCRIBE", other}) +
                Encode({"SUNSUBSCRIBE", other}) + Encode({"PING"}));
    EXPECT_EQ(client.ReadFrame(), Ack("sunsubscribe", channel, 0));
    EXPECT_EQ(client.ReadFrame(), Ack("ssubscribe", other, 1));
    EXPECT_EQ(client.ReadFrame(), Ack("sunsubscribe", other, 0));
    EXPECT_EQ(client.ReadFrame(), "+PONG\r\n");
  }
  EXPECT_EQ(weir.Info("weir_subscriber_gaps"), "0");
  std::istringstream metrics(HttpGet(weir.admin_port(), "/metrics").body);
  int counters = 0;
  for (std::string line; std::getline(metrics, line);) {
    if (!line.starts_with("weir_links_protocol_errors_total")) continue;
    ++counters;
    EXPECT_TRUE(line.ends_with(" 0")) << line;
  }
  EXPECT_EQ(counters, 1);
}

// Only MOVED means that the node has nobody of that slot any more. After any other refusal weir
// forgot the channel, too, and the node went on sending its messages.
TEST_F(FakeShardsTest, ANodeThatIsDownIsLeftLater) {
  const std::string channel = ChannelOn(0);
  std::atomic<int> left{0};  // SUNSUBSCRIBEs
  says_ = [&](size_t, const std::vector<std::string>& args) -> std::string {
    if (args[0] == "SSUBSCRIBE") return Ack("ssubscribe", args[1], 1);
    if (args[0] != "SUNSUBSCRIBE") return "-ERR unknown command\r\n";
    return ++left == 1 ? "-CLUSTERDOWN The cluster is down\r\n" : Ack("sunsubscribe", args[1], 0);
  };
  WeirServer weir(Config());
  RawClient client(weir.port());
  EXPECT_EQ(client.Command({"SSUBSCRIBE", channel}), Ack("ssubscribe", channel, 1));
  EXPECT_EQ(client.Command({"SUNSUBSCRIBE", channel}), Ack("sunsubscribe", channel, 0));
  EXPECT_TRUE(Eventually([&] { return left == 2; }));
  EXPECT_EQ(client.Command({"SSUBSCRIBE", channel}), Ack("ssubscribe", channel, 1));
  EXPECT_EQ(asked_, 2) << "the node was told for good";
}

// Each says that the other has the slot: asked less and less often than the network allows, and
// given up in the end, with an error that a client of one server understands.
TEST_F(FakeShardsTest, NodesThatSendInCirclesAreGivenUp) {
  const std::string channel = ChannelOn(0);
  says_ = [&](size_t node, const std::vector<std::string>& args) {
    return args[0] == "SSUBSCRIBE" && args[1] == channel ? Moved(channel, 1 - node)
                                                         : Ack("ssubscribe", args[1], 1);
  };
  WeirServer weir(Config("retry_budget_ms = 500\n"));
  RawClient client(weir.port());
  const std::string reply = client.Command({"SSUBSCRIBE", channel});
  const std::string begin =
      "-CLUSTERDOWN weir: slot " + std::to_string(SlotOf(channel)) + ": after ";
  ASSERT_TRUE(reply.starts_with(begin)) << Printable(reply);
  // It said 0, however many there had been.
  const int redirects = std::stoi(reply.substr(begin.size()));
  EXPECT_GT(redirects, 0) << reply;
  EXPECT_LT(redirects, asked_) << reply;
  EXPECT_LT(asked_, 100);
  EXPECT_EQ(client.Command({"SSUBSCRIBE", ChannelOn(1)}), Ack("ssubscribe", ChannelOn(1), 1));
}

// What no node would say: nothing is shifted, nothing crashes.
TEST_F(FakeShardsTest, ANodeThatTalksNonsense) {
  const std::string channel = ChannelOn(0), other = ChannelOn(1);
  says_ = [&](size_t node, const std::vector<std::string>& args) -> std::string {
    if (args[0] != "SSUBSCRIBE" && args[0] != "SUNSUBSCRIBE") return "-ERR no\r\n";
    const std::string word = args[0] == "SSUBSCRIBE" ? "ssubscribe" : "sunsubscribe";
    const std::string left = Ack("sunsubscribe", args[1], 0);
    std::string reply = Ack(word, args[1], 1);
    // Takes back at once what it gives, or unsubscribes from what nobody has.
    if (node == 1 && word == "ssubscribe" && asked_ < 15) reply += left + left;
    return Ack("sunsubscribe", "nobody's", 0) + reply;
  };
  WeirServer weir(Config());
  RawClient client(weir.port());
  for (const std::string& name : {channel, other}) {
    EXPECT_EQ(client.Command({"SSUBSCRIBE", name}), Ack("ssubscribe", name, name == other ? 2 : 1));
  }
  EXPECT_TRUE(Eventually([&] { return asked_ >= 15; })) << "it is asked until it stays";
  client.Send(Encode({"SUNSUBSCRIBE", other}) + Encode({"SUNSUBSCRIBE", channel}));
  EXPECT_EQ(client.ReadFrame(), Ack("sunsubscribe", other, 1));
  EXPECT_EQ(client.ReadFrame(), Ack("sunsubscribe", channel, 0));
  EXPECT_EQ(client.Command({"PING"}), "+PONG\r\n");
}

}  // namespace
}  // namespace weir::harness
