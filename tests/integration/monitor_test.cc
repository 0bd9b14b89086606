// MONITOR through weir: weir's own clients' commands with their own addresses, as Redis writes
// them.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

// Everything is allowed; `rest` are further tables.
WeirConfig Config(const RedisServer& redis, std::string limits = "", std::string rest = "") {
  WeirConfig config;
  config.url = redis.url();
  config.limits = std::move(limits);
  config.commands = "allow = [\"@all\"]\n";
  config.rest = std::move(rest);
  return config;
}

// "+1700000000.000001 [0 127.0.0.1:50000] \"GET\" \"k\"" without the time: `[0 …] "GET" "k"`.
std::string WithoutTime(const std::string& line) {
  const size_t at = line.find(" [");
  return line.starts_with("+1") && at != std::string::npos ? line.substr(at + 1) : line;
}

// The same without the address, for comparisons with Redis.
std::string WithoutAddress(const std::string& line) {
  const std::string rest = WithoutTime(line);
  const size_t blank = rest.find(' '), end = rest.find(']');
  return end == std::string::npos ? rest : rest.substr(0, blank) + rest.substr(end);
}

std::string AddressOf(RawClient* client) {
  const std::string line = client->Text({"CLIENT", "INFO"});
  const size_t at = line.find(" addr=") + 6;
  return line.substr(at, line.find(' ', at) - at);
}

class MonitorTest : public ::testing::Test {
 protected:
  // All lines up to that of `ECHO <end>`.
  static std::vector<std::string> LinesUpTo(RawClient* monitor, const std::string& end) {
    std::vector<std::string> lines;
    while (lines.empty() || lines.back().find(end) == std::string::npos) {
      lines.push_back(WithoutAddress(monitor->ReadFrame()));
      if (lines.back() == kTimedOut || lines.back() == kClosed) break;
    }
    return lines;
  }

  RedisServer direct_{{"--enable-debug-command", "yes"}};
  RedisServer redis_{{"--enable-debug-command", "yes"}};
  WeirServer weir_{Config(redis_)};  // two workers
};

TEST_F(MonitorTest, ShowsTheClientsOwnAddress) {
  RawClient monitor(weir_.port());
  EXPECT_EQ(monitor.Command({"MONITOR"}), "+OK\r\n");
  // Dealt to all workers.
  for (int i = 0; i < 6; ++i) {
    RawClient client(weir_.port());
    const std::string address = AddressOf(&client);
    EXPECT_EQ(WithoutTime(monitor.ReadFrame()), "[0 " + address + "] \"CLIENT\" \"INFO\"\r\n");
    EXPECT_EQ(client.Command({"SET", "k", std::string("\0\xff\r\n\t\a\b\"\\ x", 11)}), "+OK\r\n");
    EXPECT_EQ(WithoutTime(monitor.ReadFrame()),
              "[0 " + address + "] \"SET\" \"k\" \"\\x00\\xff\\r\\n\\t\\a\\b\\\"\\\\ x\"\r\n");
  }
}

// Other connections of Redis, and what weir itself says there, are nobody's traffic here.
TEST_F(MonitorTest, ShowsNothingElse) {
  RawClient monitor(weir_.port());
  EXPECT_EQ(monitor.Command({"MONITOR"}), "+OK\r\n");
  RawClient(redis_.port()).Command({"SET", "not", "weirs"});
  RawClient client(weir_.port());
  EXPECT_EQ(client.Command({"SELECT", "5"}), "+OK\r\n");  // a new link, with its handshake
  EXPECT_EQ(client.Command({"BLPOP", "none", "0.01"}), "*-1\r\n");
  EXPECT_EQ(client.Text({"ECHO", "end"}), "end");
  EXPECT_EQ(
      LinesUpTo(&monitor, "end"),
      (std::vector<std::string>{"[5] \"SELECT\" \"5\"\r\n", "[5] \"BLPOP\" \"none\" \"0.01\"\r\n",
                                "[5] \"ECHO\" \"end\"\r\n"}));
}

