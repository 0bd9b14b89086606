// The script that decides in Redis, against slow models, over random arrivals at times that the
// test chooses: in what is sent, the clock is replaced by two more arguments.
#include "plugins/limit_script.h"

#include <gtest/gtest.h>

#include <cmath>
#include <deque>

#include "plugins/text.h"
#include "tests/support/support.h"

namespace weir {
namespace {

using harness::Below;
using harness::Random;
using harness::RawClient;
using harness::RedisServer;
using harness::Seed;

void Replace(std::string* text, std::string_view what, std::string_view with) {
  const size_t at = text->find(what);
  ASSERT_NE(at, std::string::npos) << what;
  text->replace(at, what.size(), with);
}

class LimitScriptTest : public testing::Test {
 protected:
  ScriptAnswer Ask(const ScriptQuestion& question, uint64_t now_us) {
    std::string request = ScriptRequest(question, true);
    std::vector<std::string> args = harness::TakeRequest(&request);
    Replace(&args[1], "redis.call('TIME')", "{ARGV[#ARGV - 1], ARGV[#ARGV]}");
    // Keys live by Redis' clock, which is another.
    Replace(&args[1], ", 'PX', math.ceil(keep / 1000) + 1", "");
    if (args[1].find("ZADD") != std::string::npos) {
      Replace(&args[1], "redis.call('PEXPIRE', l.key, math.ceil(l.period / 1000) + 1)", "");
    }
    args.push_back(Concat(now_us / 1'000'000));
    args.push_back(Concat(now_us % 1'000'000));
    const std::string reply = client_.Command(args);
    const std::optional<ScriptAnswer> answer = ParseScriptAnswer(reply);
    EXPECT_TRUE(answer.has_value()) << reply;
    return answer.value_or(ScriptAnswer());
  }

  static ScriptQuestion About(const std::string& key, const LimitShape& shape, uint64_t cost = 1) {
    ScriptQuestion question;
    question.limits.push_back({key, shape, cost});
    return question;
  }

  RedisServer redis_;
  RawClient client_{redis_.port()};
};

// What all arrivals that were allowed so far say about the next.
class Model {
 public:
  explicit Model(const LimitShape& shape) : shape_(shape) {}

  // How many points are there, as a number that need not be whole.
  long double Room(uint64_t now_us) const {
    const uint64_t period_us = shape_.period_ms * 1000;
    long double used = 0;
    switch (shape_.algorithm) {
      case LimitAlgorithm::kFixedWindow:
        for (const auto& [at, cost] : taken_)
          used += at / period_us == now_us / period_us ? cost : 0;
        break;
      case LimitAlgorithm::kSlidingLog:
        for (const auto& [at, cost] : taken_) used += at + period_us > now_us ? cost : 0;
        break;
      case LimitAlgorithm::kSlidingWindow: {
        const uint64_t window = now_us / period_us;
        const long double left = period_us - now_us % period_us;
        for (const auto& [at, cost] : taken_) {
          if (at / period_us == window) used += cost;
          if (at / period_us + 1 == window) used += cost * left / period_us;
        }
        break;
      }
      default: {
        uint64_t last_us = 0;
        for (const auto& [at, cost] : taken_) {
          used = std::max(0.0L, used - Refilled(at - last_us)) + cost;
          last_us = at;
        }
        used = std::max(0.0L, used - Refilled(now_us - last_us));
      }
    }
    return static_cast<long double>(shape_.capacity()) - used;
  }
  void Take(uint64_t now_us, uint64_t cost) { taken_.emplace_back(now_us, cost); }

