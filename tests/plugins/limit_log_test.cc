// The exact log of scope local: over random arrivals it decides as a list of all arrivals does,
// takes no more memory than its bound, and threads do not disturb it.
#include "plugins/limit_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <deque>
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

LimitShape Log(uint64_t points, uint64_t period_ms) {
  return {LimitAlgorithm::kSlidingLog, points, period_ms, 0};
}

// Every point of every key, by the book: those of the last period count.
class Book {
 public:
  explicit Book(const LimitShape& shape)
      : points_(shape.points), period_ns_(shape.period_ms * kMs) {}

  LimitTake Take(uint64_t hash, uint64_t now_ns, uint64_t cost, bool peek = false) {
    std::deque<uint64_t>& times = times_[hash];
    while (!times.empty() && times.front() + period_ns_ <= now_ns) times.pop_front();
    if (cost > points_) return {false, 0, kNeverNs};
    if (times.size() + cost > points_) {
      // The earliest moment from which on there is room.
      for (const uint64_t time : times) {
        const uint64_t then = time + period_ns_;
        const auto left = static_cast<uint64_t>(std::count_if(
            times.begin(), times.end(), [&](uint64_t t) { return t + period_ns_ > then; }));
        if (left + cost <= points_) return {false, 0, then - now_ns};
      }
    }
    if (!peek) times.insert(times.end(), cost, now_ns);
    return {true, 0, 0};
  }
  void Refund(uint64_t hash, uint64_t taken_ns, uint64_t cost) {
    std::deque<uint64_t>& times = times_[hash];
    for (uint64_t i = 0; i < cost; ++i) {
      const auto found = std::find(times.begin(), times.end(), taken_ns);
      if (found != times.end()) times.erase(found);
    }
  }
  LimitLook Look(uint64_t hash, uint64_t now_ns) {
    Take(hash, now_ns, 0, true);
    const std::deque<uint64_t>& times = times_[hash];
    if (times.empty()) return {points_, 0};
    return {points_ - times.size(), times.back() + period_ns_ - now_ns};
  }

 private:
  const uint64_t points_;
  const uint64_t period_ns_;
  std::unordered_map<uint64_t, std::deque<uint64_t>> times_;
};

