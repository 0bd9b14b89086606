// Commands that weir's table lacks, because Redis has them by another name than its COMMAND says.
//
// rename-command renames a command for those who send it, but COMMAND goes on listing it by its
// own name. So "hidden", which is MULTI, was unknown to weir and went over a shared link: the link
// was then in a transaction, and whoever's request came next was answered QUEUED.
#include <string>
#include <vector>

#include "tests/integration/fixture.h"
#include "tests/integration/same_replies.h"

namespace weir::harness {
namespace {

// One link for all clients, so that nobody is lucky.
WeirConfig OneLink(const std::string& url) {
  WeirConfig config;
  config.url = url;
  config.workers = 1;
  config.upstream = "connections_per_node = 1\n";
  return config;
}

class RenamedTest : public ::testing::Test {
 protected:
  static std::vector<std::string> Renamed() {
    return {"--rename-command", "MULTI", "hidden", "--rename-command", "EXEC", "finish",
            "--rename-command", "WATCH", "look"};
  }

  void ExpectSame(const Requests& requests) {
    ExpectSameOneByOne(direct_.port(), weir_.port(), requests);
    std::string bytes;
    for (const auto& request : requests) bytes += Encode(request);
    RawClient direct_at_once(direct_.port());
    RawClient through_at_once(weir_.port());
    direct_at_once.Send(bytes);
    through_at_once.Send(bytes);
    for (const auto& request : requests) {
      EXPECT_EQ(Printable(through_at_once.ReadFrame()), Printable(direct_at_once.ReadFrame()))
          << request[0] << " of a pipeline";
    }
  }

  std::string PinnedForOther() {
    const std::string all = weir_.Info("weir_pinned");
    const size_t at = all.find("other=");
    return at == std::string::npos ? all : all.substr(at, all.find(',', at) - at);
  }

  RedisServer direct_{Renamed()};
  RedisServer redis_{Renamed()};
  WeirServer weir_{OneLink(redis_.url())};
};

TEST_F(RenamedTest, ATransactionByAnotherNameIsItsClientsAlone) {
  RawClient one(weir_.port());
  RawClient other(weir_.port());
  EXPECT_EQ(other.Text({"SET", "k", "1"}), "OK");
  EXPECT_EQ(one.Text({"hidden"}), "OK");
  EXPECT_EQ(other.Text({"GET", "k"}), "1");
  EXPECT_EQ(one.Text({"SET", "k", "2"}), "QUEUED");
  EXPECT_EQ(other.Text({"GET", "k"}), "1");
  EXPECT_EQ(one.Command({"finish"}), "*1\r\n+OK\r\n");
  EXPECT_EQ(other.Text({"GET", "k"}), "2");
  EXPECT_EQ(PinnedForOther(), "other=1") << "nobody can prove that nothing is left on it";
}

// What the first leaves behind in the middle of its transaction is not given to the second.
TEST_F(RenamedTest, SuchAConnectionHasNoNextClient) {
  for (int i = 0; i < 5; ++i) {
    {
      RawClient leaves(weir_.port());
      EXPECT_EQ(leaves.Text({"hidden"}), "OK");
      EXPECT_EQ(leaves.Text({"SET", "k", "1"}), "QUEUED");
    }
    RawClient next(weir_.port());
    EXPECT_EQ(next.Text({"look", "k"}), "OK");
    EXPECT_EQ(next.Text({"GET", "k"}), "(nil)");
    EXPECT_EQ(next.Text({"BLPOP", "nothing", "0.01"}), "(nil)");
  }
}

TEST_F(RenamedTest, BesideRedis) {
  ExpectSame({{"hidden"}, {"SET", "a", "1"}, {"INCR", "a"}, {"finish"}, {"GET", "a"}});
  ExpectSame(
      {{"look", "a"}, {"SET", "a", "3"}, {"hidden"}, {"GET", "a"}, {"finish"}, {"GET", "a"}});
  ExpectSame({{"hidden"}, {"NOSUCH"}, {"finish"}, {"GET", "a"}, {"finish"}});
  ExpectSame({{"hidden"}, {"SET", "b", "1"}, {"DISCARD"}, {"GET", "b"}, {"EXEC"}, {"MULTI"}});
  ExpectSame({{"hidden"}, {"hidden"}, {"RESET"}, {"SET", "c", "1"}, {"GET", "c"}});
}

// Only the end has another name. weir believed to be in the transaction for ever, and had the node
// queue stand-ins for what it answers itself.
TEST(RenamedExecTest, EndsWhatWeirHasSeenBegin) {
  const std::vector<std::string> renamed = {"--rename-command", "EXEC", "finish"};
  const RedisServer direct(renamed);
  const RedisServer redis(renamed);
  const WeirServer weir(OneLink(redis.url()));
  for (const Requests& requests : {
           Requests{{"MULTI"}, {"SET", "a", "1"}, {"finish"}, {"CLIENT", "GETNAME"}, {"PING"}},
           Requests{{"MULTI"}, {"GET"}, {"finish"}, {"CLIENT", "GETNAME"}, {"GET", "a"}},
           Requests{{"MULTI"}, {"finish"}, {"MULTI"}, {"GET", "a"}, {"DISCARD"}, {"GET", "a"}},
           Requests{{"finish"}, {"GET", "a"}, {"EXEC"}},
       }) {
    RawClient one(direct.port());
    RawClient other(weir.port());
    for (const auto& request : requests) {
      EXPECT_EQ(Printable(other.Command(request)), Printable(one.Command(request))) << request[0];
    }
  }
}

// An EXEC that Redis does not know ends nothing, but weir took the connection for clean and gave it
// to the next client, in the middle of a transaction.
TEST(RenamedExecTest, UnderItsOldNameEndsNothing) {
  RedisServer redis({"--rename-command", "EXEC", "finish"});
  const WeirServer weir(OneLink(redis.url()));
  RawClient one(weir.port());
  EXPECT_EQ(one.Text({"MULTI"}), "OK");
  EXPECT_EQ(one.Text({"SET", "k", "1"}), "QUEUED");
  EXPECT_TRUE(one.Text({"EXEC"}).starts_with("-ERR unknown command 'EXEC'"));
  RawClient other(weir.port());
  EXPECT_EQ(other.Text({"WATCH", "k"}), "OK");
  EXPECT_EQ(other.Text({"GET", "k"}), "(nil)");
  EXPECT_EQ(one.Text({"GET", "k"}), "QUEUED");
  EXPECT_TRUE(one.Text({"finish"}).starts_with("-EXECABORT "));
}

// A typing error costs no connection: Redis has said that it knows no such command.
TEST(UnknownCommandTest, LeavesTheConnectionClean) {
  RedisServer redis;
  const WeirServer weir(OneLink(redis.url()));
  RawClient client(weir.port());
  EXPECT_TRUE(client.Text({"NOSUCH"}).starts_with("-ERR unknown command 'NOSUCH'"));
  const std::string before = redis.Info("stats", "total_connections_received");
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(client.Text({"NOSUCH"}).starts_with("-ERR unknown command 'NOSUCH'"));
    EXPECT_EQ(client.Text({"GET", "k"}), "(nil)");
  }
  const std::string after = redis.Info("stats", "total_connections_received");
  // One of them asked for this number.
  EXPECT_LE(std::stoi(after), std::stoi(before) + 10);
}

}  // namespace
}  // namespace weir::harness
