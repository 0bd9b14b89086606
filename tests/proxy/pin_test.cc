// What a client's own connection holds after each reply.
#include "proxy/client/pin.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

// Sends one command and answers it.
void SendAndAnswer(Pin& pin, PinEffect effect, bool error = false, bool on = false) {
  pin.OnSent(effect, on);
  pin.OnReplied(effect, on, error);
}

TEST(Pin, ATransactionBeginsAndEnds) {
  Pin pin;
  EXPECT_TRUE(pin.clean());
  EXPECT_EQ(pin.queued(), -1);
  SendAndAnswer(pin, PinEffect::kMulti);
  EXPECT_TRUE(pin.holds().transaction);
  EXPECT_EQ(pin.reason(), PinReason::kTransaction);
  pin.OnQueued(2);
  EXPECT_EQ(pin.queued(), 2);
  SendAndAnswer(pin, PinEffect::kMulti, /*error=*/true);  // nested
  EXPECT_TRUE(pin.holds().transaction);
  SendAndAnswer(pin, PinEffect::kExec);
  EXPECT_TRUE(pin.clean());
  EXPECT_EQ(pin.queued(), -1);
}

TEST(Pin, ExecEndsATransactionAlsoWhenItFails) {
  Pin pin;
  SendAndAnswer(pin, PinEffect::kWatch);
  SendAndAnswer(pin, PinEffect::kMulti);
  SendAndAnswer(pin, PinEffect::kExec, /*error=*/true);
  EXPECT_FALSE(pin.holds().any());
}

TEST(Pin, WithoutATransactionExecAndDiscardLeaveWatchedKeys) {
  Pin pin;
  SendAndAnswer(pin, PinEffect::kWatch);
  SendAndAnswer(pin, PinEffect::kExec, /*error=*/true);
  SendAndAnswer(pin, PinEffect::kDiscard, /*error=*/true);
  EXPECT_TRUE(pin.holds().watch);
  EXPECT_EQ(pin.reason(), PinReason::kWatch);
  SendAndAnswer(pin, PinEffect::kUnwatch);
  EXPECT_TRUE(pin.clean());
}

TEST(Pin, DiscardWithWrongArgumentsEndsNothing) {
  Pin pin;
  SendAndAnswer(pin, PinEffect::kMulti);
  SendAndAnswer(pin, PinEffect::kDiscard, /*error=*/true);
  EXPECT_TRUE(pin.holds().transaction);
  SendAndAnswer(pin, PinEffect::kDiscard);
  EXPECT_TRUE(pin.clean());
}

TEST(Pin, UnwatchInATransactionIsOnlyQueued) {
  Pin pin;
  SendAndAnswer(pin, PinEffect::kWatch);
  SendAndAnswer(pin, PinEffect::kMulti);
  SendAndAnswer(pin, PinEffect::kUnwatch);
  EXPECT_TRUE(pin.holds().watch);
}

TEST(Pin, WatchInATransactionIsRefused) {
  Pin pin;
  SendAndAnswer(pin, PinEffect::kMulti);
  SendAndAnswer(pin, PinEffect::kWatch, /*error=*/true);
  EXPECT_FALSE(pin.holds().watch);
}

TEST(Pin, WhatIsOnItsWayIsExpectedUntilItIsRefused) {
  Pin pin;
  pin.OnSent(PinEffect::kMulti, false);
  EXPECT_FALSE(pin.settled());
  EXPECT_TRUE(pin.expected().transaction);
  EXPECT_FALSE(pin.holds().transaction);
  pin.OnReplied(PinEffect::kMulti, false, /*error=*/true);
  EXPECT_TRUE(pin.settled());
  EXPECT_FALSE(pin.expected().transaction);
  EXPECT_TRUE(pin.clean());
}

TEST(Pin, APipelinedTransactionLeavesNothing) {
  Pin pin;
  pin.OnSent(PinEffect::kMulti, false);
  pin.OnSent(PinEffect::kExec, false);
  EXPECT_FALSE(pin.expected().any());
  pin.OnReplied(PinEffect::kMulti, false, false);
  EXPECT_TRUE(pin.holds().transaction);
  pin.OnReplied(PinEffect::kExec, false, false);
  EXPECT_TRUE(pin.settled());
  EXPECT_TRUE(pin.clean());
}