TEST(LimitLog, KeepsEachArrivalOfThePeriod) {
  Random random(Seed());
  for (int round = 0; round < 300; ++round) {
    const LimitShape shape = Log(1 + Below(random, 40), 1 + Below(random, 100000));
    const uint64_t period_ns = shape.period_ms * kMs;
    LimitLog log(shape, 64);
    Book book(shape);
    std::vector<uint64_t> hashes;
    for (int i = 0; i < 3; ++i) hashes.push_back(random());
    struct Taken {
      uint64_t hash, time, cost;
    };
    std::deque<Taken> taken;
    uint64_t now_ns = 1 + Below(random, 1'000'000'000);
    for (int i = 0; i < 500; ++i) {
      switch (Below(random, 5)) {
        case 0:
          break;
        case 1:
          now_ns += Below(random, 2 * period_ns);
          break;
        case 2:
          now_ns += Below(random, 2) == 0 ? period_ns : period_ns - 1;
          break;
        default:
          now_ns += Below(random, 2 * period_ns / shape.points + 2);
      }
      const uint64_t hash = hashes[Below(random, hashes.size())];
      const uint64_t cost = Below(random, 5) == 0 ? Below(random, shape.points + 2) : 1;
      const LimitTake peeked = log.Peek(hash, now_ns, cost);
      const LimitTake expected = book.Take(hash, now_ns, cost);
      const LimitTable::Result result = log.Take(hash, now_ns, cost);
      ASSERT_EQ(result.take.allowed, expected.allowed) << "round " << round << " request " << i;
      ASSERT_EQ(result.take.wait_ns, expected.wait_ns) << "round " << round << " request " << i;
      ASSERT_EQ(peeked.allowed, expected.allowed);
      ASSERT_EQ(peeked.wait_ns, expected.wait_ns);
      ASSERT_FALSE(result.evicted);
      if (expected.allowed) taken.push_back({hash, result.slot, cost});
      if (Below(random, 6) == 0 && !taken.empty()) {
        // Mostly what was taken last, sometimes what others have been put behind.
        const size_t which = Below(random, 2) == 0 ? taken.size() - 1 : Below(random, taken.size());
        const Taken back = taken[which];
        taken.erase(taken.begin() + static_cast<ptrdiff_t>(which));
        log.Refund(back.hash, back.time, back.cost);
        book.Refund(back.hash, back.time, back.cost);
      }
      const LimitLook look = log.Look(hash, now_ns);
      const LimitLook in_book = book.Look(hash, now_ns);
      ASSERT_EQ(look.remaining, in_book.remaining) << "round " << round << " request " << i;
      ASSERT_EQ(look.reset_ns, in_book.reset_ns) << "round " << round << " request " << i;
    }
  }
}

// A worker whose clock is a little behind another's counts no less for it.
TEST(LimitLog, BelievesAClockThatIsAhead) {
  LimitLog log(Log(3, 1000), 64);
  EXPECT_TRUE(log.Take(7, 1000 * kMs, 1).take.allowed);
  const LimitTable::Result behind = log.Take(7, 999 * kMs, 1);
  EXPECT_TRUE(behind.take.allowed);
  EXPECT_EQ(behind.slot, 1000 * kMs);
  EXPECT_TRUE(log.Take(7, 1000 * kMs, 1).take.allowed);
  EXPECT_FALSE(log.Take(7, 999 * kMs, 1).take.allowed);
  EXPECT_FALSE(log.Take(7, 1999 * kMs, 1).take.allowed);
  EXPECT_TRUE(log.Take(7, 2000 * kMs, 3).take.allowed);
}

// A flood of keys, each seen once, takes no memory beyond the bound, and those that have used most
// are the last to be forgotten.
TEST(LimitLog, ForgetsWhoHasUsedLeast) {
  Random random(Seed());
  LimitLog log(Log(50, 3'600'000), 10'000);
  std::vector<uint64_t> heavy;
  for (int i = 0; i < 200; ++i) {
    heavy.push_back(random());
    ASSERT_TRUE(log.Take(heavy.back(), kMs, 50).take.allowed);
  }
  size_t evicted = 0;
  for (int i = 0; i < 100'000; ++i) evicted += log.Take(random(), 2 * kMs, 1).evicted;
  EXPECT_LE(log.CountKeys(), log.keys_max());
  EXPECT_LE(log.keys_max(), 2 * 10'000u);
  EXPECT_GT(evicted, 80'000u);
  for (const uint64_t hash : heavy) ASSERT_FALSE(log.Take(hash, 3 * kMs, 1).take.allowed);
}

TEST(LimitLog, TakesThePlaceOfWhatIsOverBeforeItForgetsAnybody) {
  Random random(Seed());
  LimitLog log(Log(1, 1000), 1000);
  for (int i = 0; i < 100'000; ++i) {
    // A hundred keys a period: old ones are always there to be replaced.
    const uint64_t now_ns = static_cast<uint64_t>(i) * 10 * kMs;
    ASSERT_FALSE(log.Take(random(), now_ns, 1).evicted) << i;
  }
}

TEST(LimitLog, ThreadsTakeNoMoreThanThereIs) {
  constexpr uint64_t kPoints = 1000;
  constexpr int kKeys = 8;
  LimitLog log(Log(kPoints, 3'600'000), 64);
  std::vector<std::atomic<uint64_t>> allowed(kKeys);
  const auto work = [&](uint64_t seed) {
    Random random(seed);
    for (int i = 0; i < 20'000; ++i) {
      const uint64_t key = Below(random, kKeys);
      const uint64_t hash = (key << 60) + key;
      const LimitTable::Result result = log.Take(hash, kMs + static_cast<uint64_t>(i), 1);
      if (!result.take.allowed) continue;
      if (Below(random, 3) == 0) {
        log.Refund(hash, result.slot, 1);
      } else {
        ++allowed[key];
      }
    }
  };
  const uint64_t seed = Seed();
  std::thread one(work, seed);
  std::thread other(work, seed + 1);
  one.join();
  other.join();
  for (const std::atomic<uint64_t>& count : allowed) EXPECT_EQ(count.load(), kPoints);
}

}  // namespace
}  // namespace weir
