// Tokens of commands that no script can wrap: they run under a claim, which somebody may lose.
#include <csignal>
#include <memory>
#include <set>
#include <vector>

#include "tests/integration/fixture.h"
#include "tests/support/cluster.h"

namespace weir::harness {
namespace {

const std::string kIncr = "return redis.call('INCR', KEYS[1])";

class IdempotencyClaimTest : public ::testing::Test {
 protected:
  WeirConfig Config(const std::string& plugin) const {
    WeirConfig config;
    config.url = redis_.url();
    config.rest = "[plugin.idempotency]\nenabled = true\n" + plugin;
    config.admin = true;
    return config;
  }
  std::unique_ptr<WeirServer> Start(const std::string& plugin = "") const {
    return std::make_unique<WeirServer>(Config(plugin));
  }
  static int Count(const WeirServer& weir, const std::string& outcome) {
    const std::string body = HttpGet(weir.admin_port(), "/metrics").body;
    const std::string line =
        "weir_idempotency_requests_total{outcome=\"" + outcome + "\",rule=\"weir.idem\"} ";
    const size_t at = body.find(line);
    return at == std::string::npos ? -1 : std::atoi(body.c_str() + at + line.size());
  }
  std::vector<std::string> Records() {
    std::vector<std::string> keys;
    for (const Reply& key : ParseReply(direct_.Command({"KEYS", "weir:idem:*"})).elements) {
      keys.push_back(key.text);
    }
    return keys;
  }
  // What stands in the only record behind the fingerprint.
  std::string Record() {
    const std::vector<std::string> keys = Records();
    if (keys.size() != 1) return "";
    const std::string text = direct_.Text({"GET", keys[0]});
    return text.size() < 33 ? "" : text.substr(32);
  }
  bool SomebodyIsBlocked(int clients = 1) {
    return redis_.Info("clients", "blocked_clients") == std::to_string(clients);
  }

