// Tokens as clients meet them: a weir, or several, in front of a real Redis.
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "tests/integration/fixture.h"
#include "tests/support/cluster.h"

namespace weir::harness {
namespace {

// SHA-256 of "secret".
const std::string kHash = "\"#2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\"";

std::string Rule(const std::string& lines) { return "[[plugin.idempotency.rule]]\n" + lines; }

class IdempotencyTest : public ::testing::Test {
 protected:
  std::unique_ptr<WeirServer> Start(const std::string& plugin = "", const std::string& rest = "",
                                    const std::string& limits = "") {
    WeirConfig config;
    config.url = redis_.url();
    config.limits = limits;
    config.rest = rest + "[plugin.idempotency]\nenabled = true\n" + plugin;
    config.admin = true;
    return std::make_unique<WeirServer>(config);
  }
  static int Count(const WeirServer& weir, const std::string& outcome, const std::string& rule) {
    const std::string body = HttpGet(weir.admin_port(), "/metrics").body;
    const std::string line =
        "weir_idempotency_requests_total{outcome=\"" + outcome + "\",rule=\"" + rule + "\"} ";
    const size_t at = body.find(line);
    return at == std::string::npos ? -1 : std::atoi(body.c_str() + at + line.size());
  }
  // The record keys that there are.
  std::vector<std::string> Records() {
    RawClient direct(redis_.port());
    std::vector<std::string> keys;
    for (const Reply& key : ParseReply(direct.Command({"KEYS", "weir:idem:*"})).elements) {
      keys.push_back(key.text);
    }
    return keys;
  }

