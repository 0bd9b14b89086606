// The plugin rate_limit: what becomes of requests, with a clock that stands still.
#include "plugins/rate_limit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/rate_limit_config.h"
#include "plugins/registry.h"
#include "plugins/text.h"
#include "routing/command_class.h"
#include "tests/plugins/fakes.h"

namespace weir {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

// A table as the file's reader makes it.
class Table {
 public:
  Table& Set(const std::string& name, const std::string& text) { return Add(name, String(text)); }
  Table& Set(const std::string& name, const char* text) { return Set(name, std::string(text)); }
  Table& Set(const std::string& name, int64_t number) {
    ConfigNode node;
    node.type = ConfigNodeType::kInteger;
    node.integer = number;
    return Add(name, std::move(node));
  }
  Table& Set(const std::string& name, const std::vector<std::string>& texts) {
    ConfigNode node;
    node.type = ConfigNodeType::kArray;
    for (const std::string& text : texts) node.elements.push_back(String(text));
    return Add(name, std::move(node));
  }
  Table& Set(const std::string& name, const std::vector<Table>& tables) {
    ConfigNode node;
    node.type = ConfigNodeType::kArray;
    for (const Table& table : tables) node.elements.push_back(table.node_);
    return Add(name, std::move(node));
  }
  const ConfigNode& node() const { return node_; }

 private:
  static ConfigNode String(const std::string& text) {
    ConfigNode node;
    node.type = ConfigNodeType::kString;
    node.string = text;
    return node;
  }
  Table& Add(const std::string& name, ConfigNode node) {
    node.position = {7, static_cast<uint32_t>(node_.members.size() + 1)};
    node_.members.push_back({name, node.position, std::move(node)});
    return *this;
  }
  ConfigNode node_;
};

Table Limit(int64_t points, int64_t period_ms) {
  return Table().Set("points", points).Set("period_ms", period_ms);
}
Table Rule(const std::string& name, const std::vector<Table>& limits) {
  return Table().Set("name", name).Set("limit", limits);
}

struct FakeSink final : MetricsSink {
  void Add(const Metric& metric, const std::vector<MetricLabel>& labels, double value) override {
    std::string name = metric.name;
    for (const MetricLabel& label : labels) name += Concat(" ", label.value);
    if (value != 0) samples[name] += value;
  }
  void Add(const Metric&, const std::vector<MetricLabel>&, const HistogramCounts&) override {}
  std::map<std::string, double> samples;
};

class RateLimitTest : public testing::Test {
 protected:
  absl::StatusOr<Chain> TryBuild(const std::vector<Table>& rules, FakeHost& host) {
    PluginConfig config{"rate_limit", true, "f.toml", {}};
    config.table = Table().Set("rule", rules).node();
    return BuildChain({config}, host);
  }
  // Both with `session_` connected, which leaves in the end.
  Chain& Build(const std::vector<Table>& rules) { return Build(rules, host_); }
  Chain& Build(const std::vector<Table>& rules, FakeHost& host) {
    Close();
    chain_ = TryBuild(rules, host).value();
    chain_.OnOpen(session_);
    return chain_;
  }
  void Close() {
    if (!chain_.empty()) chain_.OnClose(session_);
    chain_ = Chain();
  }
  ~RateLimitTest() override { Close(); }
  std::string Refused(const std::vector<Table>& rules) {
    const absl::Status status = TryBuild(rules, host_).status();
    return std::string(Message(status));
  }

  // "on", "held", or the answer without its end.
  std::string Send(Chain& chain, const std::vector<std::string_view>& args) {
    return Send(chain, session_, args);
  }
  std::string Send(Chain& chain, FakeSession& session, const std::vector<std::string_view>& args) {
    const ArgList list(absl::MakeConstSpan(args));
    FakeRequest request(session, holds_, args, routing_->Resolve(list));
    request.tickets = tickets_;
    const Verdict verdict = chain.OnRequest(request).verdict;
    tickets_ = request.tickets;
    for (auto& kept : request.kept) kept_.push_back(std::move(kept));
    if (verdict == Verdict::kContinue) return "on";
    if (verdict == Verdict::kHeld) return "held";
    return request.answer.substr(0, request.answer.size() - 2);
  }
  int Passed(Chain& chain, int times, const std::vector<std::string_view>& args) {
    int passed = 0;
    for (int i = 0; i < times; ++i) passed += Send(chain, args) == "on" ? 1 : 0;
    return passed;
  }
  // "weir_rate_limit_decisions_total allowed RULE" …
  double Count(const std::string& name) {
    FakeSink sink;
    for (const auto& source : host_.sources) source->Collect(sink);
    return sink.samples["weir_rate_limit_" + name];
  }

