// Two tenants of one Redis: each sees what it would see on a Redis of its own, and nothing else.
// One comes over TCP, the other over a unix socket, which is how their rules tell them apart.
#include <algorithm>
#include <memory>
#include <tuple>
#include <vector>

#include "tests/integration/fixture.h"
#include "tests/support/cluster.h"
#include "tests/support/command_generator.h"

namespace weir::harness {
namespace {

constexpr std::string_view kA = "a:";
constexpr std::string_view kB = "b:";

class NamespacesTest : public ::testing::Test {
 protected:
  // `rule`: more keys of both tenants' rules.
  std::unique_ptr<WeirServer> Start(const std::string& url, const std::string& rule = "",
                                    const std::string& rest = "") {
    WeirConfig config;
    config.url = url;
    config.admin = true;
    config.rest = "[[listener]]\naddress = \"unix:" + b_path() +
                  "\"\n[plugin.namespaces]\nenabled = true\nkeys_count_interval_ms = 20\n"
                  "[[plugin.namespaces.rule]]\nname = \"b\"\nlisteners = [\"unix:" +
                  b_path() + "\"]\nprefix = \"b:\"\n" + rule +
                  "[[plugin.namespaces.rule]]\nname = \"a\"\nprefix = \"a:\"\n" + rule + rest;
    return std::make_unique<WeirServer>(config);
  }
  std::string b_path() const { return dir_.path() + "/b.sock"; }

