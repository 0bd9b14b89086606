// Rate limits as clients meet them: a weir with rules in front of a real Redis.
#include <memory>
#include <thread>
#include <vector>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

// One rule with one limit, as TOML.
std::string Rule(const std::string& rule, const std::string& limit) {
  return "[[plugin.rate_limit.rule]]\n" + rule + "[[plugin.rate_limit.rule.limit]]\n" + limit;
}
constexpr const char* kHour = "period_ms = 3600000\n";

class RateLimitTest : public ::testing::Test {
 protected:
  std::unique_ptr<WeirServer> Start(const std::string& rules, const std::string& rest = "",
                                    std::vector<std::string> environment = {}) {
    WeirConfig config;
    config.url = redis_.url();
    config.rest = rest + "[plugin.rate_limit]\nenabled = true\n" + rules;
    config.admin = true;
    config.environment = std::move(environment);
    return std::make_unique<WeirServer>(config);
  }
  // A decision counter of /metrics.
  static int Decisions(const WeirServer& weir, const std::string& outcome,
                       const std::string& rule) {
    const std::string body = HttpGet(weir.admin_port(), "/metrics").body;
    const std::string line =
        "weir_rate_limit_decisions_total{outcome=\"" + outcome + "\",rule=\"" + rule + "\"} ";
    const size_t at = body.find(line);
    return at == std::string::npos ? -1 : std::atoi(body.c_str() + at + line.size());
  }

  RedisServer redis_;
};

