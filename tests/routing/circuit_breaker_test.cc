// When a node is ejected, probed and let in again, on a simulated clock.
#include "routing/circuit_breaker.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace weir {
namespace {

using State = CircuitBreaker::State;

class CircuitBreakerTest : public ::testing::Test {
 protected:
  // Fails so often without an answer in between that the node is ejected.
  void Trip() {
    for (int i = 0; i < 2; ++i) EXPECT_FALSE(breaker_.OnFailure(now_ms_, 0));
    EXPECT_TRUE(breaker_.OnFailure(now_ms_, 0));
  }
  // Until the next probe, as long as the ejection lasts.
  uint64_t AwaitProbe() {
    const uint64_t for_ms = breaker_.EjectedForMs(now_ms_);
    now_ms_ += for_ms - 1;
    EXPECT_FALSE(breaker_.TakeProbe(now_ms_)) << "too early";
    EXPECT_TRUE(breaker_.TakeProbe(++now_ms_));
    return for_ms;
  }
  void Return() {
    AwaitProbe();
    breaker_.OnProbe(now_ms_, true);
  }

  uint64_t now_ms_ = 1'000'000;
  CircuitBreaker breaker_{
      {.consecutive_failures = 3, .base_ms = 1000, .max_ms = 2500, .slow_start_ms = 9000}};
};

TEST_F(CircuitBreakerTest, FailuresInARowEject) {
  EXPECT_EQ(breaker_.state(), State::kClosed);
  EXPECT_EQ(breaker_.Share(now_ms_), 100U);
  Trip();
  EXPECT_EQ(breaker_.state(), State::kOpen);
  EXPECT_TRUE(breaker_.ejects());
  EXPECT_EQ(breaker_.Share(now_ms_), 0U);
  EXPECT_EQ(breaker_.EjectedForMs(now_ms_), 1000U);
}

TEST_F(CircuitBreakerTest, AnAnswerInBetweenCounts) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(breaker_.OnFailure(now_ms_, now_ms_ - 5));
    EXPECT_FALSE(breaker_.OnFailure(now_ms_ + 1, now_ms_ - 5));
    now_ms_ += 10;
  }
  EXPECT_TRUE(breaker_.OnFailure(now_ms_, now_ms_ - 10)) << "it has not answered since";
}

// A deadline passes when a millisecond has just begun, and a node nearby answers the next request
// within the same one: that answer did not count.
TEST_F(CircuitBreakerTest, AnAnswerInTheMillisecondOfAFailureCounts) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(breaker_.OnFailure(now_ms_ + 100, now_ms_));
    now_ms_ += 100;
  }
}

// A node with sixteen connections that restarted once had failed sixteen times in a row.
TEST_F(CircuitBreakerTest, ConnectionsThatBreakTogetherAreOneFailure) {
  for (int times = 1; times <= 2; ++times) {
    for (int i = 0; i < 16; ++i) EXPECT_FALSE(breaker_.OnBreak(now_ms_ + 3U * i, 0));
    now_ms_ += CircuitBreaker::kOneBreakMs;
  }
  EXPECT_TRUE(breaker_.OnBreak(now_ms_, 0)) << "the third time";
}

// Timeouts are each of one request: none is the other's cause.
TEST_F(CircuitBreakerTest, BreaksAndOtherFailuresCountSideBySide) {
  EXPECT_FALSE(breaker_.OnFailure(now_ms_, 0));
  EXPECT_FALSE(breaker_.OnBreak(now_ms_, 0));
  EXPECT_FALSE(breaker_.OnBreak(now_ms_, 0));
  EXPECT_TRUE(breaker_.OnFailure(now_ms_, 0));
}

TEST_F(CircuitBreakerTest, OneProbeDecides) {
  Trip();
  AwaitProbe();
  EXPECT_EQ(breaker_.state(), State::kHalfOpen);
  EXPECT_TRUE(breaker_.ejects());
  EXPECT_FALSE(breaker_.TakeProbe(now_ms_ + 100000)) << "one is under way";
  breaker_.OnProbe(now_ms_, true);
  EXPECT_EQ(breaker_.state(), State::kClosed);
}