  RedisServer redis_;
};

TEST_F(IdempotencyTest, ATokenRunsOnceAndOtherArgumentsAreAMismatch) {
  const auto weir = Start();
  RawClient client(weir->port());
  EXPECT_EQ(client.Command({"WEIR.IDEM", "t1", "INCRBY", "n", "5"}), ":5\r\n");
  EXPECT_EQ(client.Command({"weir.idem", "t1", "incrby", "n", "5"}), ":5\r\n");
  EXPECT_EQ(client.Command({"WEIR.IDEM", "t1", "INCRBY", "n", "6"}),
            "-IDEMMISMATCH rule=weir.idem reason=other_arguments\r\n");
  EXPECT_EQ(client.Command({"WEIR.IDEM", "t1", "DECRBY", "n", "5"}),
            "-IDEMMISMATCH rule=weir.idem reason=other_arguments\r\n");
  EXPECT_EQ(client.Command({"WEIR.IDEM", "t2", "INCRBY", "n", "5"}), ":10\r\n");
  EXPECT_EQ(client.Text({"GET", "n"}), "10");
  EXPECT_EQ(Count(*weir, "ran", "weir.idem"), 2);
  EXPECT_EQ(Count(*weir, "replayed", "weir.idem"), 1);
  EXPECT_EQ(Count(*weir, "mismatched", "weir.idem"), 2);
}

TEST_F(IdempotencyTest, TokensAreEachUsersAndEachDbsOwn) {
  const auto weir =
      Start("", "[auth]\nmode = \"users\"\n[[auth.user]]\nname = \"ann\"\npasswords = [" + kHash +
                    "]\n[[auth.user]]\nname = \"bob\"\npasswords = [" + kHash + "]\n");
  for (const char* user : {"ann", "bob"}) {
    RawClient client(weir->port());
    ASSERT_EQ(client.Text({"AUTH", user, "secret"}), "OK");
    for (const char* db : {"0", "3"}) {
      ASSERT_EQ(client.Text({"SELECT", db}), "OK");
      client.Command({"WEIR.IDEM", "t", "INCR", "n"});
      client.Command({"WEIR.IDEM", "t", "INCR", "n"});
    }
  }
  RawClient direct(redis_.port());
  EXPECT_EQ(direct.Text({"GET", "n"}), "2") << "one of each user";
  direct.Text({"SELECT", "3"});
  EXPECT_EQ(direct.Text({"GET", "n"}), "2");
}

TEST_F(IdempotencyTest, AHundredRepeatsAtOnceThroughThreeWeirsAreOneEffect) {
  const std::vector<std::unique_ptr<WeirServer>> weirs = [&] {
    std::vector<std::unique_ptr<WeirServer>> all;
    for (int i = 0; i < 3; ++i) all.push_back(Start());
    return all;
  }();
  constexpr size_t kRepeats = 100;
  std::vector<std::unique_ptr<RawClient>> clients;
  for (size_t i = 0; i < kRepeats; ++i) {
    clients.push_back(std::make_unique<RawClient>(weirs[i % 3]->port()));
  }
  for (int round = 0; round < 5; ++round) {
    const std::string token = "t" + std::to_string(round);
    for (const auto& client : clients) {
      client->Send(Encode({"WEIR.IDEM", token, "XADD", "x", "*", "round", token}) +
                   Encode({"WEIR.IDEM", token, "INCR", "n"}) +
                   Encode({"WEIR.IDEM", token, "LPUSH", "l", token}));
    }
    std::set<std::string> replies;
    for (const auto& client : clients) {
      std::string all;
      for (const std::string& reply : client->ReadFrames(3)) all += reply;
      replies.insert(all);
    }
    EXPECT_EQ(replies.size(), 1u) << "all replies are the same";
  }
  RawClient direct(redis_.port());
  EXPECT_EQ(direct.Command({"XLEN", "x"}), ":5\r\n");
  EXPECT_EQ(direct.Text({"GET", "n"}), "5");
  EXPECT_EQ(direct.Command({"LLEN", "l"}), ":5\r\n");
}

TEST_F(IdempotencyTest, ScriptsThatRedisForgotAreSentAgainInTheClientsOrder) {
  const auto weir =
      Start(Rule("name = \"set\"\ncommands = [\"SET\"]\ntoken = \"arg(-1)\"\nstrip = true\n"));
  RawClient client(weir->port());
  RawClient direct(redis_.port());
  for (int i = 0; i < 100; ++i) {
    const std::string n = std::to_string(i);
    if (i % 3 == 0) direct.Command({"SCRIPT", "FLUSH"});
    if (i % 3 == 1) client.Command({"SCRIPT", "FLUSH"});
    client.Send(Encode({"SET", "k", "first", "a" + n}) + Encode({"SET", "k", "then" + n, "b" + n}) +
                Encode({"GET", "k"}) + Encode({"APPEND", "k", "!"}) +
                Encode({"SET", "k", "last" + n, "c" + n}) + Encode({"GET", "k"}));
    const std::vector<std::string> replies = client.ReadFrames(6);
    ASSERT_EQ(replies.size(), 6u);
    EXPECT_EQ(replies[0], "+OK\r\n");
    EXPECT_EQ(replies[2], Bulk("then" + n)) << "what is behind a script waits for it";
    EXPECT_EQ(replies[5], Bulk("last" + n));
  }
  EXPECT_EQ(Count(*weir, "ran", "set"), 300);
}

TEST_F(IdempotencyTest, WhatCannotBeRunOnceIsRefusedAndSaysWhy) {
  const auto weir = Start("", "", "");
  RawClient client(weir->port());
  const auto refusal = [&](std::vector<std::string> command) {
    command.insert(command.begin(), {"WEIR.IDEM", "t"});
    return client.Command(command);
  };
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"MULTI"},
                                             {"PUBLISH", "c", "m"},
                                             {"FLUSHALL"},
                                             {"SORT", "l", "STORE", "m"},
                                             {"NONSENSE", "x"},
                                             {"BITFIELD", "b", "SET", "i64", "0", "1"},
                                             {"WEIR.IDEM", "u", "INCR", "n"},
                                             {"SELECT", "1"}}) {
    EXPECT_TRUE(refusal(command).starts_with("-ERR weir: WEIR.IDEM cannot run '"))
        << command[0] << ": " << refusal(command);
  }
  EXPECT_EQ(refusal({"GET", "k"}),
            "-ERR weir: WEIR.IDEM is for commands that write; send 'get' without a token\r\n");
  EXPECT_TRUE(refusal({"SHUTDOWN"}).starts_with("-NOPERM weir:")) << "a denial is no less one";
  EXPECT_TRUE(
      client.Command({"WEIR.IDEM", "t"}).starts_with("-ERR weir: expected WEIR.IDEM token"));
  EXPECT_TRUE(client.Command({"WEIR.IDEM", "t", "TTL", "0", "INCR", "n"})
                  .starts_with("-ERR weir: expected TTL from 1 to 604800000 ms"));
  EXPECT_TRUE(
      client.Command({"WEIR.IDEM", "", "INCR", "n"}).starts_with("-ERR weir: expected a token"));
  std::vector<std::string> many = {"RPUSH", "l"};
  many.resize(8000, "x");
  EXPECT_TRUE(refusal(many).find("more arguments than a script can hand over") !=
              std::string::npos);
  EXPECT_EQ(client.Command({"EXISTS", "n", "l", "b"}), ":0\r\n");
  EXPECT_EQ(client.Text({"PING"}), "PONG");
}

// A denial would be no denial if a script could go round it.
TEST_F(IdempotencyTest, WhatIsDeniedStaysDenied) {
  WeirConfig config;
  config.url = redis_.url();
  config.commands = "deny = [\"INCR\"]\n";
  config.rest = "[plugin.idempotency]\nenabled = true\n";
  WeirServer weir(config);
  RawClient client(weir.port());
  EXPECT_TRUE(client.Command({"WEIR.IDEM", "t", "INCR", "n"}).starts_with("-NOPERM weir:"));
  EXPECT_EQ(client.Command({"EXISTS", "n"}), ":0\r\n");
}

