// When a busy worker pauses, and for how long.
#include "proxy/coalescing.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(CoalescingPause, NoneWithoutLoad) {
  EXPECT_EQ(CoalescingPauseUs({.window_us = 8000, .reads = 0, .clients = 0}, 100), 0U);
}

TEST(CoalescingPause, NoneForOneClientHoweverFastItIs) {
  EXPECT_EQ(CoalescingPauseUs({.window_us = 8000, .reads = 400, .clients = 1}, 100), 0U);
  EXPECT_EQ(CoalescingPauseUs({.window_us = 8000, .reads = 8000, .clients = 1}, 100), 0U);
}

TEST(CoalescingPause, NoneWhenItWouldGatherFewerThanThreeReads) {
  // A read each 50 us: 100 us bring two.
  EXPECT_EQ(CoalescingPauseUs({.window_us = 8000, .reads = 160, .clients = 160}, 100), 0U);
  // One each 33 us: three.
  EXPECT_EQ(CoalescingPauseUs({.window_us = 8000, .reads = 240, .clients = 160}, 100), 100U);
}

TEST(CoalescingPause, AnEighthOfTheTimeInWhichAClientComesRound) {
  // 20 clients, a read each 20 us: each client comes round in 400 us.
  EXPECT_EQ(CoalescingPauseUs({.window_us = 8000, .reads = 400, .clients = 20}, 100), 0U);
  // The same at a read each 10 us and 40 clients: 50 us gather five.
  EXPECT_EQ(CoalescingPauseUs({.window_us = 8000, .reads = 800, .clients = 40}, 100), 50U);
}

TEST(CoalescingPause, NeverAboveItsBound) {
  const ReadLoad load = {.window_us = 8000, .reads = 400, .clients = 400};
  EXPECT_EQ(CoalescingPauseUs(load, 100), 100U);
  EXPECT_EQ(CoalescingPauseUs(load, 300), 300U);
  EXPECT_EQ(CoalescingPauseUs(load, 0), 0U);
}

TEST(CoalescingPause, LongerWhereClientsSendPipelines) {
  ReadLoad load = {.window_us = 8000, .reads = 100, .clients = 50, .requests = 6400};
  EXPECT_EQ(CoalescingPauseUs(load, 100), 400U);
  load.requests = 3200;  // of 32: twice as long would gather too few
  EXPECT_EQ(CoalescingPauseUs(load, 100), 0U);
  load.reads = load.clients = 400;
  load.requests = 400 * 32;
  EXPECT_EQ(CoalescingPauseUs(load, 100), 200U);
  load.requests = 400 * 1000;
  EXPECT_EQ(CoalescingPauseUs(load, 100), 400U);
}

// Turns of `reads_per_turn` reads, each of another client, for two windows; the last turn's pause.
uint64_t PauseAfter(Coalescing& coalescing, int reads_per_turn, int turns_per_ms) {
  uint64_t pause_us = 0;
  for (uint64_t ms = 800; ms < 817; ++ms) {
    for (int turn = 0; turn < turns_per_ms; ++turn) {
      for (int i = 0; i < reads_per_turn; ++i) coalescing.OnRead(/*last_ms=*/1, ms);
      pause_us = coalescing.OnTurnEnd(ms);
    }
  }
  return pause_us;
}

TEST(Coalescing, PausesByTheLastWindow) {
  Coalescing coalescing;
  coalescing.set_max_us(100);
  EXPECT_EQ(PauseAfter(coalescing, /*reads_per_turn=*/2, /*turns_per_ms=*/25), 100U);
}

TEST(Coalescing, DoesNotPauseAfterATurnThatBroughtMany) {
  Coalescing coalescing;
  coalescing.set_max_us(100);
  EXPECT_EQ(PauseAfter(coalescing, /*reads_per_turn=*/16, /*turns_per_ms=*/3), 0U);
}

TEST(Coalescing, ForgetsTheLoadAfterASilence) {
  Coalescing coalescing;
  coalescing.set_max_us(100);
  ASSERT_NE(PauseAfter(coalescing, 2, 25), 0U);
  coalescing.OnRead(1, 900);
  EXPECT_EQ(coalescing.OnTurnEnd(900), 0U);
}

TEST(Coalescing, IsOffWithABoundOfNought) {
  Coalescing coalescing;
  EXPECT_EQ(PauseAfter(coalescing, 2, 25), 0U);
}

TEST(Coalescing, CountsAClientOnceAWindow) {
  Coalescing coalescing;
  coalescing.set_max_us(100);
  // One client that comes each 20 us is one client, so it does not wait.
  uint64_t last_ms = 0;
  for (uint64_t ms = 800; ms < 817; ++ms) {
    for (int i = 0; i < 50; ++i) {
      coalescing.OnRead(last_ms, ms);
      last_ms = ms;
      EXPECT_EQ(coalescing.OnTurnEnd(ms), 0U);
    }
  }
}

}  // namespace
}  // namespace weir
