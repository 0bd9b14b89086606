// WEIR SLOWLOG: what was slow, in Redis' own shape, with the time split and no secret in it.
#include <memory>
#include <string>
#include <vector>

#include "tests/integration/fixture.h"
#include "tests/support/fake_backend.h"

namespace weir::harness {
namespace {

using Args = std::vector<std::string>;

// Keeps the server busy for `ms`.
Args Busy(int ms) {
  return {"EVAL",
          "local b = redis.call('TIME') repeat local n = redis.call('TIME') "
          "until (n[1] - b[1]) * 1000000 + n[2] - b[2] >= tonumber(ARGV[1]) return 'done'",
          "0", std::to_string(ms * 1000)};
}

class SlowlogTest : public ::testing::Test {
 protected:
  std::unique_ptr<WeirServer> Start(const std::string& slowlog, int workers = 2,
                                    const std::string& rest = "",
                                    const std::string& commands = "") {
    WeirConfig config;
    config.url = redis_.url();
    config.workers = workers;
    config.commands = commands;
    config.rest = "[slowlog]\n" + slowlog + rest;
    config.admin = true;
    return std::make_unique<WeirServer>(config);
  }
  static Reply Get(RawClient* client, const Args& more = {"-1"}) {
    Args args = {"WEIR", "SLOWLOG", "GET"};
    args.insert(args.end(), more.begin(), more.end());
    return ParseReply(client->Command(args));
  }
  static int64_t Number(const Reply& reply) { return std::stoll(reply.text); }
  static Args ArgsOf(const Reply& entry) {
    Args args;
    for (const Reply& arg : entry.elements.at(3).elements) args.push_back(arg.text);
    return args;
  }
  // The entries whose command is this, newest first.
  static std::vector<Reply> Of(const Reply& all, const std::string& command) {
    std::vector<Reply> found;
    for (const Reply& entry : all.elements) {
      if (ArgsOf(entry).at(0) == command) found.push_back(entry);
    }
    return found;
  }