TEST_F(RateLimitTest, AllWorkersAndClientsTogetherGetNoMoreThanThereIs) {
  const auto weir = Start(Rule("name = \"all\"\n", std::string("points = 500\n") + kHour));
  std::atomic<int> passed{0}, rejected{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      RawClient client(weir->port());
      std::string requests;
      for (int i = 0; i < 200; ++i) requests += Encode({"INCR", "n"});
      client.Send(requests);
      for (int i = 0; i < 200; ++i) {
        const std::string reply = client.ReadFrame();
        if (reply.starts_with(':')) ++passed;
        if (reply.starts_with("-RATELIMIT rule=all limit=500 remaining=0 retry_after_ms=")) {
          ++rejected;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(passed, 500);
  EXPECT_EQ(rejected, 1100);
  RawClient direct(redis_.port());
  EXPECT_EQ(direct.Text({"GET", "n"}), "500");
  EXPECT_EQ(Decisions(*weir, "allowed", "all"), 500);
  EXPECT_EQ(Decisions(*weir, "rejected", "all"), 1100);
}

// Before, an error that a plugin answered was not known to the node, and EXEC ran the rest.
TEST_F(RateLimitTest, InsideMultiARejectionFailsTheTransaction) {
  const auto weir =
      Start(Rule("name = \"w\"\ncommands = [\"@write\"]\n", std::string("points = 2\n") + kHour));
  RawClient client(weir->port());
  client.Send(Encode({"MULTI"}) + Encode({"SET", "a", "1"}) + Encode({"SET", "b", "1"}) +
              Encode({"SET", "c", "1"}) + Encode({"GET", "a"}) + Encode({"EXEC"}) +
              Encode({"EXISTS", "a", "b", "c"}));
  EXPECT_EQ(client.ReadFrame(), "+OK\r\n");
  EXPECT_EQ(client.ReadFrame(), "+QUEUED\r\n");
  EXPECT_EQ(client.ReadFrame(), "+QUEUED\r\n");
  EXPECT_TRUE(client.ReadFrame().starts_with("-RATELIMIT rule=w"));
  EXPECT_EQ(client.ReadFrame(), "+QUEUED\r\n");
  EXPECT_TRUE(client.ReadFrame().starts_with("-EXECABORT"));
  EXPECT_EQ(client.ReadFrame(), ":0\r\n");
  EXPECT_EQ(client.Text({"MULTI"}), "OK");
  EXPECT_EQ(client.Text({"GET", "a"}), "QUEUED");
  EXPECT_EQ(client.Command({"WEIR.LIMIT", "k", "POINTS", "1", "PERIOD", "1000"}),
            "-ERR weir: 'weir.limit' is not possible inside MULTI\r\n");
  EXPECT_TRUE(client.Command({"EXEC"}).starts_with("-EXECABORT"));
}

TEST_F(RateLimitTest, DelayedRequestsKeepTheirClientsOrder) {
  const auto weir =
      Start(Rule("name = \"d\"\ncommands = [\"INCR\"]\naction = \"delay\"\ndelay_ms_max = 60000\n",
                 "points = 200\nperiod_ms = 1000\nburst = 1\n"));
  RawClient client(weir->port());
  std::string requests;
  for (int i = 0; i < 20; ++i) {
    requests += Encode({"INCR", "n"}) + Encode({"GET", "n"}) + Encode({"ECHO", "x"});
  }
  client.Send(requests);
  for (int i = 1; i <= 20; ++i) {
    ASSERT_EQ(client.ReadFrame(), ":" + std::to_string(i) + "\r\n");
    ASSERT_EQ(client.ReadFrame(), Bulk(std::to_string(i)));
    ASSERT_EQ(client.ReadFrame(), Bulk("x"));
  }
  EXPECT_EQ(Decisions(*weir, "rejected", "d"), 0);
  EXPECT_EQ(Decisions(*weir, "delayed", "d") + Decisions(*weir, "allowed", "d"), 20);
}

TEST_F(RateLimitTest, AClientThatLeavesWhileItWaitsHurtsNobody) {
  const auto weir =
      Start(Rule("name = \"d\"\ncommands = [\"INCR\"]\naction = \"delay\"\ndelay_ms_max = 60000\n",
                 "points = 1\nperiod_ms = 3000\n"));
  RawClient stays(weir->port());
  EXPECT_EQ(stays.Command({"INCR", "n"}), ":1\r\n");
  RawClient leaves(weir->port());
  leaves.Send(Encode({"INCR", "gone"}));
  ASSERT_TRUE(Eventually([&] { return Decisions(*weir, "delayed", "d") == 1; }));
  leaves.Reset();
  ASSERT_TRUE(Eventually([&] {
    return ParseInfo(stays.Text({"INFO", "weir"}))["weir_clients"] == "1";
  }));
  // Its place was taken, so the next one's turn is behind it.
  EXPECT_EQ(stays.Command({"INCR", "n"}), ":2\r\n");
  EXPECT_EQ(stays.Command({"EXISTS", "gone"}), ":0\r\n");
}

TEST_F(RateLimitTest, ConcurrencyEndsWithTheRequestHoweverItEnds) {
  const auto weir = Start(
      Rule("name = \"c\"\ncommands = [\"BLPOP\"]\n", "algorithm = \"concurrency\"\npoints = 1\n"));
  const std::string rejected = "-RATELIMIT rule=c limit=1 remaining=0\r\n";
  RawClient other(weir->port());
  const auto is_free = [&] { return other.Command({"BLPOP", "empty", "0.01"}) != rejected; };
  // Nobody else may ask while it is on its way, or they would be the one.
  const auto occupy = [&](RawClient& client) {
    const int before = Decisions(*weir, "allowed", "c");
    client.Send(Encode({"BLPOP", "list", "0"}));
    ASSERT_TRUE(Eventually([&] { return Decisions(*weir, "allowed", "c") == before + 1; }));
    EXPECT_FALSE(is_free());
  };
  RawClient first(weir->port());
  occupy(first);
  EXPECT_EQ(other.Command({"GET", "k"}), "$-1\r\n");
  // Answered.
  EXPECT_EQ(other.Command({"RPUSH", "list", "x"}), ":1\r\n");
  EXPECT_EQ(first.ReadFrame(), "*2\r\n" + Bulk("list") + Bulk("x"));
  EXPECT_TRUE(Eventually(is_free));
  // Its client has left.
  occupy(first);
  first.Close();
  EXPECT_TRUE(Eventually(is_free));
  // Its connection broke.
  RawClient second(weir->port());
  occupy(second);
  RawClient direct(redis_.port());
  direct.Command({"CLIENT", "KILL", "TYPE", "normal"});
  second.ReadFrame();
  EXPECT_TRUE(Eventually(is_free));
  // Many in one pipeline are one after the other.
  std::string requests;
  for (int i = 0; i < 3; ++i) requests += Encode({"BLPOP", "empty", "0.01"});
  RawClient third(weir->port());
  third.Send(requests);
  int nulls = 0;
  for (int i = 0; i < 3; ++i) nulls += third.ReadFrame() == "*-1\r\n" ? 1 : 0;
  EXPECT_GE(nulls, 1);
  EXPECT_TRUE(Eventually(is_free));
}

// SHA-256 of "secret".
constexpr const char* kUsers =
    "[auth]\nmode = \"users\"\n[[auth.user]]\nname = \"ann\"\npasswords = "
    "[\"#2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\"]\n";
const std::string kAuthRule = Rule("name = \"login\"\ncounts = \"auth_failures\"\n",
                                   "points = 5\nperiod_ms = 3600000\nby = [\"client_ip\"]\n");

TEST_F(RateLimitTest, WrongPasswordsRunOut) {
  const auto weir = Start(kAuthRule, kUsers);
  RawClient client(weir->port());
  for (int i = 0; i < 10; ++i) EXPECT_EQ(client.Text({"AUTH", "ann", "secret"}), "OK");
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(client.Command({"AUTH", "ann", "guess"}).starts_with("-WRONGPASS"));
  }
  EXPECT_TRUE(client.Command({"HELLO", "3", "AUTH", "ann", "guess"}).starts_with("-WRONGPASS"));
  EXPECT_TRUE(client.Command({"AUTH", "ann", "guess"}).starts_with("-RATELIMIT rule=login"));
  // Nor does it tell whether the right one was right.
  RawClient other(weir->port());
  EXPECT_TRUE(other.Command({"AUTH", "ann", "secret"}).starts_with("-RATELIMIT rule=login"));
  EXPECT_EQ(client.Text({"SET", "k", "v"}), "OK") << "who is in stays in";
}

TEST_F(RateLimitTest, WrongPasswordsRunOutWhereRedisChecksThem) {
  RawClient direct(redis_.port());
  ASSERT_EQ(direct.Text({"ACL", "SETUSER", "ann", "on", ">secret", "~*", "+@all"}), "OK");
  const auto weir = Start(kAuthRule, "[auth]\nmode = \"passthrough\"\n");
  RawClient client(weir->port());
  for (int i = 0; i < 10; ++i) EXPECT_EQ(client.Text({"AUTH", "ann", "secret"}), "OK");
  // All at once, on many connections: no more than five are asked of Redis.
  std::vector<std::unique_ptr<RawClient>> guessers;
  for (int i = 0; i < 20; ++i) {
    guessers.push_back(std::make_unique<RawClient>(weir->port()));
    guessers.back()->Send(Encode({"AUTH", "ann", "guess"}));
  }
  int looked_at = 0;
  for (const auto& guesser : guessers) {
    looked_at += guesser->ReadFrame().starts_with("-WRONGPASS") ? 1 : 0;
  }
  EXPECT_EQ(looked_at, 5);
  EXPECT_TRUE(client.Command({"AUTH", "ann", "secret"}).starts_with("-RATELIMIT"));
}

// While the connection that a wrong password had asked for was being closed, weir said itself what
// Redis had just said, and that was not counted: seven of twenty guesses were looked at where five
// were allowed.
TEST_F(RateLimitTest, WrongPasswordsThatAreKnownCountToo) {
  RawClient direct(redis_.port());
  ASSERT_EQ(direct.Text({"ACL", "SETUSER", "ann", "on", ">secret", "~*", "+@all"}), "OK");
  const auto weir = Start(kAuthRule, "[auth]\nmode = \"passthrough\"\n");
  constexpr int kClients = 10, kGuesses = 20;
  std::string guesses;
  for (int i = 0; i < kGuesses; ++i) guesses += Encode({"AUTH", "ann", "guess"});
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<RawClient>(weir->port()));
    clients.back()->Send(guesses);
  }
  int looked_at = 0;
  for (const auto& client : clients) {
    for (int i = 0; i < kGuesses; ++i) {
      looked_at += client->ReadFrame().starts_with("-WRONGPASS") ? 1 : 0;
    }
  }
  EXPECT_EQ(looked_at, 5);
}