TEST_F(IdempotencyTest, InsideMultiItIsRefusedAndTheTransactionFails) {
  const auto weir = Start(Rule("name = \"r\"\ncommands = [\"SET\"]\ntoken = \"arg(2)\"\n"));
  RawClient client(weir->port());
  client.Send(Encode({"MULTI"}) + Encode({"WEIR.IDEM", "t", "INCR", "n"}) + Encode({"INCR", "m"}) +
              Encode({"EXEC"}) + Encode({"MULTI"}) + Encode({"INCR", "m"}) +
              Encode({"SET", "k", "v"}) + Encode({"EXEC"}) + Encode({"EXISTS", "n", "m", "k"}));
  const std::vector<std::string> replies = client.ReadFrames(9);
  ASSERT_EQ(replies.size(), 9u);
  EXPECT_EQ(replies[1], "-ERR weir: WEIR.IDEM is not possible inside MULTI\r\n");
  EXPECT_TRUE(replies[3].starts_with("-EXECABORT"));
  EXPECT_EQ(replies[6], "-ERR weir: the idempotency rule r is not possible inside MULTI\r\n");
  EXPECT_TRUE(replies[7].starts_with("-EXECABORT"));
  EXPECT_EQ(replies[8], ":0\r\n");
}

TEST_F(IdempotencyTest, RulesFindTheTokenWhereTheySay) {
  const auto weir =
      Start(Rule("name = \"pay\"\ncommands = [\"INCRBY\"]\ntoken = \"arg(3)\"\nstrip = true\n") +
            Rule("name = \"order\"\ncommands = [\"XADD\"]\ntoken = \"field(id)\"\n") +
            Rule("name = \"hash\"\ncommands = [\"HSET\"]\ntoken = \"field(id)\"\nstrip = true\n") +
            Rule("name = \"part\"\nkeys = [\"job:*\"]\ntoken = \"key_part(2)\"\nstrip = true\n") +
            Rule("name = \"key\"\nkeys = [\"once:*\"]\ntoken = \"key\"\n"));
  RawClient client(weir->port());
  EXPECT_EQ(client.Command({"INCRBY", "n", "5", "t1"}), ":5\r\n");
  EXPECT_EQ(client.Command({"INCRBY", "n", "5", "t1"}), ":5\r\n");
  EXPECT_EQ(client.Command({"INCRBY", "n", "7", "t1"}),
            "-IDEMMISMATCH rule=pay reason=other_arguments\r\n");
  EXPECT_EQ(client.Command({"INCRBY", "n", "5"}), ":10\r\n") << "without a token it passes";
  const std::string id =
      client.Command({"XADD", "x", "MAXLEN", "~", "100", "LIMIT", "5", "*", "v", "1", "id", "o1"});
  EXPECT_EQ(id[0], '$');
  EXPECT_EQ(
      client.Command({"XADD", "x", "MAXLEN", "~", "100", "LIMIT", "5", "*", "v", "1", "id", "o1"}),
      id);
  EXPECT_EQ(client.Command({"HSET", "h", "a", "1", "id", "h1", "b", "2"}), ":2\r\n");
  EXPECT_EQ(client.Command({"HSET", "h", "a", "1", "id", "h1", "b", "2"}), ":2\r\n");
  EXPECT_EQ(client.Command({"HLEN", "h"}), ":2\r\n");
  EXPECT_EQ(client.Command({"LPUSH", "job:j1:queue", "a"}), ":1\r\n");
  EXPECT_EQ(client.Command({"LPUSH", "job:j1:queue", "a"}), ":1\r\n");
  EXPECT_EQ(client.Command({"LPUSH", "job:j2:queue", "a"}), ":2\r\n");
  EXPECT_EQ(client.Command({"LLEN", "job:queue"}), ":2\r\n");
  EXPECT_EQ(client.Command({"APPEND", "once:1", "x"}), ":1\r\n");
  EXPECT_EQ(client.Command({"APPEND", "once:1", "x"}), ":1\r\n");
  EXPECT_EQ(client.Text({"GET", "once:1"}), "x") << "a read needs no token";
  EXPECT_TRUE(client.Command({"SORT", "once:1", "STORE", "to"})
                  .starts_with("-ERR weir: the idempotency rule key cannot run 'sort' once"));
  EXPECT_EQ(Count(*weir, "ran", "pay"), 1);
  EXPECT_EQ(Count(*weir, "replayed", "pay"), 1);
  EXPECT_EQ(Count(*weir, "mismatched", "pay"), 1);
  EXPECT_EQ(Count(*weir, "without_token", "pay"), 1);
  EXPECT_EQ(Count(*weir, "replayed", "order"), 1);
  EXPECT_EQ(Count(*weir, "ran", "part"), 2);
  EXPECT_EQ(Count(*weir, "refused", "key"), 1);
}

TEST_F(IdempotencyTest, AShadowCountsAndChangesNothing) {
  const auto weir = Start(
      Rule("name = \"s\"\ncommands = [\"INCRBY\"]\ntoken = \"arg(2)\"\naction = \"shadow\"\n"));
  RawClient client(weir->port());
  EXPECT_EQ(client.Command({"INCRBY", "n", "5"}), ":5\r\n");
  EXPECT_EQ(client.Command({"INCRBY", "n", "5"}), ":10\r\n");
  EXPECT_EQ(client.Command({"INCRBY", "n", "7"}), ":17\r\n");
  ASSERT_TRUE(Eventually([&] { return Count(*weir, "shadow_ran", "s") == 2; }));
  EXPECT_EQ(Count(*weir, "shadow_replayed", "s"), 1);
  EXPECT_EQ(Count(*weir, "ran", "s"), 0);
}

