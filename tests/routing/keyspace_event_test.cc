// Which subscriptions hear keyspace notifications.
#include "routing/keyspace_event.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "routing/glob.h"

namespace weir {
namespace {

TEST(KeyspaceEventTest, ChannelsByTheirBeginning) {
  EXPECT_TRUE(IsKeyspaceEvent("__keyspace@0__:key"));
  EXPECT_TRUE(IsKeyspaceEvent("__keyevent@15__:set"));
  EXPECT_FALSE(IsKeyspaceEvent("__keyspace"));
  EXPECT_FALSE(IsKeyspaceEvent("__Keyspace@0__:key"));
  EXPECT_FALSE(IsKeyspaceEvent("x__keyspace@0__:key"));
  EXPECT_FALSE(IsKeyspaceEvent("__sentinel__:hello"));
  EXPECT_FALSE(IsKeyspaceEvent(""));
}

TEST(KeyspaceEventTest, PatternsByWhatTheyCanMatch) {
  for (const char* pattern :
       {"*", "__*", "__key*", "__keyspace@0__:*", "__keyevent@?__:expired", "_[_-z]key[es]*",
        "__key[^x]vent@0__:del", "__ke\\yspace@0__:a", "?????????????????????", "__key*:set",
        "*:set", "[_]*", "__keyspace@"}) {
    EXPECT_TRUE(MayMatchKeyspaceEvents(pattern)) << pattern;
  }
  for (const char* pattern : {"", "news.*", "__KEY*", "__key", "__key[x]*", "[^_]*", "?", "__\\*",
                              "\\*", "__keyspace", "_[a-z]*"}) {
    EXPECT_FALSE(MayMatchKeyspaceEvents(pattern)) << pattern;
  }
}

// Whatever matches an event's channel must have been said to.
TEST(KeyspaceEventTest, NeverFalseForAPatternThatMatches) {
  std::mt19937 random(7);
  const std::string alphabet = "_keyspacevnt@0:*?[]^-\\a";
  const std::string channels[] = {"__keyspace@0__:a", "__keyevent@0__:set", "__keyspace@0__:"};
  int matched = 0;
  for (int i = 0; i < 300000; ++i) {
    const std::string& channel = channels[random() % 3];
    // A piece of the channel, spoilt here and there.
    std::string pattern = channel.substr(0, random() % (channel.size() + 1));
    for (uint32_t n = random() % 4; n > 0; --n) {
      pattern.insert(random() % (pattern.size() + 1), 1, alphabet[random() % alphabet.size()]);
    }
    if (random() % 2 == 0) pattern += '*';
    if (!MatchesGlob(pattern, channel, GlobCase::kExact)) continue;
    ++matched;
    ASSERT_TRUE(MayMatchKeyspaceEvents(pattern)) << pattern;
  }
  EXPECT_GT(matched, 1000);
}

}  // namespace
}  // namespace weir
