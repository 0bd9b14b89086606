// The chain: who is called, in which order, and what stops a request on its way.
#include "plugins/chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "tests/plugins/fakes.h"

namespace weir {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

using Calls = std::vector<std::string>;

// Notes each call as "NAME hook", and says what it was told to say.
class Probe final : public Plugin {
 public:
  Probe(std::string name, HookSet hooks, Calls* calls)
      : name_(std::move(name)), hooks_(hooks), calls_(calls) {}

  std::string_view name() const override { return name_; }
  HookSet hooks() const override { return hooks_; }
  Verdict OnOpen(SessionView&) override { return Note("open", open); }
  Verdict OnRequest(RequestView& view) override {
    if (mark) view.WantReply();
    if (rewrite) view.Rewrite({"rewritten", "by", name_});
    return Note("request " + std::string(view.args()[0]), request);
  }
  void OnReply(ReplyView&) override { Note("reply"); }
  void OnDone(const RequestsDone& done) override { Note("done " + std::to_string(done.count)); }
  void OnError(SessionView&, const CommandEntry*, int upstream, std::string_view code) override {
    Note("error " + std::to_string(upstream) + " " + std::string(code));
  }
  void OnClose(SessionView&) override { Note("close"); }
  std::string Explain(SessionView&, const ArgList& args, const CommandEntry*, int) override {
    return explains ? "would see " + std::string(args[0]) : "";
  }

  Verdict open = Verdict::kContinue;
  Verdict request = Verdict::kContinue;
  bool mark = false;
  bool rewrite = false;
  bool explains = false;

 private:
  Verdict Note(const std::string& what, Verdict verdict = Verdict::kContinue) {
    calls_->push_back(name_ + " " + what);
    return verdict;
  }

  const std::string name_;
  const HookSet hooks_;
  Calls* const calls_;
};

constexpr HookSet kAll =
    kHookOpen | kHookRequest | kHookReply | kHookDone | kHookError | kHookClose;

class ChainTest : public testing::Test {
 protected:
  Probe& Add(const std::string& name, HookSet hooks = kAll) {
    auto probe = std::make_unique<Probe>(name, hooks, &calls_);
    Probe& added = *probe;
    plugins_.push_back(std::move(probe));
    return added;
  }
  Chain Build() { return Chain(std::move(plugins_)); }
  FakeRequest Request() { return FakeRequest(session_, holds_, args_); }

  Calls calls_;
  FakeSession session_;
  FakeHoldTarget holds_;
  const std::vector<std::string_view> args_ = {"GET", "k"};