  FakeHost host_;
  FakeHost other_host_;
  FakeSession session_;
  FakeHoldTarget holds_;
  uint64_t tickets_ = 0;
  Chain chain_;
  std::vector<std::unique_ptr<RequestView::Kept>> kept_;
  const std::shared_ptr<const RoutingTable> routing_ =
      RoutingTable::Make(CommandTable::BuiltIn(), CommandPolicy());
};

TEST_F(RateLimitTest, RejectsAboveTheLimitAndSaysWhen) {
  Chain& chain = Build({Rule("all", {Limit(10, 1000)})});
  EXPECT_EQ(Passed(chain, 10, {"GET", "k"}), 10);
  EXPECT_EQ(Send(chain, {"GET", "k"}),
            "-RATELIMIT rule=all limit=10 remaining=0 retry_after_ms=100");
  host_.Advance(99);
  EXPECT_THAT(Send(chain, {"GET", "k"}), HasSubstr("retry_after_ms=1"));
  host_.Advance(1);
  EXPECT_EQ(Send(chain, {"GET", "k"}), "on");
  EXPECT_THAT(Send(chain, {"GET", "k"}), StartsWith("-RATELIMIT"));
  EXPECT_EQ(Send(chain, {"PING"}), "on");
  EXPECT_EQ(Count("decisions_total allowed all"), 11);
  EXPECT_EQ(Count("decisions_total rejected all"), 3);
}

TEST_F(RateLimitTest, WorkersCountTogether) {
  FakeHost second;
  second.shares = host_.shares;
  Chain& first_chain = Build({Rule("all", {Limit(10, 1000)})});
  Chain second_chain = TryBuild({Rule("all", {Limit(10, 1000)})}, second).value();
  FakeSession other;
  second_chain.OnOpen(other);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(Send(first_chain, {"GET", "k"}), "on");
    EXPECT_EQ(Send(second_chain, other, {"GET", "k"}), "on");
  }
  EXPECT_THAT(Send(first_chain, {"GET", "k"}), StartsWith("-RATELIMIT"));
  EXPECT_THAT(Send(second_chain, other, {"GET", "k"}), StartsWith("-RATELIMIT"));
  second_chain.OnClose(other);
}

TEST_F(RateLimitTest, CountsApartByWhatItIsTold) {
  const std::vector<std::vector<std::string>> kinds = {
      {"client_ip"}, {"user"}, {"client_name"}, {"db"},
      {"listener"},  {"key"},  {"key_part(2)"}, {"cidr/24"}};
  for (const auto& by : kinds) {
    FakeHost host;
    Chain chain = TryBuild({Rule("all", {Limit(1, 1000).Set("by", by)})}, host).value();
    FakeSession one, other;
    other.peer = "127.0.1.9:1";
    other.user_name = "ann";
    other.name = "n";
    other.selected_db = 5;
    other.listener_address = "[::1]:6380";
    chain.OnOpen(one);
    chain.OnOpen(other);
    EXPECT_EQ(Send(chain, one, {"GET", "a:b"}), "on") << by[0];
    EXPECT_NE(Send(chain, one, {"GET", "a:b"}), "on") << by[0];
    const bool of_key = by[0] == "key" || by[0] == "key_part(2)";
    EXPECT_EQ(Send(chain, other, {"GET", of_key ? "a:c" : "a:b"}), "on") << by[0];
    EXPECT_EQ(Send(chain, one, {"GET", "c:b"}) == "on", by[0] == "key") << by[0];
    chain.OnClose(one);
    chain.OnClose(other);
  }
}