// The same conversations with Redis and through weir show the same lines.
TEST_F(MonitorTest, ShowsWhatRedisShows) {
  const std::vector<std::vector<std::string>> conversation = {
      {"set", "a", "1"},
      {"NOSUCH"},
      {"GET"},
      {"CLIENT", "NOSUCH"},
      {"HELLO", "2"},
      {"HELLO", "2", "AUTH", "default", "secret"},
      {"HELLO", "2", "SETNAME", "foo"},
      {"AUTH", "secret"},
      {"AUTH", "nobody", "secret"},
      {"SELECT", "3"},
      {"SELECT", "99"},
      {"CONFIG", "GET", "maxmemory"},
      {"CLIENT", "ID"},
      {"CLIENT", "LIST"},
      {"COMMAND", "COUNT"},
      {"LPUSH", "a", "1"},
      {"MULTI"},
      {"SET", "m", "1"},
      {"INCR", "m"},
      {"EXEC"},
      {"MULTI"},
      {"SET", "m", "1"},
      {"DISCARD"},
      {"MULTI"},
      {"SET", "m", "1"},
      {"NOSUCH"},
      {"EXEC"},
      {"MULTI"},
      {"MULTI"},
      {"WATCH", "m"},
      {"PING"},
      {"EXEC"},
      {"EXEC"},
      {"WATCH", "m"},
      {"UNWATCH"},
      {"SCRIPT", "LOAD", "return 1"},
      {"EVAL", "return 1", "0"},
      {"EVALSHA", "nope", "0"},
      {"OBJECT", "HELP"},
      {"DEBUG", "SLEEP", "0"},
      {"MIGRATE", "127.0.0.1", "1", "none", "0", "10", "AUTH", "secret"},
      {"SUBSCRIBE", "c"},
      {"GET", "a"},
      {"UNSUBSCRIBE", "c"},
      {"RESET"},
      {"PUBLISH", "c", "x"},
      {"ECHO", "the end"},
  };
  std::vector<std::string> lines[2];
  for (const uint16_t port : {direct_.port(), weir_.port()}) {
    RawClient monitor(port), client(port);
    EXPECT_EQ(monitor.Command({"MONITOR"}), "+OK\r\n");
    for (const auto& request : conversation) client.Command(request);
    lines[port == weir_.port()] = LinesUpTo(&monitor, "the end");
  }
  EXPECT_EQ(lines[1], lines[0]);
}

TEST_F(MonitorTest, AMonitorIsWhatItIsWithRedis) {
  const std::vector<std::vector<std::string>> conversation = {
      {"MONITOR"}, {"PING"},     {"GET", "a"}, {"SET", "a", "1"}, {"PUBLISH", "a", "b"},
      {"MULTI"},   {"GET", "a"}, {"EXEC"},     {"RESET"},         {"GET", "a"}};
  std::string replies[2];
  for (const uint16_t port : {direct_.port(), weir_.port()}) {
    RawClient client(port);
    for (const auto& request : conversation) {
      std::string reply = client.Command(request);
      // What it does itself is shown behind its reply; by weir perhaps before it, if Redis answers.
      if (request[0] == "PING" || request[0] == "MULTI" || request[0] == "EXEC") {
        std::string line = client.ReadFrame();
        if (reply.starts_with("+1")) std::swap(reply, line);
        reply += WithoutAddress(line);
      }
      replies[port == weir_.port()] += reply;
    }
  }
  EXPECT_EQ(replies[1], replies[0]);
}

