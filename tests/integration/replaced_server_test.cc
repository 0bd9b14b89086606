// Another server on the same port, with other commands: weir's command table follows.
#include <atomic>
#include <string>
#include <vector>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

// Without health checks nothing else notices.
WeirConfig WithoutChecks(const std::string& url) {
  WeirConfig config;
  config.url = url;
  config.upstream = "health_check_interval_ms = 0\n";
  return config;
}

class ReplacedServerTest : public ::testing::Test {
 protected:
  // Whether weir's table has the command.
  static bool Knows(const WeirServer& weir, const std::string& command) {
    const std::string text = RawClient(weir.port()).Command({"WEIR", "EXPLAIN", command, "x"});
    EXPECT_NE(text.find("why: "), std::string::npos) << text;
    return text.find("weir does not know the command") == std::string::npos;
  }

  RedisServer redis_;
};

TEST_F(ReplacedServerTest, WithHealthChecks) {
  const WeirServer weir(redis_);
  EXPECT_TRUE(Knows(weir, "FLUSHALL"));
  redis_.Replace({"--rename-command", "FLUSHALL", ""});
  EXPECT_TRUE(Eventually([&] { return !Knows(weir, "FLUSHALL"); }));
  redis_.Replace({});
  EXPECT_TRUE(Eventually([&] { return Knows(weir, "FLUSHALL"); }));
}

// The table stayed as it was for ever.
TEST_F(ReplacedServerTest, WhenALinkIsConnectedAgain) {
  const WeirServer weir(WithoutChecks(redis_.url()));
  RawClient client(weir.port());
  EXPECT_EQ(client.Text({"GET", "a"}), "(nil)");
  EXPECT_TRUE(Knows(weir, "OBJECT"));
  redis_.Replace({"--rename-command", "OBJECT", ""});
  EXPECT_TRUE(Eventually([&] { return client.Text({"GET", "a"}) == "(nil)"; }));
  EXPECT_TRUE(Eventually([&] { return !Knows(weir, "OBJECT"); }));
}

// A module is unloaded: no connection breaks, but Redis does not know a command that weir's table
// has.
TEST(ReplacedCommandTest, WhenRedisDoesNotKnowTheCommand) {
  std::atomic<bool> unloaded{false};
  const std::string entry =
      "*1\r\n*10\r\n$7\r\nmod.get\r\n:2\r\n*1\r\n+readonly\r\n:1\r\n:1\r\n:1\r\n*0\r\n*0\r\n"
      "*1\r\n*6\r\n$5\r\nflags\r\n*1\r\n+RO\r\n$12\r\nbegin_search\r\n*4\r\n$4\r\ntype\r\n"
      "$5\r\nindex\r\n$4\r\nspec\r\n*2\r\n$5\r\nindex\r\n:1\r\n$9\r\nfind_keys\r\n*4\r\n"
      "$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n*6\r\n$7\r\nlastkey\r\n:0\r\n$7\r\nkeystep\r\n"
      ":1\r\n$5\r\nlimit\r\n:0\r\n*0\r\n";
  FakeBackend backend([&](const std::vector<std::string>&) {
    return Answer{unloaded ? "-ERR unknown command 'mod.get', with args beginning with: 'k' \r\n"
                           : "$1\r\nv\r\n"};
  });
  backend.AnswerCommand([&] { return unloaded ? std::string("*0\r\n") : entry; });
  const WeirServer weir(WithoutChecks(backend.url()));
  const auto knows = [&] {
    const std::string text = RawClient(weir.port()).Command({"WEIR", "EXPLAIN", "mod.get", "k"});
    return text.find("weir does not know the command") == std::string::npos;
  };
  EXPECT_TRUE(knows());
  unloaded = true;
  RawClient client(weir.port());
  EXPECT_TRUE(client.Command({"MOD.GET", "k"}).starts_with("-ERR unknown command"));
  EXPECT_TRUE(Eventually([&] { return !knows(); }));
}

}  // namespace
}  // namespace weir::harness
