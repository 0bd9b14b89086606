// Transactions and everything else that needs a connection of its own, beside Redis itself.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/fixture.h"
#include "tests/integration/same_replies.h"

namespace weir::harness {
namespace {

class PinnedTest : public BesideRedis {
 protected:
  // One by one, then all in one pipeline.
  void ExpectSame(const Requests& requests) {
    ExpectSameOneByOne(direct_.port(), weir_.port(), requests);
    std::string bytes;
    for (const auto& request : requests) bytes += Encode(request);
    ExpectSameReplies(bytes, requests.size());
  }

  // How many clients are pinned for this reason.
  std::string Info(const std::string& reason) {
    const std::string all = weir_.Info("weir_pinned");
    const size_t at = all.find(reason + "=");
    if (at == std::string::npos) return all;
    const std::string rest = all.substr(at + reason.size() + 1);
    return rest.substr(0, rest.find(','));
  }
};

TEST_F(PinnedTest, Transactions) {
  ExpectSame({{"MULTI"}, {"SET", "a", "1"}, {"INCR", "a"}, {"EXEC"}, {"GET", "a"}});
  ExpectSame({{"MULTI"}, {"SET", "a", "2"}, {"DISCARD"}, {"GET", "a"}});
  ExpectSame({{"MULTI"}, {"EXEC"}, {"EXEC"}, {"DISCARD"}, {"UNWATCH"}});
  ExpectSame({{"MULTI"}, {"MULTI"}, {"WATCH", "a"}, {"GET", "a"}, {"EXEC"}});
  ExpectSame({{"SET", "s", "x"}, {"MULTI"}, {"INCR", "s"}, {"GET", "s"}, {"EXEC"}});
}

TEST_F(PinnedTest, ErrorsWhileQueuingMakeExecAbort) {
  ExpectSame({{"MULTI"}, {"NOSUCH"}, {"SET", "a", "1"}, {"EXEC"}, {"GET", "a"}});
  ExpectSame({{"MULTI"}, {"GET"}, {"EXEC"}});
  ExpectSame({{"MULTI"}, {"EXEC", "x"}, {"EXEC"}});
  ExpectSame({{"MULTI"}, {"DISCARD", "x"}, {"EXEC"}});
  ExpectSame({{"MULTI", "x"}, {"SET", "b", "1"}, {"EXEC"}});
  ExpectSame({{"MULTI"}, {std::string("GE\0T", 4), "a"}, {"EXEC"}});
}

TEST_F(PinnedTest, WhatWeirAnswersIsQueuedInATransaction) {
  ExpectSame({{"MULTI"}, {"PING"}, {"ECHO", "x"}, {"PING", "y"}, {"EXEC"}, {"PING"}});
  ExpectSame({{"MULTI"},
              {"SELECT", "3"},
              {"SET", "k", "3"},
              {"EXEC"},
              {"GET", "k"},
              {"SELECT", "0"},
              {"GET", "k"}});
  ExpectSame({{"MULTI"}, {"SELECT", "99"}, {"EXEC"}, {"SET", "k", "0"}, {"GET", "k"}});
  ExpectSame({{"MULTI"}, {"SELECT", "4"}, {"DISCARD"}, {"SET", "d", "0"}, {"GET", "d"}});
  ExpectSame({{"MULTI"}, {"CLIENT", "SETNAME", "bob"}, {"EXEC"}, {"CLIENT", "GETNAME"}});
  ExpectSame({{"MULTI"}, {"RESET"}, {"EXEC"}, {"PING"}});
  ExpectSame({{"MULTI"}, {"CLIENT", "GETNAME"}, {"COMMAND", "COUNT"}, {"DISCARD"}});
}

// Before a WAIT weir sent a PING of its own, also inside a transaction: EXEC's reply had one
// element too many, and all behind it were shifted. Found by random histories.
TEST_F(PinnedTest, WaitInATransactionIsOnlyQueued) {
  ExpectSame({{"MULTI"}, {"WAIT", "0", "0"}, {"SET", "a", "1"}, {"WAIT", "x", "0"}, {"EXEC"}});
  ExpectSame({{"WATCH", "w"}, {"WAIT", "0", "0"}, {"MULTI"}, {"GET", "a"}, {"EXEC"}});
}

// A transaction saw the name that weir had given to its connection. Found by random histories.
TEST_F(PinnedTest, TheClientsNameInATransaction) {
  const std::vector<std::string> get = {"CLIENT", "GETNAME"};
  ExpectSame({{"MULTI"}, get, {"EXEC"}});
  ExpectSame({{"CLIENT", "SETNAME", "ann"}, {"MULTI"}, get, {"EXEC"}, get});
  ExpectSame({{"CLIENT", "SETNAME", "ann"},
              {"MULTI"},
              {"CLIENT", "SETNAME", "bob"},
              get,
              {"CLIENT", "SETNAME", ""},
              {"EXEC"},
              get,
              {"MULTI"},
              get,
              {"EXEC"}});
  ExpectSame({{"WATCH", "w"}, {"CLIENT", "SETNAME", "eve"}, {"MULTI"}, get, {"EXEC"}, get});
  // The connection goes to another client, who has no name.
  ExpectSame({{"MULTI"}, get, {"EXEC"}});
}

TEST_F(PinnedTest, TheProtocolMayChangeInsideATransaction) {
  RawClient client(weir_.port());
  EXPECT_EQ(client.Command({"MULTI"}), "+OK\r\n");
  EXPECT_EQ(client.Command({"HELLO", "3"}), "+QUEUED\r\n");
  EXPECT_EQ(client.Command({"HGETALL", "none"}), "+QUEUED\r\n");
  const std::string reply = client.Command({"EXEC"});
  EXPECT_TRUE(reply.starts_with("*2\r\n%7\r\n") && reply.ends_with("%0\r\n")) << reply;
  EXPECT_EQ(client.Command({"HGETALL", "none"}), "%0\r\n");
  EXPECT_EQ(client.Command({"GET", "none"}), "_\r\n");
}

TEST_F(PinnedTest, AWatchedKeyThatChangesMakesExecNull) {
  for (const bool resp3 : {false, true}) {
    RawClient client(weir_.port());
    RawClient other(weir_.port());
    if (resp3) client.Command({"HELLO", "3"});
    EXPECT_EQ(client.Command({"WATCH", "w"}), "+OK\r\n");
    EXPECT_EQ(client.Command({"SELECT", "5"}), "+OK\r\n");
    EXPECT_EQ(client.Command({"SET", "in5", "x"}), "+OK\r\n");
    EXPECT_EQ(client.Command({"SELECT", "0"}), "+OK\r\n");
    EXPECT_EQ(other.Command({"INCR", "w"})[0], ':');
    EXPECT_EQ(client.Command({"MULTI"}), "+OK\r\n");
    EXPECT_EQ(client.Command({"SET", "w", "never"}), "+QUEUED\r\n");
    EXPECT_EQ(client.Command({"EXEC"}), resp3 ? "_\r\n" : "*-1\r\n");
    EXPECT_NE(client.Text({"GET", "w"}), "never");
    EXPECT_EQ(client.Text({"GET", "in5"}), "(nil)");
  }
}

TEST_F(PinnedTest, AProtocolSwitchWhileKeysAreWatched) {
  RawClient client(weir_.port());
  RawClient other(weir_.port());
  client.Command({"WATCH", "w"});
  EXPECT_EQ(client.Command({"HELLO", "3"})[0], '%');
  other.Command({"INCR", "w"});
  client.Command({"MULTI"});
  client.Command({"GET", "none"});
  EXPECT_EQ(client.Command({"EXEC"}), "_\r\n");
  client.Command({"MULTI"});
  client.Command({"GET", "none"});
  EXPECT_EQ(client.Command({"EXEC"}), "*1\r\n_\r\n");
}

TEST_F(PinnedTest, ClientsInTransactionsDoNotSeeEachOther) {
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<RawClient>(weir_.port()));
    EXPECT_EQ(clients.back()->Command({"MULTI"}), "+OK\r\n");
    EXPECT_EQ(clients.back()->Command({"SET", "mine" + std::to_string(i), std::to_string(i)}),
              "+QUEUED\r\n");
  }
  RawClient reader(weir_.port());
  EXPECT_EQ(reader.Text({"GET", "mine3"}), "(nil)");
  EXPECT_EQ(Info("transaction"), "20");
  for (int i = 0; i < 20; i += 2) {
    EXPECT_EQ(clients[static_cast<size_t>(i)]->Command({"EXEC"}), "*1\r\n+OK\r\n");
  }
  EXPECT_EQ(reader.Text({"GET", "mine4"}), "4");
  EXPECT_EQ(reader.Text({"GET", "mine3"}), "(nil)");
  clients.clear();
  EXPECT_TRUE(Eventually([&] { return Info("transaction") == "0"; }));
}