TEST(Pin, ABlockingCommandBlocksUntilItIsAnswered) {
  Pin pin;
  pin.OnSent(PinEffect::kBlock, false);
  EXPECT_TRUE(pin.blocked());
  EXPECT_EQ(pin.reason(), PinReason::kBlocked);
  pin.OnReplied(PinEffect::kBlock, false, false);
  EXPECT_FALSE(pin.blocked());
  EXPECT_TRUE(pin.clean());
}

TEST(Pin, TrackingIsHeldUntilItIsSwitchedOff) {
  Pin pin;
  SendAndAnswer(pin, PinEffect::kTracking, /*error=*/true, /*on=*/true);
  EXPECT_FALSE(pin.holds().tracking);
  SendAndAnswer(pin, PinEffect::kTracking, /*error=*/false, /*on=*/true);
  EXPECT_EQ(pin.reason(), PinReason::kTracking);
  SendAndAnswer(pin, PinEffect::kTracking, /*error=*/false, /*on=*/false);
  EXPECT_TRUE(pin.clean());
}

TEST(Pin, WhatOnlyTheEndOfTheConnectionUndoesIsHeldForEver) {
  Pin pin;
  SendAndAnswer(pin, PinEffect::kOther);
  SendAndAnswer(pin, PinEffect::kMulti);
  SendAndAnswer(pin, PinEffect::kExec);
  EXPECT_TRUE(pin.holds().other);
  EXPECT_FALSE(pin.clean());
}

void SendUnknown(Pin& pin, std::string_view reply, bool error = false) {
  pin.OnSent(PinEffect::kUnknown, false);
  pin.OnUnknownReplied(reply, /*whole=*/true, error);
}

TEST(Pin, OnlyRedisCanProveThatAnUnknownCommandDidNothing) {
  Pin refused;
  refused.OnSent(PinEffect::kUnknown, false);
  EXPECT_TRUE(refused.expected().other);
  refused.OnNotKnown(PinEffect::kUnknown);
  EXPECT_FALSE(refused.expected().any());
  EXPECT_TRUE(refused.clean());
  Pin failed;
  SendUnknown(failed, "-ERR no such key\r\n", true);
  EXPECT_FALSE(failed.holds().any());
  EXPECT_FALSE(failed.clean());
  Pin accepted;
  SendUnknown(accepted, "+OK\r\n");
  EXPECT_TRUE(accepted.holds().other);
}

TEST(Pin, WhatIsNotQueuedInATransactionHasEndedIt) {
  for (const bool error : {false, true}) {
    Pin pin;
    SendAndAnswer(pin, PinEffect::kWatch);
    SendAndAnswer(pin, PinEffect::kMulti);
    SendUnknown(pin, "+QUEUED\r\n");
    SendUnknown(pin, "-NOPERM this user has no permissions to run the 'x' command\r\n", true);
    pin.OnSent(PinEffect::kExec, false);
    pin.OnNotKnown(PinEffect::kExec);
    EXPECT_TRUE(pin.holds().transaction);
    SendUnknown(pin, error ? "-EXECABORT Transaction discarded\r\n" : "*0\r\n", error);
    EXPECT_FALSE(pin.holds().transaction);
    EXPECT_FALSE(pin.holds().watch);
    EXPECT_FALSE(pin.expected().transaction);
    EXPECT_FALSE(pin.clean());
  }
}

TEST(Pin, AConnectionThatIsNotWhatItsKeySaysIsNotClean) {
  Pin pin;
  EXPECT_FALSE(pin.TakeDiffers());
  pin.OnSessionCommandQueued();
  EXPECT_TRUE(pin.TakeDiffers());
  EXPECT_FALSE(pin.TakeDiffers());
  EXPECT_FALSE(pin.clean());
}

}  // namespace
}  // namespace weir