TEST_F(CircuitBreakerTest, EachFailedProbeEjectsForLongerUpToABound) {
  Trip();
  EXPECT_EQ(AwaitProbe(), 1000U);
  breaker_.OnProbe(now_ms_, false);
  EXPECT_EQ(breaker_.state(), State::kOpen);
  EXPECT_EQ(AwaitProbe(), 2000U);
  breaker_.OnProbe(now_ms_, false);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(AwaitProbe(), 2500U);
    breaker_.OnProbe(now_ms_, false);
  }
}

TEST_F(CircuitBreakerTest, WhoFailsSoonAgainIsEjectedForLonger) {
  Trip();
  Return();
  now_ms_ += 2499;
  Trip();
  EXPECT_EQ(breaker_.EjectedForMs(now_ms_), 2000U);
  Return();
  now_ms_ += 2500;
  Trip();
  EXPECT_EQ(breaker_.EjectedForMs(now_ms_), 1000U) << "it had stayed";
}

// What was in flight when the node was ejected, and when it returned.
TEST_F(CircuitBreakerTest, LateFailuresChangeNothing) {
  Trip();
  EXPECT_FALSE(breaker_.OnFailure(now_ms_ + 500, 0));
  EXPECT_EQ(breaker_.EjectedForMs(now_ms_ + 500), 500U);
  Return();
  EXPECT_FALSE(breaker_.OnFailure(now_ms_, 0));
  EXPECT_FALSE(breaker_.OnFailure(now_ms_, 0));
  EXPECT_EQ(breaker_.state(), State::kClosed) << "it takes as many as before";
  breaker_.OnProbe(now_ms_, false);
  EXPECT_EQ(breaker_.state(), State::kClosed) << "nobody asked";
}

TEST_F(CircuitBreakerTest, ReturnsSlowly) {
  Trip();
  Return();
  EXPECT_EQ(breaker_.Share(now_ms_), 10U);
  EXPECT_EQ(breaker_.Share(now_ms_ + 4500), 55U);
  EXPECT_EQ(breaker_.Share(now_ms_ + 8999), 99U);
  EXPECT_EQ(breaker_.Share(now_ms_ + 9000), 100U);
  // One that could not be connected to returns slowly, too.
  now_ms_ += 100000;
  breaker_.OnReachable(now_ms_);
  EXPECT_EQ(breaker_.Share(now_ms_), 10U);
  // Without a slow start at once.
  CircuitBreaker fast({.slow_start_ms = 0});
  fast.OnReachable(now_ms_);
  EXPECT_EQ(fast.Share(now_ms_), 100U);
}

// Its breaker was forgotten with it, and the next one knew nothing: back at once with all of its
// share, and ejected for as short as the first time.
TEST_F(CircuitBreakerTest, WhoHasLeftReturnsSlowlyAndIsNotForgotten) {
  Trip();
  AwaitProbe();
  breaker_.OnLeft();
  breaker_.OnProbe(now_ms_, false);
  EXPECT_EQ(breaker_.state(), State::kClosed) << "a probe that was under way means nothing now";
  EXPECT_FALSE(breaker_.TakeProbe(now_ms_ + 100000));
  now_ms_ += 5000;
  breaker_.OnReachable(now_ms_);
  EXPECT_EQ(breaker_.Share(now_ms_), 10U);
  Trip();
  EXPECT_EQ(breaker_.EjectedForMs(now_ms_), 2000U);
}

TEST(WithSharesTest, EachStandsThereByItsShare) {
  const std::vector<NodeIndex> nodes = {4, 7, 9};
  EXPECT_EQ(WithShares(nodes, {100, 100, 100}), nodes);
  const std::vector<NodeIndex> shared = WithShares(nodes, {100, 10, 55});
  const auto count = [&](NodeIndex node) { return std::count(shared.begin(), shared.end(), node); };
  EXPECT_EQ(count(4), 10);
  EXPECT_EQ(count(7), 1);
  EXPECT_EQ(count(9), 6);
  EXPECT_EQ(WithShares({4}, {10}), (std::vector<NodeIndex>{4})) << "there is nobody else";
}

}  // namespace
}  // namespace weir
