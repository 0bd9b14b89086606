// Transactions that arrive in one piece go over a shared link, and nobody can tell.
#include <sstream>
#include <string>
#include <vector>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

class WholeTransactionTest : public BesideRedis {
 protected:
  // How many connections weir opened at Redis while `deed` was done.
  template <typename Deed>
  int64_t OpenedDuring(Deed deed) {
    const auto received = [this] {
      return std::stoll(redis_.Info("stats", "total_connections_received"));
    };
    const int64_t before = received();
    deed();
    return received() - before - 1;  // the question's own
  }
};

TEST_F(WholeTransactionTest, NeedsNoConnectionOfItsOwn) {
  RawClient client(weir_.port());
  client.Command({"GET", "a"});
  const std::string whole = Encode({"MULTI"}) + Encode({"SET", "a", "1"}) + Encode({"EXEC"});
  EXPECT_EQ(OpenedDuring([&] {
              for (int i = 0; i < 10; ++i) {
                client.Send(whole);
                EXPECT_EQ(client.ReadFrames(3),
                          (std::vector<std::string>{"+OK\r\n", "+QUEUED\r\n", "*1\r\n+OK\r\n"}));
              }
            }),
            0);
  // In two pieces it needs one.
  EXPECT_EQ(OpenedDuring([&] {
              EXPECT_EQ(client.Command({"MULTI"}), "+OK\r\n");
              client.Send(Encode({"SET", "a", "1"}) + Encode({"EXEC"}));
              EXPECT_EQ(client.ReadFrames(2).back(), "*1\r\n+OK\r\n");
            }),
            1);
}

// Where clients send nothing but transactions, no shared connection was ever opened, and each
// transaction got one of its own.
TEST_F(WholeTransactionTest, OpensTheSharedConnectionToo) {
  RawClient client(weir_.port()), direct(redis_.port());
  const std::string whole = Encode({"MULTI"}) + Encode({"SET", "a", "1"}) + Encode({"EXEC"});
  // Only shared connections have weir's name.
  EXPECT_TRUE(Eventually([&] {
    client.Send(whole);
    EXPECT_EQ(client.ReadFrames(3).back(), "*1\r\n+OK\r\n");
    std::istringstream list(direct.Text({"CLIENT", "LIST"}));
    for (std::string line; std::getline(list, line);) {
      const bool shared = line.find(" name=weir ") != std::string::npos;
      if (shared && line.find(" cmd=exec ") != std::string::npos) return true;
    }
    return false;
  }));
}

