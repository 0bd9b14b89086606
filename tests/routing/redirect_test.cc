// Redirects: what is read from error lines, and what is done about them until the budget is spent.
#include "routing/redirect.h"

#include <gtest/gtest.h>

#include <string>

namespace weir {
namespace {

using Action = RedirectStep::Action;
using Where = RedirectStep::Where;

Redirect Parse(std::string_view line) { return ParseRedirect(line, false); }

TEST(ParseRedirectTest, ReadsMovedAndAsk) {
  const Redirect moved = Parse("-MOVED 3999 127.0.0.1:6381\r\n");
  EXPECT_EQ(moved.refusal, Refusal::kMoved);
  EXPECT_EQ(moved.slot, 3999);
  EXPECT_EQ(moved.host, "127.0.0.1");
  EXPECT_EQ(moved.port, 6381);
  const Redirect ask = Parse("-ASK 0 redis.example:1");
  EXPECT_EQ(ask.refusal, Refusal::kAsk);
  EXPECT_EQ(ask.host, "redis.example");
  EXPECT_EQ(Parse("-MOVED 1 ::1:6381").host, "::1");
  EXPECT_EQ(Parse("-MOVED 1 [::1]:6381").host, "::1");
  // cluster-preferred-endpoint-type unknown-endpoint: the host of the node that says so.
  EXPECT_EQ(Parse("-MOVED 16383 :6381").host, "");
  EXPECT_EQ(Parse("-MOVED 16383 :6381").refusal, Refusal::kMoved);
}

TEST(ParseRedirectTest, MalformedOnesAreTheClients) {
  for (const std::string_view line :
       {"-MOVED", "-MOVED ", "-MOVED 1", "-MOVED x h:1", "-MOVED 16384 h:1", "-MOVED -1 h:1",
        "-MOVED 1 h", "-MOVED 1 h:", "-MOVED 1 h:0", "-MOVED 1 h:65536", "-MOVED 1 h:1x",
        "-MOVEDX 1 h:1", "-ERR MOVED 1 h:1", "-moved 1 h:1", "", "-", "+MOVED 1 h:1"}) {
    EXPECT_EQ(Parse(line).refusal, Refusal::kNone) << line;
  }
}

TEST(ParseRedirectTest, KnowsTheOthers) {
  EXPECT_EQ(Parse("-TRYAGAIN Multiple keys request during rehashing of slot").refusal,
            Refusal::kTryAgain);
  EXPECT_EQ(Parse("-CLUSTERDOWN Hash slot not served").refusal, Refusal::kClusterDown);
  EXPECT_EQ(Parse("-LOADING x").refusal, Refusal::kLoading);
  EXPECT_EQ(Parse("-READONLY x").refusal, Refusal::kReadonly);
  EXPECT_EQ(Parse("-MASTERDOWN x").refusal, Refusal::kMasterDown);
  EXPECT_EQ(Parse("-WRONGTYPE x").refusal, Refusal::kNone);
  EXPECT_EQ(RefusalName(Refusal::kMasterDown), "MASTERDOWN");
}

// A script that has written may then return an error with a code of its own choice: it must not
// run again for that.
TEST(ParseRedirectTest, AScriptsOwnErrorsAreTheClients) {
  const auto of_script = [](std::string_view line) { return ParseRedirect(line, true).refusal; };
  EXPECT_EQ(of_script("-TRYAGAIN in a minute"), Refusal::kNone);
  EXPECT_EQ(of_script("-LOADING the truck"), Refusal::kNone);
  EXPECT_EQ(of_script("-TRYAGAIN Multiple keys request during rehashing of slot\r\n"),
            Refusal::kTryAgain);
  EXPECT_EQ(of_script("-CLUSTERDOWN The cluster is down"), Refusal::kClusterDown);
  EXPECT_EQ(of_script("-CLUSTERDOWN Hash slot not served"), Refusal::kClusterDown);
  EXPECT_EQ(of_script("-LOADING Valkey is loading the dataset in memory"), Refusal::kLoading);
  EXPECT_EQ(of_script("-READONLY You can't write against a read only replica. script: x"),
            Refusal::kReadonly);
  EXPECT_EQ(of_script("-MOVED 1 h:1"), Refusal::kMoved);
}

class DecideRedirectTest : public ::testing::Test {
 protected:
  RedirectStep Decide(std::string_view line) {
    return DecideRedirect(Parse(line), limits_, now_ms_, &history_);
  }
  RedirectLimits limits_;
  RedirectHistory history_;
  uint64_t now_ms_ = 1000;
};

TEST_F(DecideRedirectTest, MovedGoesAtOnceAndPatchesTheMap) {
  const RedirectStep step = Decide("-MOVED 5 h:1");
  EXPECT_EQ(step.action, Action::kResend);
  EXPECT_EQ(step.where, Where::kNamed);
  EXPECT_TRUE(step.patch_slot);
  EXPECT_TRUE(step.refresh);
  EXPECT_FALSE(step.asking);
  EXPECT_EQ(step.wait_ms, 0U);
}

TEST_F(DecideRedirectTest, AskGoesAtOnceAndLeavesTheMapAlone) {
  const RedirectStep step = Decide("-ASK 5 h:1");
  EXPECT_EQ(step.where, Where::kNamed);
  EXPECT_TRUE(step.asking);
  EXPECT_FALSE(step.patch_slot);
  EXPECT_FALSE(step.refresh);
  EXPECT_EQ(step.wait_ms, 0U);
}

// ioredis sends it to a random node, which starts the whole chain again.
TEST_F(DecideRedirectTest, TryAgainStaysWhereItIsWithAskingKept) {
  RedirectStep step = Decide("-TRYAGAIN x");
  EXPECT_EQ(step.where, Where::kSame);
  EXPECT_FALSE(step.asking);
  EXPECT_EQ(step.wait_ms, 100U);
  Decide("-ASK 5 h:1");
  step = Decide("-TRYAGAIN x");
  EXPECT_TRUE(step.asking);
  step = Decide("-TRYAGAIN x");
  EXPECT_TRUE(step.asking);
}

TEST_F(DecideRedirectTest, FailoversAreWaitedOut) {
  for (const std::string_view line :
       {"-CLUSTERDOWN x", "-LOADING x", "-READONLY x", "-MASTERDOWN x"}) {
    history_ = {};
    const RedirectStep step = Decide(line);
    EXPECT_EQ(step.action, Action::kResend) << line;
    EXPECT_EQ(step.where, Where::kSlot);
    EXPECT_TRUE(step.refresh);
    EXPECT_EQ(step.wait_ms, 100U);
  }
}

TEST_F(DecideRedirectTest, WaitsGrowUpToABound) {
  limits_.retry_budget_ms = 1'000'000;
  for (const uint32_t wait_ms : {100U, 200U, 400U, 800U, 1600U, 1600U, 1600U}) {
    EXPECT_EQ(Decide("-CLUSTERDOWN x").wait_ms, wait_ms);
  }
}

TEST_F(DecideRedirectTest, ACircleOfMovedIsFollowedSlowly) {
  for (uint32_t hop = 0; hop < kHopsMax; ++hop) {
    EXPECT_EQ(Decide(hop % 2 == 0 ? "-MOVED 5 a:1" : "-MOVED 5 b:1").wait_ms, 0U);
  }
  EXPECT_EQ(Decide("-MOVED 5 a:1").wait_ms, 100U);
  EXPECT_EQ(Decide("-MOVED 5 b:1").wait_ms, 0U);
}

// The host's name was never set: nobody knows where that is.
TEST_F(DecideRedirectTest, MovedToNobodyWaitsForABetterMap) {
  const RedirectStep step = Decide("-MOVED 5 ?:1");
  EXPECT_EQ(step.action, Action::kResend);
  EXPECT_EQ(step.where, Where::kSlot);
  EXPECT_FALSE(step.patch_slot);
  EXPECT_EQ(step.wait_ms, 100U);
}

TEST_F(DecideRedirectTest, AllCausesShareOneBudget) {
  limits_.redirects_max = 3;
  EXPECT_EQ(Decide("-MOVED 5 a:1").action, Action::kResend);
  EXPECT_EQ(Decide("-ASK 5 b:1").action, Action::kResend);
  EXPECT_EQ(Decide("-TRYAGAIN x").action, Action::kResend);
  EXPECT_EQ(Decide("-MOVED 5 a:1").action, Action::kGiveUp);
  limits_.redirects_max = 0;
  history_ = {};
  EXPECT_EQ(Decide("-MOVED 5 a:1").action, Action::kGiveUp);
}

TEST_F(DecideRedirectTest, TimeIsBoundedToo) {
  limits_.retry_budget_ms = 250;
  EXPECT_EQ(Decide("-CLUSTERDOWN x").action, Action::kResend);
  now_ms_ += 100;
  EXPECT_EQ(Decide("-CLUSTERDOWN x").action, Action::kGiveUp) << "200 ms more would be too long";
  now_ms_ += 151;
  history_ = {.resends = 1, .first_refused_ms = 1000};
  EXPECT_EQ(Decide("-MOVED 5 a:1").action, Action::kGiveUp);
  limits_.retry_budget_ms = 0;
  history_ = {};
  EXPECT_EQ(Decide("-CLUSTERDOWN x").action, Action::kGiveUp);
  EXPECT_EQ(Decide("-MOVED 5 a:1").action, Action::kResend) << "it takes no time";
}

TEST_F(DecideRedirectTest, OtherErrorsAreForwarded) {
  EXPECT_EQ(Decide("-WRONGTYPE x").action, Action::kForward);
  EXPECT_EQ(history_.resends, 0U);
}

TEST_F(DecideRedirectTest, GivingUpSpeaksRedis) {
  history_ = {.resends = 16, .first_refused_ms = 500};
  EXPECT_EQ(GiveUpLine(Parse("-CLUSTERDOWN The cluster is down\r\n"),
                       "-CLUSTERDOWN The cluster is down\r\n", "a:1", history_, now_ms_),
            "-CLUSTERDOWN The cluster is down");
  EXPECT_EQ(GiveUpLine(Parse("-MOVED 5 b:2"), "-MOVED 5 b:2", "a:1", history_, now_ms_),
            "-CLUSTERDOWN weir: slot 5: after 16 redirects in 500 ms a:1 still says MOVED to b:2: "
            "the nodes do not agree on who serves it");
}

}  // namespace
}  // namespace weir