TEST_F(PinnedTest, ALinkIsUsedAgainOnlyWhenItIsClean) {
  RawClient client(weir_.port());
  const auto connections = [&] { return redis_.Info("stats", "total_connections_received"); };
  client.Command({"MULTI"});
  client.Command({"EXEC"});
  const std::string before = connections();
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(client.Command({"MULTI"}), "+OK\r\n");
    EXPECT_EQ(client.Command({"INCR", "n"}), "+QUEUED\r\n");
    EXPECT_EQ(client.Command({"EXEC"}), "*1\r\n:" + std::to_string(i + 1) + "\r\n");
  }
  // Each look is itself a connection.
  EXPECT_EQ(std::stoi(connections()), std::stoi(before) + 1);
  client.Command({"MULTI"});
  client.Command({"SELECT", "7"});
  client.Command({"EXEC"});
  RawClient other(weir_.port());
  other.Command({"MULTI"});
  other.Command({"SET", "where", "db0"});
  other.Command({"EXEC"});
  EXPECT_EQ(other.Text({"GET", "where"}), "db0");
  EXPECT_EQ(client.Text({"GET", "where"}), "(nil)");
}

TEST_F(PinnedTest, DeniedCommandsFailTheTransaction) {
  RawClient client(weir_.port());
  EXPECT_EQ(client.Command({"MULTI"}), "+OK\r\n");
  EXPECT_EQ(client.Command({"SET", "denied", "1"}), "+QUEUED\r\n");
  EXPECT_TRUE(client.Command({"SHUTDOWN"}).starts_with("-NOPERM weir: "));
  EXPECT_TRUE(client.Command({"EXEC"}).starts_with("-EXECABORT "));
  EXPECT_EQ(client.Text({"GET", "denied"}), "(nil)");
  EXPECT_EQ(client.Command({"MULTI"}), "+OK\r\n");
  EXPECT_TRUE(client.Command({"WEIR", "HEALTH"}).starts_with("-ERR weir: "));
  EXPECT_TRUE(client.Command({"EXEC"}).starts_with("-EXECABORT "));
}