// A client that has not said who it is reaches no plugin.
TEST_F(RateLimitTest, StrangersCannotUseTheCommands) {
  const auto weir = Start("", kUsers);
  RawClient client(weir->port());
  EXPECT_EQ(client.Command({"WEIR.LIMIT", "k", "POINTS", "1", "PERIOD", "1000"}).substr(0, 4),
            "-ERR");
  EXPECT_EQ(redis_.Calls("eval") + redis_.Calls("evalsha"), 0);
  EXPECT_EQ(client.Text({"AUTH", "ann", "secret"}), "OK");
  EXPECT_TRUE(
      client.Command({"WEIR.LIMIT", "k", "POINTS", "1", "PERIOD", "1000"}).starts_with("*5"));
}

TEST_F(RateLimitTest, LargeRequestsAreLimitedToo) {
  const auto weir =
      Start(Rule("name = \"b\"\n", std::string("cost = \"bytes\"\npoints = 5000000\n") + kHour));
  RawClient client(weir->port());
  const std::string value(3'000'000, 'v');
  EXPECT_EQ(client.Text({"SET", "k", value}), "OK");
  EXPECT_TRUE(client.Command({"SET", "k", value}).starts_with("-RATELIMIT rule=b limit=5000000"));
  EXPECT_EQ(client.Text({"STRLEN", "k"}), "3000000");
}

