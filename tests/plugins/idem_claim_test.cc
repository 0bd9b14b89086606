// A command under a claim, step by step: what is sent at each, and what the client hears when the
// next does not come, or comes late.
#include "plugins/idem_claim.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/text.h"
#include "tests/plugins/fakes.h"

namespace weir {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string Bulk(std::string_view text) { return Concat("$", text.size(), "\r\n", text, "\r\n"); }

class IdemClaimTest : public testing::Test {
 protected:
  ClaimTask Task() {
    ClaimTask task;
    task.question = {.record = "weir:idem:{t}:r",
                     .fingerprint = std::string(32, 'f'),
                     .owner = "",
                     .ttl_ms = 60000,
                     .claim_ms = 3000,
                     .run_again = false};
    task.wait_ms = 1000;
    task.reply_bytes_max = 100;
    task.is_script = true;
    task.key = "n";
    task.args = {"EVAL", "return 1", "1", "n"};
    return task;
  }

  void Start(ClaimTask task) {
    request_.kept.clear();
    claims_.Run(std::move(task), &counts_, request_);
    ASSERT_EQ(request_.kept.size(), 1u);
  }
  // The step of the last thing sent: "claim", …; the command's name if it is that.
  std::string Sent() {
    const HostRequest& last = host_.client_calls.back().first;
    return last.args[0].starts_with("EVAL") && last.args.size() == 10 ? last.args[4] : last.args[0];
  }
  void Reply(std::string_view reply) {
    const auto done = host_.client_calls.back().second;
    done(reply);
  }
  std::string Heard() const { return holds_.events.empty() ? "" : holds_.events.back(); }
  uint64_t Count(IdemOutcome outcome) const {
    return counts_.outcomes[static_cast<size_t>(outcome)].Get();
  }
  void LeaveClient() { request_.kept.clear(); }

  FakeHost host_;
  FakeSession session_;
  FakeHoldTarget holds_;
  std::vector<std::string_view> args_ = {"EVAL", "return 1", "1", "n"};
  FakeRequest request_{session_, holds_, args_};
  IdemRuleCounts counts_{"r"};
  IdemClaims claims_{&host_};
};

TEST_F(IdemClaimTest, ClaimsRunsStoresAndOnlyThenAnswers) {
  Start(Task());
  EXPECT_EQ(Sent(), "claim");
  Reply(Bulk("C"));
  EXPECT_EQ(Sent(), "EVAL");
  EXPECT_EQ(host_.client_calls.back().first.key, "n");
  EXPECT_TRUE(host_.client_calls.back().first.is_script);
  Reply(":1\r\n");
  EXPECT_EQ(Sent(), "store");
  EXPECT_EQ(host_.client_calls.back().first.args[9], "3:1\r\n");
  EXPECT_EQ(Heard(), "");
  Reply(Bulk("S"));
  EXPECT_EQ(Heard(), "1 answered :1\r\n");
  EXPECT_EQ(Count(IdemOutcome::kRan), 1u);
  EXPECT_EQ(claims_.running(), 0u);
  EXPECT_EQ(host_.timers(), 0u);
}

TEST_F(IdemClaimTest, AForgottenScriptIsSentAsItsText) {
  Start(Task());
  EXPECT_EQ(host_.client_calls.back().first.args[0], "EVALSHA");
  Reply("-NOSCRIPT No matching script. Please use EVAL.\r\n");
  EXPECT_EQ(host_.client_calls.back().first.args[0], "EVAL");
  Reply(Bulk("C"));
  EXPECT_EQ(Sent(), "EVAL");
  EXPECT_EQ(host_.client_calls.back().first.args.size(), 4u);
}

TEST_F(IdemClaimTest, RenewsWhileItRunsAndNeverBehindTheEnd) {
  ClaimTask task = Task();
  task.blocks = true;
  Start(std::move(task));
  Reply(Bulk("C"));
  const auto run = host_.client_calls.back().second;
  host_.Advance(1000);
  EXPECT_EQ(Sent(), "renew");
  Reply(Bulk("S"));
  host_.Advance(1000);
  EXPECT_EQ(Sent(), "renew");
  const size_t sent = host_.client_calls.size();
  run("*-1\r\n");
  EXPECT_EQ(host_.client_calls.size(), sent) << "a renewal is on its way";
  Reply(Bulk("S"));
  EXPECT_EQ(Sent(), "store");
  Reply(Bulk("S"));
  EXPECT_EQ(claims_.running(), 0u);
  EXPECT_EQ(host_.timers(), 0u);
}

TEST_F(IdemClaimTest, ARepeatAsksUntilItsTimeIsOver) {
  Start(Task());
  int asked = 1;
  while (Heard().empty() && asked < 100) {
    Reply(Bulk("W2500"));
    const size_t sent = host_.client_calls.size();
    while (Heard().empty() && host_.client_calls.size() == sent) host_.Advance(1);
    ++asked;
  }
  EXPECT_EQ(Heard(), "1 answered -IDEMTIMEOUT rule=r waited_ms=1000\r\n");
  EXPECT_GT(asked, 5);
  EXPECT_LT(asked, 20);
  EXPECT_EQ(claims_.running(), 0u);
}

TEST_F(IdemClaimTest, ARepeatHearsWhatTheFirstHas) {
  Start(Task());
  Reply(Bulk("W2500"));
  host_.Advance(5);
  Reply(Bulk("R3%1\r\n+a\r\n,1.5\r\n"));
  EXPECT_EQ(Heard(), "1 answered *2\r\n+a\r\n$3\r\n1.5\r\n");
  EXPECT_EQ(Count(IdemOutcome::kReplayed), 1u);
}

TEST_F(IdemClaimTest, SaysWhatNobodyKnows) {
  Start(Task());
  Reply(Bulk("U"));
  EXPECT_EQ(Heard(), "1 answered -IDEMUNKNOWN rule=r reason=owner_died\r\n");
  Start(Task());
  Reply(Bulk("C"));
  Reply("-UNKNOWN weir: the connection to x broke after the command was sent\r\n");
  EXPECT_EQ(Sent(), "abandon");
  Reply(Bulk("S"));
  EXPECT_EQ(Heard(), "2 answered -IDEMUNKNOWN rule=r reason=connection_lost\r\n");
}

TEST_F(IdemClaimTest, RunsAgainIfThatIsWanted) {
  ClaimTask task = Task();
  task.question.run_again = true;
  Start(std::move(task));
  EXPECT_EQ(host_.client_calls.back().first.args[9], "again");
  Reply(Bulk("T"));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Sent(), "EVAL");
    Reply("-UNKNOWN weir: the connection to x broke after the command was sent\r\n");
    host_.Advance(100);
  }
  EXPECT_EQ(Sent(), "EVAL");
  Reply("-TIMEOUT weir: no answer from x in 5 ms\r\n");
  EXPECT_EQ(Sent(), "abandon") << "three times in all";
}

