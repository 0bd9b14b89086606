// WEIR HOTKEYS and WEIR BIGKEYS: what clients did, counted by key.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

using Args = std::vector<std::string>;

class HotkeysTest : public ::testing::Test {
 protected:
  std::unique_ptr<WeirServer> Start(const std::string& rest = "") {
    WeirConfig config;
    config.url = redis_.url();
    config.workers = 2;
    // Long, so that no window ends within a test.
    config.rest = "[hotkeys]\ntracked_max = 1000\nwindow_s = 86400\n" + rest;
    return std::make_unique<WeirServer>(config);
  }
  // "db/key" to its number.
  static std::map<std::string, int64_t> Ask(RawClient* client, const std::string& what,
                                            const std::string& count = "100") {
    std::map<std::string, int64_t> numbers;
    int64_t before = INT64_MAX;
    for (const Reply& entry : ParseReply(client->Command({"WEIR", what, count})).elements) {
      const Reply& more = entry.elements.at(2);
      const int64_t number = std::stoll(entry.elements.at(1).text);
      EXPECT_LE(number, before) << "not in order";
      before = number;
      EXPECT_EQ(more.at("error").text, "0");
      EXPECT_EQ(more.at("upstream-name").text, "default");
      numbers[more.at("db").text + "/" + entry.elements.at(0).text] = number;
    }
    return numbers;
  }

  RedisServer redis_;
};

TEST_F(HotkeysTest, OffUnlessConfigured) {
  WeirServer weir(redis_);
  RawClient client(weir.port());
  EXPECT_TRUE(client.Command({"WEIR", "HOTKEYS"}).starts_with("-ERR weir: keys are not counted; "));
  EXPECT_TRUE(client.Command({"WEIR", "BIGKEYS"}).starts_with("-ERR weir: keys are not counted; "));
}

TEST_F(HotkeysTest, CountsOverWorkersDbsAndPipelines) {
  const auto weir = Start();
  RawClient first(weir->port());
  RawClient second(weir->port());  // of the other worker
  std::string pipeline;
  for (int i = 0; i < 64; ++i) pipeline += Encode({"GET", i % 4 == 0 ? "hot" : "warm"});
  first.Send(pipeline);
  first.ReadFrames(64);
  second.Send(pipeline);
  second.ReadFrames(64);
  // The db is the one in which it was asked, whatever follows in the pipeline.
  first.Send(Encode({"SELECT", "5"}) + Encode({"SET", "hot", "v"}) + Encode({"SELECT", "0"}) +
             Encode({"MGET", "warm", "cold"}));
  first.ReadFrames(4);
  first.Send(Encode({"MULTI"}) + Encode({"INCR", "n"}) + Encode({"INCR", "n"}) + Encode({"EXEC"}));
  first.ReadFrames(4);
  first.Command({"PING"});
  first.Command({"EVAL", "return 1", "1", "script-key", "no-key"});
  const std::map<std::string, int64_t> expected = {
      {"0/hot", 32}, {"0/warm", 97}, {"0/cold", 1}, {"5/hot", 1}, {"0/n", 2}, {"0/script-key", 1}};
  EXPECT_EQ(Ask(&second, "HOTKEYS"), expected);
  EXPECT_EQ(Ask(&second, "HOTKEYS", "1"), (std::map<std::string, int64_t>{{"0/warm", 97}}));
}

TEST_F(HotkeysTest, BytesAreThoseOfRequestAndReply) {
  const auto weir = Start();
  RawClient client(weir->port());
  const std::string value(100000, 'x');
  const std::string set = Encode({"SET", "big", value});
  const std::string get = Encode({"GET", "big"});
  const std::string small = Encode({"GET", "none"});
  std::string pipeline = set;
  for (int i = 0; i < 10; ++i) pipeline += small;
  pipeline += get;
  for (int i = 0; i < 10; ++i) pipeline += small;
  client.Send(pipeline);
  size_t big_bytes = set.size() + get.size();
  size_t small_bytes = 20 * small.size();
  const std::vector<std::string> replies = client.ReadFrames(22);
  for (size_t i = 0; i < replies.size(); ++i) {
    (i == 0 || i == 11 ? big_bytes : small_bytes) += replies[i].size();
  }
  const std::map<std::string, int64_t> expected = {{"0/big", big_bytes}, {"0/none", small_bytes}};
  EXPECT_EQ(Ask(&client, "BIGKEYS"), expected);
  const Reply first = ParseReply(client.Command({"WEIR", "BIGKEYS", "1"})).elements.at(0);
  EXPECT_EQ(first.elements.at(2).at("largest").text,
            std::to_string(std::max(set.size() + 5, get.size() + replies[11].size())));
}

TEST_F(HotkeysTest, LargeRequestsCountWhole) {
  const auto weir = Start();
  RawClient client(weir->port());
  const std::string set = Encode({"SET", "large", std::string(size_t{3} << 20, 'x')});
  client.Send(set);
  EXPECT_EQ(client.ReadFrame(), "+OK\r\n");
  EXPECT_EQ(Ask(&client, "BIGKEYS"),
            (std::map<std::string, int64_t>{{"0/large", static_cast<int64_t>(set.size()) + 5}}));
}

TEST_F(HotkeysTest, RefusesAndPermits) {
  RawClient direct(redis_.port());
  direct.Command({"ACL", "SETUSER", "eve", "on", ">pw", "~*", "+@all", "-@admin"});
  const auto weir = Start("[auth]\nmode = \"passthrough\"\n");
  RawClient client(weir->port());
  for (const std::string what : {"HOTKEYS", "BIGKEYS"}) {
    for (const std::string count : {"0", "-1", "x", ""}) {
      EXPECT_EQ(client.Command({"WEIR", what, count}), "-ERR count should be greater than 0\r\n");
    }
    EXPECT_EQ(client.Command({"WEIR", what, "1", "2"})[0], '-');
  }
  RawClient eve(weir->port());
  EXPECT_EQ(eve.Command({"AUTH", "eve", "pw"}), "+OK\r\n");
  EXPECT_TRUE(eve.Command({"WEIR", "HOTKEYS"}).starts_with("-NOPERM "));
}

}  // namespace
}  // namespace weir::harness