TEST_F(WholeTransactionTest, SameBytesAsRedis) {
  const std::string multi = Encode({"MULTI"}), exec = Encode({"EXEC"}), get = Encode({"GET", "a"});
  const std::string set = Encode({"SET", "a", "1"});
  struct Case {
    std::string bytes;
    size_t replies;
  };
  for (const std::string& hello : {std::string(), Encode({"HELLO", "3"})}) {
    RawClient direct(direct_.port()), through(weir_.port());
    if (!hello.empty()) {
      direct.Command({"HELLO", "3"});
      through.Command({"HELLO", "3"});
    }
    for (const Case& c : std::vector<Case>{
             {get + multi + set + get + exec + get, 6},
             {multi + exec, 2},
             {multi + exec + exec + get, 4},
             {multi + set + exec + multi + set + set + get + get + exec, 8},
             {multi + Encode({"SET", "a"}) + set + exec + get, 5},
             {multi + Encode({"LPUSH", "a", "x"}) + get + exec, 4},
             {multi + Encode({"NOSUCH"}) + exec + get, 4},
             {multi + multi + set + exec + get, 5},
             {multi + set + Encode({"EXEC", "x"}) + exec + get, 5},
             {multi + Encode({"WATCH", "a"}) + exec, 3},
             {multi + set + Encode({"DISCARD"}) + get, 4},
             {multi + Encode({"PING"}) + Encode({"ECHO", "x"}) + set + exec, 5},
             {multi + Encode({"SELECT", "1"}) + set + exec + Encode({"SELECT", "0"}), 5},
             {multi + Encode({"BLPOP", "none", "0"}) + exec + get, 4},
             {multi + Encode({"EVAL", "return 1", "0"}) + exec + get, 4},
             {multi + Encode({"HSET", "h", "f", "1"}) + Encode({"HGETALL", "h"}) + exec, 4},
             {"multi\r\n" + set + "exec\r\n" + get, 4},
             {multi + "\r\n" + set + "*0\r\n" + exec + get, 4},
             {Encode({"CLIENT", "REPLY", "SKIP"}) + multi + set + exec, 2},
             {multi + Encode({"SET", "big", std::string(200'000, 'x')}) + exec + get, 4},
         }) {
      ExpectSameReplies(&direct, &through, c.bytes, c.replies);
      direct.Command({"DEL", "a", "h"});
      through.Command({"DEL", "a", "h"});
    }
  }
}

// It is looked for up to a bound; beyond that a transaction has a connection of its own, as before.
TEST_F(WholeTransactionTest, ALongOneGetsAConnectionOfItsOwn) {
  constexpr size_t kMoreThanTheBound = 1100;
  RawClient direct(direct_.port()), through(weir_.port());
  through.Command({"GET", "n"});
  std::string bytes = Encode({"MULTI"});
  for (size_t i = 0; i < kMoreThanTheBound; ++i) bytes += Encode({"INCR", "n"});
  bytes += Encode({"EXEC"});
  EXPECT_EQ(
      OpenedDuring([&] { ExpectSameReplies(&direct, &through, bytes, kMoreThanTheBound + 2); }), 1);
}

// Whatever others send, nothing gets between MULTI and EXEC.
TEST_F(WholeTransactionTest, ManyClientsOnOneLinkKeepTheirs) {
  constexpr int kClients = 8, kRounds = 200;
  std::vector<RawClient> clients;
  for (int i = 0; i < kClients; ++i) clients.emplace_back(weir_.port());
  for (int round = 0; round < kRounds; ++round) {
    for (int i = 0; i < kClients; ++i) {
      const std::string mine = "k" + std::to_string(i);
      std::string bytes = Encode({"INCR", mine}) + Encode({"MULTI"});
      for (int n = 0; n < i; ++n) bytes += Encode({"INCR", mine});
      clients[i].Send(bytes + Encode({"EXEC"}) + Encode({"DECR", mine}));
    }
    for (int i = 0; i < kClients; ++i) {
      int64_t value = int64_t{round} * i + 1;
      EXPECT_EQ(clients[i].ReadFrame(), ":" + std::to_string(value) + "\r\n");
      EXPECT_EQ(clients[i].ReadFrame(), "+OK\r\n");
      std::string executed = "*" + std::to_string(i) + "\r\n";
      for (int n = 0; n < i; ++n) {
        EXPECT_EQ(clients[i].ReadFrame(), "+QUEUED\r\n");
        executed += ":" + std::to_string(++value) + "\r\n";
      }
      EXPECT_EQ(clients[i].ReadFrame(), executed);
      EXPECT_EQ(clients[i].ReadFrame(), ":" + std::to_string(value - 1) + "\r\n");
    }
  }
}

// A user who may not say EXEC, or not MULTI, hears what Redis says, and its link goes on.
TEST(WholeTransactionUsersTest, WhoMayNotExecute) {
  RedisServer redis;
  RawClient direct(redis.port());
  direct.Command({"ACL", "SETUSER", "noexec", "on", ">pw", "~*", "+@all", "-exec"});
  direct.Command({"ACL", "SETUSER", "nomulti", "on", ">pw", "~*", "+@all", "-multi"});
  WeirConfig config;
  config.url = redis.url();
  config.rest = "[auth]\nmode = \"passthrough\"\n";
  WeirServer weir(config);
  for (const char* user : {"noexec", "nomulti"}) {
    RawClient through(weir.port());
    ASSERT_EQ(direct.Command({"AUTH", user, "pw"}), "+OK\r\n");
    ASSERT_EQ(through.Command({"AUTH", user, "pw"}), "+OK\r\n");
    const std::string bytes =
        Encode({"MULTI"}) + Encode({"SET", "a", "1"}) + Encode({"EXEC"}) + Encode({"GET", "a"});
    for (int i = 0; i < 3; ++i) {
      direct.Send(bytes);
      through.Send(bytes);
      EXPECT_EQ(through.ReadFrames(4), direct.ReadFrames(4)) << user;
    }
  }
}

// A server whose EXEC has another name stays in the transaction, and so would the link: all that
// comes behind it would be queued. It must break before anybody hears a +QUEUED of another's, and
// not again with each transaction.
TEST(WholeTransactionRenamedTest, AServerThatDoesNotKnowExec) {
  RedisServer redis({"--rename-command", "EXEC", "hidden"});
  WeirServer weir(redis);
  RawClient client(weir.port()), other(weir.port());
  other.Command({"SET", "a", "1"});
  client.Command({"GET", "a"});
  for (int i = 0; i < 5; ++i) {
    client.Send(Encode({"MULTI"}) + Encode({"SET", "b", "1"}) + Encode({"EXEC"}));
    other.Send(Encode({"GET", "a"}) + Encode({"GET", "a"}) + Encode({"GET", "a"}));
    const std::vector<std::string> heard = client.ReadFrames(3);
    ASSERT_EQ(heard.size(), 3U);
    EXPECT_EQ(heard[1], "+QUEUED\r\n");
    EXPECT_EQ(heard[2][0], '-') << heard[2];
    for (const std::string& reply : other.ReadFrames(3)) EXPECT_EQ(reply, Bulk("1"));
    client.Command({"DISCARD"});
  }
}

}  // namespace
}  // namespace weir::harness