TEST_F(MonitorTest, ATransactionThatFindsAKeyChangedIsNotShown) {
  RawClient monitor(weir_.port()), client(weir_.port()), other(weir_.port());
  EXPECT_EQ(client.Command({"WATCH", "w"}), "+OK\r\n");
  EXPECT_EQ(monitor.Command({"MONITOR"}), "+OK\r\n");
  EXPECT_EQ(client.Command({"MULTI"}), "+OK\r\n");
  EXPECT_EQ(client.Command({"SET", "w", "mine"}), "+QUEUED\r\n");
  EXPECT_EQ(other.Command({"SET", "w", "other"}), "+OK\r\n");
  EXPECT_EQ(client.Command({"EXEC"}), "*-1\r\n");
  EXPECT_EQ(client.Text({"ECHO", "end"}), "end");
  const std::vector<std::string> lines = LinesUpTo(&monitor, "end");
  EXPECT_EQ(lines, (std::vector<std::string>{"[0] \"MULTI\"\r\n", "[0] \"SET\" \"w\" \"other\"\r\n",
                                             "[0] \"EXEC\"\r\n", "[0] \"ECHO\" \"end\"\r\n"}));
}

TEST_F(MonitorTest, IsDeniedByDefault) {
  const WeirServer weir(redis_);
  EXPECT_TRUE(RawClient(weir.port()).Command({"MONITOR"}).starts_with("-NOPERM weir: 'monitor'"));
}

TEST_F(MonitorTest, WithPassthroughRedisSaysWhoMay) {
  const WeirServer weir(Config(redis_, "", "[auth]\nmode = \"passthrough\"\n"));
  RawClient admin(redis_.port());
  EXPECT_EQ(admin.Command({"ACL", "SETUSER", "eve", "on", "nopass", "+@all", "-monitor"}),
            "+OK\r\n");
  RawClient eve(weir.port());
  EXPECT_EQ(eve.Command({"AUTH", "eve", "x"}), "+OK\r\n");
  EXPECT_TRUE(eve.Command({"MONITOR"}).starts_with("-NOPERM ")) << "Redis forbids it";
  EXPECT_EQ(eve.Text({"PING"}), "PONG");
  RawClient monitor(weir.port());
  EXPECT_EQ(monitor.Command({"MONITOR"}), "+OK\r\n");
  EXPECT_EQ(eve.Text({"ECHO", "seen"}), "seen");
  EXPECT_EQ(WithoutAddress(monitor.ReadFrame()), "[0] \"ECHO\" \"seen\"\r\n");
}

TEST_F(MonitorTest, OneThatDoesNotReadIsClosed) {
  WeirServer weir(Config(redis_, "client_output_buffer_bytes_max = 1048576\n"));
  RawClient here(weir.port()), there(weir.port());  // one on each worker
  EXPECT_EQ(here.Command({"MONITOR"}), "+OK\r\n");
  EXPECT_EQ(there.Command({"MONITOR"}), "+OK\r\n");
  EXPECT_EQ(weir.Info("weir_monitors"), "2");
  RawClient client(weir.port());
  const std::string value(100'000, 'v');
  EXPECT_TRUE(Eventually([&] {
    EXPECT_EQ(client.Command({"SET", "k", value}), "+OK\r\n");
    return weir.Info("weir_monitors") == "0";
  }));
  EXPECT_EQ(client.Text({"PING"}), "PONG");
}

// RESET and leaving end it, on all workers.
TEST_F(MonitorTest, Ends) {
  {
    RawClient leaves(weir_.port()), resets(weir_.port());
    EXPECT_EQ(leaves.Command({"MONITOR"}), "+OK\r\n");
    EXPECT_EQ(resets.Command({"MONITOR"}), "+OK\r\n");
    EXPECT_NE(resets.Text({"CLIENT", "INFO"}).find(" flags=O "), std::string::npos);
    const std::string reply = resets.Command({"RESET"});
    EXPECT_TRUE(reply == "+RESET\r\n" || reply.starts_with("+1")) << reply;
  }
  EXPECT_TRUE(Eventually([&] { return weir_.Info("weir_monitors") == "0"; }));
}

}  // namespace
}  // namespace weir::harness