TEST_F(RateLimitTest, NetworksCountTogether) {
  Chain& chain =
      Build({Rule("net", {Limit(1, 1000).Set("by", std::vector<std::string>{"cidr/24"})})});
  const auto from = [&](const std::string& peer) {
    FakeSession session;
    session.peer = peer;
    chain.OnOpen(session);
    const std::string result = Send(chain, session, {"GET", "k"});
    chain.OnClose(session);
    return result == "on";
  };
  EXPECT_TRUE(from("10.1.2.3:1"));
  EXPECT_FALSE(from("10.1.2.200:1"));
  EXPECT_TRUE(from("10.1.3.3:1"));
  EXPECT_TRUE(from("[2001:db8:1:2::3]:1"));
  EXPECT_FALSE(from("[2001:db8:1:ffff::3]:1"));
  EXPECT_TRUE(from("[2001:db8:2:2::3]:1"));
}

TEST_F(RateLimitTest, TakesFromAllLimitsOrNone) {
  Chain& chain = Build({Rule(
      "two", {Limit(5, 1000), Limit(100, 60000).Set("by", std::vector<std::string>{"key"})})});
  EXPECT_EQ(Passed(chain, 50, {"GET", "k"}), 5);
  // Had the 45 that were refused taken from the second, it would be half empty.
  int passed = 0;
  for (int i = 0; i < 19; ++i) {
    host_.Advance(1000);
    passed += Passed(chain, 50, {"GET", "k"});
  }
  // 100 at once and, in 19 s, 31 more by the second; the first allows 5 each second.
  EXPECT_EQ(passed, 95);
  EXPECT_THAT(Send(chain, {"GET", "k"}), HasSubstr("limit=5 "));
}

// Unlike a window by the clock or an estimate of one, whenever the period begins.
TEST_F(RateLimitTest, AnExactLogIsExactAtEveryMoment) {
  Chain& chain = Build({Rule("log", {Limit(3, 1000).Set("algorithm", "sliding_log"),
                                     Limit(2, 1000).Set("by", std::vector<std::string>{"key"})})});
  EXPECT_EQ(Send(chain, {"GET", "a"}), "on");
  host_.Advance(400);
  EXPECT_EQ(Passed(chain, 5, {"GET", "a"}), 1);  // the second limit says no, the log gets it back
  host_.Advance(300);
  EXPECT_EQ(Passed(chain, 5, {"GET", "b"}), 1);
  EXPECT_EQ(Send(chain, {"GET", "c"}),
            "-RATELIMIT rule=log limit=3 remaining=0 retry_after_ms=300");
  host_.Advance(299);
  EXPECT_THAT(Send(chain, {"GET", "c"}), HasSubstr("retry_after_ms=1"));
  host_.Advance(1);
  EXPECT_EQ(Passed(chain, 5, {"GET", "c"}), 1);
  EXPECT_THAT(Send(chain, {"GET", "d"}), HasSubstr("retry_after_ms=400"));
}

TEST_F(RateLimitTest, NamesTheLimitThatRefuses) {
  Chain& chain = Build({Rule("two", {Limit(50, 1000), Limit(3, 60000)})});
  EXPECT_EQ(Passed(chain, 10, {"GET", "k"}), 3);
  EXPECT_EQ(Send(chain, {"GET", "k"}),
            "-RATELIMIT rule=two limit=3 remaining=0 retry_after_ms=20000");
}

TEST_F(RateLimitTest, CostsWhatItIsTold) {
  Chain& by_command =
      Build({Rule("c", {Limit(10, 1000).Set("cost", "command")})
                 .Set("costs", std::vector<std::string>{"KEYS=8", "@write=3", "GET=0"})});
  EXPECT_EQ(Passed(by_command, 50, {"GET", "k"}), 50);
  EXPECT_EQ(Send(by_command, {"KEYS", "*"}), "on");
  EXPECT_THAT(Send(by_command, {"SET", "k", "v"}), HasSubstr("remaining=2"));
  EXPECT_EQ(Passed(by_command, 5, {"DBSIZE"}), 2);

  Chain& by_bytes = Build({Rule("b", {Limit(1000, 1000).Set("cost", "bytes")})}, other_host_);
  const std::string value(600, 'v');
  EXPECT_EQ(Send(by_bytes, {"SET", "k", value}), "on");
  EXPECT_THAT(Send(by_bytes, {"SET", "k", value}), StartsWith("-RATELIMIT"));
  EXPECT_EQ(Send(by_bytes, {"GET", "k"}), "on");
  const std::string huge(2000, 'v');
  EXPECT_THAT(Send(by_bytes, {"SET", "k", huge}), HasSubstr("retry_after_ms=-1"));
}

