// What clients may send: inline requests, RESP3, and every kind of broken request, answered with
// Redis' own words. Redis is asked beside weir, with the same bytes.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

class ProtocolTest : public BesideRedis {};

TEST_F(ProtocolTest, InlineRequests) {
  const std::pair<std::string, size_t> kCases[] = {
      {"PING\r\n", 1},
      {"PING\n", 1},
      {"ping hello\r\n", 1},
      {"  PING  \r\n", 1},
      {"\tPING\t\r\n", 1},
      {"SET k 'single quoted'\r\nGET k\r\n", 2},
      {"SET k \"double \\\"quoted\\\" \\x41\\n\"\r\nGET k\r\n", 2},
      {"SET k \"\"\r\nGET k\r\n", 2},
      {"ECHO \"\\x00\\xff\"\r\n", 1},
      {"\r\n\r\nPING\r\n", 1},
      {"   \r\nPING\r\n", 1},
      {"NOSUCH command here\r\n", 1},
      {"GET\r\n", 1},
      {"SET inline 1\r\n*2\r\n$3\r\nGET\r\n$6\r\ninline\r\nDEL inline\r\n", 3},
      {"ECHO 'it\\'s'\r\n", 1},
      {"$5\r\nworld\r\n", 2},
      {"+OK\r\n", 1},
      {"ECHO " + std::string(60000, 'x') + "\r\n", 1},
      {"SET k v\rx\r\n", 1},
  };
  for (const auto& [bytes, replies] : kCases) ExpectSameReplies(bytes, replies);
}

TEST_F(ProtocolTest, OddButLegalRequests) {
  const std::string kNul("\0", 1);
  const std::pair<std::string, size_t> kCases[] = {
      {"*0\r\nPING\r\n", 1},
      {"*-1\r\nPING\r\n", 1},
      {"*-5\r\n*1\r\n$4\r\nPING\r\n", 1},
      {"*1\r\n$4\r\nPINGxy*1\r\n$4\r\nPING\r\n", 2},
      {"*1\r\n$0\r\n\r\n", 1},
      {"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n", 1},
      {"*2\r\n$4\r\necho\r\n$3\r\n" + kNul + "\r\n\r\n", 1},
      {"*2\r\n$4\r\nEcHo\r\n$2\r\n\r\n\r\n", 1},
      {Encode({kNul + kNul}), 1},
      {Encode({"GET" + kNul, "k"}), 1},
      {Encode({"no\r\nsuch", "a\r\nb"}), 1},
      {Encode({std::string(300, 'n'), std::string(300, 'a'), std::string(300, 'b')}), 1},
      {Encode({"NOSUCH", "1",  "2",  "3",  "4",  "5",  "6",  "7",  "8",  "9",
               "10",     "11", "12", "13", "14", "15", "16", "17", "18", "19",
               "20",     "21", "22", "23", "24", "25", "26", "27", "28"}),
       1},
      {Encode({"CONFIG", "NOSUCH"}), 1},
      {Encode({"CONFIG"}), 1},
      {Encode({"OBJECT", std::string(200, 'x')}), 1},
      {Encode({"XINFO", "a\nb"}), 1},
  };
  for (const auto& [bytes, replies] : kCases) ExpectSameReplies(bytes, replies);
}

TEST_F(ProtocolTest, ErrorsCloseWithRedisOwnText) {
  const std::string kCases[] = {
      "*1\r\n!\r\n",
      "*1\r\n\r\n",
      "*1\r\nPING\r\n",
      "*2\r\n$4\r\nECHO\r\n:1\r\n",
      "*1\r\n*1\r\n",
      "*abc\r\n",
      "*\r\n",
      "* 1\r\n",
      "*1 \r\n",
      "*+1\r\n",
      "*1.0\r\n",
      "*99999999999999999999999\r\n",
      "*9223372036854775807\r\n",
      "*9223372036854775808\r\n",
      "*-9223372036854775809\r\n",
      "*2147483648\r\n",
      "*4294967297\r\n",
      "*1\r\n$-1\r\n",
      "*1\r\n$-2\r\n",
      "*1\r\n$abc\r\n",
      "*1\r\n$\r\n",
      "*1\r\n$+4\r\n",
      "*1\r\n$ 4\r\n",
      "*1\r\n$4 \r\n",
      "*1\r\n$536870913\r\n",
      "*1\r\n$629145600\r\n",
      "*2\r\n$4\r\nECHO\r\n$629145600\r\n",
      "*1\r\n$4294967296\r\n",
      "*1\r\n$9223372036854775808\r\n",
      "*1\r\n$99999999999999999999\r\n",
      "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$-1\r\n",
      "SET k \"unbalanced\r\n",
      "SET k 'unbalanced\r\n",
      "SET k \"a\"b\r\n",
      "SET k 'a'b\r\n",
      "PING\r\nECHO \"\r\n",
  };
  for (const std::string& bytes : kCases) ExpectSameUntilClose(bytes);
}