  RedisServer redis_;
  RawClient direct_{redis_.port()};
};

TEST_F(IdempotencyClaimTest, ATokenRunsOnceAndOtherArgumentsAreAMismatch) {
  const auto weir = Start();
  RawClient client(weir->port());
  EXPECT_EQ(client.Command({"WEIR.IDEM", "a", "EVAL", kIncr, "1", "n"}), ":1\r\n");
  EXPECT_EQ(client.Command({"WEIR.IDEM", "a", "eval", kIncr, "1", "n"}), ":1\r\n");
  EXPECT_EQ(client.Command({"WEIR.IDEM", "a", "EVAL", kIncr, "1", "m"}), ":1\r\n")
      << "another slot is another token";
  EXPECT_EQ(client.Command({"WEIR.IDEM", "a", "EVAL", kIncr, "1", "n", "x"}),
            "-IDEMMISMATCH rule=weir.idem reason=other_arguments\r\n");
  EXPECT_EQ(client.Text({"GET", "n"}), "1");
  direct_.Command({"RPUSH", "l", "x", "y"});
  EXPECT_EQ(client.Command({"WEIR.IDEM", "b", "BLPOP", "l", "0"}), "*2\r\n$1\r\nl\r\n$1\r\nx\r\n");
  EXPECT_EQ(client.Command({"WEIR.IDEM", "b", "BLPOP", "l", "0"}), "*2\r\n$1\r\nl\r\n$1\r\nx\r\n");
  EXPECT_EQ(direct_.Command({"LLEN", "l"}), ":1\r\n");
  EXPECT_EQ(Count(*weir, "ran"), 3);
  EXPECT_EQ(Count(*weir, "replayed"), 2);
  EXPECT_EQ(Count(*weir, "mismatched"), 1);
}

TEST_F(IdempotencyClaimTest, RepliesKeepTheOrderOfTheirRequests) {
  const auto weir = Start();
  RawClient client(weir->port());
  const std::string get_and_set = "return redis.call('GETSET', KEYS[1], ARGV[1])";
  for (int i = 0; i < 200; ++i) {
    const std::string n = std::to_string(i);
    client.Send(Encode({"SET", "k", "a" + n}) +
                Encode({"WEIR.IDEM", n, "EVAL", get_and_set, "1", "k", "b" + n}) +
                Encode({"GETSET", "k", "c" + n}) +
                Encode({"WEIR.IDEM", n, "EVAL", get_and_set, "1", "k", "b" + n}) +
                Encode({"GET", "k"}));
    const std::vector<std::string> replies = client.ReadFrames(5);
    ASSERT_EQ(replies.size(), 5u);
    EXPECT_EQ(replies[0], "+OK\r\n");
    EXPECT_EQ(replies[1], Bulk("a" + n));
    EXPECT_EQ(replies[2], Bulk("b" + n));
    EXPECT_EQ(replies[3], Bulk("a" + n));
    EXPECT_EQ(replies[4], Bulk("c" + n));
  }
}

TEST_F(IdempotencyClaimTest, AHundredRepeatsAtOnceThroughThreeWeirsAreOneEffect) {
  std::vector<std::unique_ptr<WeirServer>> weirs;
  for (int i = 0; i < 3; ++i) weirs.push_back(Start());
  constexpr size_t kRepeats = 100;
  std::vector<std::unique_ptr<RawClient>> clients;
  for (size_t i = 0; i < kRepeats; ++i) {
    clients.push_back(std::make_unique<RawClient>(weirs[i % 3]->port()));
    if (i % 2 == 0) {
      clients.back()->Command({"HELLO", "3"});
    }
  }
  for (int round = 0; round < 3; ++round) {
    const std::string token = "t" + std::to_string(round);
    for (const auto& client : clients) {
      client->Send(Encode({"WEIR.IDEM", token, "WAIT", "60000", "EVAL", kIncr, "1", "n"}) +
                   Encode({"WEIR.IDEM", token, "WAIT", "60000", "BLPOP", "l", "0"}));
    }
    ASSERT_TRUE(Eventually([&] { return SomebodyIsBlocked(); }));
    direct_.Command({"RPUSH", "l", "v" + token, "w", "w"});
    std::set<std::string> replies;
    for (const auto& client : clients) {
      std::string all;
      for (const std::string& reply : client->ReadFrames(2)) all += reply;
      replies.insert(all);
    }
    EXPECT_EQ(replies.size(), 1u) << "all replies are the same";
    EXPECT_EQ(*replies.begin(),
              ":" + std::to_string(round + 1) + "\r\n*2\r\n$1\r\nl\r\n" + Bulk("v" + token));
    EXPECT_EQ(direct_.Command({"LLEN", "l"}), ":2\r\n");
    direct_.Command({"DEL", "l"});
  }
}

TEST_F(IdempotencyClaimTest, ARepeatWaitsNoLongerThanItIsTold) {
  const auto weir = Start();
  RawClient first(weir->port()), second(weir->port());
  first.Send(Encode({"WEIR.IDEM", "t", "BLPOP", "l", "0"}));
  ASSERT_TRUE(Eventually([&] { return SomebodyIsBlocked(); }));
  EXPECT_EQ(second.Command({"WEIR.IDEM", "t", "WAIT", "0", "BLPOP", "l", "0"}),
            "-IDEMTIMEOUT rule=weir.idem waited_ms=0\r\n");
  const std::string late = second.Command({"WEIR.IDEM", "t", "WAIT", "60", "BLPOP", "l", "0"});
  EXPECT_TRUE(late.starts_with("-IDEMTIMEOUT rule=weir.idem waited_ms=")) << late;
  second.Send(Encode({"WEIR.IDEM", "t", "WAIT", "60000", "BLPOP", "l", "0"}));
  direct_.Command({"RPUSH", "l", "x", "y"});
  EXPECT_EQ(first.ReadFrame(), "*2\r\n$1\r\nl\r\n$1\r\nx\r\n");
  EXPECT_EQ(second.ReadFrame(), "*2\r\n$1\r\nl\r\n$1\r\nx\r\n");
  EXPECT_EQ(Count(*weir, "timed_out"), 2);
}

TEST_F(IdempotencyClaimTest, AClaimIsRenewedWhileItsCommandRuns) {
  const auto weir = Start("claim_ms = 1500\n");
  RawClient first(weir->port()), second(weir->port());
  first.Send(Encode({"WEIR.IDEM", "t", "BLPOP", "l", "0"}));
  std::set<std::string> seen;
  ASSERT_TRUE(Eventually([&] {
    seen.insert(Record());
    seen.erase("");
    return seen.size() >= 6;
  }));
  EXPECT_EQ((*seen.begin())[0], 'C');
  EXPECT_EQ(second.Command({"WEIR.IDEM", "t", "WAIT", "0", "BLPOP", "l", "0"}),
            "-IDEMTIMEOUT rule=weir.idem waited_ms=0\r\n");
  direct_.Command({"RPUSH", "l", "x"});
  EXPECT_EQ(first.ReadFrame(), "*2\r\n$1\r\nl\r\n$1\r\nx\r\n");
}

TEST_F(IdempotencyClaimTest, ErrorsAreNotRecordedUnlessTheRuleSaysSo) {
  const auto weir = Start(
      "[[plugin.idempotency.rule]]\nname = \"r\"\ncommands = [\"EVAL\"]\ntoken = \"arg(-1)\"\n"
      "record_errors = true\n");
  RawClient client(weir->port());
  const std::string fails = "redis.call('INCR', KEYS[1]) return redis.error_reply('NO')";
  EXPECT_TRUE(client.Command({"WEIR.IDEM", "t", "EVAL", fails, "1", "n"}).starts_with("-"));
  EXPECT_TRUE(client.Command({"WEIR.IDEM", "t", "EVAL", fails, "1", "n"}).starts_with("-"));
  EXPECT_EQ(client.Text({"GET", "n"}), "2");
  ASSERT_TRUE(Eventually([&] { return Records().empty(); }));
  const std::string first = client.Command({"EVAL", fails, "1", "m", "token"});
  EXPECT_TRUE(first.starts_with("-")) << first;
  EXPECT_EQ(client.Command({"EVAL", fails, "1", "m", "token"}), first);
  EXPECT_EQ(client.Text({"GET", "m"}), "1");
}

TEST_F(IdempotencyClaimTest, AReplyThatIsTooLongIsNotKept) {
  const auto weir = Start("reply_bytes_max = 100\n");
  RawClient client(weir->port());
  const std::string script = "redis.call('INCR', KEYS[1]) return string.rep('x', 200)";
  EXPECT_EQ(client.Command({"WEIR.IDEM", "t", "EVAL", script, "1", "n"}),
            Bulk(std::string(200, 'x')));
  EXPECT_EQ(client.Command({"WEIR.IDEM", "t", "EVAL", script, "1", "n"}),
            "-IDEMREPLY rule=weir.idem ran=1 reply_bytes=208 reply_bytes_max=100\r\n");
  EXPECT_EQ(client.Text({"GET", "n"}), "1");
}

// ---- clients that leave

// Nothing came of it, so it never was; and nobody's element is taken.
TEST_F(IdempotencyClaimTest, WhoLeavesWhileItWaitsHasAskedForNothing) {
  const auto weir = Start();
  for (const bool reset : {false, true}) {
    RawClient client(weir->port());
    client.Send(Encode({"WEIR.IDEM", "t", "BLPOP", "l", "0"}));
    ASSERT_TRUE(Eventually([&] { return SomebodyIsBlocked(); }));
    reset ? client.Reset() : client.Close();
    ASSERT_TRUE(Eventually([&] { return SomebodyIsBlocked(0) && Records().empty(); }));
  }
  direct_.Command({"RPUSH", "l", "x", "y"});
  RawClient client(weir->port());
  EXPECT_EQ(client.Command({"WEIR.IDEM", "t", "BLPOP", "l", "0"}), "*2\r\n$1\r\nl\r\n$1\r\nx\r\n");
  EXPECT_EQ(direct_.Command({"LLEN", "l"}), ":1\r\n");
}

// Its client dies while Redis is at it: the repeat gets what the first would have heard.
TEST_F(IdempotencyClaimTest, WhatRunsWhenItsClientLeavesIsRecorded) {
  const auto weir = Start();
  RawClient again(weir->port());
  ASSERT_EQ(again.Command({"WEIR.IDEM", "first", "EVAL", kIncr, "1", "n"}), ":1\r\n");
  for (int i = 0; i < 20; ++i) {
    const std::string token = "t" + std::to_string(i);
    {
      RawClient client(weir->port());
      client.Command({"PING"});
      redis_.Pause();
      client.Send(Encode({"WEIR.IDEM", token, "EVAL", kIncr, "1", "n"}));
      PauseMs(i % 5);
      client.Reset();
    }
    redis_.Resume();
    EXPECT_EQ(again.Command({"WEIR.IDEM", token, "EVAL", kIncr, "1", "n"}),
              ":" + std::to_string(i + 2) + "\r\n");
    EXPECT_EQ(direct_.Text({"GET", "n"}), std::to_string(i + 2));
  }
}

// ---- owners that die

class IdempotencyOwnerTest : public IdempotencyClaimTest {
 protected:
  // A weir that may be killed.
  std::unique_ptr<Process> StartMortal() {
    const std::string file =
        dir_.Write("weir.toml", "workers = 1\n[[listener]]\naddress = \"" + place_.address() +
                                    "\"\n[upstream.default]\nurl = \"" + redis_.url() +
                                    "\"\n[admin]\naddress = \"off\"\n[plugin.idempotency]\n"
                                    "enabled = true\nclaim_ms = 300\n");
    auto weir =
        std::make_unique<Process>(std::vector<std::string>{WeirServer::binary(), "--config", file},
                                  dir_.path() + "/weir.log");
    EXPECT_TRUE(Eventually([&] { return static_cast<bool>(ConnectTo(place_.port())); }));
    return weir;
  }