// Only 64 were kept for the next, so that with more clients in transactions weir connected anew for
// most of them.
TEST_F(PinnedTest, AsManyAreKeptAsWereNeeded) {
  constexpr int kClients = 150;
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < kClients; ++i) clients.push_back(std::make_unique<RawClient>(weir_.port()));
  const auto all = [&clients](const std::vector<std::string>& request) {
    for (const auto& client : clients) client->Send(Encode(request));
    for (const auto& client : clients) client->ReadFrame();
  };
  RawClient control(redis_.port());
  std::string before;
  for (int round = 0; round < 3; ++round) {
    all({"MULTI"});
    all({"PING"});
    all({"EXEC"});
    const std::string stats = control.Text({"INFO", "stats"});
    const size_t at = stats.find("total_connections_received:");
    ASSERT_NE(at, std::string::npos) << stats;
    const std::string connected = stats.substr(at, stats.find('\r', at) - at);
    if (round != 0) {
      EXPECT_EQ(connected, before);
    }
    before = connected;
  }
}

TEST_F(PinnedTest, EarlierAndLaterRequestsKeepTheirOrder) {
  RawClient client(weir_.port());
  std::string bytes;
  std::string expected;
  for (int i = 0; i < 200; ++i) {
    const std::string n = std::to_string(i);
    bytes += Encode({"SET", "o", n}) + Encode({"MULTI"}) + Encode({"GET", "o"}) + Encode({"EXEC"}) +
             Encode({"ECHO", n}) + Encode({"GET", "o"}) + Encode({"RPUSH", "l", n}) +
             Encode({"BLPOP", "l", "0"});
    expected += "+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n" + Bulk(n) + Bulk(n) + Bulk(n) + ":1\r\n*2\r\n" +
                Bulk("l") + Bulk(n);
  }
  client.Send(bytes);
  std::string heard;
  for (const std::string& frame : client.ReadFrames(8 * 200)) heard += frame;
  EXPECT_EQ(heard, expected);
}

