// Keyspace notifications of a cluster: each node tells its own keys' only to its own subscribers;
// through weir a subscriber hears all of them, each once.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "tests/support/cluster.h"
#include "tests/support/support.h"

namespace weir::harness {
namespace {

class ClusterEventsTest : public ::testing::Test {
 protected:
  // What a client hears until it has heard `last` messages, and how often each.
  static std::map<std::string, int> Hear(RawClient* client, size_t count) {
    std::map<std::string, int> heard;
    for (size_t i = 0; i < count; ++i) {
      const Reply message = ParseReply(client->ReadFrame());
      std::string words;
      for (const Reply& part : message.elements) words += (words.empty() ? "" : " ") + part.text;
      ++heard[words];
    }
    return heard;
  }
  // Whatever was to come has come: it was published behind all else, at every node.
  void ExpectNothingMore(RawClient* client, const std::string& fence_channel) {
    RawClient publisher(weir_.port());
    EXPECT_EQ(publisher.Text({"PUBLISH", fence_channel, "end"}), "1");
    const Reply message = ParseReply(client->ReadFrame());
    ASSERT_FALSE(message.elements.empty());
    EXPECT_EQ(message.elements.back().text, "end");
    EXPECT_EQ(client->ReadAvailable(200), "");
  }

  Cluster cluster_{{.replicas_each = 0, .args = {"--notify-keyspace-events", "KEA"}}};
  WeirServer weir_{InFrontOf(cluster_.url(0))};
};

TEST_F(ClusterEventsTest, EventsOfAllNodesAreHeardOnce) {
  for (const std::string version : {"2", "3"}) {
    RawClient keyspace(weir_.port());
    RawClient keyevent(weir_.port());
    RawClient key(weir_.port());
    for (RawClient* client : {&keyspace, &keyevent, &key}) client->Command({"HELLO", version});
    const std::string word = version == "2" ? "*" : ">";
    EXPECT_EQ(keyspace.Command({"PSUBSCRIBE", "__keyspace@0__:*"}),
              word + "3\r\n" + Bulk("psubscribe") + Bulk("__keyspace@0__:*") + ":1\r\n");
    EXPECT_EQ(keyevent.Command({"SUBSCRIBE", "__keyevent@0__:set"}),
              word + "3\r\n" + Bulk("subscribe") + Bulk("__keyevent@0__:set") + ":1\r\n");
    RawClient writer(weir_.port());
    std::map<std::string, int> spaces, events;
    for (int i = 0; i < 4; ++i) {
      for (size_t node = 0; node < 3; ++node) {
        const std::string name = cluster_.KeyOn(node, i);
        EXPECT_EQ(writer.Text({"SET", name, "v"}), "OK");
        spaces["pmessage __keyspace@0__:* __keyspace@0__:" + name + " set"] = 1;
        events["message __keyevent@0__:set " + name] = 1;
      }
    }
    EXPECT_EQ(Hear(&keyspace, spaces.size()), spaces);
    EXPECT_EQ(Hear(&keyevent, events.size()), events);
    // A single key's, wherever it is.
    for (size_t node = 0; node < 3; ++node) {
      const std::string name = cluster_.KeyOn(node, 9);
      key.Command({"SUBSCRIBE", "__keyspace@0__:" + name});
      EXPECT_EQ(writer.Text({"DEL", name, cluster_.KeyOn(node, 0)}), "1");
      EXPECT_EQ(writer.Text({"APPEND", name, "x"}), "1");
      EXPECT_EQ(Hear(&key, 1),
                (std::map<std::string, int>{{"message __keyspace@0__:" + name + " append", 1}}));
      EXPECT_EQ(writer.Text({"DEL", name}), "1");
      EXPECT_EQ(Hear(&key, 1),
                (std::map<std::string, int>{{"message __keyspace@0__:" + name + " del", 1}}));
    }
    EXPECT_EQ(key.ReadAvailable(100), "");
    EXPECT_EQ(keyevent.ReadAvailable(100), "");
  }
}

// What is published all nodes hear, so a pattern for everything would have heard it three times.
TEST_F(ClusterEventsTest, APatternForBothHearsWhatIsPublishedOnce) {
  RawClient client(weir_.port());
  RawClient writer(weir_.port());
  client.Command({"PSUBSCRIBE", "*"});
  std::map<std::string, int> expected;
  for (size_t node = 0; node < 3; ++node) {
    const std::string key = cluster_.KeyOn(node, 1);
    EXPECT_EQ(writer.Text({"PUBLISH", "news", key}), "1");
    EXPECT_EQ(RawClient(cluster_.node(node).port()).Text({"PUBLISH", "other", key}), "1");
    EXPECT_EQ(writer.Text({"SET", key, "v"}), "OK");
    for (const std::string& rest : {"news " + key, "other " + key, "__keyspace@0__:" + key + " set",
                                    "__keyevent@0__:set " + key}) {
      expected["pmessage * " + rest] = 1;
    }
  }
  std::map<std::string, int> heard = Hear(&client, expected.size());
  EXPECT_EQ(heard, expected);
  ExpectNothingMore(&client, "fence");
}

TEST_F(ClusterEventsTest, WhoListensIsCountedOnce) {
  RawClient client(weir_.port());
  RawClient other(weir_.port());
  RawClient third(weir_.port());
  const std::string channel = "__keyevent@0__:del";
  client.Command({"SUBSCRIBE", channel});
  other.Command({"SUBSCRIBE", channel});
  EXPECT_EQ(third.Command({"PUBSUB", "NUMSUB", channel}), "*2\r\n" + Bulk(channel) + ":2\r\n");
  EXPECT_EQ(third.Command({"PUBSUB", "CHANNELS"}), "*1\r\n" + Bulk(channel));
  // When nobody wants it any more, no node is asked for it.
  client.Command({"UNSUBSCRIBE", channel});
  other.Command({"UNSUBSCRIBE", channel});
  for (size_t node = 0; node < 3; ++node) {
    EXPECT_TRUE(Eventually([&] {
      return RawClient(cluster_.node(node).port()).Command({"PUBSUB", "CHANNELS"}) == "*0\r\n";
    })) << node;
  }
  EXPECT_EQ(third.Command({"PUBSUB", "NUMSUB", channel}), "*2\r\n" + Bulk(channel) + ":0\r\n");
  // And again.
  client.Command({"SUBSCRIBE", channel});
  for (size_t node = 0; node < 3; ++node) {
    const std::string key = cluster_.KeyOn(node, 1);
    third.Command({"SET", key, "v"});
    third.Command({"DEL", key});
    EXPECT_EQ(Hear(&client, 1),
              (std::map<std::string, int>{{"message " + channel + " " + key, 1}}));
  }
}

}  // namespace
}  // namespace weir::harness