  RedisServer redis_;
};

TEST_F(SlowlogTest, OffUnlessConfigured) {
  WeirServer weir(redis_);
  RawClient client(weir.port());
  EXPECT_TRUE(
      client.Command({"WEIR", "SLOWLOG", "GET"}).starts_with("-ERR weir: the slow log is off; "));
  EXPECT_EQ(client.Command({"WEIR", "SLOWLOG", "HELP"})[0], '*');
}

TEST_F(SlowlogTest, ShowsWhatWasSlowAndWhereItsTimeWent) {
  const auto weir = Start("log_slower_than_us = 30000\n");
  RawClient client(weir->port());
  client.Command({"CLIENT", "SETNAME", "sloth"});
  EXPECT_EQ(client.Text(Busy(50)), "done");
  const std::vector<Reply> found = Of(Get(&client), "EVAL");
  ASSERT_EQ(found.size(), 1u);
  const Reply& entry = found[0];
  ASSERT_EQ(entry.elements.size(), 7u);
  EXPECT_GE(Number(entry.elements[1]), 1700000000);
  EXPECT_GE(Number(entry.elements[2]), 50000);
  EXPECT_EQ(ArgsOf(entry).back(), "50000");
  EXPECT_TRUE(entry.elements[4].text.starts_with("127.0.0.1:")) << entry.elements[4].text;
  EXPECT_EQ(entry.elements[5].text, "sloth");
  const Reply& split = entry.elements[6];
  EXPECT_GE(Number(split.at("upstream")), 49000);
  EXPECT_EQ(Number(split.at("queue")) + Number(split.at("upstream")) + Number(split.at("weir")),
            Number(entry.elements[2]));
  EXPECT_EQ(split.at("requests").text, "1");
  EXPECT_EQ(split.at("upstream-name").text, "default");
  client.Command({"HELLO", "3"});
  EXPECT_EQ(Of(Get(&client), "EVAL").at(0).elements[6].type, '%');
}

// What was not sent before those of another client were answered has waited in the upstream's
// queue or weir's; in any case it was slow.
TEST_F(SlowlogTest, WhoWaitsForOthersIsSlowToo) {
  const auto weir = Start("log_slower_than_us = 30000\n", 1);
  RawClient busy(weir->port());
  RawClient waits(weir->port());
  busy.Send(Encode({"SET", "warm", "up"}));
  EXPECT_EQ(busy.ReadFrame(), "+OK\r\n");
  std::string pipeline = Encode(Busy(60));
  for (int i = 0; i < 10; ++i) pipeline += Encode({"GET", "k" + std::to_string(i)});
  waits.Send(pipeline);
  waits.ReadFrames(11);
  const Reply all = Get(&waits);
  EXPECT_EQ(Of(all, "EVAL").size(), 1u);
  // However the ten were cut into runs: each run has one entry, which says how many are late.
  int64_t late = 0;
  for (const Reply& entry : Of(all, "GET")) {
    const int64_t first = std::stoll(ArgsOf(entry).at(1).substr(1));
    const int64_t requests = Number(entry.elements[6].at("requests"));
    EXPECT_GE(Number(entry.elements[2]), 30000);
    EXPECT_LE(first + requests, 10);
    late += requests;
  }
  EXPECT_LE(late, 10);
}

TEST_F(SlowlogTest, CutsAndHidesAsRedisDoes) {
  RedisServer direct({"--slowlog-log-slower-than", "0"});
  const auto weir =
      Start("log_slower_than_us = 0\n", 2, "", "allow = [\"ACL|SETUSER\", \"CONFIG|SET\"]\n");
  Args many = {"MSET"};
  for (int i = 0; i < 40; ++i) many.push_back(std::to_string(i));
  Args just = {"MSET"};
  for (int i = 0; i < 30; ++i) just.push_back(std::to_string(i));
  just.push_back("odd");
  const std::vector<Args> history = {
      {"set", "k", "v"},
      {"SET", "k", std::string(128, 'a')},
      {"SET", "k", std::string(129, 'b')},
      {"SET", std::string("a\0b", 3), std::string(5000, 'c')},
      many,
      just,
      {"AUTH", "pass1"},
      {"AUTH", "default", "pass2"},
      {"HELLO", "2", "AUTH", "default", "pass3", "SETNAME", "me"},
      {"HELLO", "2", "SETNAME", "me", "AUTH", "default", "pass4"},
      {"ACL", "SETUSER", "bob", "on", ">pass5", "~*"},
      {"CONFIG", "SET", "maxmemory-samples", "5", "masterauth", "pass6"},
      {"CONFIG", "GET", "maxmemory-samples"},
      {"MIGRATE", "127.0.0.1", "1", "", "0", "10", "COPY", "AUTH", "pass7", "KEYS", "none"},
      {"MIGRATE", "127.0.0.1", "1", "", "0", "10", "AUTH2", "me", "pass8", "KEYS", "none"},
      {"GET", "k"},
      {"PING", "hello"}};
  RawClient client(weir->port());
  RawClient to_redis(direct.port());
  for (const Args& args : history) {
    client.Command(args);
    to_redis.Command(args);
  }
  const Reply got = Get(&client);
  const Reply expected = ParseReply(to_redis.Command({"SLOWLOG", "GET", "-1"}));
  ASSERT_EQ(got.elements.size(), history.size());
  ASSERT_GE(expected.elements.size(), history.size());
  for (size_t i = 0; i < history.size(); ++i) {
    EXPECT_EQ(ArgsOf(got.elements[i]), ArgsOf(expected.elements[i]))
        << Printable(Encode(history[history.size() - 1 - i]));
    for (const std::string& arg : ArgsOf(got.elements[i])) {
      EXPECT_EQ(arg.find("pass"), std::string::npos) << arg;
    }
  }
}

// Redis knows its commands; weir may not know all of them, and one may be AUTH.
TEST_F(SlowlogTest, UnknownCommandsKeepTheirArgumentsToThemselves) {
  const auto weir = Start("log_slower_than_us = 0\n");
  RawClient client(weir->port());
  client.Command({"AUHT", "secret"});
  client.Command({"WEIR.ON", "default", "AUHT", "secret"});
  client.Command({"WEIR.ON", "default", "GET", "k"});
  const Reply all = Get(&client);
  ASSERT_EQ(all.elements.size(), 3u);
  EXPECT_EQ(ArgsOf(all.elements[0]), (Args{"GET", "k"}));
  EXPECT_EQ(ArgsOf(all.elements[1]).back(), "(redacted)");
  EXPECT_EQ(ArgsOf(all.elements[2]), (Args{"AUHT", "(redacted)"}));
}

TEST_F(SlowlogTest, KeepsTheNewestAndForgetsOnReset) {
  const auto weir = Start("log_slower_than_us = 0\nmax_len = 5\n");
  RawClient first(weir->port());
  RawClient second(weir->port());  // of the other worker
  for (int i = 0; i < 20; ++i) {
    (i % 3 == 0 ? first : second).Command({"SET", "k", std::to_string(i)});
  }
  RawClient asks(weir->port());
  EXPECT_EQ(asks.Command({"WEIR", "SLOWLOG", "LEN"}), ":5\r\n");
  // The question before is an entry, too.
  const Reply all = Get(&asks);
  ASSERT_EQ(all.elements.size(), 5u);
  EXPECT_EQ(ArgsOf(all.elements[0]), (Args{"WEIR", "SLOWLOG", "LEN"}));
  for (size_t i = 1; i < 5; ++i) {
    EXPECT_EQ(ArgsOf(all.elements[i]).back(), std::to_string(20 - i));
    EXPECT_EQ(Number(all.elements[i].elements[0]) + 1, Number(all.elements[i - 1].elements[0]));
  }
  EXPECT_EQ(Get(&asks, {"2"}).elements.size(), 2u);
  EXPECT_EQ(Get(&asks, {"0"}).elements.size(), 0u);
  const int64_t last = Number(Get(&asks, {"1"}).elements.at(0).elements[0]);
  EXPECT_EQ(asks.Command({"WEIR", "SLOWLOG", "RESET"}), "+OK\r\n");
  const Reply after = Get(&asks);
  ASSERT_EQ(after.elements.size(), 1u);  // the RESET itself
  EXPECT_GT(Number(after.elements[0].elements[0]), last);
  const std::string page = HttpGet(weir->admin_port(), "/metrics").body;
  EXPECT_NE(page.find("\nweir_slowlog_entries_total 2"), std::string::npos) << "20 and more";
}

TEST_F(SlowlogTest, RefusesAsRedisDoes) {
  const auto weir = Start("log_slower_than_us = 0\n");
  RawClient client(weir->port());
  RawClient direct(redis_.port());
  for (const Args& args : std::vector<Args>{{"GET", "-2"}, {"GET", "x"}, {"GET", ""}}) {
    EXPECT_EQ(client.Command({"WEIR", "SLOWLOG", args[0], args[1]}),
              direct.Command({"SLOWLOG", args[0], args[1]}));
  }
  EXPECT_EQ(client.Command({"WEIR", "SLOWLOG", "GET", "1", "2"}),
            "-ERR unknown subcommand or wrong number of arguments for 'GET'. Try WEIR SLOWLOG "
            "HELP.\r\n");
  EXPECT_EQ(client.Command({"WEIR", "SLOWLOG"}),
            "-ERR wrong number of arguments for 'weir|slowlog' command\r\n");
  client.Command({"MULTI"});
  EXPECT_EQ(client.Command({"WEIR", "SLOWLOG", "LEN"})[0], '-');
  EXPECT_TRUE(client.Command({"EXEC"}).starts_with("-EXECABORT"));
}

TEST_F(SlowlogTest, BlockedCommandsAreNotSlow) {
  const auto weir = Start("log_slower_than_us = 0\n");
  RawClient client(weir->port());
  EXPECT_EQ(client.Command({"BLPOP", "none", "0.01"}), "*-1\r\n");
  EXPECT_EQ(Get(&client).elements.size(), 0u);
}

// Each kept alive the 64 KiB that it was read with, until no memory was left for anybody.
TEST_F(SlowlogTest, BlockedCommandsKeepLittle) {
  const auto weir = Start("log_slower_than_us = 1000000\n", 1, "[hotkeys]\ntracked_max = 10\n");
  RawClient other(weir->port());
  const std::string filler(40'000, 'f');
  std::vector<std::unique_ptr<RawClient>> blocked;
  for (int i = 0; i < 50; ++i) {
    const std::string queue = "q" + std::to_string(i);
    blocked.push_back(std::make_unique<RawClient>(weir->port()));
    other.Command({"RPUSH", queue, "job"});
    EXPECT_EQ(blocked.back()->Command({"BLPOP", queue, "0"})[0], '*');
    blocked.back()->Send(Encode({"BLPOP", queue, "0"}));
    EXPECT_EQ(other.Command({"SET", "filler", filler}), "+OK\r\n");
  }
  const std::string metrics = HttpGet(weir->admin_port(), "/metrics").body;
  const std::string name = "\nweir_buffer_bytes{worker=\"0\"} ";
  const size_t at = metrics.find(name);
  ASSERT_NE(at, std::string::npos) << metrics;
  EXPECT_LT(std::stod(metrics.substr(at + name.size())), 1 << 20);
}

// Of a run that was answered in part, the first was shown, with the wait of those behind it.
TEST_F(SlowlogTest, OfARunTheFirstThatIsLateIsShown) {
  FakeBackend backend([](const std::vector<std::string>& args) {
    return Answer{.bytes = args[1] < "g2" ? "$1\r\nv\r\n" : ""};
  });
  WeirConfig config;
  config.url = backend.url();
  config.workers = 1;
  config.upstream = "request_timeout_ms = 200\n";
  config.rest = "[slowlog]\nlog_slower_than_us = 100000\n";
  WeirServer weir(config);
  RawClient client(weir.port());
  std::string bytes;
  for (int i = 0; i < 5; ++i) bytes += Encode({"GET", "g" + std::to_string(i)});
  client.Send(bytes);
  const std::vector<std::string> replies = client.ReadFrames(5);
  EXPECT_EQ(replies.at(1), "$1\r\nv\r\n");
  EXPECT_TRUE(replies.at(2).starts_with("-TIMEOUT ")) << replies.at(2);
  const Reply all = Get(&client);
  ASSERT_EQ(all.elements.size(), 1u);
  EXPECT_EQ(ArgsOf(all.elements[0]), (Args{"GET", "g2"}));
  const Reply& split = all.elements[0].elements[6];
  EXPECT_EQ(split.at("requests").text, "3");
  EXPECT_GE(Number(split.at("upstream")), 100000);
  EXPECT_LT(Number(split.at("weir")), 100000);
}

// What several nodes answer had no time upstream.
TEST_F(SlowlogTest, SplitRequestsWaitForTheirSlowestNode) {
  RedisServer second;
  WeirConfig config;
  config.url = "redis+sharded://" + redis_.address() + "," + second.address();
  config.rest = "[slowlog]\nlog_slower_than_us = 60000\n";
  WeirServer weir(config);
  RawClient client(weir.port());
  EXPECT_EQ(client.Command({"DBSIZE"}), ":0\r\n");
  RawClient control(second.port());
  EXPECT_EQ(control.Command({"CLIENT", "PAUSE", "150", "ALL"}), "+OK\r\n");
  EXPECT_EQ(client.Command({"DBSIZE"}), ":0\r\n");
  const std::vector<Reply> found = Of(Get(&client), "DBSIZE");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_GE(Number(found[0].elements[6].at("upstream")), 50000);
  EXPECT_LT(Number(found[0].elements[6].at("weir")), 50000);
}

// WEIR EXPLAIN showed the passwords of what it explains.
TEST_F(SlowlogTest, WhatIsExplainedIsHidden) {
  const auto weir = Start("log_slower_than_us = 0\n");
  RawClient client(weir->port());
  client.Command({"WEIR", "EXPLAIN", "AUTH", "hunter"});
  EXPECT_EQ(ArgsOf(Of(Get(&client), "WEIR").at(0)),
            (Args{"WEIR", "EXPLAIN", "(redacted)", "(redacted)"}));
}

TEST_F(SlowlogTest, LargeAndInlineRequestsAndTransactions) {
  const auto weir = Start("log_slower_than_us = 0\n");
  RawClient client(weir->port());
  client.Send("set inline-key \"a b\"\r\n");
  EXPECT_EQ(client.ReadFrame(), "+OK\r\n");
  EXPECT_EQ(client.Command({"SET", "large", std::string(size_t{3} << 20, 'x')}), "+OK\r\n");
  client.Send(Encode({"MULTI"}) + Encode({"INCR", "a"}) + Encode({"INCR", "b"}) + Encode({"EXEC"}));
  client.ReadFrames(4);
  const Reply all = Get(&client);
  std::vector<Args> seen;
  for (const Reply& entry : all.elements) seen.push_back(ArgsOf(entry));
  ASSERT_EQ(seen.size(), 5u);
  EXPECT_EQ(seen[0], (Args{"EXEC"}));
  EXPECT_EQ(seen[1], (Args{"INCR", "a"}));
  EXPECT_EQ(all.elements[1].elements[6].at("requests").text, "2");
  EXPECT_EQ(seen[2], (Args{"MULTI"}));
  EXPECT_EQ(seen[3], (Args{"SET", "large", "... (1 more arguments)"}));
  EXPECT_EQ(seen[4], (Args{"set", "inline-key", "a b"}));
}

// A delay by a rate limit is a part of what the client waits for: of weir's queue.
TEST_F(SlowlogTest, DelaysCount) {
  const auto weir = Start("log_slower_than_us = 100000\n", 1,
                          "[plugin.rate_limit]\nenabled = true\n[[plugin.rate_limit.rule]]\n"
                          "name = \"slow\"\ncommands = [\"GET\"]\naction = \"delay\"\n"
                          "delay_ms_max = 60000\n[[plugin.rate_limit.rule.limit]]\npoints = 1\n"
                          "period_ms = 300\nburst = 1\n");
  RawClient client(weir->port());
  client.Command({"GET", "a"});
  client.Command({"GET", "b"});
  client.Command({"GET", "c"});
  const std::vector<Reply> found = Of(Get(&client), "GET");
  ASSERT_GE(found.size(), 1u);
  EXPECT_GE(Number(found[0].elements[6].at("queue")), 100000);
}

TEST_F(SlowlogTest, OnlyWhoMayReadRedisOwn) {
  RawClient admin(redis_.port());
  admin.Command({"ACL", "SETUSER", "eve", "on", ">pw", "~*", "+@all", "-@admin"});
  const auto weir = Start("log_slower_than_us = 0\n", 2, "[auth]\nmode = \"passthrough\"\n");
  RawClient eve(weir->port());
  EXPECT_EQ(eve.Command({"AUTH", "eve", "pw"}), "+OK\r\n");
  for (const std::string what : {"GET", "LEN", "RESET"}) {
    EXPECT_TRUE(eve.Command({"WEIR", "SLOWLOG", what}).starts_with("-NOPERM ")) << what;
  }
  RawClient other(weir->port());
  EXPECT_EQ(other.Command({"WEIR", "SLOWLOG", "RESET"}), "+OK\r\n");
}

}  // namespace
}  // namespace weir::harness
