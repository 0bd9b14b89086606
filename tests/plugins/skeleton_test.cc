// The plugin to copy does what it says. Copy this along with it.
#include "plugins/skeleton.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/registry.h"
#include "tests/plugins/fakes.h"

namespace weir {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

ConfigMember StringKey(const std::string& name, const std::string& text) {
  ConfigMember member{name, {}, {}};
  member.value.type = ConfigNodeType::kString;
  member.value.string = text;
  return member;
}

ConfigMember IntegerKey(const std::string& name, int64_t integer) {
  ConfigMember member{name, {}, {}};
  member.value.type = ConfigNodeType::kInteger;
  member.value.integer = integer;
  return member;
}

class SkeletonTest : public testing::Test {
 protected:
  // A chain with the plugin alone, configured as the members say.
  Chain Build(std::vector<ConfigMember> members) {
    PluginConfig config{"skeleton", true, "", {}};
    config.table.members = std::move(members);
    return BuildChain({config}, host_).value();
  }

  RequestOutcome Send(Chain& chain, const std::vector<std::string_view>& args) {
    FakeRequest request(session_, holds_, args);
    const RequestOutcome outcome = chain.OnRequest(request);
    answer_ = request.answer;
    return outcome;
  }

  FakeHost host_;
  FakeSession session_;
  FakeHoldTarget holds_;
  std::string answer_;
};

TEST_F(SkeletonTest, CountsOneClientsRequests) {
  Chain chain = Build({});
  EXPECT_EQ(chain.OnOpen(session_), Verdict::kContinue);
  EXPECT_EQ(Send(chain, {"PING"}).verdict, Verdict::kContinue);
  EXPECT_EQ(Send(chain, {"weir", "skeleton", "too many"}).verdict, Verdict::kContinue);
  EXPECT_EQ(Send(chain, {"weir", "Skeleton"}).verdict, Verdict::kAnswered);
  EXPECT_EQ(answer_,
            "$76\r\nhello: 3 requests of yours, 1 clients, 0 answered, 0 errors, 0 bytes of TIME"
            "\r\n");

  FakeSession other;
  chain.OnOpen(other);
  const std::vector<std::string_view> args = {"WEIR", "SKELETON"};
  FakeRequest request(other, holds_, args);
  chain.OnRequest(request);
  EXPECT_THAT(request.answer, HasSubstr("hello: 1 requests of yours, 2 clients"));
}

TEST_F(SkeletonTest, CountsWhatItsWorkerAnswered) {
  Chain chain = Build({});
  chain.OnOpen(session_);
  chain.OnDone({.entry = nullptr, .upstream = 0, .count = 64});
  chain.OnError(session_, nullptr, 0, "ERR");
  chain.OnClose(session_);
  Send(chain, {"WEIR", "SKELETON"});
  EXPECT_THAT(answer_, HasSubstr("0 clients, 64 answered, 1 errors"));
}

TEST_F(SkeletonTest, MeasuresOnlyRepliesItAskedFor) {
  Chain chain = Build({StringKey("watch", "get")});
  EXPECT_EQ(Send(chain, {"SET", "k", "v"}).reply_marks, 0u);
  const RequestOutcome outcome = Send(chain, {"GET", "k"});
  EXPECT_EQ(outcome.verdict, Verdict::kContinue);
  EXPECT_NE(outcome.reply_marks, 0u);
  std::string bytes = "$1\r\nv\r\n";
  ReplyView reply(session_, nullptr, kNothingKept, &bytes);
  chain.OnReply(reply, outcome.reply_marks);
  EXPECT_EQ(bytes, "$1\r\nv\r\n");
  Send(chain, {"WEIR", "SKELETON"});
  EXPECT_THAT(answer_, HasSubstr("7 bytes of get"));

  Chain without = Build({StringKey("watch", "")});
  EXPECT_FALSE(without.has(kHookReply));
}

TEST_F(SkeletonTest, DelaysEachAnswerEquallyLong) {
  Chain chain = Build({IntegerKey("delay_ms", 50)});
  EXPECT_EQ(Send(chain, {"WEIR", "SKELETON"}).verdict, Verdict::kHeld);
  host_.Advance(20);
  EXPECT_EQ(Send(chain, {"WEIR", "SKELETON"}).verdict, Verdict::kHeld);
  EXPECT_EQ(answer_, "");
  host_.Advance(29);
  EXPECT_THAT(holds_.events, IsEmpty());
  host_.Advance(1);
  ASSERT_EQ(holds_.events.size(), 1u);
  EXPECT_THAT(holds_.events[0], HasSubstr("answered $"));
  EXPECT_THAT(holds_.events[0], HasSubstr("1 requests of yours"));
  host_.Advance(30);
  ASSERT_EQ(holds_.events.size(), 2u);
  EXPECT_THAT(holds_.events[1], HasSubstr("2 requests of yours"));
  EXPECT_EQ(host_.timers(), 0u);
}

TEST_F(SkeletonTest, ThatGoesLeavesNobodyWaiting) {
  {
    Chain chain = Build({IntegerKey("delay_ms", 50)});
    Send(chain, {"WEIR", "SKELETON"});
  }
  EXPECT_THAT(holds_.events,
              ElementsAre("1 answered -ERR weir: a plugin dropped a held request\r\n"));
  EXPECT_EQ(host_.timers(), 0u);
}

TEST_F(SkeletonTest, Explains) {
  Chain chain = Build({IntegerKey("delay_ms", 50)});
  const auto explain = [&](std::vector<std::string_view> args) {
    return chain.Explain(session_, absl::MakeConstSpan(args), nullptr, 0);
  };
  EXPECT_THAT(explain({"WEIR", "SKELETON"}), ElementsAre("skeleton: answers it after 50 ms"));
  EXPECT_THAT(explain({"TIME"}), ElementsAre("skeleton: measures its reply"));
  EXPECT_THAT(explain({"GET", "k"}), IsEmpty());
}

TEST_F(SkeletonTest, WithNothingToSayIsAbsent) {
  EXPECT_TRUE(Build({StringKey("greeting", "")}).empty());
  EXPECT_THAT(host_.sources, IsEmpty());
}

TEST_F(SkeletonTest, RefusesWhatItsKeysDoNotAllow) {
  PluginConfig config{"skeleton", true, "f.toml", {}};
  config.table.members = {IntegerKey("delay_ms", -1)};
  EXPECT_THAT(std::string(BuildChain({config}, host_).status().message()),
              HasSubstr("delay_ms: expected an integer from 0 to 60000, found -1"));
}

}  // namespace
}  // namespace weir