TEST_F(RateLimitTest, ShadowCountsAndLetsPass) {
  Chain& chain = Build({Rule("s", {Limit(3, 1000)}).Set("action", "shadow")});
  EXPECT_EQ(Passed(chain, 10, {"GET", "k"}), 10);
  EXPECT_EQ(Count("decisions_total allowed s"), 3);
  EXPECT_EQ(Count("decisions_total shadow_rejected s"), 7);
}

TEST_F(RateLimitTest, DelaysUntilItsTurnWithinBounds) {
  Chain& chain = Build({Rule("d", {Limit(10, 1000).Set("burst", 1)})
                            .Set("action", "delay")
                            .Set("delay_ms_max", 250)});
  EXPECT_EQ(Send(chain, {"GET", "k"}), "on");
  EXPECT_EQ(Send(chain, {"GET", "k"}), "held");
  EXPECT_EQ(Send(chain, {"GET", "k"}), "held");
  EXPECT_EQ(Send(chain, {"GET", "k"}), "-RATELIMIT rule=d limit=1 remaining=0 retry_after_ms=300");
  EXPECT_EQ(Count("waiting d"), 2);
  host_.Advance(99);
  EXPECT_THAT(holds_.events, IsEmpty());
  host_.Advance(1);
  EXPECT_THAT(holds_.events, ElementsAre("1 resumed"));
  host_.Advance(100);
  EXPECT_THAT(holds_.events, ElementsAre("1 resumed", "2 resumed"));
  EXPECT_EQ(Count("waiting d"), 0);
  EXPECT_EQ(Count("decisions_total delayed d"), 2);
  EXPECT_EQ(host_.timers(), 0u);
}

TEST_F(RateLimitTest, OnlySoManyWait) {
  Chain& chain = Build({Rule("d", {Limit(10, 1000).Set("burst", 1)})
                            .Set("action", "delay")
                            .Set("delay_ms_max", 60000)
                            .Set("delayed_requests_max", 3)});
  EXPECT_EQ(Send(chain, {"GET", "k"}), "on");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Send(chain, {"GET", "k"}), "held");
  EXPECT_THAT(Send(chain, {"GET", "k"}), StartsWith("-RATELIMIT"));
  EXPECT_EQ(Count("delay_overflows_total d"), 1);
  // What was rejected has taken nothing: the next turn is the fourth's.
  host_.Advance(400);
  EXPECT_EQ(Send(chain, {"GET", "k"}), "on");

  Chain& bytes = Build({Rule("d", {Limit(10, 1000).Set("burst", 1)})
                            .Set("action", "delay")
                            .Set("delay_ms_max", 60000)
                            .Set("delayed_bytes_max", 100)},
                       other_host_);
  const std::string value(60, 'v');
  EXPECT_EQ(Send(bytes, {"SET", "k", value}), "on");
  EXPECT_EQ(Send(bytes, {"SET", "k", value}), "held");
  EXPECT_THAT(Send(bytes, {"SET", "k", value}), StartsWith("-RATELIMIT"));
  EXPECT_EQ(Send(bytes, {"GET", "k"}), "held");
}

TEST_F(RateLimitTest, CountsThoseAtWork) {
  Chain& chain = Build({Rule("c", {Limit(2, 1000).Set("algorithm", "concurrency")})});
  EXPECT_EQ(Passed(chain, 5, {"GET", "k"}), 2);
  EXPECT_EQ(Send(chain, {"GET", "k"}), "-RATELIMIT rule=c limit=2 remaining=0");
  host_.Advance(100000);
  EXPECT_NE(Send(chain, {"GET", "k"}), "on");
  kept_.pop_back();
  EXPECT_EQ(Passed(chain, 5, {"GET", "k"}), 1);
  kept_.clear();
  EXPECT_EQ(Passed(chain, 5, {"GET", "k"}), 2);
}