TEST_F(IdemClaimTest, ErrorsGiveTheClaimBack) {
  for (const std::string_view line : {"-MINE no\r\n", "-NOSCRIPT No matching script.\r\n",
                                      "-DOWN weir: no connection to x: refused\r\n"}) {
    Start(Task());
    Reply(Bulk("C"));
    Reply(line);
    EXPECT_EQ(Sent(), "release") << line;
    Reply(Bulk("S"));
    EXPECT_THAT(Heard(), HasSubstr(std::string(line)));
    request_.kept.clear();
  }
  ClaimTask task = Task();
  task.record_errors = true;
  Start(task);
  Reply(Bulk("C"));
  Reply("-MINE no\r\n");
  EXPECT_EQ(Sent(), "store");
  Reply(Bulk("S"));
  request_.kept.clear();
  Start(task);
  Reply(Bulk("C"));
  Reply("-LOADING Redis is loading the dataset in memory\r\n");
  EXPECT_EQ(Sent(), "release") << "that is nothing that the command has said";
}

TEST_F(IdemClaimTest, WhoLostTheClaimSaysNothingOfItsOwn) {
  Start(Task());
  Reply(Bulk("C"));
  Reply(":1\r\n");
  Reply(Bulk("L"));
  EXPECT_EQ(Heard(), "1 answered -IDEMUNKNOWN rule=r reason=taken_over\r\n");
  EXPECT_EQ(Count(IdemOutcome::kTakenOver), 1u);
}

TEST_F(IdemClaimTest, TriesToStoreForAWhile) {
  host_.request_timeout_ms = 0;  // which would be over before
  Start(Task());
  Reply(Bulk("C"));
  Reply(":1\r\n");
  int stores = 0;
  while (Heard().empty() && stores < 100) {
    ++stores;
    EXPECT_EQ(Sent(), "store");
    Reply("-DOWN weir: no connection to x: refused\r\n");
    host_.Advance(1000);
  }
  EXPECT_EQ(stores, 10);
  EXPECT_EQ(Heard(), "1 answered :1\r\n") << "it did run";
  EXPECT_EQ(Count(IdemOutcome::kUnrecorded), 1u);
  EXPECT_EQ(claims_.running(), 0u);
}

TEST_F(IdemClaimTest, AClaimThatMayHaveBeenMadeIsGivenBack) {
  Start(Task());
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(Sent(), "claim");
    Reply("-UNKNOWN weir: the connection to x broke after the command was sent\r\n");
    host_.Advance(1000);
  }
  EXPECT_EQ(Sent(), "release");
  Reply(Bulk("S"));
  EXPECT_THAT(Heard(), StartsWith("1 answered -DOWN weir: the token's record could not be"));
  EXPECT_EQ(claims_.running(), 0u);
  Start(Task());
  Reply("-LOADING Redis is loading the dataset in memory\r\n");
  EXPECT_THAT(Heard(), HasSubstr("answered -LOADING Redis"));
  EXPECT_EQ(claims_.running(), 0u);
}