  TempDir dir_;
  RedisServer redis_;
};

TEST_F(NamespacesTest, EachHasItsOwnKeys) {
  const auto weir = Start(redis_.url());
  RawClient a(weir->port()), b(b_path()), direct(redis_.port());
  EXPECT_EQ(a.Text({"SET", "k", "of a"}), "OK");
  EXPECT_EQ(b.Text({"SET", "k", "of b"}), "OK");
  EXPECT_EQ(b.Text({"SET", "a:k", "doubled"}), "OK");
  EXPECT_EQ(a.Text({"GET", "k"}), "of a");
  EXPECT_EQ(b.Text({"GET", "k"}), "of b");
  EXPECT_EQ(direct.Text({"GET", "a:k"}), "of a");
  EXPECT_EQ(direct.Text({"GET", "b:a:k"}), "doubled");
  EXPECT_EQ(a.Command({"KEYS", "*"}), "*1\r\n$1\r\nk\r\n");
  EXPECT_EQ(a.Command({"DBSIZE"}), ":1\r\n");
  EXPECT_EQ(b.Command({"DBSIZE"}), ":2\r\n");
  EXPECT_EQ(a.Command({"RANDOMKEY"}), "$1\r\nk\r\n");
  EXPECT_EQ(a.Text({"FLUSHDB"}), "OK");
  EXPECT_EQ(a.Command({"RANDOMKEY"}), "$-1\r\n");
  EXPECT_EQ(b.Command({"DBSIZE"}), ":2\r\n");
}

TEST_F(NamespacesTest, FlushallTakesTheKeysOfAllDbs) {
  const auto weir = Start(redis_.url());
  RawClient a(weir->port()), b(b_path());
  for (RawClient* client : {&a, &b}) {
    for (const char* db : {"1", "15", "0"}) {
      EXPECT_EQ(client->Text({"SELECT", db}), "OK");
      EXPECT_EQ(client->Text({"SET", "k", db}), "OK");
    }
  }
  EXPECT_EQ(a.Text({"FLUSHALL"}), "OK");
  for (const char* db : {"1", "15", "0"}) {
    EXPECT_EQ(a.Text({"SELECT", db}), "OK");
    EXPECT_EQ(a.Command({"DBSIZE"}), ":0\r\n") << db;
    EXPECT_EQ(b.Text({"SELECT", db}), "OK");
    EXPECT_EQ(b.Text({"GET", "k"}), db);
  }
}

// What both answer in a namespace, and what is refused there, is in plugins/namespaces.md.
bool IsTheSameInANamespace(const std::vector<std::string>& args) {
  constexpr std::string_view kRefused[] = {"SWAPDB",  "FUNCTION", "CONFIG", "ACL",    "CLUSTER",
                                           "LATENCY", "SLOWLOG",  "MEMORY", "PUBSUB", "SCRIPT"};
  std::string name = args[0];
  std::transform(name.begin(), name.end(), name.begin(), ::toupper);
  return std::find(std::begin(kRefused), std::end(kRefused), name) == std::end(kRefused);
}

enum class Manner { kSingly, kPipelined };

class TenantsDifferentialTest : public NamespacesTest,
                                public ::testing::WithParamInterface<std::tuple<int, Manner>> {};

INSTANTIATE_TEST_SUITE_P(Resp, TenantsDifferentialTest,
                         ::testing::Combine(::testing::Values(2, 3),
                                            ::testing::Values(Manner::kSingly,
                                                              Manner::kPipelined)));

TEST_P(TenantsDifferentialTest, EachSeesARedisOfItsOwn) {
  const auto weir = Start(redis_.url(), "scripts = \"declared_keys\"\n");
  RedisServer own_a, own_b;
  RawClient through[] = {RawClient(weir->port()), RawClient(b_path())};
  RawClient direct[] = {RawClient(own_a.port()), RawClient(own_b.port())};
  for (RawClient* client : {&through[0], &through[1], &direct[0], &direct[1]}) {
    client->Command({"HELLO", std::to_string(std::get<0>(GetParam()))});
  }
  CommandGenerator generator(Seed());
  const bool pipelined = std::get<1>(GetParam()) == Manner::kPipelined;
  for (int done = 0; done < 8000;) {
    const size_t who = generator.Below(2);
    std::vector<std::vector<std::string>> batch;
    std::string bytes;
    const size_t wanted = pipelined ? 1 + generator.Below(100) : 1;
    // A part of them in transactions.
    const bool multi = generator.Below(4) == 0;
    if (multi) batch.push_back({"MULTI"});
    while (batch.size() < wanted) {
      std::vector<std::string> args = generator.Next();
      if (args.empty() || !IsTheSameInANamespace(args)) continue;
      batch.push_back(std::move(args));
    }
    if (multi) batch.push_back({"EXEC"});
    for (const auto& args : batch) bytes += generator.Encoded(args);
    ASSERT_TRUE(through[who].Send(bytes));
    ASSERT_TRUE(direct[who].Send(bytes));
    for (const auto& args : batch) {
      const std::string expected = direct[who].ReadFrame();
      const std::string got = through[who].ReadFrame();
      ++done;
      // EXEC's elements come in any order where sets do.
      if (args[0] == "EXEC") {
        ASSERT_EQ(got.size(), expected.size()) << Printable(got) << "\n" << Printable(expected);
        continue;
      }
      ASSERT_EQ(Printable(Comparable(args, got)), Printable(Comparable(args, expected)))
          << done << ": " << Printable(Encode(args));
    }
  }
}

TEST_F(NamespacesTest, ExecTakesThePrefixOffEachReply) {
  const auto weir = Start(redis_.url());
  RawClient a(weir->port());
  EXPECT_EQ(a.Text({"SET", "k", "1"}), "OK");
  a.Send(Encode({"MULTI"}) + Encode({"KEYS", "*"}) + Encode({"WATCH", "k"}) + Encode({"DBSIZE"}) +
         Encode({"MULTI"}) + Encode({"PING"}) + Encode({"GET", "k"}) + Encode({"RPUSH", "l", "x"}) +
         Encode({"BLPOP", "l", "0"}) + Encode({"RANDOMKEY"}) + Encode({"EXEC"}) +
         Encode({"KEYS", "*"}));
  std::vector<std::string> replies = a.ReadFrames(12);
  EXPECT_EQ(replies[10],
            "*7\r\n*1\r\n$1\r\nk\r\n:1\r\n+PONG\r\n$1\r\n1\r\n:1\r\n*2\r\n$1\r\nl\r\n$1\r\nx\r\n"
            "$1\r\nk\r\n");
  EXPECT_EQ(replies[11], "*1\r\n$1\r\nk\r\n");
}

TEST_F(NamespacesTest, MessagesGoToTheirOwnTenantOnly) {
  for (const int version : {2, 3}) {
    const auto weir = Start(redis_.url());
    const std::string type = version == 2 ? "*" : ">";
    RawClient a(weir->port()), b(b_path()), speaker(weir->port());
    for (RawClient* client : {&a, &b}) {
      client->Command({"HELLO", std::to_string(version)});
      EXPECT_EQ(client->Command({"SUBSCRIBE", "news"}),
                type + "3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
      EXPECT_EQ(client->Command({"PSUBSCRIBE", "n*"}),
                type + "3\r\n$10\r\npsubscribe\r\n$2\r\nn*\r\n:2\r\n");
      EXPECT_EQ(client->Command({"SSUBSCRIBE", "s"}),
                type + "3\r\n$10\r\nssubscribe\r\n$1\r\ns\r\n:1\r\n");
    }
    EXPECT_EQ(speaker.Command({"PUBLISH", "news", "hi"}), ":2\r\n");
    EXPECT_EQ(a.ReadFrame(), type + "3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$2\r\nhi\r\n");
    EXPECT_EQ(a.ReadFrame(),
              type + "4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$4\r\nnews\r\n$2\r\nhi\r\n");
    EXPECT_EQ(speaker.Command({"SPUBLISH", "s", "hi"}), ":1\r\n");
    EXPECT_EQ(a.ReadFrame(), type + "3\r\n$8\r\nsmessage\r\n$1\r\ns\r\n$2\r\nhi\r\n");
    EXPECT_EQ(speaker.Command({"PUBSUB", "CHANNELS"}), "*1\r\n$4\r\nnews\r\n");
    EXPECT_EQ(speaker.Command({"PUBSUB", "NUMSUB", "news", "x"}),
              "*4\r\n$4\r\nnews\r\n:1\r\n$1\r\nx\r\n:0\r\n");
    EXPECT_EQ(b.ReadAvailable(50), "");
    EXPECT_EQ(a.Command({"UNSUBSCRIBE"}), type + "3\r\n$11\r\nunsubscribe\r\n$4\r\nnews\r\n:1\r\n");
    EXPECT_EQ(b.Command({"UNSUBSCRIBE", "news"}),
              type + "3\r\n$11\r\nunsubscribe\r\n$4\r\nnews\r\n:1\r\n");
  }
}

// A message above what is copied comes in two parts.
TEST_F(NamespacesTest, ALargeMessageToo) {
  const auto weir = Start(redis_.url());
  RawClient a2(weir->port()), a3(weir->port()), speaker(weir->port());
  a3.Command({"HELLO", "3"});
  a2.Command({"SUBSCRIBE", "c"});
  a3.Command({"SUBSCRIBE", "c"});
  const std::string text(size_t{3} << 20, 'm');
  EXPECT_EQ(speaker.Command({"PUBLISH", "c", text}), ":2\r\n");
  EXPECT_TRUE(a2.ReadFrame() == "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n" + Bulk(text));
  EXPECT_TRUE(a3.ReadFrame() == ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n" + Bulk(text));
}

TEST_F(NamespacesTest, InvalidationsNameTheClientsOwnKeys) {
  const auto weir = Start(redis_.url());
  RawClient a(weir->port()), b(b_path()), writer(weir->port());
  for (RawClient* client : {&a, &b}) client->Command({"HELLO", "3"});
  EXPECT_EQ(a.Text({"CLIENT", "TRACKING", "ON"}), "OK");
  EXPECT_EQ(b.Text({"CLIENT", "TRACKING", "ON", "BCAST"}), "OK");
  EXPECT_EQ(a.Command({"GET", "k"}), "_\r\n");
  EXPECT_EQ(writer.Text({"SET", "k", "1"}), "OK");
  EXPECT_EQ(a.ReadFrame(), ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n");
  EXPECT_EQ(b.ReadAvailable(50), "");
  RawClient other(b_path());
  EXPECT_EQ(other.Text({"SET", "q", "1"}), "OK");
  EXPECT_EQ(b.ReadFrame(), ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nq\r\n");
}

TEST_F(NamespacesTest, BlockedClientsGetTheirOwnKeysName) {
  const auto weir = Start(redis_.url());
  RawClient a(weir->port()), b(b_path()), pusher(weir->port());
  a.Send(Encode({"BLPOP", "x", "l", "0"}));
  b.Send(Encode({"BLPOP", "x", "l", "0.2"}));
  EXPECT_EQ(b.ReadFrame(), "*-1\r\n");
  EXPECT_EQ(pusher.Command({"RPUSH", "l", "v"}), ":1\r\n");
  EXPECT_EQ(a.ReadFrame(), "*2\r\n$1\r\nl\r\n$1\r\nv\r\n");
}

// Larger than weir holds: it passes by, with the prefix put before its key on the way.
TEST_F(NamespacesTest, LargeValuesPassBy) {
  const auto weir = Start(redis_.url());
  RawClient a(weir->port()), direct(redis_.port());
  const std::string value(size_t{40} << 20, 'v');
  EXPECT_EQ(a.Text({"SET", "large", value}), "OK");
  EXPECT_EQ(direct.Command({"STRLEN", "a:large"}), ":" + std::to_string(value.size()) + "\r\n");
  EXPECT_EQ(direct.Command({"DBSIZE"}), ":1\r\n");
  EXPECT_TRUE(a.Text({"GET", "large"}) == value);
  // Where keys are that are not there yet, weir cannot tell.
  EXPECT_TRUE(a.Command({"MSET", "k", value, "l", "1"}).starts_with("-NONAMESPACE "));
  EXPECT_EQ(direct.Command({"DBSIZE"}), ":1\r\n");
  EXPECT_EQ(a.Text({"PING"}), "PONG");
}

// What is popped is gone from Redis: a reply too long to be held must reach the client all the
// same.
TEST_F(NamespacesTest, WhatIsPoppedIsNeverTooLarge) {
  const auto weir = Start(redis_.url());
  RawClient a(weir->port());
  const std::string value(size_t{20} << 20, 'v');
  for (const bool blocked : {false, true}) {
    RawClient pusher(weir->port());
    const std::vector<std::string> push = {"RPUSH", "l", value};
    if (!blocked) pusher.Command(push);
    a.Send(Encode({"BLPOP", "other", "l", "0"}) + Encode({"PING", "next"}));
    if (blocked) pusher.Command(push);
    EXPECT_TRUE(a.ReadFrame() == "*2\r\n$1\r\nl\r\n" + Bulk(value));
    EXPECT_EQ(a.ReadFrame(), "$4\r\nnext\r\n");
  }
  EXPECT_EQ(a.Command({"RPUSH", "l", value}), ":1\r\n");
  EXPECT_TRUE(a.Command({"LMPOP", "1", "l", "LEFT"}) == "*2\r\n$1\r\nl\r\n*1\r\n" + Bulk(value));
}

// Both are the user "default", and their keys are in one slot: a token of the one must tell the
// other nothing, neither that it was used nor what came of it.
TEST_F(NamespacesTest, TokensAreTheirOwnToo) {
  const auto weir = Start(redis_.url(), "",
                          "[plugin.idempotency]\nenabled = true\n"
                          "[[plugin.idempotency.rule]]\nname = \"pay\"\ncommands = [\"RPUSH\"]\n"
                          "token = \"arg(-1)\"\n");
  RawClient a(weir->port()), b(b_path());
  for (RawClient* client : {&a, &b}) {
    EXPECT_EQ(client->Command({"RPUSH", "{t}l", "x", "token"}), ":2\r\n");
    EXPECT_EQ(client->Command({"RPUSH", "{t}l", "x", "token"}), ":2\r\n");
    EXPECT_EQ(client->Command({"WEIR.IDEM", "token", "INCR", "{t}n"}), ":1\r\n");
    EXPECT_EQ(client->Command({"WEIR.IDEM", "token", "INCR", "{t}n"}), ":1\r\n");
  }
  EXPECT_TRUE(b.Command({"RPUSH", "{t}l", "y", "token"}).starts_with("-IDEMMISMATCH "));
  // Under a claim, too, and its reply names the client's own key.
  EXPECT_EQ(a.Command({"RPUSH", "q", "1", "seed"}), ":2\r\n");
  EXPECT_EQ(a.Command({"WEIR.IDEM", "pop", "BLPOP", "q", "1"}), "*2\r\n$1\r\nq\r\n$1\r\n1\r\n");
  EXPECT_EQ(a.Command({"WEIR.IDEM", "pop", "BLPOP", "q", "1"}), "*2\r\n$1\r\nq\r\n$1\r\n1\r\n");
  EXPECT_EQ(a.Command({"LLEN", "q"}), ":1\r\n");
}

TEST_F(NamespacesTest, OnAClusterTagsKeepTheirSlot) {
  Cluster cluster({.primaries = 3});
  const auto weir = Start(cluster.url(), "scripts = \"declared_keys\"\n");
  RawClient a(weir->port()), b(b_path());
  for (int i = 0; i < 30; ++i) {
    const std::string number = std::to_string(i);
    EXPECT_EQ(a.Text({"SET", "k" + number, number}), "OK");
    EXPECT_EQ(b.Text({"SET", "{t}" + number, number}), "OK");
  }
  EXPECT_EQ(a.Command({"DBSIZE"}), ":30\r\n");
  EXPECT_EQ(b.Command({"RENAME", "{t}1", "{t}100"}), "+OK\r\n");
  EXPECT_EQ(b.Command({"MGET", "{t}100", "{t}2"}), "*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
  EXPECT_EQ(a.Command({"MGET", "k1", "k2", "k3"}), "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n");
  EXPECT_TRUE(a.Command({"RENAME", "k1", "k2"}).starts_with("-CROSSSLOT "));
  EXPECT_EQ(b.Command({"EVAL", "return redis.call('GET', KEYS[1])", "1", "{t}2"}), "$1\r\n2\r\n");
  std::string cursor = "0";
  size_t found = 0;
  do {
    const std::string reply = a.Command({"SCAN", cursor, "COUNT", "7"});
    std::string header;
    std::vector<std::string> parts, keys;
    ASSERT_TRUE(SplitAggregate(reply, &header, &parts)) << reply;
    cursor = parts[0].substr(parts[0].find('\n') + 1);
    cursor.resize(cursor.size() - 2);
    if (!SplitAggregate(parts[1], &header, &keys)) break;
    for (const std::string& key : keys) EXPECT_NE(key.find("\nk"), std::string::npos) << key;
    found += keys.size();
  } while (cursor != "0");
  EXPECT_EQ(found, 30u);
  EXPECT_TRUE(a.Command({"FLUSHALL"}).starts_with("-NONAMESPACE "));
  a.Send(Encode({"MULTI"}) + Encode({"SET", "k1", "x"}) + Encode({"EXEC"}));
  EXPECT_EQ(a.ReadFrames(3).back(), "*1\r\n+OK\r\n");
}

}  // namespace
}  // namespace weir::harness