TEST_F(IdempotencyTest, ExplainNamesTheRuleThatWouldAct) {
  const auto weir = Start(
      Rule("name = \"pay\"\ncommands = [\"INCRBY\", \"GET\"]\ntoken = \"arg(3)\"\nstrip = true\n"));
  RawClient client(weir->port());
  const std::string once =
      "idempotency: rule pay (once): token arg(3), stripped, kept for 86400000 ms";
  EXPECT_NE(client.Command({"WEIR", "EXPLAIN", "INCRBY", "n", "1", "t"}).find(once + "\r\n"),
            std::string::npos);
  EXPECT_NE(client.Command({"WEIR", "EXPLAIN", "INCRBY", "n", "1"}).find(once + "; not there"),
            std::string::npos);
  EXPECT_NE(
      client.Command({"WEIR", "EXPLAIN", "GET", "n"}).find(once + "; this command needs none"),
      std::string::npos);
  EXPECT_NE(client.Command({"WEIR", "EXPLAIN", "WEIR.IDEM", "t", "INCR", "n"})
                .find("idempotency: looks for the token's record"),
            std::string::npos);
}

// The plan was that of a command that weir does not know, and the upstream not that of the key.
TEST_F(IdempotencyTest, ExplainShowsWhereTheCommandWithinGoes) {
  RedisServer orders;
  const auto weir = Start("", "[upstream.orders]\nurl = \"" + orders.url() +
                                  "\"\n[[route]]\nkeys = [\"o:*\"]\nupstream = \"orders\"\n");
  RawClient client(weir->port());
  const std::string lines =
      client.Command({"WEIR", "EXPLAIN", "WEIR.IDEM", "t", "TTL", "100", "INCR", "o:a"});
  EXPECT_NE(lines.find("upstream: orders "), std::string::npos) << lines;
  EXPECT_NE(lines.find("idempotency: looks for"), std::string::npos) << lines;
  EXPECT_EQ(lines.find("does not know"), std::string::npos) << lines;
}

// Whoever may write records could make weir say more than one reply, and shift all behind it.
TEST_F(IdempotencyTest, ADamagedRecordIsSaidToBeOne) {
  const auto weir = Start();
  RawClient client(weir->port());
  RawClient direct(redis_.port());
  client.Command({"SET", "other", "o"});
  EXPECT_EQ(client.Command({"WEIR.IDEM", "t", "INCR", "n"}), ":1\r\n");
  const std::string record = Records().at(0);
  const std::string good = direct.Text({"GET", record});
  const std::string fingerprint = good.substr(0, good.find('='));
  for (const std::string state :
       {"L1\r\n+INJECTED", "L", "=:1\r\n+INJECTED\r\n", "=$5\r\n", "?", ""}) {
    direct.Command({"SET", record, fingerprint + state});
    client.Send(Encode({"WEIR.IDEM", "t", "INCR", "n"}) + Encode({"GET", "other"}));
    EXPECT_TRUE(client.ReadFrame().starts_with("-IDEM")) << state;
    EXPECT_EQ(client.ReadFrame(), Bulk("o")) << state;
  }
  EXPECT_EQ(client.Text({"GET", "n"}), "1");
}

// In the slow log, the counts of keys, metrics, MONITOR and CLIENT LIST it was EVALSHA, or not at
// all.
TEST_F(IdempotencyTest, WhatRunsUnderATokenIsSeenAsWhatItIs) {
  const auto weir = Start("", "[slowlog]\nlog_slower_than_us = 0\n[hotkeys]\ntracked_max = 10\n");
  RawClient client(weir->port());
  EXPECT_EQ(client.Command({"WEIR.IDEM", "t", "INCRBY", "n", "5"}), ":5\r\n");
  Reply all = ParseReply(client.Command({"WEIR", "SLOWLOG", "GET"}));
  ASSERT_EQ(all.elements.size(), 1u);
  std::vector<std::string> args;
  for (const Reply& arg : all.elements[0].elements.at(3).elements) args.push_back(arg.text);
  EXPECT_EQ(args, (std::vector<std::string>{"INCRBY", "n", "5"}));
  all = ParseReply(client.Command({"WEIR", "HOTKEYS"}));
  ASSERT_EQ(all.elements.size(), 1u);
  EXPECT_EQ(all.elements[0].elements.at(0).text, "n");
  const std::string metrics = HttpGet(weir->admin_port(), "/metrics").body;
  EXPECT_NE(metrics.find("command=\"incrby\""), std::string::npos);
  EXPECT_EQ(metrics.find("command=\"evalsha\""), std::string::npos);
  RawClient other(weir->port());
  client.Command({"WEIR.IDEM", "t", "INCRBY", "n", "5"});
  EXPECT_NE(other.Text({"CLIENT", "LIST"}).find(" cmd=incrby "), std::string::npos);
}