TEST_F(IdemClaimTest, AClientThatLeavesChangesNothingForAScript) {
  Start(Task());
  Reply(Bulk("C"));
  LeaveClient();
  EXPECT_EQ(host_.unblocked, 0);
  Reply(":1\r\n");
  EXPECT_EQ(Sent(), "store");
  Reply(Bulk("S"));
  EXPECT_EQ(claims_.running(), 0u);
}

TEST_F(IdemClaimTest, WhatBlocksIsUnblockedWhenItsClientLeaves) {
  for (const bool in_vain : {true, false}) {
    ClaimTask task = Task();
    task.blocks = true;
    task.is_script = false;
    Start(std::move(task));
    Reply(Bulk("C"));
    EXPECT_TRUE(host_.client_calls.back().first.blocks);
    const auto run = host_.client_calls.back().second;
    const int before = host_.unblocked;
    LeaveClient();
    EXPECT_EQ(host_.unblocked, before + 1);
    host_.Advance(1000);
    EXPECT_EQ(host_.unblocked, before + 2) << "it may not have been sent at first";
    Reply(Bulk("S"));
    run(in_vain ? "_\r\n" : "*2\r\n$1\r\nl\r\n$1\r\nx\r\n");
    EXPECT_EQ(Sent(), in_vain ? "release" : "store");
    Reply(Bulk("S"));
    EXPECT_EQ(claims_.running(), 0u);
  }
}

TEST_F(IdemClaimTest, WhoLeavesBeforeItRanHasAskedForNothing) {
  Start(Task());
  LeaveClient();
  Reply(Bulk("C"));
  EXPECT_EQ(Sent(), "release");
  Reply(Bulk("S"));
  EXPECT_EQ(claims_.running(), 0u);
}

TEST_F(IdemClaimTest, AFirstThatTakesLongIsRecordedAllTheSame) {
  host_.request_timeout_ms = 500;
  Start(Task());
  Reply(Bulk("C"));
  host_.Advance(500);
  EXPECT_EQ(Heard(), "1 answered -IDEMTIMEOUT rule=r waited_ms=500\r\n");
  Reply(":1\r\n");
  EXPECT_EQ(Sent(), "store");
  Reply(Bulk("S"));
  EXPECT_EQ(holds_.events.size(), 1u);
  EXPECT_EQ(claims_.running(), 0u);
}

TEST_F(IdemClaimTest, LongRepliesAreHeardOnceAndNotKept) {
  Start(Task());
  Reply(Bulk("C"));
  const std::string reply = Bulk(std::string(100, 'x'));
  Reply(reply);
  EXPECT_EQ(host_.client_calls.back().first.args[9], Concat("L", reply.size()));
  Reply(Bulk("S"));
  EXPECT_EQ(Heard(), "1 answered " + reply);
  request_.kept.clear();
  Start(Task());
  Reply(Bulk("RL108"));
  EXPECT_EQ(Heard(), "2 answered -IDEMREPLY rule=r ran=1 reply_bytes=108 reply_bytes_max=100\r\n");
}

// Records can be written by whoever may write keys.
TEST_F(IdemClaimTest, ADamagedRecordIsNoReply) {
  for (const std::string_view damaged :
       {"R", "R3", "R3:1", "R3:1\r\n:2\r\n", "R3$5\r\nab\r\n", "R3*2\r\n:1\r\n", "R3*999999\r\n",
        "R3?\r\n", "RLx", "R=+OK\r\n", "R3$-2\r\n", "R3#x\r\n", "R3=2\r\nab\r\n"}) {
    Start(Task());
    Reply(Bulk(damaged));
    EXPECT_THAT(Heard(), HasSubstr("-IDEMREPLY rule=r ran=1 reason=damaged_record\r\n")) << damaged;
    request_.kept.clear();
  }
}

TEST(CommandFate, IsKnownOfWhatWasNeverSentAndOfWhatRedisSays) {
  EXPECT_EQ(FateOf(":1\r\n"), CommandFate::kAnswered);
  EXPECT_EQ(FateOf("-ERR unknown command\r\n"), CommandFate::kAnswered);
  EXPECT_EQ(FateOf("-ERR links_max weir: is not said so\r\n"), CommandFate::kAnswered);
  EXPECT_EQ(FateOf("-DOWN weir: no connection to x: refused\r\n"), CommandFate::kNotRun);
  EXPECT_EQ(FateOf("-DOWN weir: x is sent nothing for now: why\r\n"), CommandFate::kNotRun);
  EXPECT_EQ(FateOf("-CLUSTERDOWN weir: slot 5: after 3 redirects\r\n"), CommandFate::kNotRun);
  for (const std::string_view line :
       {"-UNKNOWN weir: the connection to x broke\r\n", "-TIMEOUT weir: no answer\r\n",
        "-DOWN weir: shutting down\r\n", "-DOWN weir: the connection to x broke\r\n",
        "-ERR weir: the link is closed\r\n"}) {
    EXPECT_EQ(FateOf(line), CommandFate::kUnknown) << line;
  }
}

}  // namespace
}  // namespace weir
