// Subscriptions on a cluster: a client sees what it would see of one server, wherever the slots of
// its shard channels are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/cluster.h"
#include "tests/support/raw_client.h"
#include "tests/support/weir_server.h"

namespace weir::harness {
namespace {

using ::testing::UnorderedElementsAre;

class ClusterPubsubTest : public ::testing::Test {
 protected:
  static std::string Ack(char type, const std::string& word, const std::string& name, int count) {
    return std::string(1, type) + "3\r\n" + Bulk(word) + Bulk(name) + ":" + std::to_string(count) +
           "\r\n";
  }
  static std::string Message(char type, const std::string& channel, const std::string& text) {
    return std::string(1, type) + "3\r\n" + Bulk("smessage") + Bulk(channel) + Bulk(text);
  }
  static std::vector<std::string> Texts(const std::string& frame) {
    std::vector<std::string> texts;
    for (const Reply& element : ParseReply(frame).elements) texts.push_back(element.text);
    return texts;
  }
  // A channel of each node.
  std::string On(size_t node) const { return cluster_.KeyOn(node, 0); }

  // All that is said up to a last PING's reply.
  static std::string Say(uint16_t port, int protocol_version,
                         const std::vector<std::vector<std::string>>& requests) {
    RawClient client(port);
    if (protocol_version == 3) client.Command({"HELLO", "3"});
    std::string bytes, heard;
    for (const auto& args : requests) bytes += Encode(args);
    client.Send(bytes + Encode({"PING", "the end"}));
    while (heard.find("the end") == std::string::npos) {
      const std::string frame = client.ReadFrame();
      heard += frame;
      if (frame == kTimedOut || frame == kClosed) break;
    }
    return heard;
  }