TEST_F(IdempotencyTest, ARunUnderATokenIsShownToMonitors) {
  WeirConfig config;
  config.url = redis_.url();
  config.commands = "allow = [\"MONITOR\"]\n";
  config.rest = "[plugin.idempotency]\nenabled = true\n";
  WeirServer weir(config);
  RawClient client(weir.port()), monitor(weir.port());
  EXPECT_EQ(monitor.Command({"MONITOR"}), "+OK\r\n");
  EXPECT_EQ(client.Command({"WEIR.IDEM", "t", "INCRBY", "n", "5"}), ":5\r\n");
  EXPECT_TRUE(monitor.ReadFrame().ends_with("] \"INCRBY\" \"n\" \"5\"\r\n"));
}

TEST_F(IdempotencyTest, RepliesAboveTheirBoundAreSaidOnceAndTheCommandRunsOnce) {
  const auto weir = Start("reply_bytes_max = 100\n");
  RawClient client(weir->port());
  const std::string value(200, 'v');
  client.Command({"RPUSH", "l", value, value});
  EXPECT_EQ(client.Command({"WEIR.IDEM", "t", "LPOP", "l"}), Bulk(value));
  EXPECT_EQ(client.Command({"WEIR.IDEM", "t", "LPOP", "l"}),
            "-IDEMREPLY rule=weir.idem ran=1 reply_bytes=208 reply_bytes_max=100\r\n");
  EXPECT_EQ(client.Command({"LLEN", "l"}), ":1\r\n");
  // What weir could not even collect is not said the first time either.
  std::string huge;
  huge.resize(9'000'000, 'h');
  client.Command({"RPUSH", "m", huge, huge});
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(client.Command({"WEIR.IDEM", "u", "LPOP", "m", "2"})
                    .starts_with("-IDEMREPLY rule=weir.idem ran=1 reply_bytes=180000"));
  }
  EXPECT_EQ(client.Command({"EXISTS", "m"}), ":0\r\n");
}

TEST_F(IdempotencyTest, RecordsGoByThemselvesByRedisClock) {
  const auto weir =
      Start(Rule("name = \"r\"\ncommands = [\"SET\"]\ntoken = \"arg(2)\"\nttl_ms = 50000\n") + "");
  RawClient client(weir->port());
  RawClient direct(redis_.port());
  const auto left_ms = [&] {
    const std::vector<std::string> records = Records();
    EXPECT_EQ(records.size(), 1u);
    return records.empty() ? 0 : std::stoll(direct.Command({"PTTL", records[0]}).substr(1));
  };
  client.Command({"SET", "k", "v"});
  EXPECT_LE(left_ms(), 50000);
  EXPECT_GT(left_ms(), 0);
  direct.Command({"FLUSHALL"});
  client.Command({"WEIR.IDEM", "t", "INCR", "n"});
  EXPECT_GT(left_ms(), 80'000'000);
  direct.Command({"FLUSHALL"});
  EXPECT_EQ(client.Command({"WEIR.IDEM", "t", "WAIT", "100", "TTL", "1", "INCR", "n"}), ":1\r\n");
  ASSERT_TRUE(Eventually([&] { return Records().empty(); }));
  EXPECT_EQ(client.Command({"WEIR.IDEM", "t", "TTL", "1", "INCR", "n"}), ":2\r\n");
}

TEST_F(IdempotencyTest, ErrorsAreRecordedWhereARuleSaysSo) {
  const auto weir = Start(
      Rule("name = \"r\"\ncommands = [\"INCRBY\"]\ntoken = \"arg(2)\"\nrecord_errors = true\n"));
  RawClient client(weir->port());
  client.Command({"SET", "n", "text"});
  const std::string error = "-ERR value is not an integer or out of range\r\n";
  EXPECT_EQ(client.Command({"INCRBY", "n", "1"}), error);
  client.Command({"SET", "n", "1"});
  EXPECT_EQ(client.Command({"INCRBY", "n", "1"}), error);
  EXPECT_EQ(client.Command({"INCRBY", "n", "2"}), ":3\r\n");
}