// ---- scope shared

const std::string kSharedRule = Rule("name = \"s\"\nscope = \"shared\"\ncommands = [\"INCR\"]\n",
                                     "points = 300\nperiod_ms = 3600000\n");

int Increments(uint16_t port, int times) {
  RawClient client(port);
  std::string requests;
  for (int i = 0; i < times; ++i) requests += Encode({"INCR", "n"});
  client.Send(requests);
  int passed = 0;
  for (int i = 0; i < times; ++i) passed += client.ReadFrame().starts_with(':') ? 1 : 0;
  return passed;
}

// Three weirs, one of them an hour ahead and one a day behind: Redis' clock is the only one.
TEST_F(RateLimitTest, SharedIsExactOverWeirsWhoseClocksDiffer) {
  for (const char* algorithm :
       {"gcra", "token_bucket", "fixed_window", "sliding_window", "sliding_log"}) {
    const std::string rule = Rule(
        "name = \"" + std::string(algorithm) + "\"\nscope = \"shared\"\ncommands = [\"INCR\"]\n",
        "points = 60\nperiod_ms = 86400000\nalgorithm = \"" + std::string(algorithm) + "\"\n");
    const std::string preload = "LD_PRELOAD=" WEIR_SKEWED_CLOCK;
    // Of a sanitizer, which wants to be loaded first.
    const std::string any_order = "ASAN_OPTIONS=verify_asan_link_order=0";
    const auto on_time = Start(rule);
    const auto ahead = Start(rule, "", {preload, any_order, "WEIR_TEST_CLOCK_SKEW_S=3600"});
    const auto behind = Start(rule, "", {preload, any_order, "WEIR_TEST_CLOCK_SKEW_S=-86400"});
    std::atomic<int> passed{0};
    std::vector<std::thread> threads;
    for (const WeirServer* weir : {on_time.get(), ahead.get(), behind.get()}) {
      for (int i = 0; i < 2; ++i) {
        threads.emplace_back([&passed, port = weir->port()] { passed += Increments(port, 40); });
      }
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(passed, 60) << algorithm;
  }
}

TEST_F(RateLimitTest, SharedFollowsItsChoiceWhenRedisIsGone) {
  const auto weir =
      Start(Rule("name = \"open\"\nscope = \"shared\"\nkeys = [\"o*\"]\n",
                 std::string("points = 5\n") + kHour) +
            Rule("name = \"closed\"\nscope = \"shared\"\non_store_error = \"closed\"\n",
                 std::string("points = 5\n") + kHour));
  RawClient client(weir->port());
  EXPECT_EQ(client.Command({"GET", "o"}), "$-1\r\n");
  EXPECT_EQ(client.Command({"GET", "c"}), "$-1\r\n");
  redis_.Kill();
  EXPECT_FALSE(client.Command({"SET", "o", "1"}).starts_with("-RATELIMIT"));
  EXPECT_EQ(client.Command({"SET", "c", "1"}), "-RATELIMIT rule=closed error=store_down\r\n");
  EXPECT_EQ(Decisions(*weir, "unchecked_passed", "open"), 1);
  EXPECT_EQ(Decisions(*weir, "unchecked_rejected", "closed"), 1);
  redis_.Restart();
  // It has forgotten the script, and gets its text again.
  EXPECT_TRUE(Eventually([&] { return client.Command({"GET", "c"}) == "$-1\r\n"; }));
  EXPECT_GE(redis_.Calls("eval"), 1);
}

TEST_F(RateLimitTest, LeasesAskSeldomAndOvershootNoMoreThanStated) {
  const std::string rule = Rule(
      "name = \"l\"\nscope = \"shared\"\ncommands = [\"INCR\"]\nlease = 20\nlease_ms_max = "
      "600000\n",
      "points = 1000\nperiod_ms = 3600000\n");
  const auto one = Start(rule);
  const auto two = Start(rule);
  std::atomic<int> passed{0};
  std::vector<std::thread> threads;
  for (const WeirServer* weir : {one.get(), two.get()}) {
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&passed, port = weir->port()] { passed += Increments(port, 300); });
    }
  }
  for (std::thread& thread : threads) thread.join();
  // None is lost and none is won: leases are for points that were taken.
  EXPECT_LE(passed, 1000 + 1);  // an hour's refill is one in 3.6 s
  EXPECT_GE(passed, 1000 - 4 * 20);
  // Fewer than one call in ten for those that passed; those refused ask each.
  const int64_t calls = redis_.Calls("eval") + redis_.Calls("evalsha");
  EXPECT_LE(calls, 1000 / 20 + 4 + 4 + (2400 - passed));
}