  const TempDir dir_;
  const PortReservation place_;
};

TEST_F(IdempotencyOwnerTest, OfADeadOwnersClaimNobodyKnowsAndItSaysSo) {
  const auto mortal = StartMortal();
  const auto weir = Start("claim_ms = 300\n");
  RawClient first(place_.port()), second(weir->port());
  first.Send(Encode({"WEIR.IDEM", "t", "BLPOP", "l", "0"}));
  ASSERT_TRUE(Eventually([&] { return SomebodyIsBlocked(); }));
  second.Send(Encode({"WEIR.IDEM", "t", "WAIT", "60000", "BLPOP", "l", "0"}));
  mortal->Kill();
  EXPECT_EQ(second.ReadFrame(), "-IDEMUNKNOWN rule=weir.idem reason=owner_died\r\n");
  direct_.Command({"RPUSH", "l", "x"});
  EXPECT_EQ(second.Command({"WEIR.IDEM", "t", "BLPOP", "l", "0"}),
            "-IDEMUNKNOWN rule=weir.idem reason=owner_died\r\n")
      << "also later";
  EXPECT_EQ(direct_.Command({"LLEN", "l"}), ":1\r\n");
  EXPECT_EQ(Count(*weir, "unknown"), 2);
}

TEST_F(IdempotencyOwnerTest, OrItIsRunAgainIfThatIsWanted) {
  const auto mortal = StartMortal();
  const auto weir = Start("claim_ms = 300\non_unknown = \"run_again\"\n");
  RawClient first(place_.port()), second(weir->port());
  first.Send(Encode({"WEIR.IDEM", "t", "BLPOP", "l", "0"}));
  ASSERT_TRUE(Eventually([&] { return SomebodyIsBlocked(); }));
  second.Send(Encode({"WEIR.IDEM", "t", "WAIT", "60000", "BLPOP", "l", "0"}));
  mortal->Kill();
  ASSERT_TRUE(Eventually([&] { return SomebodyIsBlocked(0); }));
  ASSERT_TRUE(Eventually([&] { return SomebodyIsBlocked(); }));
  direct_.Command({"RPUSH", "l", "x", "y"});
  EXPECT_EQ(second.ReadFrame(), "*2\r\n$1\r\nl\r\n$1\r\nx\r\n");
  EXPECT_EQ(direct_.Command({"LLEN", "l"}), ":1\r\n");
}

// The owner was only slow: when it wakes, its reply is not what the token means any more.
TEST_F(IdempotencyOwnerTest, ALateFirstAttemptOverwritesNothing) {
  const auto mortal = StartMortal();
  const auto weir = Start("claim_ms = 300\non_unknown = \"run_again\"\n");
  RawClient first(place_.port()), second(weir->port());
  first.Send(Encode({"WEIR.IDEM", "t", "BLPOP", "l", "0"}));
  ASSERT_TRUE(Eventually([&] { return SomebodyIsBlocked(); }));
  mortal->Signal(SIGSTOP);
  second.Send(Encode({"WEIR.IDEM", "t", "WAIT", "60000", "BLPOP", "l", "0"}));
  ASSERT_TRUE(Eventually([&] { return SomebodyIsBlocked(2); }));
  direct_.Command({"RPUSH", "l", "x"});  // to the one that sleeps
  direct_.Command({"RPUSH", "l", "y"});
  EXPECT_EQ(second.ReadFrame(), "*2\r\n$1\r\nl\r\n$1\r\ny\r\n");
  mortal->Signal(SIGCONT);
  EXPECT_EQ(first.ReadFrame(), "-IDEMUNKNOWN rule=weir.idem reason=taken_over\r\n");
  for (RawClient* client : {&first, &second}) {
    EXPECT_EQ(client->Command({"WEIR.IDEM", "t", "BLPOP", "l", "0"}),
              "*2\r\n$1\r\nl\r\n$1\r\ny\r\n");
  }
}

// ---- where it does not go this way

TEST_F(IdempotencyClaimTest, InsideMultiAndForSubscribersAllIsAsEver) {
  const auto weir = Start();
  RawClient client(weir->port());
  client.Send(Encode({"MULTI"}) + Encode({"WEIR.IDEM", "t", "EVAL", kIncr, "1", "n"}) +
              Encode({"EXEC"}));
  const std::vector<std::string> replies = client.ReadFrames(3);
  ASSERT_EQ(replies.size(), 3u);
  EXPECT_TRUE(replies[1].starts_with("-ERR weir: WEIR.IDEM is not possible inside MULTI"));
  EXPECT_TRUE(replies[2].starts_with("-EXECABORT"));
  client.Command({"SUBSCRIBE", "c"});
  EXPECT_TRUE(client.Command({"WEIR.IDEM", "t", "EVAL", kIncr, "1", "n"})
                  .starts_with("-ERR Can't execute 'eval'"));
  EXPECT_EQ(direct_.Command({"EXISTS", "n"}), ":0\r\n");
}

TEST_F(IdempotencyClaimTest, MoreThanSoManyAreRefused) {
  WeirConfig config = Config("claims_max = 1\n");
  config.workers = 1;
  WeirServer weir(config);
  RawClient first(weir.port()), second(weir.port());
  first.Send(Encode({"WEIR.IDEM", "t", "BLPOP", "l", "0"}));
  ASSERT_TRUE(Eventually([&] { return SomebodyIsBlocked(); }));
  EXPECT_EQ(second.Command({"WEIR.IDEM", "u", "EVAL", kIncr, "1", "n"}),
            "-ERR weir: claims_max = 1 commands under a claim are on their way in this worker\r\n");
  direct_.Command({"RPUSH", "l", "x"});
  EXPECT_EQ(first.ReadFrame(), "*2\r\n$1\r\nl\r\n$1\r\nx\r\n");
  EXPECT_EQ(second.Command({"WEIR.IDEM", "u", "EVAL", kIncr, "1", "n"}), ":1\r\n");
}

// It needs no more permissions than are written down.
TEST_F(IdempotencyClaimTest, TheClientsUserRunsAllOfIt) {
  direct_.Command({"ACL", "SETUSER", "ann", "on", ">secret", "-@all", "+evalsha", "+eval", "+get",
                   "+set", "+time", "+incr", "+hello", "~n", "~weir:idem:*"});
  direct_.Command({"ACL", "SETUSER", "bob", "on", ">secret", "-@all", "+evalsha", "+eval", "+incr",
                   "+hello", "~n", "~weir:idem:*"});
  WeirConfig config = Config("[auth]\nmode = \"passthrough\"\n");
  WeirServer weir(config);
  RawClient client(weir.port());
  ASSERT_EQ(client.Text({"AUTH", "ann", "secret"}), "OK");
  EXPECT_EQ(client.Command({"WEIR.IDEM", "t", "EVAL", kIncr, "1", "n"}), ":1\r\n");
  EXPECT_EQ(client.Command({"WEIR.IDEM", "t", "EVAL", kIncr, "1", "n"}), ":1\r\n");
  ASSERT_EQ(client.Text({"AUTH", "bob", "secret"}), "OK");
  const std::string refused = client.Command({"WEIR.IDEM", "t", "EVAL", kIncr, "1", "n"});
  EXPECT_TRUE(refused.starts_with("-")) << refused;
  EXPECT_EQ(direct_.Text({"GET", "n"}), "1");
}

TEST_F(IdempotencyClaimTest, RecordsAreOfTheClientsDb) {
  const auto weir = Start();
  RawClient client(weir->port());
  client.Command({"SELECT", "3"});
  EXPECT_EQ(client.Command({"WEIR.IDEM", "t", "EVAL", kIncr, "1", "n"}), ":1\r\n");
  client.Command({"SELECT", "0"});
  EXPECT_EQ(client.Command({"WEIR.IDEM", "t", "EVAL", kIncr, "1", "n"}), ":1\r\n");
  EXPECT_EQ(Records().size(), 1u);
  direct_.Command({"SELECT", "3"});
  EXPECT_EQ(direct_.Text({"GET", "n"}), "1");
  EXPECT_EQ(Records().size(), 1u);
}

// The claim was kept for the token's time to live only, so a repeat ran beside a first that took
// longer, and took an element that nobody heard of.
TEST_F(IdempotencyClaimTest, AClaimLastsAsLongAsTheCommand) {
  const auto weir = Start();
  RawClient first(weir->port()), second(weir->port());
  first.Send(Encode({"WEIR.IDEM", "t", "TTL", "100", "BLPOP", "q", "0"}));
  ASSERT_TRUE(Eventually([&] { return Records().size() == 1; }));
  EXPECT_EQ(
      direct_.Command({"EVAL", "local t = redis.call('PTTL', KEYS[1]) return t > 100 and 1 or t",
                       "1", Records()[0]}),
      ":1\r\n");
  second.Send(Encode({"WEIR.IDEM", "t", "TTL", "100", "WAIT", "20000", "BLPOP", "q", "0"}));
  direct_.Command({"RPUSH", "q", "e1", "e2"});
  EXPECT_EQ(first.ReadFrame(), "*2\r\n$1\r\nq\r\n$2\r\ne1\r\n");
  EXPECT_EQ(first.Text({"PING"}), "PONG");
}

// Redis' error of that name means that nothing has run; a script's own, that it has.
TEST_F(IdempotencyClaimTest, AScriptThatSaysNoscriptHasRun) {
  const auto weir = Start();
  RawClient client(weir->port());
  const std::string script = "redis.call('INCR', KEYS[1]) return redis.error_reply('NOSCRIPT foo')";
  const std::string sha = client.Text({"SCRIPT", "LOAD", script});
  EXPECT_EQ(client.Command({"WEIR.IDEM", "t", "EVALSHA", sha, "1", "n"}), "-NOSCRIPT foo\r\n");
  EXPECT_EQ(direct_.Text({"GET", "n"}), "1");
  EXPECT_EQ(client.Command({"EVALSHA", sha, "1", "n"}), "-NOSCRIPT foo\r\n");
  EXPECT_EQ(direct_.Text({"GET", "n"}), "2");
}

TEST(IdempotencyClaimClusterTest, GoesToTheNodeOfItsKeysAndFollowsThem) {
  Cluster cluster{Cluster::Options{.replicas_each = 0}};
  WeirConfig config;
  config.url = cluster.url();
  config.rest = "[plugin.idempotency]\nenabled = true\n";
  WeirServer weir(config);
  RawClient client(weir.port());
  for (size_t node = 0; node < 3; ++node) {
    const std::string key = cluster.KeyOn(node, 1);
    const std::string list = "{" + key + "}l";
    for (int again = 0; again < 2; ++again) {
      EXPECT_EQ(client.Command({"WEIR.IDEM", "t", "EVAL", kIncr, "1", key}), ":1\r\n");
    }
    RawClient direct(cluster.node(node).port());
    direct.Command({"RPUSH", list, "x", "y"});
    for (int again = 0; again < 2; ++again) {
      EXPECT_EQ(client.Command({"WEIR.IDEM", "pop", "BLPOP", list, "0"}),
                "*2\r\n" + Bulk(list) + Bulk("x"));
    }
    EXPECT_EQ(direct.Command({"LLEN", list}), ":1\r\n");
  }
  // A script without keys runs anywhere.
  EXPECT_EQ(client.Command({"WEIR.IDEM", "seven", "EVAL", "return 7", "0"}), ":7\r\n");
  EXPECT_EQ(client.Command({"WEIR.IDEM", "seven", "EVAL", "return 7", "0"}), ":7\r\n");
  const std::string moved = cluster.KeyOn(0, 1);
  RawClient node(cluster.node(0).port());
  const auto slot = static_cast<uint16_t>(
      std::stoi(ParseReply(node.Command({"CLUSTER", "KEYSLOT", moved})).text));
  cluster.MoveSlots(0, 1, slot, 1);
  EXPECT_EQ(client.Command({"WEIR.IDEM", "t", "EVAL", kIncr, "1", moved}), ":1\r\n");
  EXPECT_EQ(client.Command({"WEIR.IDEM", "u", "EVAL", kIncr, "1", moved}), ":2\r\n");
}

}  // namespace
}  // namespace weir::harness
