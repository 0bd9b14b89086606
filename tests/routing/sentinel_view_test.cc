// What sentinels say, and which of them is believed.
#include "routing/sentinel_view.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weir {
namespace {

using Pairs = std::vector<std::string>;

std::string Flat(const Pairs& words) {
  std::string bytes = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) {
    bytes += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  }
  return bytes;
}
Reply Entry(const Pairs& words) { return *ParseReply(Flat(words)); }
Reply Entries(const std::vector<Pairs>& entries) {
  std::string bytes = "*" + std::to_string(entries.size()) + "\r\n";
  for (const Pairs& entry : entries) bytes += Flat(entry);
  return *ParseReply(bytes);
}

TEST(SentinelViewTest, ReadsThePrimary) {
  SentinelView view;
  ASSERT_TRUE(ReadSentinelMaster(Entry({"name", "mymaster", "ip", "10.0.0.1", "port", "6379",
                                        "flags", "master", "config-epoch", "7"}),
                                 nullptr, &view)
                  .ok());
  EXPECT_EQ(view.primary, (HostPort{"10.0.0.1", 6379}));
  EXPECT_EQ(view.epoch, 7U);
  EXPECT_FALSE(view.primary_down);
  ASSERT_TRUE(ReadSentinelMaster(
                  Entry({"ip", "::1", "port", "1", "flags", "s_down,o_down,master,disconnected"}),
                  nullptr, &view)
                  .ok());
  EXPECT_TRUE(view.primary_down);
  for (const std::string bytes : {"-ERR No such master with that name\r\n", "*-1\r\n", "*0\r\n"}) {
    EXPECT_FALSE(ReadSentinelMaster(*ParseReply(bytes), nullptr, &view).ok());
  }
  EXPECT_FALSE(ReadSentinelMaster(Entry({"ip", "h", "port", "0"}), nullptr, &view).ok());
}

TEST(SentinelViewTest, TheAddressIsThatOfThePromotedReplica) {
  SentinelView view = {.primary = {"old", 1}};
  ASSERT_TRUE(
      ReadSentinelAddress(*ParseReply("*2\r\n$3\r\nnew\r\n$4\r\n6380\r\n"), nullptr, &view).ok());
  EXPECT_EQ(view.primary, (HostPort{"new", 6380}));
  for (const std::string bytes : {"*-1\r\n", "*1\r\n$1\r\nh\r\n", "+x\r\n",
                                  "*2\r\n$1\r\nh\r\n$1\r\n0\r\n", "*2\r\n$0\r\n\r\n$1\r\n1\r\n"}) {
    EXPECT_FALSE(ReadSentinelAddress(*ParseReply(bytes), nullptr, &view).ok()) << bytes;
  }
}

TEST(SentinelViewTest, ReadsReplicasAndTheirHealth) {
  SentinelView view;
  AddressMap map;
  ASSERT_TRUE(map.Add("10.0.0.2", "127.0.0.1").ok());
  ASSERT_TRUE(
      ReadSentinelReplicas(
          Entries({{"ip", "10.0.0.2", "port", "1", "flags", "slave", "master-link-status", "ok"},
                   {"ip", "h", "port", "2", "flags", "slave", "master-link-status", "err"},
                   {"ip", "h", "port", "3", "flags", "s_down,slave,disconnected",
                    "master-link-status", "ok"},
                   {"ip", "h", "flags", "slave"}}),
          &map, &view)
          .ok());
  ASSERT_EQ(view.replicas.size(), 3U);
  EXPECT_EQ(view.replicas[0].Address(), "127.0.0.1:1");
  EXPECT_EQ(view.replicas[0].health, NodeHealth::kOnline);
  EXPECT_EQ(view.replicas[1].health, NodeHealth::kLoading);
  EXPECT_EQ(view.replicas[2].health, NodeHealth::kFailed);
  EXPECT_FALSE(ReadSentinelReplicas(*ParseReply("+x\r\n"), nullptr, &view).ok());
}

TEST(SentinelViewTest, ReadsSentinels) {
  SentinelView view;
  ASSERT_TRUE(
      ReadSentinelSentinels(Entries({{"ip", "s", "port", "26379"}, {"ip", ""}}), &view).ok());
  ASSERT_EQ(view.sentinels.size(), 1U);
  EXPECT_EQ(view.sentinels[0], (HostPort{"s", 26379}));
}

// One was cut off during the failover and tells the old primary.
TEST(SentinelViewTest, TheHighestEpochIsBelieved) {
  const std::vector<SentinelView> views = {{.primary = {"old", 1}, .epoch = 3},
                                           {.primary = {"new", 1}, .epoch = 4},
                                           {.primary = {"old", 1}, .epoch = 3}};
  EXPECT_EQ(BelieveSentinel(views, 0)->primary.host, "new");
  EXPECT_EQ(BelieveSentinel(views, 5), nullptr);
  EXPECT_EQ(BelieveSentinel({}, 0), nullptr);
  EXPECT_EQ(BelieveSentinel({views.data(), 1}, 4), nullptr) << "older than what is known";
}

TEST(SentinelViewTest, ThePrimaryIsNotItsOwnReplica) {
  SentinelView view = {.primary = {"new", 1}, .epoch = 4};
  view.replicas = {{.host = "new", .port = 1, .role = NodeRole::kReplica},
                   {.host = "old", .port = 1, .role = NodeRole::kReplica}};
  const std::vector<Node> nodes = NodesOf(view);
  ASSERT_EQ(nodes.size(), 2U);
  EXPECT_EQ(nodes[0].host, "new");
  EXPECT_EQ(nodes[0].role, NodeRole::kPrimary);
  EXPECT_EQ(nodes[1].host, "old");
}

TEST(SentinelViewTest, MessagesNameThePrimary) {
  EXPECT_EQ(ParseSwitchMaster("mymaster 10.0.0.1 6379 10.0.0.2 6380", "mymaster"),
            (HostPort{"10.0.0.2", 6380}));
  EXPECT_EQ(ParseSwitchMaster("other 10.0.0.1 6379 10.0.0.2 6380", "mymaster"), std::nullopt);
  EXPECT_EQ(ParseSwitchMaster("mymaster 10.0.0.1 6379", "mymaster"), std::nullopt);
  EXPECT_EQ(ParseSwitchMaster("", "mymaster"), std::nullopt);
  EXPECT_TRUE(ConcernsPrimary("master mymaster 10.0.0.1 6379", "mymaster"));
  EXPECT_TRUE(ConcernsPrimary("slave 10.0.0.3:1 10.0.0.3 1 @ mymaster 10.0.0.1 6379", "mymaster"));
  EXPECT_FALSE(ConcernsPrimary("slave 10.0.0.3:1 10.0.0.3 1 @ other 10.0.0.1 6379", "mymaster"));
  EXPECT_FALSE(ConcernsPrimary("master mymaster2 10.0.0.1 6379", "mymaster"));
  EXPECT_FALSE(ConcernsPrimary("", "mymaster"));
}

}  // namespace
}  // namespace weir