// ---- commands

TEST_F(RateLimitTest, ApplicationsLimitTheirOwn) {
  const auto weir = Start("");
  for (const char* algorithm :
       {"gcra", "token_bucket", "fixed_window", "sliding_window", "sliding_log"}) {
    RawClient client(weir->port());
    const std::string key = std::string("user:{7}:") + algorithm;
    const auto ask = [&](std::vector<std::string> more) {
      std::vector<std::string> args = {"WEIR.LIMIT", key,        "POINTS", "3",
                                       "PERIOD",     "86400000", "ALGO",   algorithm};
      args.insert(args.end(), more.begin(), more.end());
      return ParseReply(client.Command(args));
    };
    for (int i = 1; i <= 3; ++i) {
      EXPECT_EQ(ask({"PEEK"}).elements[2].text, std::to_string(4 - i)) << algorithm;
      const Reply reply = ask({});
      ASSERT_EQ(reply.elements.size(), 5u);
      EXPECT_EQ(reply.elements[0].text, "1");
      EXPECT_EQ(reply.elements[1].text, "3");
      EXPECT_EQ(reply.elements[2].text, std::to_string(3 - i));
      EXPECT_GT(std::stoll(reply.elements[3].text), 0);
      EXPECT_EQ(reply.elements[4].text, "-1");
    }
    const Reply refused = ask({});
    EXPECT_EQ(refused.elements[0].text, "0");
    EXPECT_GT(std::stoll(refused.elements[4].text), 0);
    EXPECT_EQ(ask({"COST", "4"}).elements[4].text, "-1") << "more than there will ever be";
    EXPECT_EQ(client.Command({"WEIR.LIMIT", "RESET", key}), ":1\r\n");
    EXPECT_EQ(client.Command({"WEIR.LIMIT", "RESET", key}), ":0\r\n");
    EXPECT_EQ(ask({"COST", "2"}).elements[2].text, "1");
  }
}

