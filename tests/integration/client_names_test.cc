// What clients call themselves is bounded, all clients of a worker together.
#include <memory>
#include <string>
#include <vector>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

WeirConfig Bounded(const std::string& url) {
  WeirConfig config;
  config.url = url;
  config.workers = 1;
  config.limits = "client_names_bytes_max = 1000\n";
  return config;
}

const std::string kRefused =
    "-ERR weir: the names of this worker's clients have reached client_names_bytes_max = 1000 "
    "bytes; raise it, or use shorter names";

class ClientNamesTest : public ::testing::Test {
 protected:
  RedisServer redis_;
  WeirServer weir_{Bounded(redis_.url())};
};

// A name may be as long as a request, so ten thousand clients could fill the memory with them.
TEST_F(ClientNamesTest, HaveABoundTogether) {
  RawClient one(weir_.port());
  EXPECT_EQ(one.Text({"CLIENT", "SETNAME", std::string(600, 'a')}), "OK");
  {
    RawClient two(weir_.port());
    EXPECT_EQ(two.Text({"CLIENT", "SETNAME", "b"}), "OK");
    EXPECT_EQ(two.Text({"CLIENT", "SETNAME", std::string(500, 'b')}), kRefused);
    EXPECT_EQ(two.Text({"HELLO", "2", "SETNAME", std::string(500, 'b')}), kRefused);
    EXPECT_EQ(two.Text({"CLIENT", "GETNAME"}), "b") << "it keeps the one it has";
    EXPECT_EQ(two.Text({"MULTI"}), "OK");
    EXPECT_EQ(two.Text({"CLIENT", "SETNAME", std::string(500, 'b')}), kRefused);
    EXPECT_TRUE(two.Text({"EXEC"}).starts_with("-EXECABORT "));
    EXPECT_EQ(two.Text({"CLIENT", "SETNAME", std::string(400, 'b')}), "OK");
    EXPECT_EQ(two.Text({"PING"}), "PONG") << "it is not closed";
    EXPECT_EQ(one.Text({"CLIENT", "SETNAME", std::string(601, 'a')}), kRefused);
    EXPECT_EQ(one.Text({"CLIENT", "SETNAME", std::string(500, 'a')}), "OK") << "shorter is better";
  }
  // Who leaves, or takes its name away, makes room.
  EXPECT_TRUE(Eventually([&] {
    return one.Text({"CLIENT", "SETNAME", std::string(1000, 'a')}) == "OK";
  }));
  EXPECT_EQ(one.Text({"RESET"}), "RESET");
  RawClient three(weir_.port());
  EXPECT_TRUE(three.Command({"HELLO", "2", "SETNAME", std::string(900, 'c')}).starts_with("*"));
}

// links_max said -DOWN, as if Redis were.
TEST(LinksMaxTest, IsNamedToWhoWantsToBeSomebodyElse) {
  const RedisServer redis(
      {"--requirepass", "secret", "--user", "alice", "on", ">wonder", "~*", "+@all"});
  WeirConfig config;
  config.url = redis.url();
  config.workers = 1;
  config.upstream = "links_max = 1\nconnections_per_node = 1\n";
  config.rest = "[auth]\nmode = \"passthrough\"\n";
  const WeirServer weir(config);
  RawClient first(weir.port());
  EXPECT_EQ(first.Text({"AUTH", "secret"}), "OK");
  RawClient second(weir.port());
  EXPECT_EQ(
      second.Text({"AUTH", "alice", "wonder"}),
      "-ERR weir: upstream 'default' has links_max = 1 connections open in this worker; raise "
      "it, or use fewer dbs or users at once");
  EXPECT_EQ(second.Text({"AUTH", "secret"}), "OK");
  EXPECT_EQ(first.Text({"SET", "k", "v"}), "OK");
}

}  // namespace
}  // namespace weir::harness
