// Replies of very many elements, and streams that do not end: passed on as they come, with bounded
// memory, also to a client that reads slowly or not at all, and nobody else is delayed.
//
// WEIR_TEST_KEYS=10000000 runs KEYS over as many keys (2 GB for Redis, a minute).
#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kOutputMax = 4 * kMiB;

size_t Keys() {
  const char* given = getenv("WEIR_TEST_KEYS");
  return given != nullptr ? strtoull(given, nullptr, 10) : 1'000'000;
}

class LargeRepliesTest : public ::testing::Test {
 protected:
  static WeirConfig Config(const RedisServer& redis) {
    WeirConfig config;
    config.url = redis.url();
    config.workers = 1;
    // One command keeps Redis busy for seconds, and it answers no new connection meanwhile.
    config.upstream = "request_timeout_ms = 120000\nconnect_timeout_ms = 120000\n";
    config.limits = "client_output_buffer_bytes_max = " + std::to_string(kOutputMax) + "\n";
    config.commands = "allow = [\"monitor\"]\n";
    return config;
  }

  void ExpectQuick(int requests) {
    for (int i = 0; i < requests; ++i) {
      ASSERT_EQ(other_.Text({"SET", "other", std::to_string(i)}), "OK");
      ASSERT_EQ(other_.Text({"GET", "other"}), std::to_string(i));
    }
  }

  // weir holds as much of the reply as it may.
  bool WaitsForTheClient() {
    return Eventually([&] {
      return std::stoull(ParseInfo(other_.Text({"INFO", "weir"}))["weir_buffer_bytes"]) >=
             kOutputMax;
    });
  }

  void ExpectBounded() const {
    if (WeirServer::direct() || kSanitized) return;
    EXPECT_LT(weir_.process().peak_rss_bytes() / kMiB, 64u) << "MiB";
  }

  RedisServer redis_{{"--enable-debug-command", "yes"}};
  WeirServer weir_{Config(redis_)};
  RawClient direct_{redis_.port()};
  RawClient client_{weir_.port()};
  RawClient other_{weir_.port()};
};

TEST_F(LargeRepliesTest, AllKeys) {
  const size_t keys = Keys();
  for (RawClient* one : {&direct_, &client_}) one->set_timeout_ms(6 * kPatience_ms);
  ASSERT_EQ(direct_.Command({"DEBUG", "POPULATE", std::to_string(keys), "k", "1"}), "+OK\r\n");
  client_.Send(Encode({"KEYS", "k:*"}));
  ASSERT_TRUE(WaitsForTheClient());
  ExpectQuick(100);
  const std::string reply = client_.ReadFrame();
  const std::string header = "*" + std::to_string(keys) + "\r\n";
  ASSERT_EQ(reply.substr(0, header.size()), header);
  // Each key once: their numbers are those below `keys`, and their lengths.
  std::vector<bool> seen(keys);
  size_t at = header.size();
  for (size_t i = 0; i < keys; ++i) {
    const size_t key = reply.find("\r\nk:", at);
    ASSERT_NE(key, reply.npos) << i;
    const size_t number = strtoull(reply.c_str() + key + 4, nullptr, 10);
    ASSERT_LT(number, keys);
    ASSERT_FALSE(seen[number]) << number << " twice";
    seen[number] = true;
    const std::string whole = Bulk("k:" + std::to_string(number));
    ASSERT_EQ(reply.compare(at, whole.size(), whole), 0) << Printable(reply.substr(at, 40));
    at += whole.size();
  }
  EXPECT_EQ(at, reply.size());
  ExpectQuick(10);
  ExpectBounded();
}

TEST_F(LargeRepliesTest, AHashOfAMillionFields) {
  for (RawClient* one : {&direct_, &client_}) one->set_timeout_ms(6 * kPatience_ms);
  ASSERT_EQ(direct_.Command({"EVAL",
                             "for i=1,1000000 do redis.call('hset',KEYS[1],'f'..i,i) end return 1",
                             "1", "h"}),
            ":1\r\n");
  for (const char* version : {"2", "3"}) {
    direct_.Command({"HELLO", version});
    client_.Command({"HELLO", version});
    const std::string expected = direct_.Command({"HGETALL", "h"});
    ASSERT_TRUE(expected.starts_with(*version == '3' ? "%1000000\r\n" : "*2000000\r\n"));
    client_.Send(Encode({"HGETALL", "h"}));
    ASSERT_TRUE(WaitsForTheClient());
    ExpectQuick(100);
    const std::string reply = client_.ReadFrame();
    EXPECT_TRUE(reply == expected) << reply.size() << " bytes of " << expected.size();
    EXPECT_EQ(client_.Text({"PING"}), "PONG");
  }
  ExpectBounded();
}

// What no reply ends. The client gets the beginning, in whole lines; then it is closed, or the
// rest.
TEST_F(LargeRepliesTest, AStreamOfMonitorToAClientThatDoesNotRead) {
  ASSERT_EQ(client_.Command({"MONITOR"}), "+OK\r\n");
  const std::string value(100'000, 'm');
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(other_.Text({"SET", "k", value}), "OK");
  ExpectQuick(100);
  ExpectBounded();
  const std::string end = "the end of it";
  ASSERT_EQ(other_.Text({"ECHO", end}), end);
  ASSERT_EQ(other_.Text({"SET", end, ""}), "OK");
  size_t lines = 0;
  for (std::string line; line.find(end) == line.npos; ++lines) {
    line = client_.ReadFrame();
    if (line.find(kClosed) != line.npos) break;
    ASSERT_TRUE(line.starts_with('+') && line.ends_with("\"\r\n")) << Printable(line);
  }
  EXPECT_GT(lines, 10u);
  ExpectBounded();
}

TEST_F(LargeRepliesTest, AStreamOfInvalidationsToAClientThatDoesNotRead) {
  ASSERT_EQ(client_.Command({"HELLO", "3"})[0], '%');
  ASSERT_EQ(client_.Command({"CLIENT", "TRACKING", "ON", "BCAST"}), "+OK\r\n");
  const std::string prefix(50'000, 'i');
  for (int i = 0; i < 2000; ++i) {
    ASSERT_EQ(other_.Text({"SET", prefix + std::to_string(i), "v"}), "OK");
  }
  ExpectQuick(100);
  ExpectBounded();
  const std::string end = "the end of it";
  ASSERT_EQ(other_.Text({"SET", end, ""}), "OK");
  size_t frames = 0;
  for (std::string frame; frame.find(end) == frame.npos; ++frames) {
    frame = client_.ReadFrame();
    if (frame.find(kClosed) != frame.npos) break;
    ASSERT_TRUE(frame.starts_with(">2\r\n" + Bulk("invalidate"))) << Printable(frame);
  }
  EXPECT_GT(frames, 10u);
  ExpectBounded();
}

}  // namespace
}  // namespace weir::harness