 private:
  long double Refilled(uint64_t us) const {
    return static_cast<long double>(us) * shape_.points / (shape_.period_ms * 1000);
  }
  const LimitShape shape_;
  std::deque<std::pair<uint64_t, long double>> taken_;
};

class LimitScriptAlgorithmTest : public LimitScriptTest,
                                 public testing::WithParamInterface<LimitAlgorithm> {};

TEST_P(LimitScriptAlgorithmTest, DecidesAsTheModel) {
  Random random(Seed());
  const bool bucket = GetParam() <= LimitAlgorithm::kTokenBucket;
  for (int round = 0; round < 25; ++round) {
    const LimitShape shape{GetParam(), 1 + Below(random, 20), 1 + Below(random, 100000),
                           bucket ? Below(random, 15) : 0};
    Model model(shape);
    const std::string key = Concat("key", round);
    uint64_t now_us = 1'700'000'000'000'000 + Below(random, 1'000'000'000'000);
    for (int i = 0; i < 80; ++i) {
      if (Below(random, 4) != 0) now_us += Below(random, 2000 * shape.period_ms / shape.points + 2);
      if (Below(random, 8) == 0) now_us += Below(random, 2000 * shape.period_ms);
      const uint64_t cost = Below(random, 8) == 0 ? Below(random, shape.capacity() + 2) : 1;
      const long double room = model.Room(now_us) + 1e-6L;
      const bool expected = room >= static_cast<long double>(cost);
      ScriptQuestion question = About(key, shape, cost);
      question.peek = Below(random, 5) == 0;
      // One bucket alone has a script of its own; half of the time it is not alone.
      if (round % 2 == 1) {
        question.limits.push_back(
            {Concat("roomy", round), {LimitAlgorithm::kFixedWindow, 1'000'000, 1'000'000}, 0});
      }
      const ScriptAnswer answer = Ask(question, now_us);
      ASSERT_EQ(answer.allowed, expected) << "round " << round << " request " << i;
      const bool took = expected && !question.peek;
      if (took) model.Take(now_us, cost);
      const auto remaining = static_cast<int64_t>(std::floor(model.Room(now_us) + 1e-6L));
      ASSERT_EQ(answer.remaining, std::max<int64_t>(0, remaining)) << "request " << i;
      if (expected) {
        ASSERT_EQ(answer.retry_us, -1);
      } else if (cost > shape.capacity()) {
        ASSERT_EQ(answer.retry_us, -1);
      } else {
        // It will be allowed then, and not much before.
        ASSERT_GE(model.Room(now_us + answer.retry_us) + 1e-6L, cost) << answer.retry_us;
        if (answer.retry_us > 3) {
          ASSERT_LT(model.Room(now_us + answer.retry_us - 3) + 1e-9L, cost);
        }
      }
      // After its reset it is as if never used.
      ASSERT_GE(model.Room(now_us + answer.reset_us) + 2e-6L, shape.capacity());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Each, LimitScriptAlgorithmTest,
                         testing::Values(LimitAlgorithm::kGcra, LimitAlgorithm::kTokenBucket,
                                         LimitAlgorithm::kFixedWindow,
                                         LimitAlgorithm::kSlidingWindow,
                                         LimitAlgorithm::kSlidingLog),
                         [](const auto& name) {
                           return std::string(LimitAlgorithmName(name.param));
                         });

constexpr uint64_t kNow = 1'700'000'000'000'000;

TEST_F(LimitScriptTest, TakesFromAllOrNone) {
  ScriptQuestion both = About("a", {LimitAlgorithm::kGcra, 100, 1000});
  both.limits.push_back({"b", {LimitAlgorithm::kFixedWindow, 3, 1000}, 1});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Ask(both, kNow).allowed);
  for (int i = 0; i < 50; ++i) {
    const ScriptAnswer answer = Ask(both, kNow);
    EXPECT_FALSE(answer.allowed);
    EXPECT_EQ(answer.which, 1u);
  }
  ScriptQuestion first = About("a", {LimitAlgorithm::kGcra, 100, 1000});
  first.peek = true;
  EXPECT_EQ(Ask(first, kNow).remaining, 97);
}

TEST_F(LimitScriptTest, GrantsAsMuchAsThereIs) {
  for (const LimitAlgorithm algorithm :
       {LimitAlgorithm::kGcra, LimitAlgorithm::kFixedWindow, LimitAlgorithm::kSlidingWindow,
        LimitAlgorithm::kSlidingLog}) {
    ScriptQuestion question =
        About(Concat("k", LimitAlgorithmName(algorithm)), {algorithm, 25, 1'000'000});
    question.grant_max = 10;
    EXPECT_EQ(Ask(question, kNow).grant, 10u);
    EXPECT_EQ(Ask(question, kNow).grant, 10u);
    const ScriptAnswer last = Ask(question, kNow);
    EXPECT_EQ(last.grant, 5u);
    EXPECT_EQ(last.remaining, 0);
    EXPECT_FALSE(Ask(question, kNow).allowed);
  }
}

TEST_F(LimitScriptTest, GivesPlacesInTheFuture) {
  ScriptQuestion question = About("k", {LimitAlgorithm::kGcra, 10, 1000, 1});
  question.wait_max_ms = 250;
  EXPECT_EQ(Ask(question, kNow).wait_us, 0u);
  EXPECT_EQ(Ask(question, kNow).wait_us, 100'000u);
  EXPECT_EQ(Ask(question, kNow).wait_us, 200'000u);
  const ScriptAnswer refused = Ask(question, kNow);
  EXPECT_FALSE(refused.allowed);
  EXPECT_EQ(refused.retry_us, 300'000);
}

// Redis' clock may be set back.
TEST_F(LimitScriptTest, AClockThatGoesBackOpensNothing) {
  for (const LimitAlgorithm algorithm :
       {LimitAlgorithm::kGcra, LimitAlgorithm::kFixedWindow, LimitAlgorithm::kSlidingWindow,
        LimitAlgorithm::kSlidingLog}) {
    const ScriptQuestion question =
        About(Concat("k", LimitAlgorithmName(algorithm)), {algorithm, 5, 1000});
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(Ask(question, kNow).allowed);
    EXPECT_FALSE(Ask(question, kNow - 5'000'000).allowed) << LimitAlgorithmName(algorithm);
  }
}

// As it is, with Redis' own clock: what it leaves behind goes away.
TEST_F(LimitScriptTest, ItsKeysExpire) {
  for (const LimitAlgorithm algorithm :
       {LimitAlgorithm::kGcra, LimitAlgorithm::kFixedWindow, LimitAlgorithm::kSlidingWindow,
        LimitAlgorithm::kSlidingLog}) {
    const std::string key = Concat("k", LimitAlgorithmName(algorithm));
    client_.Send(ScriptRequest(About(key, {algorithm, 5, 3'600'000}), true));
    EXPECT_TRUE(ParseScriptAnswer(client_.ReadFrame())->allowed);
    const harness::Reply ttl = harness::ParseReply(client_.Command({"PTTL", key}));
    EXPECT_GT(std::stoll(ttl.text), 0) << key;
    EXPECT_LE(std::stoll(ttl.text), 2 * 3'600'000 + 1) << key;
  }
}

TEST_F(LimitScriptTest, IsKnownByItsHashOnceItWasSent) {
  const ScriptQuestion question = About("k", {LimitAlgorithm::kGcra, 5, 3'600'000});
  client_.Send(ScriptRequest(question, false));
  EXPECT_TRUE(IsNoScript(client_.ReadFrame()));
  client_.Send(ScriptRequest(question, true));
  EXPECT_TRUE(ParseScriptAnswer(client_.ReadFrame())->allowed);
  client_.Send(ScriptRequest(question, false));
  EXPECT_EQ(ParseScriptAnswer(client_.ReadFrame())->remaining, 3);
}

}  // namespace
}  // namespace weir