// A place that is held must be given back even when the plugin has gone.
TEST_F(RateLimitTest, MayGoBeforeItsRequests) {
  Chain& chain = Build({Rule("c", {Limit(2, 1000).Set("algorithm", "concurrency")})});
  EXPECT_EQ(Passed(chain, 5, {"GET", "k"}), 2);
  Close();
  host_.shares->clear();
  kept_.clear();
}

TEST_F(RateLimitTest, CountsWrongPasswordsOnly) {
  Chain& chain =
      Build({Rule("auth", {Limit(3, 60000).Set("by", std::vector<std::string>{"client_ip"})})
                 .Set("counts", "auth_failures")});
  ASSERT_TRUE(chain.has(kHookError));
  const auto attempt = [&](bool right) {
    const std::string result = Send(chain, {"AUTH", "u", "p"});
    if (result != "on") return result;
    if (!right) chain.OnError(session_, routing_->Find("auth"), 0, "WRONGPASS");
    kept_.clear();  // answered
    return result;
  };
  for (int i = 0; i < 10; ++i) EXPECT_EQ(attempt(true), "on");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(attempt(false), "on");
  EXPECT_THAT(attempt(true), StartsWith("-RATELIMIT rule=auth limit=3"));
  EXPECT_EQ(Send(chain, {"GET", "k"}), "on");
  EXPECT_EQ(Send(chain, {"HELLO", "3"}), "on");
  EXPECT_THAT(Send(chain, {"HELLO", "3", "AUTH", "u", "p"}), StartsWith("-RATELIMIT"));
  host_.Advance(20000);
  EXPECT_EQ(attempt(true), "on");
}

// A hundred guesses at the same time, before the first is answered, are a hundred guesses.
TEST_F(RateLimitTest, GuessesOnTheirWayCount) {
  Chain& chain = Build({Rule("auth", {Limit(3, 60000)}).Set("counts", "auth_failures")});
  std::vector<FakeSession> sessions(20);
  int looked_at = 0;
  for (FakeSession& session : sessions) {
    chain.OnOpen(session);
    looked_at += Send(chain, session, {"AUTH", "guess"}) == "on" ? 1 : 0;
  }
  EXPECT_EQ(looked_at, 3);
  for (FakeSession& session : sessions) chain.OnClose(session);
  kept_.clear();  // none was said to be wrong
  EXPECT_EQ(Send(chain, {"AUTH", "guess"}), "on");
}

TEST_F(RateLimitTest, Explains) {
  Chain& chain =
      Build({Rule("writes", {Limit(10, 1000).Set("by", std::vector<std::string>{"user", "key"})})
                 .Set("commands", std::vector<std::string>{"@write"})});
  Send(chain, {"SET", "k", "v"});
  const auto explain = [&](std::vector<std::string_view> args) {
    const ArgList list(absl::MakeConstSpan(args));
    return chain.Explain(session_, list, routing_->Resolve(list), 0);
  };
  EXPECT_THAT(explain({"SET", "k", "v"}),
              ElementsAre("rate_limit: rule writes (reject, local): gcra 10 in 1000 ms by user and "
                          "key, 9 remaining"));
  EXPECT_THAT(explain({"GET", "k"}), IsEmpty());
  EXPECT_THAT(explain({"WEIR.LIMIT", "k"}), ElementsAre("rate_limit: asks Redis, and answers it"));
}