TEST_F(ProtocolTest, LinesWithoutAnEndAreCutOff) {
  ExpectSameUntilClose(std::string(70000, 'A'));
  ExpectSameUntilClose("*" + std::string(70000, '1'));
  ExpectSameUntilClose("*1\r\n$" + std::string(70000, '1'));
  ExpectSameUntilClose(std::string(70000, '\0'));
}

// Redis looks for the end of a line with C's string functions, so a NUL hides it: the line never
// ends, and is cut off at 64 KiB.
TEST_F(ProtocolTest, NulInALineHidesItsEnd) {
  const std::string kNul("\0", 1);
  const std::string rest(70000, 'x');
  ExpectSameUntilClose("ECHO a" + kNul + "b\r\n" + rest);
  ExpectSameUntilClose("PING" + kNul + "\r\n" + rest);
  ExpectSameUntilClose(kNul + "PING\r\n" + rest);
  ExpectSameUntilClose("*1" + kNul + "\r\n$4\r\nPING\r\n" + rest);
  ExpectSameUntilClose("*1\r\n$4" + kNul + "\r\nPING\r\n" + rest);
}

TEST_F(ProtocolTest, ErrorIsFoundWhereverTheBytesAreCut) {
  const std::string bytes = Encode({"PING"}) + "*2\r\n$4\r\nECHO\r\n$-9\r\n";
  for (size_t cut = 1; cut < bytes.size(); ++cut) {
    RawClient client(weir_.port());
    client.Send(bytes.substr(0, cut));
    client.Send(bytes.substr(cut));
    EXPECT_EQ(client.ReadUntilClose(), "+PONG\r\n-ERR Protocol error: invalid bulk length\r\n");
  }
}

TEST_F(ProtocolTest, MillionElementArray) {
  std::vector<std::string> args(1000000, "k");
  args[0] = "EXISTS";
  ExpectSameReplies(Encode({"SET", "k", "v"}) + Encode(args), 2);
  args[0] = "MGET";
  RawClient client(weir_.port());
  client.Send(Encode(args));
  const std::string reply = client.ReadFrame();
  EXPECT_EQ(reply.size(), std::string("*999999\r\n").size() + 999999 * Bulk("v").size());
  EXPECT_EQ(reply.substr(0, 16), "*999999\r\n" + Bulk("v"));
}

TEST_F(ProtocolTest, MillionElementArrayThatNeverComes) {
  RawClient client(weir_.port());
  client.Send("*1000000\r\n$3\r\nDEL\r\n");
  RawClient other(weir_.port());
  EXPECT_EQ(other.Text({"PING"}), "PONG");
  if (!WeirServer::direct() && !kSanitized) {
    EXPECT_LT(weir_.process().rss_bytes(), size_t{64} << 20);
  }
}

TEST_F(ProtocolTest, MillionEmptyArraysAndBlankLines) {
  std::string nothing;
  for (int i = 0; i < 1000000; ++i) nothing += i % 2 == 0 ? "*0\r\n" : "\r\n";
  ExpectSameReplies(nothing + "PING\r\n", 1);
}

TEST_F(ProtocolTest, HalfARequestThenClose) {
  const std::string request = Encode({"SET", "half", "value"});
  for (size_t cut = 1; cut < request.size(); ++cut) {
    RawClient client(weir_.port());
    client.Send(Encode({"PING"}) + request.substr(0, cut));
    client.HalfClose();
    EXPECT_EQ(client.ReadUntilClose(), "+PONG\r\n") << cut;
  }
  RawClient other(weir_.port());
  EXPECT_EQ(other.Text({"GET", "half"}), "(nil)");
}

TEST_F(ProtocolTest, RequestsThenHalfCloseAreStillAnswered) {
  RawClient client(weir_.port());
  client.Send(Encode({"SET", "k", "v"}) + Encode({"GET", "k"}) + Encode({"PING"}));
  EXPECT_EQ(client.ReadFrames(3).size(), 3u);
  client.HalfClose();
  EXPECT_EQ(client.ReadUntilClose(), "");
}

TEST_F(ProtocolTest, ResetInTheMiddleOfEverything) {
  for (int i = 0; i < 50; ++i) {
    RawClient client(weir_.port());
    std::string requests;
    for (int n = 0; n < 100; ++n) requests += Encode({"SET", "gone", std::string(1000, 'x')});
    client.Send(requests.substr(0, requests.size() - 500));
    client.Reset();
  }
  RawClient other(weir_.port());
  EXPECT_EQ(other.Text({"PING"}), "PONG");
  EXPECT_EQ(other.Text({"SET", "k", "v"}), "OK");
  EXPECT_EQ(other.Text({"GET", "k"}), "v");
}

