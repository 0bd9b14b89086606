// Hot and big keys: over workers, over windows of time, and apart by upstream and db.
#include "proxy/key_stats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace weir {
namespace {

std::vector<std::string> Keys(const std::vector<KeyStats::Entry>& entries) {
  std::vector<std::string> keys;
  for (const KeyStats::Entry& entry : entries) keys.push_back(entry.key);
  return keys;
}

TEST(KeyStatsTest, AddsUpWorkersAndKeepsDbsApart) {
  KeyStats stats(100, 1000, 2);
  for (int i = 0; i < 5; ++i) stats.Count(i % 2, {0, 0}, "hot", 10, 1);
  for (int i = 0; i < 4; ++i) stats.Count(0, {0, 3}, "hot", 10, 1);
  stats.Count(1, {2, 0}, "big", 1000, 1);
  const std::vector<KeyStats::Entry> hot = stats.Hot(10, 1);
  ASSERT_EQ(hot.size(), 3u);
  EXPECT_EQ(hot[0].key, "hot");
  EXPECT_EQ(hot[0].space.db, 0);
  EXPECT_EQ(hot[0].number, 5u);
  EXPECT_EQ(hot[0].error, 0u);
  EXPECT_EQ(hot[1].space.db, 3);
  EXPECT_EQ(hot[1].number, 4u);
  EXPECT_EQ(hot[2].space.upstream, 2u);
  const std::vector<KeyStats::Entry> big = stats.Big(1, 1);
  ASSERT_EQ(big.size(), 1u);
  EXPECT_EQ(big[0].key, "big");
  EXPECT_EQ(big[0].number, 1000u);
  EXPECT_EQ(big[0].largest, 1000u);
}

TEST(KeyStatsTest, ForgetsWhatIsOlderThanTwoWindows) {
  KeyStats stats(10, 1000, 1);
  stats.Count(0, {}, "first", 1, 5000);
  stats.Count(0, {}, "second", 1, 6100);
  EXPECT_THAT(Keys(stats.Hot(10, 6200)), testing::UnorderedElementsAre("first", "second"));
  stats.Count(0, {}, "third", 1, 7200);
  EXPECT_THAT(Keys(stats.Hot(10, 7200)), testing::UnorderedElementsAre("second", "third"));
  // Nobody came meanwhile.
  EXPECT_TRUE(stats.Hot(10, 60000).empty());
}

TEST(KeyStatsTest, IsBoundedInCountAndInBytes) {
  KeyStats stats(50, 1000, 1);
  for (int i = 0; i < 10000; ++i)
    stats.Count(0, {}, std::to_string(i) + std::string(5000, 'x'), 1, 1);
  const std::vector<KeyStats::Entry> hot = stats.Hot(1000, 1);
  EXPECT_EQ(hot.size(), 50u);
  for (const KeyStats::Entry& entry : hot) {
    EXPECT_LT(entry.key.size(), KeyStats::kKeyBytesMax + 30);
    EXPECT_LE(entry.error, 10000u / 50);
  }
}

TEST(KeyStatsTest, MayBeAskedWhileWorkersCount) {
  KeyStats stats(100, 1, 3);
  std::vector<std::thread> workers;
  for (size_t w = 0; w < 3; ++w) {
    workers.emplace_back([&stats, w] {
      for (uint64_t i = 0; i < 5000; ++i) {
        stats.Count(w, {0, 0}, std::to_string(i % 500), i, i / 100);
      }
    });
  }
  for (uint64_t i = 0; i < 50; ++i) {
    for (const KeyStats::Entry& entry : stats.Hot(10, i)) EXPECT_LE(entry.error, entry.number);
  }
  for (std::thread& worker : workers) worker.join();
}

}  // namespace
}  // namespace weir