TEST_F(RateLimitTest, RefusesRulesThatCannotBe) {
  const auto limit = Limit(10, 1000);
  EXPECT_THAT(Refused({Table().Set("limit", {limit})}), HasSubstr("name: expected one"));
  EXPECT_THAT(Refused({Rule("a", {limit}), Rule("a", {limit})}), HasSubstr("two called \"a\""));
  EXPECT_THAT(Refused({Rule("a", {})}), HasSubstr("expected 1 to 4 tables"));
  EXPECT_THAT(Refused({Rule("a", {limit, limit, limit, limit, limit})}), HasSubstr("found 5"));
  EXPECT_THAT(Refused({Rule("a", {Limit(10, 1000).Set("by", std::vector<std::string>{"ip"})})}),
              HasSubstr("expected one of \"client_ip\""));
  EXPECT_THAT(
      Refused({Rule("a", {Limit(10000, 1000).Set("algorithm", "sliding_log")})}),
      HasSubstr("[[plugin.rate_limit.rule.limit]] keys_max: a local sliding_log keeps at most "));
  EXPECT_THAT(Refused({Rule("a", {Limit(10001, 1000).Set("algorithm", "sliding_log")})}),
              HasSubstr("points: a sliding_log keeps at most 10000, found 10001"));
  EXPECT_THAT(
      Refused(
          {Rule("a", {Limit(10, 1000).Set("algorithm", "fixed_window")}).Set("action", "delay")}),
      HasSubstr("only gcra and token_bucket know"));
  EXPECT_THAT(
      Refused(
          {Rule("a", {Limit(10, 1000).Set("algorithm", "concurrency")}).Set("scope", "shared")}),
      HasSubstr("concurrency needs scope = \"local\""));
  EXPECT_THAT(Refused({Rule("a", {limit, Limit(1, 1).Set("by", std::vector<std::string>{"user"})})
                           .Set("scope", "shared")}),
              HasSubstr("the same `by`"));
  EXPECT_THAT(Refused({Rule("a", {limit}).Set("lease", 10)}), HasSubstr("lease: expected only"));
  EXPECT_THAT(Refused({Rule("a", {Limit(10, 1000).Set("cost", "command")})}),
              HasSubstr("expects the rule to have `costs`"));
  EXPECT_THAT(
      Refused({Rule("a", {limit}).Set("addresses", std::vector<std::string>{"10.0.0.1/8"})}),
      HasSubstr("addresses: expected an address"));
  EXPECT_THAT(Refused({Rule("a", {Limit(10, 1000).Set("burst", int64_t{1} << 31)})}),
              HasSubstr("burst: expected an integer from 0 to 1000000000"));
}

// ---- Redis decides

// What Redis would answer: allowed, which, remaining, reset, retry, grant, wait.
std::string Says(const std::vector<int64_t>& numbers) {
  std::string reply = Concat("*", numbers.size(), "\r\n");
  for (const int64_t number : numbers) reply += Concat(":", number, "\r\n");
  return reply;
}
const std::string kAllowed = Says({1, 0, 9, 100000, -1, 1, 0});
const std::string kDenied = Says({0, 0, 0, 100000, 40500, 0, 0});

TEST_F(RateLimitTest, SharedAsksRedisAndHolds) {
  Chain& chain = Build({Rule("s", {Limit(10, 1000).Set("by", std::vector<std::string>{"key"})})
                            .Set("scope", "shared")});
  EXPECT_EQ(Send(chain, {"GET", "{a}b"}), "held");
  ASSERT_EQ(host_.calls.size(), 1u);
  EXPECT_THAT(host_.calls[0].first, HasSubstr("EVALSHA"));
  EXPECT_THAT(host_.calls[0].first, HasSubstr("weir:limit:{"));
  host_.calls[0].second(kAllowed);
  EXPECT_THAT(holds_.events, ElementsAre("1 resumed"));
  EXPECT_EQ(Send(chain, {"GET", "{a}b"}), "held");
  host_.calls[1].second(kDenied);
  EXPECT_EQ(holds_.events.back(),
            "2 answered -RATELIMIT rule=s limit=10 remaining=0 retry_after_ms=41\r\n");
  EXPECT_EQ(host_.timers(), 0u);
  EXPECT_EQ(Count("script_calls_total s"), 2);
}

TEST_F(RateLimitTest, SendsTheScriptToWhoDoesNotKnowIt) {
  Chain& chain = Build({Rule("s", {Limit(10, 1000)}).Set("scope", "shared")});
  EXPECT_EQ(Send(chain, {"GET", "k"}), "held");
  host_.calls[0].second("-NOSCRIPT No matching script.\r\n");
  ASSERT_EQ(host_.calls.size(), 2u);
  EXPECT_THAT(host_.calls[1].first, HasSubstr("$4\r\nEVAL\r\n"));
  host_.calls[1].second(kAllowed);
  EXPECT_THAT(holds_.events, ElementsAre("1 resumed"));
}