TEST_F(PinnedTest, TrackingTellsOfChangesBetweenReplies) {
  RawClient client(weir_.port());
  RawClient other(weir_.port());
  client.Command({"HELLO", "3"});
  EXPECT_EQ(client.Command({"CLIENT", "TRACKING", "ON"}), "+OK\r\n");
  EXPECT_EQ(client.Command({"GET", "t"}), "_\r\n");
  EXPECT_EQ(other.Command({"SET", "t", "1"}), "+OK\r\n");
  EXPECT_EQ(client.ReadFrame(), ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nt\r\n");
  EXPECT_EQ(client.Command({"GET", "t"}), Bulk("1"));
  EXPECT_EQ(Info("tracking"), "1");
  // Its own write: the invalidation stands before the reply to what it asks next.
  client.Send(Encode({"SET", "t", "2"}) + Encode({"PING"}));
  EXPECT_EQ(client.ReadFrame(), "+OK\r\n");
  EXPECT_EQ(client.ReadFrame(), ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nt\r\n");
  EXPECT_EQ(client.ReadFrame(), "+PONG\r\n");
  EXPECT_EQ(client.Command({"CLIENT", "TRACKING", "OFF"}), "+OK\r\n");
  EXPECT_TRUE(Eventually([&] { return Info("tracking") == "0"; }));
  EXPECT_EQ(client.Command({"GET", "t"}), Bulk("2"));
  EXPECT_EQ(other.Command({"SET", "t", "3"}), "+OK\r\n");
  EXPECT_EQ(client.ReadAvailable(50), "");
}

// Redis knows the clients' own connections by other numbers than weir gives its clients.
TEST_F(PinnedTest, InvalidationsAreRedirectedToAnotherClient) {
  RawClient receiver(weir_.port());
  RawClient client(weir_.port());
  RawClient other(weir_.port());
  const std::string id = receiver.Text({"CLIENT", "ID"});
  EXPECT_EQ(receiver.Command({"SUBSCRIBE", "__redis__:invalidate"}),
            "*3\r\n$9\r\nsubscribe\r\n$20\r\n__redis__:invalidate\r\n:1\r\n");
  EXPECT_EQ(client.Command({"CLIENT", "TRACKING", "ON", "REDIRECT", id}), "+OK\r\n");
  EXPECT_EQ(client.Command({"CLIENT", "GETREDIR"}), ":" + id + "\r\n");
  EXPECT_NE(client.Command({"CLIENT", "TRACKINGINFO"}).find(":" + id + "\r\n"), std::string::npos);
  EXPECT_EQ(client.Command({"GET", "r"}), "$-1\r\n");
  EXPECT_EQ(other.Command({"SET", "r", "1"}), "+OK\r\n");
  EXPECT_EQ(receiver.ReadFrame(),
            "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n$1\r\nr\r\n");
  EXPECT_EQ(client.Command({"CLIENT", "TRACKING", "ON", "REDIRECT", "999999"}),
            "-ERR The client ID you want redirect to does not exist\r\n");
}

TEST_F(PinnedTest, TrackingIsTheClientsOwn) {
  ExpectSame({{"CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "p:"},
              {"CLIENT", "TRACKINGINFO"},
              {"CLIENT", "GETREDIR"},
              {"CLIENT", "TRACKING", "ON", "OPTIN"},
              {"CLIENT", "TRACKING", "OFF"},
              {"CLIENT", "TRACKINGINFO"}});
  ExpectSame({{"CLIENT", "TRACKING", "ON", "OPTIN"},
              {"CLIENT", "CACHING", "YES"},
              {"GET", "x"},
              {"CLIENT", "CACHING", "maybe"},
              {"CLIENT", "TRACKING", "OFF"}});
  ExpectSame({{"CLIENT", "CACHING", "YES"}, {"CLIENT", "TRACKING", "ON", "REDIRECT", "x"}});
}

}  // namespace
}  // namespace weir::harness