 private:
  std::vector<std::unique_ptr<Plugin>> plugins_;
};

TEST_F(ChainTest, OfNothingContinues) {
  Chain chain;
  EXPECT_TRUE(chain.empty());
  EXPECT_FALSE(chain.has(kAll));
  EXPECT_EQ(chain.OnOpen(session_), Verdict::kContinue);
  FakeRequest request = Request();
  const RequestOutcome outcome = chain.OnRequest(request);
  EXPECT_EQ(outcome.verdict, Verdict::kContinue);
  EXPECT_EQ(outcome.reply_marks, 0u);
  chain.OnDone({});
  chain.OnError(session_, nullptr, 0, "ERR");
  chain.OnClose(session_);
  EXPECT_THAT(chain.Explain(session_, absl::MakeConstSpan(args_), nullptr, 0), IsEmpty());
}

TEST_F(ChainTest, GoesForwardWithRequestsAndBackWithReplies) {
  Add("a").mark = true;
  Add("b").mark = true;
  Chain chain = Build();
  EXPECT_THAT(chain.names(), ElementsAre("a", "b"));

  chain.OnOpen(session_);
  FakeRequest request = Request();
  const RequestOutcome outcome = chain.OnRequest(request);
  std::string bytes = "+OK\r\n";
  ReplyView reply(session_, nullptr, kNothingKept, &bytes);
  chain.OnReply(reply, outcome.reply_marks);
  chain.OnDone({.entry = nullptr, .upstream = 0, .count = 7});
  chain.OnError(session_, nullptr, 1, "WRONGTYPE");
  chain.OnClose(session_);
  EXPECT_THAT(calls_, ElementsAre("a open", "b open", "a request GET", "b request GET", "b reply",
                                  "a reply", "a done 7", "b done 7", "a error 1 WRONGTYPE",
                                  "b error 1 WRONGTYPE", "b close", "a close"));
}

TEST_F(ChainTest, CallsOnlyHooksThatWereNamed) {
  for (const HookSet hook :
       {kHookOpen, kHookRequest, kHookReply, kHookDone, kHookError, kHookClose}) {
    calls_.clear();
    Add("a", hook).mark = true;
    Chain chain = Build();
    for (HookSet other = 1; other <= kHookClose; other <<= 1) {
      EXPECT_EQ(chain.has(other), other == hook);
    }
    chain.OnOpen(session_);
    FakeRequest request = Request();
    chain.OnRequest(request);
    std::string bytes = "+OK\r\n";
    ReplyView reply(session_, nullptr, kNothingKept, &bytes);
    chain.OnReply(reply, 1);
    chain.OnDone({});
    chain.OnError(session_, nullptr, 0, "ERR");
    chain.OnClose(session_);
    EXPECT_EQ(calls_.size(), 1u) << testing::PrintToString(calls_);
  }
}

TEST_F(ChainTest, GivesRepliesOnlyToThoseThatAsked) {
  Add("a");
  Add("b").mark = true;
  Add("c");
  Chain chain = Build();
  FakeRequest request = Request();
  const RequestOutcome outcome = chain.OnRequest(request);
  EXPECT_EQ(outcome.reply_marks, 2u);
  calls_.clear();
  std::string bytes = "+OK\r\n";
  ReplyView reply(session_, nullptr, kNothingKept, &bytes);
  chain.OnReply(reply, outcome.reply_marks);
  EXPECT_THAT(calls_, ElementsAre("b reply"));
}

TEST_F(ChainTest, StopsAtTheFirstThatDoesNotContinue) {
  for (const Verdict verdict : {Verdict::kAnswered, Verdict::kHeld, Verdict::kClose}) {
    calls_.clear();
    Add("a");
    Add("b").request = verdict;
    Add("c");
    Chain chain = Build();
    FakeRequest request = Request();
    EXPECT_EQ(chain.OnRequest(request).verdict, verdict);
    EXPECT_THAT(calls_, ElementsAre("a request GET", "b request GET"));
  }
}

TEST_F(ChainTest, GoesOnBehindTheHolder) {
  Add("a").mark = true;
  Add("watcher", kHookDone);  // no hook on requests, so it takes no place among them
  Add("b").request = Verdict::kHeld;
  Add("c").mark = true;
  Chain chain = Build();
  FakeRequest request = Request();
  const RequestOutcome held = chain.OnRequest(request);
  ASSERT_EQ(held.verdict, Verdict::kHeld);
  EXPECT_EQ(held.reply_marks, 1u);

  calls_.clear();
  FakeRequest resumed = Request();
  const RequestOutcome outcome = chain.OnRequest(resumed, held.next);
  EXPECT_EQ(outcome.verdict, Verdict::kContinue);
  EXPECT_EQ(outcome.reply_marks, 8u);
  EXPECT_THAT(calls_, ElementsAre("c request GET"));
  EXPECT_EQ(chain.OnRequest(resumed, outcome.next).verdict, Verdict::kContinue);
  EXPECT_EQ(calls_.size(), 1u);
}

TEST_F(ChainTest, ShowsARewriteToThoseBehind) {
  Add("a").rewrite = true;
  Add("b");
  Chain chain = Build();
  FakeRequest request = Request();
  chain.OnRequest(request);
  EXPECT_THAT(calls_, ElementsAre("a request rewritten", "b request rewritten"));
}

TEST_F(ChainTest, OpensEveryPluginThoughOneRefuses) {
  Add("a").open = Verdict::kClose;
  Add("b");
  Chain chain = Build();
  EXPECT_EQ(chain.OnOpen(session_), Verdict::kClose);
  chain.OnClose(session_);
  EXPECT_THAT(calls_, ElementsAre("a open", "b open", "b close", "a close"));
}

TEST_F(ChainTest, ExplainsWithNamesAndInOrder) {
  Add("a").explains = true;
  Add("b");
  Add("c").explains = true;
  EXPECT_THAT(Build().Explain(session_, absl::MakeConstSpan(args_), nullptr, 0),
              ElementsAre("a: would see GET", "c: would see GET"));
}

TEST(Hold, IsResumedOrAnsweredOnce) {
  FakeHoldTarget target;
  {
    Hold resumed(&target, 1);
    resumed.Resume();
    resumed.Resume();
    resumed.Answer("+OK\r\n");
    Hold answered(&target, 2);
    answered.Answer("+OK\r\n");
    answered.Resume();
  }
  EXPECT_THAT(target.events, ElementsAre("1 resumed", "2 answered +OK\r\n"));
}

TEST(Hold, ThatIsDroppedAnswersAnError) {
  FakeHoldTarget target;
  { const Hold dropped(&target, 7); }
  EXPECT_THAT(target.events,
              ElementsAre("7 answered -ERR weir: a plugin dropped a held request\r\n"));
}

TEST(Hold, MovesItsDuty) {
  FakeHoldTarget target;
  {
    Hold first(&target, 3);
    Hold second(std::move(first));
    first.Resume();  // NOLINT(bugprone-use-after-move): nothing happens
    EXPECT_THAT(target.events, IsEmpty());
    second.Resume();
  }
  EXPECT_THAT(target.events, ElementsAre("3 resumed"));
}

}  // namespace
}  // namespace weir