TEST_F(RateLimitTest, WithoutRedisDoesAsItIsTold) {
  Chain& chain =
      Build({Rule("o", {Limit(10, 1000)})
                 .Set("scope", "shared")
                 .Set("keys", std::vector<std::string>{"o"}),
             Rule("c", {Limit(10, 1000)}).Set("scope", "shared").Set("on_store_error", "closed")});
  Send(chain, {"GET", "o"});
  Send(chain, {"GET", "c"});
  host_.calls[0].second("-DOWN weir: no connection\r\n");
  host_.calls[1].second("-DOWN weir: no connection\r\n");
  EXPECT_THAT(holds_.events,
              ElementsAre("1 resumed", "2 answered -RATELIMIT rule=c error=store_down\r\n"));
  // One that says nothing is as one that is not there; what it says later is too late.
  holds_.events.clear();
  Send(chain, {"GET", "o"});
  Send(chain, {"GET", "c"});
  host_.Advance(999);
  EXPECT_THAT(holds_.events, IsEmpty());
  host_.Advance(1);
  EXPECT_THAT(holds_.events,
              ElementsAre("3 resumed", "4 answered -RATELIMIT rule=c error=store_down\r\n"));
  host_.calls[2].second(kDenied);
  host_.calls[3].second(kAllowed);
  EXPECT_EQ(holds_.events.size(), 2u);
  EXPECT_EQ(Count("decisions_total unchecked_passed o"), 2);
  EXPECT_EQ(Count("decisions_total unchecked_rejected c"), 2);
}

TEST_F(RateLimitTest, SharedShadowHoldsNobody) {
  Chain& chain =
      Build({Rule("s", {Limit(10, 1000)}).Set("scope", "shared").Set("action", "shadow")});
  EXPECT_EQ(Send(chain, {"GET", "k"}), "on");
  EXPECT_EQ(Send(chain, {"GET", "k"}), "on");
  host_.calls[0].second(kAllowed);
  host_.calls[1].second(kDenied);
  EXPECT_EQ(Count("decisions_total allowed s"), 1);
  EXPECT_EQ(Count("decisions_total shadow_rejected s"), 1);
}

TEST_F(RateLimitTest, SharedDelaysWhenRedisSaysSo) {
  Chain& chain =
      Build({Rule("d", {Limit(10, 1000)}).Set("scope", "shared").Set("action", "delay")});
  EXPECT_EQ(Send(chain, {"GET", "k"}), "held");
  host_.calls[0].second(Says({1, 0, 0, 100000, -1, 1, 80000}));
  EXPECT_THAT(holds_.events, IsEmpty());
  host_.Advance(80);
  EXPECT_THAT(holds_.events, ElementsAre("1 resumed"));
}

TEST_F(RateLimitTest, ALeaseIsOneCallForManyRequests) {
  Chain& chain = Build({Rule("l", {Limit(100, 1000)}).Set("scope", "shared").Set("lease", 10)});
  // Those that come while it asks wait for the same answer.
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Send(chain, {"GET", "k"}), "held");
  ASSERT_EQ(host_.calls.size(), 1u);
  host_.calls[0].second(Says({1, 0, 90, 100000, -1, 10, 0}));
  EXPECT_THAT(holds_.events, ElementsAre("1 resumed", "2 resumed", "3 resumed"));
  EXPECT_EQ(Passed(chain, 7, {"GET", "k"}), 7);
  EXPECT_EQ(host_.calls.size(), 1u);
  EXPECT_EQ(Send(chain, {"GET", "k"}), "held");
  ASSERT_EQ(host_.calls.size(), 2u);
  // Fewer are there than wait: the others ask once more.
  EXPECT_EQ(Send(chain, {"GET", "k"}), "held");
  host_.calls[1].second(Says({1, 0, 0, 100000, -1, 1, 0}));
  ASSERT_EQ(host_.calls.size(), 3u);
  EXPECT_EQ(holds_.events.back(), "4 resumed");
  host_.calls[2].second(kDenied);
  EXPECT_THAT(holds_.events.back(), StartsWith("5 answered -RATELIMIT rule=l limit=100"));
  EXPECT_EQ(Count("decisions_total allowed l"), 11);
}