TEST_F(IdempotencyTest, CommandKnowsIt) {
  const auto weir = Start();
  RawClient client(weir->port());
  EXPECT_NE(client.Command({"COMMAND"}).find("weir.idem"), std::string::npos);
  EXPECT_NE(client.Command({"COMMAND", "LIST", "FILTERBY", "PATTERN", "weir.i*"}).find("weir.idem"),
            std::string::npos);
  EXPECT_TRUE(client.Command({"COMMAND", "INFO", "weir.idem"})
                  .starts_with("*1\r\n*10\r\n$9\r\nweir.idem\r\n:-3\r\n"));
  EXPECT_NE(client.Command({"COMMAND", "DOCS", "WEIR.IDEM"}).find("once for each token"),
            std::string::npos);
  EXPECT_EQ(client.Command(
                {"COMMAND", "GETKEYS", "WEIR.IDEM", "t", "TTL", "5", "MSET", "a", "1", "b", "2"}),
            "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
  EXPECT_EQ(client.Command({"COMMAND", "GETKEYSANDFLAGS", "WEIR.IDEM", "t", "INCR", "n"}),
            client.Command({"COMMAND", "GETKEYSANDFLAGS", "INCR", "n"}));
  WeirServer off(redis_);
  RawClient plain(off.port());
  EXPECT_EQ(plain.Command({"COMMAND"}).find("weir.idem"), std::string::npos);
  EXPECT_TRUE(plain.Command({"WEIR.IDEM", "t", "INCR", "n"}).starts_with("-ERR unknown command"));
}

TEST_F(IdempotencyTest, OfASilencedClientTheCommandRunsAllTheSame) {
  const auto weir = Start();
  RawClient client(weir->port());
  RawClient direct(redis_.port());
  direct.Command({"SCRIPT", "FLUSH"});
  client.Send(Encode({"CLIENT", "REPLY", "OFF"}) + Encode({"WEIR.IDEM", "t", "INCR", "n"}) +
              Encode({"WEIR.IDEM", "t", "INCR", "n"}) + Encode({"CLIENT", "REPLY", "ON"}) +
              Encode({"GET", "n"}));
  EXPECT_EQ(client.ReadFrame(), "+OK\r\n");
  EXPECT_EQ(client.ReadFrame(), Bulk("1"));
}

TEST_F(IdempotencyTest, ALargeRequestIsRefused) {
  const auto weir = Start(Rule("name = \"r\"\ncommands = [\"SET\"]\ntoken = \"arg(1)\"\n"), "",
                          "request_buffer_bytes_max = 65536\n");
  RawClient client(weir->port());
  const std::string large(200'000, 'x');
  const std::string end = " does not take a request above request_buffer_bytes_max\r\n";
  EXPECT_EQ(client.Command({"SET", "k", large}), "-ERR weir: the idempotency rule r" + end);
  EXPECT_EQ(client.Command({"WEIR.IDEM", "t", "SET", "k", large}), "-ERR weir: WEIR.IDEM" + end);
  EXPECT_EQ(client.Command({"EXISTS", "k"}), ":0\r\n");
}

TEST_F(IdempotencyTest, LimitsCountTheCommandWithin) {
  const auto weir = Start("",
                          "[plugin.rate_limit]\nenabled = true\n[[plugin.rate_limit.rule]]\n"
                          "name = \"l\"\ncommands = [\"INCR\"]\n[[plugin.rate_limit.rule.limit]]\n"
                          "points = 2\nperiod_ms = 3600000\n");
  RawClient client(weir->port());
  EXPECT_EQ(client.Command({"WEIR.IDEM", "a", "INCR", "n"}), ":1\r\n");
  EXPECT_EQ(client.Command({"WEIR.IDEM", "b", "INCR", "n"}), ":2\r\n");
  EXPECT_TRUE(client.Command({"WEIR.IDEM", "c", "INCR", "n"}).starts_with("-RATELIMIT rule=l"));
  EXPECT_EQ(client.Command({"WEIR.IDEM", "c", "DECR", "n"}), ":1\r\n");
}

// With Redis' ACLs: whoever may not write the record must not have the effect without it.
TEST_F(IdempotencyTest, WithoutThePermissionForTheRecordNothingRuns) {
  RawClient direct(redis_.port());
  direct.Command({"ACL", "SETUSER", "keys", "on", ">p", "~app:*", "+@all"});
  direct.Command({"ACL", "SETUSER", "noset", "on", ">p", "~*", "+@all", "-set"});
  direct.Command({"ACL", "SETUSER", "noincr", "on", ">p", "~*", "+@all", "-incr"});
  direct.Command({"ACL", "SETUSER", "all", "on", ">p", "~app:*", "~weir:idem:*", "+@all"});
  const auto weir = Start("", "[auth]\nmode = \"passthrough\"\n");
  for (const char* user : {"keys", "noset", "noincr"}) {
    RawClient client(weir->port());
    ASSERT_EQ(client.Text({"AUTH", user, "p"}), "OK");
    const std::string reply = client.Command({"WEIR.IDEM", "t", "INCR", "app:n"});
    // Redis' own word for what a script may not do.
    const bool within = reply.starts_with("-ERR The user executing the script can't run");
    EXPECT_TRUE(reply.starts_with("-NOPERM") || within) << user << ": " << reply;
    EXPECT_EQ(direct.Command({"DBSIZE"}), ":0\r\n") << user;
  }
  RawClient client(weir->port());
  ASSERT_EQ(client.Text({"AUTH", "all", "p"}), "OK");
  EXPECT_EQ(client.Command({"WEIR.IDEM", "t", "INCR", "app:n"}), ":1\r\n");
  EXPECT_EQ(Count(*weir, "unanswered", "weir.idem"), 2);
}

TEST_F(IdempotencyTest, RepeatsGoOnWhileAnEvictingOrFullRedisRefuses) {
  const auto weir = Start();
  RawClient client(weir->port());
  RawClient direct(redis_.port());
  EXPECT_EQ(client.Command({"WEIR.IDEM", "a", "INCR", "n"}), ":1\r\n");
  client.Command({"RPUSH", "l", "1", "2"});
  direct.Command({"CONFIG", "SET", "maxmemory", "1"});
  EXPECT_EQ(client.Command({"WEIR.IDEM", "a", "INCR", "n"}), ":1\r\n");
  EXPECT_TRUE(client.Command({"WEIR.IDEM", "b", "INCR", "n"}).starts_with("-OOM"));
  // A command that needs no memory runs, and so does its record.
  EXPECT_EQ(client.Command({"WEIR.IDEM", "c", "LPOP", "l"}), Bulk("1"));
  EXPECT_EQ(client.Command({"WEIR.IDEM", "c", "LPOP", "l"}), Bulk("1"));
  direct.Command({"CONFIG", "SET", "maxmemory", "0"});
  EXPECT_EQ(client.Command({"WEIR.IDEM", "b", "INCR", "n"}), ":2\r\n");
}

// ---- clusters

class IdempotencyClusterTest : public ::testing::Test {
 protected:
  // Whether a request is on its way. INFO would ask a node.
  static bool IsWaiting(const WeirServer& weir) {
    const std::string body = HttpGet(weir.admin_port(), "/metrics").body;
    const std::string name = "\nweir_requests_in_flight";
    for (size_t at = body.find(name); at != std::string::npos; at = body.find(name, at + 1)) {
      const size_t end = body.find('\n', at + 1);
      const std::string line = body.substr(at, end - at);
      if (!line.ends_with(" 0")) return true;
    }
    return false;
  }

  static WeirConfig Config(const Cluster& cluster) {
    WeirConfig config = InFrontOf(cluster.url());
    config.admin = true;
    config.rest += "[plugin.idempotency]\nenabled = true\n" +
                   Rule("name = \"r\"\ncommands = [\"SETEX\"]\ntoken = \"arg(3)\"\n");
    return config;
  }
};

TEST_F(IdempotencyClusterTest, RecordsLieWithTheirKeysWhateverBracesTheseHave) {
  Cluster cluster{Cluster::Options{.replicas_each = 0}};
  WeirServer weir(Config(cluster));
  RawClient client(weir.port());
  int number = 0;
  for (const std::string key :
       {"plain", "a}b", "{}x", "{tag}y", "x{", "}{", "{{t}}", "{a}{b}", "a{}b{c}"}) {
    for (int i = 0; i < 20; ++i) {
      const std::string name = key + std::to_string(++number);
      const std::string token = std::to_string(number);
      EXPECT_EQ(client.Command({"WEIR.IDEM", token, "APPEND", name, "x"}), ":1\r\n") << name;
      EXPECT_EQ(client.Command({"WEIR.IDEM", token, "APPEND", name, "x"}), ":1\r\n") << name;
    }
  }
  EXPECT_TRUE(
      client.Command({"WEIR.IDEM", "t", "MSET", "a", "1", "b", "2"}).starts_with("-CROSSSLOT"));
  // Pipelined over all nodes.
  std::string requests;
  for (int i = 0; i < 300; ++i) {
    requests +=
        Encode({"WEIR.IDEM", "p" + std::to_string(i / 2), "INCR", "n" + std::to_string(i / 2)});
  }
  client.Send(requests);
  for (int i = 0; i < 300; ++i) EXPECT_EQ(client.ReadFrame(), ":1\r\n") << i;
}

// Before, a client whose MULTI had no node yet was taken for one without a transaction: what a
// plugin refused then did not make EXEC fail.
TEST_F(IdempotencyClusterTest, InsideMultiItIsRefusedThereToo) {
  Cluster cluster{Cluster::Options{.replicas_each = 0}};
  WeirServer weir(Config(cluster));
  RawClient client(weir.port());
  for (const bool first : {true, false}) {
    client.Send(Encode({"MULTI"}) + (first ? "" : Encode({"INCR", "m"})) +
                Encode({"WEIR.IDEM", "t", "INCR", "n"}) + Encode({"INCR", "m"}) + Encode({"EXEC"}));
    const std::vector<std::string> replies = client.ReadFrames(first ? 4 : 5);
    EXPECT_EQ(replies[0], "+OK\r\n");
    EXPECT_EQ(replies[replies.size() - 3], "-ERR weir: WEIR.IDEM is not possible inside MULTI\r\n");
    EXPECT_TRUE(replies.back().starts_with("-EXECABORT")) << replies.back();
  }
  EXPECT_EQ(client.Command({"EXISTS", "n"}), ":0\r\n");
  EXPECT_EQ(client.Command({"EXISTS", "m"}), ":0\r\n");
  EXPECT_EQ(client.Command({"WEIR.IDEM", "t", "INCR", "n"}), ":1\r\n");
}

TEST_F(IdempotencyClusterTest, RecordsMoveWithTheirSlot) {
  Cluster cluster{Cluster::Options{.replicas_each = 0}};
  WeirServer weir(Config(cluster));
  RawClient client(weir.port());
  const std::string key = cluster.KeyOn(0, 1);
  EXPECT_EQ(client.Command({"WEIR.IDEM", "t", "INCR", key}), ":1\r\n");
  cluster.MoveSlots(0, 1, SlotOf(key), 1);
  EXPECT_EQ(client.Command({"WEIR.IDEM", "t", "INCR", key}), ":1\r\n");
  EXPECT_EQ(client.Command({"WEIR.IDEM", "u", "INCR", key}), ":2\r\n");
}

// A primary dies with a write on its way: weir finds out at its replica, and the client hears one
// success.
TEST_F(IdempotencyClusterTest, AFailoverInBetweenIsOneSuccess) {
  Cluster cluster;
  WeirServer weir(Config(cluster));
  RawClient client(weir.port());
  client.set_timeout_ms(60000);
  const std::string key = cluster.KeyOn(0, 1);
  for (int i = 1; i <= 20; ++i) {
    if (i == 10) {
      // What was acknowledged so far is there on the replica, too.
      RawClient direct(cluster.node(0).port());
      ASSERT_EQ(direct.Text({"SET", cluster.KeyOn(0, 2), "x"}), "OK");
      ASSERT_EQ(direct.Command({"WAIT", "1", "60000"}), ":1\r\n");
      // The node takes the next request and does not answer it.
      cluster.node(0).Pause();
      client.Send(Encode({"WEIR.IDEM", "t10", "INCR", key}));
      ASSERT_TRUE(Eventually([&] { return IsWaiting(weir); }));
      cluster.node(0).Kill();
      EXPECT_EQ(client.ReadFrame(), ":10\r\n");
      continue;
    }
    const std::string expected = ":" + std::to_string(i) + "\r\n";
    EXPECT_EQ(client.Command({"WEIR.IDEM", "t" + std::to_string(i), "INCR", key}), expected);
    EXPECT_EQ(client.Command({"WEIR.IDEM", "t" + std::to_string(i), "INCR", key}), expected);
  }
  EXPECT_EQ(client.Text({"GET", key}), "20");
}

// The script hears READONLY from within; that is no answer of the command's.
TEST_F(IdempotencyTest, APrimaryThatBecomesAReplicaIsFollowed) {
  RedisServer other;
  RawClient a(redis_.port());
  RawClient b(other.port());
  ASSERT_EQ(b.Text({"REPLICAOF", "127.0.0.1", std::to_string(redis_.port())}), "OK");
  ASSERT_TRUE(Eventually([&] { return other.Info("replication", "master_link_status") == "up"; }));
  WeirConfig config;
  config.url = "redis://" + redis_.address() + "," + other.address();
  config.upstream = "health_check_interval_ms = 100\n";
  config.rest = "[plugin.idempotency]\nenabled = true\n";
  WeirServer weir(config);
  RawClient client(weir.port());
  for (int i = 1; i <= 20; ++i) {
    if (i == 10) {
      ASSERT_EQ(a.Text({"SET", "x", "1"}), "OK");
      ASSERT_EQ(a.Command({"WAIT", "1", "20000"}), ":1\r\n");
      ASSERT_EQ(b.Text({"REPLICAOF", "NO", "ONE"}), "OK");
      ASSERT_EQ(a.Text({"REPLICAOF", "127.0.0.1", std::to_string(other.port())}), "OK");
    }
    const std::string expected = ":" + std::to_string(i) + "\r\n";
    EXPECT_EQ(client.Command({"WEIR.IDEM", "t" + std::to_string(i), "INCR", "n"}), expected);
    EXPECT_EQ(client.Command({"WEIR.IDEM", "t" + std::to_string(i), "INCR", "n"}), expected);
  }
  EXPECT_EQ(b.Text({"GET", "n"}), "20");
}

// ---- several upstreams

// The record's name must not decide where the command goes.
TEST_F(IdempotencyTest, ARouteIsChosenByTheCommandWithin) {
  RedisServer other;
  WeirConfig config;
  config.url = redis_.url();
  config.rest = "[upstream.other]\nurl = \"" + other.url() +
                "\"\n[[route]]\nkeys = [\"o:*\"]\nupstream = \"other\"\n"
                "[plugin.idempotency]\nenabled = true\n" +
                Rule("name = \"r\"\ncommands = [\"SET\"]\ntoken = \"arg(2)\"\n");
  WeirServer weir(config);
  RawClient client(weir.port());
  client.Send(Encode({"WEIR.IDEM", "t", "INCR", "o:n"}) + Encode({"WEIR.IDEM", "t", "INCR", "n"}) +
              Encode({"WEIR.IDEM", "t", "INCR", "o:n"}) + Encode({"SET", "o:k", "v"}) +
              Encode({"SET", "k", "v"}) +
              Encode({"WEIR.ON", "other", "WEIR.IDEM", "t", "INCR", "n"}));
  const std::vector<std::string> replies = client.ReadFrames(6);
  ASSERT_EQ(replies.size(), 6u);
  EXPECT_EQ(replies[2], ":1\r\n");
  EXPECT_EQ(replies[5], ":1\r\n");
  RawClient direct(other.port());
  EXPECT_EQ(direct.Command({"EXISTS", "o:n", "o:k", "n"}), ":3\r\n");
  RawClient home(redis_.port());
  EXPECT_EQ(home.Command({"EXISTS", "k", "n"}), ":2\r\n");
}

}  // namespace
}  // namespace weir::harness