// Every type that RESP3 has and Redis 7.0 uses.
TEST_F(ProtocolTest, Resp3Replies) {
  RawClient direct(direct_.port());
  RawClient through(weir_.port());
  direct.Command({"HELLO", "3"});
  EXPECT_EQ(through.Command({"HELLO", "3"})[0], '%');
  const std::vector<std::vector<std::string>> kCases = {
      {"SET", "s", "v"},
      {"GET", "nosuch"},
      {"HSET", "h", "f", "v"},
      {"HGETALL", "h"},
      {"SADD", "set", "1"},
      {"SMEMBERS", "set"},
      {"ZADD", "z", "1.5", "m"},
      {"ZSCORE", "z", "m"},
      {"ZRANGE", "z", "0", "-1", "WITHSCORES"},
      {"ZADD", "z", "inf", "i"},
      {"ZSCORE", "z", "i"},
      {"EVAL", "redis.setresp(3); return redis.call('zscore', KEYS[1], 'm')", "1", "z"},
      {"EVAL", "redis.setresp(3); return true", "0"},
      {"EVAL", "redis.setresp(3); return false", "0"},
      {"EVAL", "return {big_number='12345678901234567890'}", "0"},
      {"EVAL", "return {double=3.25}", "0"},
      {"EVAL", "return {map={a=1}}", "0"},
      {"EVAL", "return {set={a=true}}", "0"},
      {"EVAL", "return {verbatim_string={format='txt', string='hello'}}", "0"},
      {"CONFIG", "GET", "maxmemory"},
      {"COMMAND", "GETKEYSANDFLAGS", "SET", "k", "v"},
      {"LPOP", "nosuch"},
      {"LPOP", "nosuch", "2"},
      {"XADD", "x", "1-1", "f", "v"},
      {"XREAD", "STREAMS", "x", "0"},
      {"XREAD", "STREAMS", "x", "9"},
      {"GEOADD", "g", "13.361389", "38.115556", "Palermo"},
      {"GEOPOS", "g", "Palermo", "nosuch"},
      {"OBJECT", "HELP"},
      {"SET", "s", "v", "NOSUCHOPTION"},
      {"LRANGE", "s", "0", "-1"},
  };
  for (const auto& args : kCases) {
    EXPECT_EQ(Printable(through.Command(args)), Printable(direct.Command(args)))
        << args[0] << " " << args[1];
  }
}

TEST(SilenceTest, TenThousandConnectionsThatNeverSpeak) {
  constexpr size_t kConnections = 10000;
  ASSERT_GT(RaiseOpenFilesLimit(), kConnections + 500) << "raise the hard limit of open files";
  const RedisServer redis({"--maxclients", std::to_string(kConnections + 100)});
  WeirConfig config;
  config.url = redis.url();
  config.limits = "clients_max = " + std::to_string(kConnections + 2) + "\n";
  WeirServer weir(config);
  RawClient before(weir.port());
  ASSERT_EQ(before.Text({"SET", "k", "v"}), "OK");
  const size_t rss_before = WeirServer::direct() ? 0 : weir.process().rss_bytes();
  std::vector<Fd> silent;
  for (size_t i = 0; i < kConnections; ++i) {
    // From two addresses, so that other tests find ports of their own.
    silent.push_back(ConnectFrom(i % 2 == 0 ? "127.0.0.1" : "127.0.0.2", weir.port()));
    ASSERT_TRUE(silent.back()) << i << ": " << strerror(errno);
  }
  RawClient after(weir.port());
  EXPECT_EQ(after.Text({"GET", "k"}), "v");
  EXPECT_EQ(before.Text({"GET", "k"}), "v");
  if (!WeirServer::direct()) {
    // All of them are let in: neither is one refused, nor one left waiting in the kernel.
    // The other worker may open the last of its own a moment later.
    std::string clients;
    EXPECT_TRUE(Eventually([&] {
      clients = ParseInfo(before.Text({"INFO", "weir"})).at("weir_clients");
      return clients == std::to_string(kConnections + 2);
    })) << clients;
    RawClient one_too_many(weir.port());
    EXPECT_EQ(one_too_many.ReadUntilClose(), "-ERR max number of clients reached\r\n");
  }
  if (!WeirServer::direct() && !kSanitized) {
    const size_t rss = weir.process().rss_bytes();
    EXPECT_LT(rss - std::min(rss, rss_before), kConnections * 4096) << rss_before << " " << rss;
  }
  silent.clear();
  EXPECT_EQ(before.Text({"GET", "k"}), "v");
}

TEST_F(ProtocolTest, TenMegabytesOfNoise) {
  Random random(Seed());
  for (int round = 0; round < 10; ++round) {
    std::string noise;
    for (int i = 0; i < (1 << 20) / 8; ++i) {
      const uint64_t bits = random();
      noise.append(reinterpret_cast<const char*>(&bits), sizeof bits);
    }
    RawClient client(weir_.port());
    client.Send(noise);
    client.HalfClose();
    client.ReadUntilClose();
  }
  RawClient other(weir_.port());
  EXPECT_EQ(other.Text({"PING"}), "PONG");
}

}  // namespace
}  // namespace weir::harness
