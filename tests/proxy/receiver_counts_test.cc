// Redis' numbers of receivers, corrected by who stands behind weir's own connections.
#include "proxy/client/receiver_counts.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "routing/glob.h"

namespace weir {
namespace {

std::string Corrected(const SubscriptionCounts& counts, std::string_view command,
                      const std::vector<std::string_view>& args, std::string_view reply) {
  Conversation conversation;
  return ReceiverCorrection(&counts, command, ArgList(absl::MakeConstSpan(args)))(conversation,
                                                                                  reply);
}

TEST(SubscriptionCounts, AnyTellsWhetherThereIsAnything) {
  SubscriptionCounts counts;
  EXPECT_FALSE(counts.any());
  counts.Add(ChannelKind::kChannel, "c", 1, 0);
  counts.Add(ChannelKind::kChannel, "c", 0, 1);
  EXPECT_TRUE(counts.any());
  counts.Add(ChannelKind::kChannel, "c", -1, 0);
  EXPECT_TRUE(counts.any()) << "a connection still holds it";
  counts.Add(ChannelKind::kChannel, "c", 0, -1);
  EXPECT_FALSE(counts.any());
  EXPECT_EQ(counts.Of(ChannelKind::kChannel, "c").local, 0);
}

TEST(SubscriptionCounts, PatternsCountForChannelsAndNotForShards) {
  SubscriptionCounts counts;
  counts.Add(ChannelKind::kChannel, "news", 3, 1);
  counts.Add(ChannelKind::kPattern, "n*", 2, 1);
  counts.Add(ChannelKind::kPattern, "N*", 5, 1);
  counts.Add(ChannelKind::kShard, "news", 7, 1);
  const SubscriptionCount channel = counts.Receivers(ChannelKind::kChannel, "news");
  EXPECT_EQ(channel.local, 5);
  EXPECT_EQ(channel.held, 2);
  const SubscriptionCount shard = counts.Receivers(ChannelKind::kShard, "news");
  EXPECT_EQ(shard.local, 7);
  EXPECT_EQ(shard.held, 1);
}

TEST(ReceiverCorrection, OfPublish) {
  SubscriptionCounts counts;
  counts.Add(ChannelKind::kChannel, "c", 10, 2);
  // Two connections of weir's and one of somebody else's.
  EXPECT_EQ(Corrected(counts, "publish", {"PUBLISH", "c", "m"}, ":3\r\n"), ":11\r\n");
  EXPECT_EQ(Corrected(counts, "publish", {"PUBLISH", "d", "m"}, ":3\r\n"), ":3\r\n");
  // One of weir's connections was not counted yet.
  EXPECT_EQ(Corrected(counts, "publish", {"PUBLISH", "c", "m"}, ":1\r\n"), ":10\r\n");
  EXPECT_EQ(Corrected(counts, "spublish", {"SPUBLISH", "c", "m"}, ":0\r\n"), ":0\r\n");
  EXPECT_EQ(Corrected(counts, "publish", {"PUBLISH", "c", "m"}, "-NOPERM no\r\n"),
            "-NOPERM no\r\n");
}

TEST(ReceiverCorrection, OfNumsub) {
  SubscriptionCounts counts;
  counts.Add(ChannelKind::kChannel, "c", 10, 2);
  counts.Add(ChannelKind::kShard, "c", 4, 1);
  const std::string reply = "*4\r\n$1\r\nc\r\n:3\r\n$0\r\n\r\n:5\r\n";
  EXPECT_EQ(Corrected(counts, "pubsub|numsub", {"PUBSUB", "NUMSUB", "c", ""}, reply),
            "*4\r\n$1\r\nc\r\n:11\r\n$0\r\n\r\n:5\r\n");
  EXPECT_EQ(Corrected(counts, "pubsub|shardnumsub", {"PUBSUB", "SHARDNUMSUB", "c", ""}, reply),
            "*4\r\n$1\r\nc\r\n:6\r\n$0\r\n\r\n:5\r\n");
  EXPECT_EQ(Corrected(counts, "pubsub|numsub", {"PUBSUB", "NUMSUB"}, "*0\r\n"), "*0\r\n");
  for (const std::string strange : {"-ERR no\r\n", "*4\r\n$1\r\nd\r\n:3\r\n$0\r\n\r\n:5\r\n",
                                    "*4\r\n", "*4\r\n$1\r\nc\r\n:3"}) {
    EXPECT_EQ(Corrected(counts, "pubsub|numsub", {"PUBSUB", "NUMSUB", "c", ""}, strange), strange);
  }
}

// As Redis matches PSUBSCRIBE's patterns, where letters have a case.
TEST(Glob, Exact) {
  EXPECT_TRUE(MatchesGlob("ne*", "news", GlobCase::kExact));
  EXPECT_FALSE(MatchesGlob("Ne*", "news", GlobCase::kExact));
  EXPECT_TRUE(MatchesGlob("[a-c]x", "bx", GlobCase::kExact));
  EXPECT_FALSE(MatchesGlob("[a-c]x", "Bx", GlobCase::kExact));
  EXPECT_FALSE(MatchesGlob("[^a]", "a", GlobCase::kExact));
  EXPECT_TRUE(MatchesGlob("\\*", "*", GlobCase::kExact));
  // A loop that never starts: in Redis not even "*" matches the channel without a name.
  EXPECT_FALSE(MatchesGlob("*", "", GlobCase::kExact));
  EXPECT_TRUE(MatchesGlob("", "", GlobCase::kExact));
}

}  // namespace
}  // namespace weir
