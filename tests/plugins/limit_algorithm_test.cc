// Each algorithm against the book: over random arrivals it decides exactly as a slow model that
// keeps every arrival, or a real number of tokens, does.
#include "plugins/limit_algorithm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <deque>

#include "tests/support/seed.h"

namespace weir {
namespace {

using harness::Below;
using harness::Random;
using harness::Seed;

constexpr uint64_t kMs = 1'000'000;

LimitShape Shape(LimitAlgorithm algorithm, uint64_t points, uint64_t period_ms,
                 uint64_t burst = 0) {
  return {algorithm, points, period_ms, burst};
}

// One key of a limit.
class Key {
 public:
  explicit Key(const LimitShape& shape) : math(shape) { EXPECT_EQ(LimitMath::Check(shape), ""); }
  bool Take(uint64_t now_ns, uint64_t cost = 1, uint64_t wait_max_ns = 0) {
    last = math.Take(word, now_ns, cost, wait_max_ns);
    if (last.allowed) word = last.word;
    return last.allowed;
  }
  LimitLook Look(uint64_t now_ns) const { return math.Look(word, now_ns); }

  LimitMath math;
  uint64_t word = 0;
  LimitTake last;
};

// Periods that their points do not divide among them.
LimitShape RandomShape(Random& random, LimitAlgorithm algorithm) {
  const bool bucket = algorithm <= LimitAlgorithm::kTokenBucket;
  return Shape(algorithm, 1 + Below(random, 50), 1 + Below(random, 100000),
               bucket ? Below(random, 40) : 0);
}

// Times go on by bursts, by steps about as long as a point takes, and by long pauses.
uint64_t NextTime(Random& random, const LimitShape& shape, uint64_t now_ns) {
  const uint64_t period_ns = shape.period_ms * kMs;
  switch (Below(random, 4)) {
    case 0:
      return now_ns;
    case 1:
      return now_ns + Below(random, 3 * period_ns);
    default:
      return now_ns + Below(random, 2 * period_ns / shape.points + 2);
  }
}

// Tokens as a real number, refilled evenly: what GCRA and token bucket both are.
TEST(LimitAlgorithm, GcraAndTokenBucketAreABucketOfTokens) {
  Random random(Seed());
  for (int round = 0; round < 400; ++round) {
    const LimitShape shape = RandomShape(random, LimitAlgorithm::kGcra);
    LimitShape other = shape;
    other.algorithm = LimitAlgorithm::kTokenBucket;
    Key gcra(shape);
    Key bucket(other);
    const auto all = static_cast<long double>(shape.capacity());
    // The rate as it is counted, in 1/64 ns: a point takes no less than it should.
    const uint64_t ticks = (shape.period_ms * kMs * 64 + shape.points - 1) / shape.points;
    long double tokens = all;
    uint64_t now_ns = Below(random, 1'000'000'000);
    for (int i = 0; i < 300; ++i) {
      const uint64_t next_ns = NextTime(random, shape, now_ns);
      tokens = std::min(all, tokens + static_cast<long double>((next_ns - now_ns) * 64) / ticks);
      now_ns = next_ns;
      const uint64_t cost = Below(random, 10) == 0 ? Below(random, shape.capacity() + 2) : 1;
      const bool expected = tokens + 1e-9L >= static_cast<long double>(cost);
      ASSERT_EQ(gcra.Take(now_ns, cost), expected)
          << "round " << round << " request " << i << " tokens " << static_cast<double>(tokens);
      ASSERT_EQ(bucket.Take(now_ns, cost), expected);
      if (expected) tokens -= static_cast<long double>(cost);
      ASSERT_EQ(gcra.Look(now_ns).remaining,
                static_cast<uint64_t>(std::floor(static_cast<double>(tokens + 1e-9L))));
    }
  }
}

TEST(LimitAlgorithm, FixedWindowCountsEachWindow) {
  Random random(Seed());
  for (int round = 0; round < 400; ++round) {
    const LimitShape shape = RandomShape(random, LimitAlgorithm::kFixedWindow);
    Key key(shape);
    uint64_t now_ns = Below(random, 1'000'000'000);
    uint64_t window = 0, count = 0;
    for (int i = 0; i < 300; ++i) {
      now_ns = NextTime(random, shape, now_ns);
      const uint64_t in_window = now_ns / (shape.period_ms * kMs);
      if (in_window != window) count = 0;
      window = in_window;
      const uint64_t cost = Below(random, 10) == 0 ? Below(random, shape.points + 2) : 1;
      const bool expected = count + cost <= shape.points;
      ASSERT_EQ(key.Take(now_ns, cost), expected) << "round " << round << " request " << i;
      if (expected) count += cost;
      ASSERT_EQ(key.Look(now_ns).remaining, shape.points - count);
    }
  }
}

// The estimate: all of this window, and of the one before as much as lies within a period of now.
TEST(LimitAlgorithm, SlidingWindowIsTheEstimateFromTwoCounters) {
  Random random(Seed());
  for (int round = 0; round < 400; ++round) {
    const LimitShape shape = RandomShape(random, LimitAlgorithm::kSlidingWindow);
    const uint64_t period_ns = shape.period_ms * kMs;
    Key key(shape);
    std::deque<std::pair<uint64_t, uint64_t>> arrivals;  // window, cost
    uint64_t now_ns = Below(random, 1'000'000'000);
    for (int i = 0; i < 300; ++i) {
      now_ns = NextTime(random, shape, now_ns);
      const uint64_t window = now_ns / period_ns;
      uint64_t before = 0, count = 0;
      for (const auto& [in, cost] : arrivals) {
        if (in == window) count += cost;
        if (in + 1 == window) before += cost;
      }
      const uint64_t cost = Below(random, 10) == 0 ? Below(random, shape.points + 2) : 1;
      const auto left = static_cast<long double>(period_ns - now_ns % period_ns);
      const long double used = static_cast<long double>(count + cost) +
                               static_cast<long double>(before) * left / period_ns;
      const bool expected = used <= static_cast<long double>(shape.points);
      ASSERT_EQ(key.Take(now_ns, cost), expected) << "round " << round << " request " << i;
      if (expected) arrivals.emplace_back(window, cost);
      while (!arrivals.empty() && arrivals.front().first + 1 < window) arrivals.pop_front();
    }
  }
}

TEST(LimitAlgorithm, ConcurrencyCounts) {
  Key key(Shape(LimitAlgorithm::kConcurrency, 3, 1));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(key.Take(5));
  EXPECT_FALSE(key.Take(1000 * kMs));
  EXPECT_EQ(key.Look(0).remaining, 0u);
  key.word = key.math.Refund(key.word, 0, 1);
  EXPECT_TRUE(key.Take(5));
  for (int i = 0; i < 5; ++i) key.word = key.math.Refund(key.word, 0, 1);
  EXPECT_TRUE(key.math.IsFresh(key.word, 5));
}

// Whatever is refused is allowed after the time that is said, and not 2 us before.
TEST(LimitAlgorithm, SaysExactlyHowLongToWait) {
  Random random(Seed());
  for (const LimitAlgorithm algorithm :
       {LimitAlgorithm::kGcra, LimitAlgorithm::kFixedWindow, LimitAlgorithm::kSlidingWindow}) {
    int refused = 0;
    while (refused < 2000) {
      const LimitShape shape = RandomShape(random, algorithm);
      Key key(shape);
      uint64_t now_ns = Below(random, 1'000'000'000);
      for (int i = 0; i < 200; ++i) {
        now_ns = NextTime(random, shape, now_ns);
        const uint64_t cost = 1 + Below(random, 3);
        if (key.Take(now_ns, cost)) continue;
        ++refused;
        const uint64_t wait_ns = key.last.wait_ns;
        if (cost > shape.capacity()) {
          ASSERT_EQ(wait_ns, kNeverNs);
          continue;
        }
        ASSERT_GT(wait_ns, 0u);
        ASSERT_TRUE(key.math.Take(key.word, now_ns + wait_ns, cost).allowed)
            << LimitAlgorithmName(algorithm) << " refused again after " << wait_ns << " ns";
        if (wait_ns > 2000) {
          ASSERT_FALSE(key.math.Take(key.word, now_ns + wait_ns - 2000, cost).allowed)
              << LimitAlgorithmName(algorithm) << " would have been allowed before";
        }
      }
    }
  }
}

// After the time to reset, the key is as if never seen.
TEST(LimitAlgorithm, IsFreshAfterItsReset) {
  Random random(Seed());
  for (const LimitAlgorithm algorithm :
       {LimitAlgorithm::kGcra, LimitAlgorithm::kFixedWindow, LimitAlgorithm::kSlidingWindow}) {
    for (int round = 0; round < 1000; ++round) {
      const LimitShape shape = RandomShape(random, algorithm);
      Key key(shape);
      uint64_t now_ns = Below(random, 1'000'000'000);
      for (int i = 0; i < 20; ++i) {
        key.Take(now_ns);
        now_ns = NextTime(random, shape, now_ns);
      }
      const LimitLook look = key.Look(now_ns);
      ASSERT_TRUE(key.math.IsFresh(key.word, now_ns + look.reset_ns));
      ASSERT_EQ(key.Look(now_ns + look.reset_ns).remaining, shape.capacity());
      ASSERT_EQ(look.reset_ns == 0, key.math.IsFresh(key.word, now_ns));
    }
  }
}

// The known weakness of fixed windows, and that the others do not have it.
TEST(LimitAlgorithm, OnlyFixedWindowLetsTwiceAsManyPassAroundAnEdge) {
  const auto passed_around_edge = [](LimitAlgorithm algorithm) {
    Key key(Shape(algorithm, 100, 1000));
    int passed = 0;
    for (int i = 0; i < 500; ++i) passed += key.Take(999 * kMs);   // the window's last moment
    for (int i = 0; i < 500; ++i) passed += key.Take(1000 * kMs);  // the next one's first
    return passed;
  };
  EXPECT_EQ(passed_around_edge(LimitAlgorithm::kFixedWindow), 200);
  EXPECT_EQ(passed_around_edge(LimitAlgorithm::kSlidingWindow), 100);
  EXPECT_EQ(passed_around_edge(LimitAlgorithm::kGcra), 100);
  EXPECT_EQ(passed_around_edge(LimitAlgorithm::kTokenBucket), 100);
}

// Over any stretch of time no more pass than the burst and what the rate adds.
TEST(LimitAlgorithm, GcraNeverExceedsBurstAndRate) {
  Random random(Seed());
  for (int round = 0; round < 200; ++round) {
    const LimitShape shape = RandomShape(random, LimitAlgorithm::kGcra);
    Key key(shape);
    uint64_t now_ns = 0;
    std::vector<uint64_t> passed;
    for (int i = 0; i < 400; ++i) {
      now_ns = NextTime(random, shape, now_ns);
      if (key.Take(now_ns)) passed.push_back(now_ns);
    }
    for (size_t i = 0; i < passed.size(); i += 7) {
      for (size_t j = i; j < passed.size(); ++j) {
        const long double added = static_cast<long double>(passed[j] - passed[i]) *
                                  static_cast<long double>(shape.points) /
                                  static_cast<long double>(shape.period_ms * kMs);
        ASSERT_LE(static_cast<long double>(j - i + 1),
                  static_cast<long double>(shape.capacity()) + added + 1e-9L);
      }
    }
  }
}

TEST(LimitAlgorithm, GcraGivesPlacesInTheFuture) {
  Key key(Shape(LimitAlgorithm::kGcra, 10, 1000, 1));  // one each 100 ms
  EXPECT_TRUE(key.Take(0, 1, 250 * kMs));
  EXPECT_EQ(key.last.wait_ns, 0u);
  EXPECT_TRUE(key.Take(0, 1, 250 * kMs));
  EXPECT_EQ(key.last.wait_ns, 100 * kMs);
  EXPECT_TRUE(key.Take(0, 1, 250 * kMs));
  EXPECT_EQ(key.last.wait_ns, 200 * kMs);
  EXPECT_FALSE(key.Take(0, 1, 250 * kMs));
  EXPECT_EQ(key.last.wait_ns, 300 * kMs);
  // Those places are taken, also for who would not wait.
  EXPECT_FALSE(key.Take(200 * kMs));
  EXPECT_TRUE(key.Take(300 * kMs));
}

TEST(LimitAlgorithm, ARefundIsAsIfItHadNotBeenTaken) {
  Random random(Seed());
  for (const LimitAlgorithm algorithm :
       {LimitAlgorithm::kGcra, LimitAlgorithm::kFixedWindow, LimitAlgorithm::kSlidingWindow}) {
    for (int round = 0; round < 1000; ++round) {
      const LimitShape shape = RandomShape(random, algorithm);
      Key key(shape);
      uint64_t now_ns = shape.period_ms * kMs;
      for (int i = 0; i < 5; ++i) {
        key.Take(now_ns);
        now_ns = NextTime(random, shape, now_ns);
      }
      const uint64_t before = key.Look(now_ns).remaining;
      if (!key.Take(now_ns, 1)) continue;
      key.word = key.math.Refund(key.word, now_ns, 1);
      ASSERT_EQ(key.Look(now_ns).remaining, before) << LimitAlgorithmName(algorithm);
    }
  }
}

// A password may take longer to be checked than a window lasts; giving its point back then must not
// touch what others have taken since.
TEST(LimitAlgorithm, ALateRefundLeavesTheNextWindowsAlone) {
  for (const LimitAlgorithm algorithm :
       {LimitAlgorithm::kFixedWindow, LimitAlgorithm::kSlidingWindow}) {
    for (uint64_t later = 1; later <= 3; ++later) {
      Key key(Shape(algorithm, 10, 1000));
      EXPECT_TRUE(key.Take(500 * kMs, 2));
      const uint64_t now_ns = (500 + 1000 * later) * kMs;
      EXPECT_TRUE(key.Take(now_ns, 4));
      key.word = key.math.Refund(key.word, 500 * kMs, 2);
      EXPECT_EQ(key.Look(now_ns).remaining, 6u) << LimitAlgorithmName(algorithm) << later;
    }
  }
}

// Workers' clocks differ by the length of a turn of their loops.
TEST(LimitAlgorithm, AClockThatIsBehindDoesNotOpenAWindowAnew) {
  for (const LimitAlgorithm algorithm :
       {LimitAlgorithm::kFixedWindow, LimitAlgorithm::kSlidingWindow}) {
    Key key(Shape(algorithm, 10, 1000));
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(key.Take(5000 * kMs));
    EXPECT_FALSE(key.Take(4999 * kMs));
    EXPECT_FALSE(key.Take(5001 * kMs));
    EXPECT_EQ(key.Look(4999 * kMs).remaining, 0u);
  }
}

// The number of a window has few bits: after so long that it begins anew, a key is still fresh.
TEST(LimitAlgorithm, AKeyOfLongAgoIsFresh) {
  for (const LimitAlgorithm algorithm :
       {LimitAlgorithm::kGcra, LimitAlgorithm::kFixedWindow, LimitAlgorithm::kSlidingWindow}) {
    Random random(Seed());
    Key key(Shape(algorithm, 10, 1));
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(key.Take(5 * kMs));
    for (int i = 0; i < 10000; ++i) {
      // Up to ten years, and never right where the number has come round.
      const uint64_t years10_ms = uint64_t{3652} * 24 * 3600 * 1000;
      uint64_t later_ms = 100 + Below(random, years10_ms);
      if (later_ms % (1 << 24) < 8 || later_ms % (1 << 24) > (1 << 24) - 8) later_ms += 100;
      // 64 bits of 1/64 ns end after nine years.
      if (algorithm == LimitAlgorithm::kGcra) later_ms /= 2;
      ASSERT_TRUE(key.math.IsFresh(key.word, later_ms * kMs)) << later_ms;
    }
  }
}

TEST(LimitAlgorithm, RefusesWhatItCannotCount) {
  const auto check = [](LimitAlgorithm algorithm, uint64_t points, uint64_t period_ms,
                        uint64_t burst = 0) {
    return LimitMath::Check(Shape(algorithm, points, period_ms, burst));
  };
  using enum LimitAlgorithm;
  EXPECT_NE(check(kGcra, 0, 1000), "");
  EXPECT_NE(check(kGcra, 10, 0), "");
  EXPECT_NE(check(kGcra, 2'000'000, 1), "") << "more than a billion a second";
  EXPECT_NE(check(kGcra, 1, LimitMath::kPeriodMsMax, 2), "") << "takes 60 days to fill";
  EXPECT_NE(check(kFixedWindow, 10, 1000, 5), "");
  EXPECT_NE(check(kSlidingWindow, LimitMath::kSlidingPointsMax + 1, 1000), "");
  EXPECT_EQ(check(kSlidingWindow, LimitMath::kSlidingPointsMax, 1000), "");
  EXPECT_EQ(check(kGcra, 1, LimitMath::kPeriodMsMax), "");
  EXPECT_EQ(check(kGcra, LimitMath::kPointsMax, 1000), "");
  EXPECT_EQ(check(kConcurrency, 5, 0), "");
}

// At the bounds nothing overflows.
TEST(LimitAlgorithm, CountsAtItsBounds) {
  const uint64_t years5_ns = uint64_t{5} * 365 * 24 * 3600 * 1'000'000'000;
  Key slow(Shape(LimitAlgorithm::kGcra, 1, LimitMath::kPeriodMsMax));
  EXPECT_TRUE(slow.Take(years5_ns));
  EXPECT_FALSE(slow.Take(years5_ns));
  EXPECT_EQ(slow.last.wait_ns, LimitMath::kPeriodMsMax * kMs);
  EXPECT_FALSE(slow.Take(years5_ns, UINT64_MAX));
  EXPECT_EQ(slow.last.wait_ns, kNeverNs);
  Key fast(Shape(LimitAlgorithm::kGcra, LimitMath::kPointsMax, 1000));
  EXPECT_TRUE(fast.Take(years5_ns, LimitMath::kPointsMax));
  EXPECT_FALSE(fast.Take(years5_ns));
  EXPECT_TRUE(fast.Take(years5_ns + 1));
  Key many(Shape(LimitAlgorithm::kSlidingWindow, LimitMath::kSlidingPointsMax, 1000));
  EXPECT_TRUE(many.Take(years5_ns, LimitMath::kSlidingPointsMax));
  EXPECT_FALSE(many.Take(years5_ns));
  EXPECT_EQ(many.Look(years5_ns).remaining, 0u);
}

}  // namespace
}  // namespace weir