TEST_F(RateLimitTest, ALeaseDoesNotLastForEver) {
  Chain& chain = Build({Rule("l", {Limit(100, 1000)})
                            .Set("scope", "shared")
                            .Set("lease", 10)
                            .Set("lease_ms_max", 50)});
  EXPECT_EQ(Send(chain, {"GET", "k"}), "held");
  host_.calls[0].second(Says({1, 0, 90, 100000, -1, 10, 0}));
  EXPECT_EQ(Send(chain, {"GET", "k"}), "on");
  host_.Advance(50);
  EXPECT_EQ(Send(chain, {"GET", "k"}), "held");
  EXPECT_EQ(host_.calls.size(), 2u);
  host_.calls[1].second("-DOWN weir: no connection\r\n");
  EXPECT_EQ(holds_.events.back(), "2 resumed");
}

// ---- commands

TEST_F(RateLimitTest, AnswersWeirLimit) {
  Chain& chain = Build({});
  EXPECT_EQ(Send(chain, {"weir.limit", "k", "POINTS", "10", "PERIOD", "1000"}), "held");
  ASSERT_EQ(host_.calls.size(), 1u);
  host_.calls[0].second(Says({0, 0, 0, 900100, 40500, 0, 0}));
  EXPECT_EQ(holds_.events.back(), "1 answered *5\r\n:0\r\n:10\r\n:0\r\n:901\r\n:41\r\n");
  EXPECT_EQ(Send(chain, {"WEIR.LIMIT", "RESET", "k"}), "held");
  EXPECT_THAT(host_.calls[1].first, StartsWith("*6\r\n$6\r\nUNLINK\r\n"));
  host_.calls[1].second(":1\r\n");
  EXPECT_EQ(holds_.events.back(), "2 answered :1\r\n");
  EXPECT_EQ(Send(chain, {"CL.THROTTLE", "k", "15", "30", "60"}), "held");
  host_.calls[2].second(Says({1, 0, 15, 2000000, -1, 1, 0}));
  EXPECT_EQ(holds_.events.back(), "3 answered *5\r\n:0\r\n:16\r\n:15\r\n:-1\r\n:2\r\n");
  EXPECT_EQ(Count("commands_total"), 3);
}

TEST_F(RateLimitTest, RefusesWrongArguments) {
  Chain& chain = Build({});
  for (const std::vector<std::string_view>& args : std::vector<std::vector<std::string_view>>{
           {"WEIR.LIMIT"},
           {"WEIR.LIMIT", "k"},
           {"WEIR.LIMIT", "k", "POINTS", "10"},
           {"WEIR.LIMIT", "k", "POINTS", "10", "PERIOD"},
           {"WEIR.LIMIT", "k", "POINTS", "0", "PERIOD", "1"},
           {"WEIR.LIMIT", "k", "POINTS", "10", "PERIOD", "1", "ALGO", "concurrency"},
           {"WEIR.LIMIT", "k", "POINTS", "10", "PERIOD", "1", "COST", "-1"},
           {"WEIR.LIMIT", "k", "POINTS", "10", "PERIOD", "1", "LOUD"},
           {"WEIR.LIMIT", "k", "POINTS", "20000", "PERIOD", "1000", "ALGO", "sliding_log"},
           {"CL.THROTTLE", "k", "1", "1"},
           {"CL.THROTTLE", "k", "1", "0", "1"},
           {"CL.THROTTLE", "k", "-1", "1", "1"},
           {"CL.THROTTLE", "k", "1", "1", "1", "x"},
           {"CL.THROTTLE", "k", "1", "1", "99999999999999"},
       }) {
    EXPECT_THAT(Send(chain, args), StartsWith("-ERR weir: ")) << args.size();
  }
  EXPECT_THAT(host_.calls, IsEmpty());
  session_.multi = true;
  EXPECT_EQ(Send(chain, {"WEIR.LIMIT", "k", "POINTS", "10", "PERIOD", "1"}),
            "-ERR weir: 'weir.limit' is not possible inside MULTI");
}

}  // namespace
}  // namespace weir