  Cluster cluster_{{.replicas_each = 0}};
  WeirServer weir_{InFrontOf(cluster_.url(0))};
};

// As one server has it, not as a cluster: there SSUBSCRIBE over several slots is refused.
TEST_F(ClusterPubsubTest, ShardChannelsOfAllNodesAreAcknowledgedAsByOneServer) {
  RedisServer alone;
  const std::string a = On(0), b = On(1), c = On(2), d = cluster_.KeyOn(0, 1);
  const std::vector<std::vector<std::string>> script = {
      {"SSUBSCRIBE", a, b, a, c},
      {"SSUBSCRIBE", b, d},
      {"SUBSCRIBE", "x"},
      {"SUNSUBSCRIBE", "nothing", c, c},
      {"SSUBSCRIBE", c},
      {"PSUBSCRIBE", "p*"},
      // Without names Redis leaves them in no order that anybody could know.
      {"SUNSUBSCRIBE", d, b, a},
      {"SUNSUBSCRIBE"},
      {"SUNSUBSCRIBE"},
      {"SSUBSCRIBE"},
      {"UNSUBSCRIBE"},
      {"PUNSUBSCRIBE"},
      {"SSUBSCRIBE", d, a},
      {"SUNSUBSCRIBE", d},
  };
  for (const int version : {2, 3}) {
    EXPECT_EQ(Printable(Say(weir_.port(), version, script), 4000),
              Printable(Say(alone.port(), version, script), 4000))
        << "RESP" << version;
  }
}

TEST_F(ClusterPubsubTest, EachHearsWhatIsPublishedToItsChannels) {
  RawClient resp2(weir_.port()), resp3(weir_.port()), publisher(weir_.port());
  resp3.Command({"HELLO", "3"});
  const std::string a = On(0), b = On(1), c = On(2);
  resp2.Send(Encode({"SSUBSCRIBE", a, b}));
  resp2.ReadFrames(2);
  resp3.Send(Encode({"SSUBSCRIBE", b, c}));
  resp3.ReadFrames(2);
  RawClient direct(cluster_.node(1).port());
  EXPECT_EQ(direct.Command({"SSUBSCRIBE", b}), Ack('*', "ssubscribe", b, 1));
  EXPECT_EQ(publisher.Command({"SPUBLISH", a, "1"}), ":1\r\n");
  EXPECT_EQ(publisher.Command({"SPUBLISH", b, "2"}), ":3\r\n") << "two of weir's, one direct";
  EXPECT_EQ(publisher.Command({"SPUBLISH", c, "3"}), ":1\r\n");
  EXPECT_EQ(publisher.Command({"SPUBLISH", On(0) + "{" + a + "}", "4"}), ":0\r\n");
  EXPECT_EQ(resp2.ReadFrame(), Message('*', a, "1"));
  EXPECT_EQ(resp2.ReadFrame(), Message('*', b, "2"));
  EXPECT_EQ(resp3.ReadFrame(), Message('>', b, "2"));
  EXPECT_EQ(resp3.ReadFrame(), Message('>', c, "3"));
  EXPECT_EQ(direct.ReadFrame(), Message('*', b, "2"));
  // Published by others.
  RawClient other(cluster_.node(2).port());
  EXPECT_EQ(other.Command({"SPUBLISH", c, "5"}), ":1\r\n");
  EXPECT_EQ(resp3.ReadFrame(), Message('>', c, "5"));
}

TEST_F(ClusterPubsubTest, WhoPublishesToItselfHearsItFirst) {
  RawClient client(weir_.port());
  client.Command({"HELLO", "3"});
  const std::string a = On(0), b = On(2);
  client.Send(Encode({"SSUBSCRIBE", a, b}));
  client.ReadFrames(2);
  for (int i = 0; i < 20; ++i) {
    const std::string& channel = i % 2 == 0 ? a : b;
    client.Send(Encode({"SPUBLISH", channel, std::to_string(i)}));
    ASSERT_EQ(client.ReadFrame(), Message('>', channel, std::to_string(i)));
    ASSERT_EQ(client.ReadFrame(), ":1\r\n");
  }
}

TEST_F(ClusterPubsubTest, PubsubTellsOfAllNodes) {
  std::vector<RawClient> clients;
  const std::string a = On(0), b = On(1), c = On(2);
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back(weir_.port());
    clients.back().Send(Encode({"SSUBSCRIBE", a, b}) + Encode({"SUBSCRIBE", "news"}) +
                        Encode({"PSUBSCRIBE", "n*"}));
    clients.back().ReadFrames(4);
  }
  RawClient direct_b(cluster_.node(1).port()), direct_c(cluster_.node(2).port());
  direct_b.Command({"SSUBSCRIBE", b});
  direct_c.Send(Encode({"SSUBSCRIBE", c}) + Encode({"SUBSCRIBE", "direct"}));
  direct_c.ReadFrames(2);
  // Whichever node it would be sent to.
  for (int i = 0; i < 4; ++i) {
    RawClient asks(weir_.port());
    EXPECT_EQ(asks.Command({"PUBSUB", "SHARDNUMSUB", a, b, c, "x"}),
              "*8\r\n" + Bulk(a) + ":3\r\n" + Bulk(b) + ":4\r\n" + Bulk(c) + ":1\r\n" + Bulk("x") +
                  ":0\r\n");
    EXPECT_EQ(asks.Command({"PUBSUB", "SHARDNUMSUB"}), "*0\r\n");
    EXPECT_THAT(Texts(asks.Command({"PUBSUB", "SHARDCHANNELS"})), UnorderedElementsAre(a, b, c));
    EXPECT_THAT(Texts(asks.Command({"PUBSUB", "SHARDCHANNELS", "nothing*"})),
                UnorderedElementsAre());
    EXPECT_THAT(Texts(asks.Command({"PUBSUB", "CHANNELS"})),
                UnorderedElementsAre("news", "direct"));
    EXPECT_EQ(asks.Command({"PUBSUB", "NUMSUB", "news", "direct"}),
              "*4\r\n" + Bulk("news") + ":3\r\n" + Bulk("direct") + ":1\r\n");
    EXPECT_EQ(asks.Command({"PUBSUB", "NUMPAT"}), ":1\r\n");
    EXPECT_EQ(asks.Command({"PUBLISH", "news", "m" + std::to_string(i)}), ":6\r\n");
  }
  for (RawClient& client : clients) client.Close();
  RawClient asks(weir_.port());
  EXPECT_TRUE(Eventually([&] {
    return asks.Command({"PUBSUB", "SHARDNUMSUB", a, b}) ==
           "*4\r\n" + Bulk(a) + ":0\r\n" + Bulk(b) + ":1\r\n";
  }));
  // And weir itself is no longer there.
  RawClient node(cluster_.node(0).port());
  EXPECT_TRUE(Eventually([&] { return node.Command({"PUBSUB", "SHARDCHANNELS"}) == "*0\r\n"; }));
}

// ACLs are each node's own: what one refuses is refused as a whole.
TEST_F(ClusterPubsubTest, WhatOneNodeRefusesIsRefusedAsAWhole) {
  for (size_t node = 0; node < 3; ++node) {
    RawClient direct(cluster_.node(node).port());
    direct.Text({"ACL", "SETUSER", "default", "resetchannels", node == 1 ? "&no" : "&*"});
  }
  RawClient client(weir_.port());
  const std::string reply = client.Command({"SSUBSCRIBE", On(0), On(1), On(2)});
  EXPECT_TRUE(reply.starts_with("-NOPERM ")) << Printable(reply);
  EXPECT_EQ(client.Command({"SSUBSCRIBE", On(2)}), Ack('*', "ssubscribe", On(2), 1));
  RawClient node(cluster_.node(0).port());
  EXPECT_TRUE(Eventually([&] { return node.Command({"PUBSUB", "SHARDCHANNELS"}) == "*0\r\n"; }));
}

TEST_F(ClusterPubsubTest, ManyChannelsOfManySlots) {
  constexpr int kChannels = 2000;
  RawClient client(weir_.port()), publisher(weir_.port());
  std::vector<std::string> request = {"SSUBSCRIBE"};
  for (int i = 0; i < kChannels; ++i) request.push_back("c" + std::to_string(i));
  client.Send(Encode(request));
  for (int i = 0; i < kChannels; ++i) {
    ASSERT_EQ(client.ReadFrame(), Ack('*', "ssubscribe", "c" + std::to_string(i), i + 1));
  }
  for (int i = 0; i < kChannels; i += 97) {
    const std::string channel = "c" + std::to_string(i);
    ASSERT_EQ(publisher.Command({"SPUBLISH", channel, "m"}), ":1\r\n");
    ASSERT_EQ(client.ReadFrame(), Message('*', channel, "m"));
  }
  client.Send(Encode({"SUNSUBSCRIBE"}));
  for (int i = 0; i < kChannels; ++i) {
    ASSERT_EQ(client.ReadFrame(),
              Ack('*', "sunsubscribe", "c" + std::to_string(i), kChannels - 1 - i));
  }
  EXPECT_EQ(publisher.Command({"PUBSUB", "SHARDCHANNELS"}), "*0\r\n");
}

}  // namespace
}  // namespace weir::harness
