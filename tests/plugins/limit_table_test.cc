// The table of a limit's keys: what it holds, whom it forgets, and that threads do not disturb it.
#include "plugins/limit_table.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <unordered_map>
#include <vector>

#include "tests/support/seed.h"

namespace weir {
namespace {

using harness::Below;
using harness::Random;
using harness::Seed;

constexpr uint64_t kMs = 1'000'000;

LimitMath Math(LimitAlgorithm algorithm, uint64_t points, uint64_t period_ms) {
  return LimitMath({algorithm, points, period_ms, 0});
}

TEST(LimitTable, CountsEachKeyAsIfAlone) {
  Random random(Seed());
  for (const LimitAlgorithm algorithm :
       {LimitAlgorithm::kGcra, LimitAlgorithm::kFixedWindow, LimitAlgorithm::kSlidingWindow}) {
    const LimitMath math = Math(algorithm, 7, 1000);
    LimitTable table(math, 5000);
    std::unordered_map<uint64_t, uint64_t> words;
    std::vector<uint64_t> hashes;
    for (int i = 0; i < 3000; ++i) hashes.push_back(random());
    uint64_t now_ns = 1000 * kMs;
    for (int i = 0; i < 200'000; ++i) {
      now_ns += Below(random, 200'000);
      const uint64_t hash = hashes[Below(random, hashes.size())];
      const uint64_t cost = 1 + Below(random, 2);
      uint64_t& word = words[hash];
      const LimitTake expected = math.Take(word, now_ns, cost);
      ASSERT_EQ(table.Peek(hash, now_ns, cost).allowed, expected.allowed);
      const LimitTable::Result result = table.Take(hash, now_ns, cost);
      ASSERT_EQ(result.take.allowed, expected.allowed);
      ASSERT_FALSE(result.evicted);
      if (expected.allowed) word = expected.word;
      if (expected.allowed && Below(random, 5) == 0) {
        table.Refund(hash, now_ns, cost);
        word = math.Refund(word, now_ns, cost);
      }
      ASSERT_EQ(table.Look(hash, now_ns).remaining, math.Look(word, now_ns).remaining);
    }
  }
}

TEST(LimitTable, HoldsAMillionKeysWithinItsBound) {
  Random random(Seed());
  constexpr size_t kKeys = 1'000'000;
  LimitTable table(Math(LimitAlgorithm::kGcra, 1, 3'600'000), kKeys);
  EXPECT_LE(table.bytes(), 48 * kKeys);
  std::vector<uint64_t> hashes;
  size_t evicted = 0;
  for (size_t i = 0; i < kKeys; ++i) {
    hashes.push_back(random());
    const LimitTable::Result result = table.Take(hashes.back(), kMs, 1);
    ASSERT_TRUE(result.take.allowed);
    evicted += result.evicted;
  }
  EXPECT_EQ(evicted, 0u);
  EXPECT_EQ(table.CountKeys(kMs), kKeys);
  for (const uint64_t hash : hashes) ASSERT_FALSE(table.Take(hash, kMs, 1).take.allowed);
}

// A flood of keys, each seen once, takes no memory beyond the bound, and the keys that have used
// most are the last to be forgotten.
TEST(LimitTable, ForgetsWhoHasUsedLeast) {
  Random random(Seed());
  LimitTable table(Math(LimitAlgorithm::kGcra, 100, 3'600'000), 1000);
  const size_t bytes = table.bytes();
  std::vector<uint64_t> heavy;
  for (int i = 0; i < 100; ++i) {
    heavy.push_back(random());
    for (int n = 0; n < 100; ++n) ASSERT_TRUE(table.Take(heavy.back(), kMs, 1).take.allowed);
  }
  size_t evicted = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    const LimitTable::Result result = table.Take(random(), kMs, 1);
    ASSERT_TRUE(result.take.allowed);
    evicted += result.evicted;
  }
  EXPECT_GT(evicted, 990'000u);
  EXPECT_EQ(table.bytes(), bytes);
  EXPECT_LE(table.CountKeys(kMs), bytes / 16);
  for (const uint64_t hash : heavy) EXPECT_FALSE(table.Take(hash, kMs, 1).take.allowed);
}

TEST(LimitTable, GivesTheRoomOfFreshKeysAway) {
  Random random(Seed());
  LimitTable table(Math(LimitAlgorithm::kFixedWindow, 5, 1000), 1000);
  for (uint64_t window = 1; window <= 100; ++window) {
    for (int i = 0; i < 1000; ++i) {
      ASSERT_FALSE(table.Take(random(), window * 1000 * kMs, 1).evicted) << window;
    }
  }
}

// Those at work must find their place again when they are done.
TEST(LimitTable, OfConcurrencyForgetsNobody) {
  Random random(Seed());
  LimitTable table(Math(LimitAlgorithm::kConcurrency, 2, 0), 64);
  std::vector<std::pair<uint64_t, size_t>> tracked;
  size_t untracked = 0;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t hash = random();
    const LimitTable::Result result = table.Take(hash, 0, 1);
    ASSERT_TRUE(result.take.allowed);
    ASSERT_FALSE(result.evicted);
    if (result.untracked) {
      ++untracked;
    } else {
      tracked.emplace_back(hash, result.slot);
    }
  }
  EXPECT_GE(tracked.size(), 64u);
  EXPECT_GT(untracked, 0u);
  for (const auto& [hash, slot] : tracked) EXPECT_EQ(table.Look(hash, 0).remaining, 1u);
  for (const auto& [hash, slot] : tracked) table.Release(slot);
  EXPECT_EQ(table.CountKeys(0), 0u);
}

// At one moment, exactly as many pass as there are points, whoever asks.
TEST(LimitTable, ThreadsTogetherTakeNoMoreThanThereIs) {
  for (const LimitAlgorithm algorithm :
       {LimitAlgorithm::kGcra, LimitAlgorithm::kFixedWindow, LimitAlgorithm::kSlidingWindow,
        LimitAlgorithm::kConcurrency}) {
    constexpr uint64_t kPoints = 20'000;
    constexpr uint64_t kHash = 0x1234567890abcdef;
    LimitTable table(Math(algorithm, kPoints, 1000), 64);
    std::atomic<uint64_t> passed{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (uint64_t i = 0; i < kPoints; ++i) {
          passed += table.Take(kHash, 5 * kMs, 1).take.allowed ? 1 : 0;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(passed, kPoints) << LimitAlgorithmName(algorithm);
    EXPECT_EQ(table.Look(kHash, 5 * kMs).remaining, 0u);
  }
}

// What is taken and given back leaves nothing, also when keys take each other's slots meanwhile.
// Two threads may put one key in two slots; given back by its hash, the second place was lost for
// ever.
TEST(LimitTable, ThreadsWithManyKeysLoseNothing) {
  const uint64_t seed = Seed();
  LimitTable table(Math(LimitAlgorithm::kConcurrency, 1000, 0), 64);
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&table, random = Random(seed + t)]() mutable {
      for (int i = 0; i < 50'000; ++i) {
        const uint64_t hash = Below(random, 200) * 0x9e3779b97f4a7c15;
        const LimitTable::Result result = table.Take(hash, 0, 1);
        if (result.take.allowed && !result.untracked) table.Release(result.slot);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(table.CountKeys(0), 0u);
}

}  // namespace
}  // namespace weir