// The numbers of redis-cell's own documentation.
TEST_F(RateLimitTest, ThrottlesAsRedisCell) {
  const auto weir = Start("");
  RawClient client(weir->port());
  const std::vector<std::string> ask = {"CL.THROTTLE", "user123", "15", "3", "600", "1"};
  EXPECT_EQ(client.Command(ask), "*5\r\n:0\r\n:16\r\n:15\r\n:-1\r\n:200\r\n");
  for (int i = 0; i < 15; ++i) EXPECT_TRUE(client.Command(ask).starts_with("*5\r\n:0\r\n"));
  const Reply limited = ParseReply(client.Command(ask));
  EXPECT_EQ(limited.elements[0].text, "1");
  EXPECT_EQ(limited.elements[2].text, "0");
  EXPECT_NEAR(std::stod(limited.elements[3].text), 195, 5);
  EXPECT_NEAR(std::stod(limited.elements[4].text), 3195, 5);
  const Reply peeked =
      ParseReply(client.Command({"cl.throttle", "user123", "15", "3", "600", "0"}));
  EXPECT_EQ(peeked.elements[0].text, "0");
  EXPECT_EQ(ParseReply(client.Command({"CL.THROTTLE", "user123", "15", "3", "600", "17"}))
                .elements[3]
                .text,
            "-1");
}

TEST_F(RateLimitTest, CommandsAreShownWhereRedisShowsIts) {
  const auto weir = Start("");
  RawClient client(weir->port());
  WeirServer plain(redis_);
  RawClient without(plain.port());
  const auto count = [](RawClient& of) {
    return std::stoi(of.Command({"COMMAND", "COUNT"}).substr(1));
  };
  EXPECT_EQ(count(client), count(without) + 2);
  EXPECT_EQ(ParseReply(client.Command({"COMMAND"})).elements.size(),
            static_cast<size_t>(count(client)));
  for (int version = 2; version <= 3; ++version) {
    client.Command({"HELLO", std::to_string(version)});
    const Reply info =
        ParseReply(client.Command({"COMMAND", "INFO", "get", "weir.limit", "CL.THROTTLE"}));
    ASSERT_EQ(info.elements.size(), 3u);
    ASSERT_EQ(info.elements[1].elements.size(), 10u);
    EXPECT_EQ(info.elements[1].elements[0].text, "weir.limit");
    EXPECT_EQ(info.elements[1].elements[3].text, "1");
    EXPECT_EQ(info.elements[2].elements[0].text, "cl.throttle");
    EXPECT_EQ(
        client.Command({"COMMAND", "GETKEYS", "WEIR.LIMIT", "a{b}", "POINTS", "1", "PERIOD", "1"}),
        "*1\r\n" + Bulk("a{b}"));
    EXPECT_EQ(client.Command({"COMMAND", "GETKEYS", "WEIR.LIMIT", "RESET", "k"}),
              "*1\r\n" + Bulk("k"));
    EXPECT_EQ(client.Command({"COMMAND", "GETKEYS", "CL.THROTTLE", "k", "1", "1", "1"}),
              "*1\r\n" + Bulk("k"));
    EXPECT_NE(client.Command({"COMMAND", "LIST"}).find("weir.limit"), std::string::npos);
    EXPECT_NE(client.Command({"COMMAND", "DOCS", "cl.throttle"}).find("redis-cell"),
              std::string::npos);
  }
  EXPECT_TRUE(without.Command({"WEIR.LIMIT", "k"}).starts_with("-ERR unknown command"));
}

TEST_F(RateLimitTest, ExplainNamesTheRule) {
  const auto weir =
      Start(kSharedRule + Rule("name = \"all\"\n", "points = 7\nby = [\"client_ip\"]\n"));
  RawClient client(weir->port());
  EXPECT_NE(client.Command({"WEIR", "EXPLAIN", "INCR", "n"})
                .find("rate_limit: rule s (reject, shared): gcra 300 in 3600000 ms by constant"),
            std::string::npos);
  EXPECT_NE(client.Command({"WEIR", "EXPLAIN", "GET", "n"})
                .find("rate_limit: rule all (reject, local): gcra 7 in 60000 ms by client_ip, 7 "
                      "remaining"),
            std::string::npos);
}

}  // namespace
}  // namespace weir::harness
