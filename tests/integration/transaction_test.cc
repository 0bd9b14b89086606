// What weir answers itself, inside MULTI: it is queued as with Redis, and answered in EXEC's array.
#include <string>
#include <vector>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

class TransactionTest : public BesideRedis {
 protected:
  // The elements of EXEC's array after these requests.
  static Reply Exec(RawClient* client, const std::vector<std::vector<std::string>>& requests) {
    EXPECT_EQ(client->Command({"MULTI"}), "+OK\r\n");
    for (const auto& request : requests) {
      EXPECT_EQ(client->Command(request), "+QUEUED\r\n") << request[0];
    }
    return ParseReply(client->Command({"EXEC"}));
  }

  // HELLO's own reply tells what differs between any two servers.
  void ExpectSameAfterHello(const std::string& version, const std::string& bytes) {
    RawClient direct(direct_.port()), through(weir_.port());
    for (RawClient* client : {&direct, &through}) {
      client->Command({"HELLO", version});
      client->Send(bytes);
    }
    const std::string expected = direct.ReadUntilClose();
    EXPECT_EQ(Printable(through.ReadUntilClose()), Printable(expected)) << Printable(bytes);
    EXPECT_EQ(expected.find(kTimedOut), std::string::npos) << "Redis itself does not close";
  }
};

// They told of weir's own connection to Redis, or were refused.
TEST_F(TransactionTest, AClientIsWhoItIs) {
  RawClient client(weir_.port());
  const std::string id = client.Text({"CLIENT", "ID"});
  EXPECT_EQ(client.Command({"CLIENT", "SETNAME", "me"}), "+OK\r\n");
  const Reply all = Exec(&client, {{"SET", "a", "1"},
                                   {"CLIENT", "ID"},
                                   {"CLIENT", "GETNAME"},
                                   {"CLIENT", "INFO"},
                                   {"CLIENT", "LIST"},
                                   {"WEIR", "EXPLAIN", "GET", "a"},
                                   {"GET", "a"}});
  ASSERT_EQ(all.elements.size(), 7U);
  EXPECT_EQ(all.elements[1].text, id);
  EXPECT_EQ(all.elements[2].text, "me");
  EXPECT_TRUE(all.elements[3].text.starts_with("id=" + id + " addr=")) << all.elements[3].text;
  EXPECT_NE(all.elements[3].text.find(" flags=x "), std::string::npos) << all.elements[3].text;
  EXPECT_NE(all.elements[4].text.find("id=" + id + " "), std::string::npos);
  EXPECT_EQ(all.elements[4].text.find(" name=weir "), std::string::npos) << "weir's own links";
  EXPECT_EQ(all.elements[5].type, '*');
  EXPECT_EQ(all.elements[6].text, "1");
}

TEST_F(TransactionTest, WithRESP3AndInOnePipeline) {
  RawClient client(weir_.port());
  client.Command({"HELLO", "3"});
  const std::string id = client.Text({"CLIENT", "ID"});
  client.Send(Encode({"MULTI"}) + Encode({"CLIENT", "ID"}) + Encode({"HGETALL", "none"}) +
              Encode({"EXEC"}) + Encode({"CLIENT", "ID"}) + Encode({"MULTI"}) +
              Encode({"CLIENT", "ID"}) + Encode({"DISCARD"}) + Encode({"PING"}));
  EXPECT_EQ(client.ReadFrame(), "+OK\r\n");
  EXPECT_EQ(client.ReadFrame(), "+QUEUED\r\n");
  EXPECT_EQ(client.ReadFrame(), "+QUEUED\r\n");
  EXPECT_EQ(client.ReadFrame(), "*2\r\n:" + id + "\r\n%0\r\n");
  EXPECT_EQ(client.ReadFrame(), ":" + id + "\r\n");
  EXPECT_EQ(client.ReadFrame(), "+OK\r\n");
  EXPECT_EQ(client.ReadFrame(), "+QUEUED\r\n");
  EXPECT_EQ(client.ReadFrame(), "+OK\r\n");
  EXPECT_EQ(client.ReadFrame(), "+PONG\r\n");
}

TEST_F(TransactionTest, OthersAreUnblockedAndKilledWhenItRuns) {
  RawClient client(weir_.port()), blocked(weir_.port()), victim(weir_.port());
  const std::string blocked_id = blocked.Text({"CLIENT", "ID"});
  const std::string victim_id = victim.Text({"CLIENT", "ID"});
  blocked.Send(Encode({"BLPOP", "none", "0"}));
  EXPECT_TRUE(Eventually([&] { return redis_.Info("clients", "blocked_clients") == "1"; }));
  const Reply all = Exec(&client, {{"CLIENT", "UNBLOCK", blocked_id},
                                   {"CLIENT", "KILL", "ID", victim_id},
                                   {"CLIENT", "KILL", "ID", "999999"},
                                   {"CLIENT", "UNBLOCK", "x"}});
  ASSERT_EQ(all.elements.size(), 4U);
  EXPECT_EQ(all.elements[0].text, "1");
  EXPECT_EQ(all.elements[1].text, "1");
  EXPECT_EQ(all.elements[2].text, "0");
  EXPECT_EQ(all.elements[3].type, '-');
  EXPECT_EQ(blocked.ReadFrame(), "*-1\r\n");
  EXPECT_EQ(victim.ReadUntilClose(), "");
}

TEST_F(TransactionTest, NothingOfItHappensIfItDoesNotRun) {
  RawClient client(weir_.port()), victim(weir_.port()), other(weir_.port());
  const std::string id = victim.Text({"CLIENT", "ID"});
  EXPECT_EQ(client.Command({"WATCH", "w"}), "+OK\r\n");
  EXPECT_EQ(other.Command({"SET", "w", "1"}), "+OK\r\n");
  EXPECT_EQ(client.Command({"MULTI"}), "+OK\r\n");
  EXPECT_EQ(client.Command({"CLIENT", "KILL", "ID", id}), "+QUEUED\r\n");
  EXPECT_EQ(client.Command({"EXEC"}), "*-1\r\n");
  EXPECT_EQ(client.Command({"MULTI"}), "+OK\r\n");
  EXPECT_EQ(client.Command({"CLIENT", "KILL", "ID", id}), "+QUEUED\r\n");
  EXPECT_EQ(client.Command({"DISCARD"}), "+OK\r\n");
  EXPECT_EQ(client.Command({"MULTI"}), "+OK\r\n");
  EXPECT_EQ(client.Command({"CLIENT", "KILL", "ID", id}), "+QUEUED\r\n");
  EXPECT_TRUE(client.Command({"NOSUCH"}).starts_with("-ERR "));
  EXPECT_TRUE(client.Command({"EXEC"}).starts_with("-EXECABORT "));
  EXPECT_EQ(victim.Text({"PING"}), "PONG");
}

// Places are counted by what Redis queued: WATCH and a second MULTI are errors that it does not.
TEST_F(TransactionTest, PlacesAreThoseOfRedis) {
  RawClient client(weir_.port());
  const std::string id = client.Text({"CLIENT", "ID"});
  EXPECT_EQ(client.Command({"MULTI"}), "+OK\r\n");
  EXPECT_EQ(client.Command({"UNWATCH"}), "+QUEUED\r\n");
  EXPECT_TRUE(client.Command({"WATCH", "a"}).starts_with("-ERR "));
  EXPECT_TRUE(client.Command({"MULTI"}).starts_with("-ERR "));
  EXPECT_EQ(client.Command({"CLIENT", "ID"}), "+QUEUED\r\n");
  EXPECT_EQ(client.Command({"PING"}), "+QUEUED\r\n");
  EXPECT_EQ(client.Command({"EXEC"}), "*3\r\n+OK\r\n:" + id + "\r\n+PONG\r\n");
}

TEST_F(TransactionTest, TheNameThatATransactionGives) {
  RawClient client(weir_.port());
  const Reply all =
      Exec(&client, {{"CLIENT", "GETNAME"}, {"CLIENT", "SETNAME", "bob"}, {"CLIENT", "GETNAME"}});
  ASSERT_EQ(all.elements.size(), 3U);
  EXPECT_TRUE(all.elements[0].null);
  EXPECT_EQ(all.elements[2].text, "bob");
  EXPECT_EQ(client.Text({"CLIENT", "GETNAME"}), "bob");
}

// They were refused: weir answers them itself, and EXEC's reply is then not what its header says.
TEST_F(TransactionTest, WhatTheClientHearsChangesInItAsWithRedis) {
  const std::vector<std::vector<std::vector<std::string>>> transactions = {
      {{"CLIENT", "REPLY", "ON"}},
      {{"CLIENT", "REPLY", "OFF"}},
      {{"CLIENT", "REPLY", "SKIP"}},
      {{"CLIENT", "REPLY", "DIM"}},
      {{"CLIENT", "REPLY"}},
      {{"CLIENT", "REPLY", "OFF"}, {"CLIENT", "REPLY", "SKIP"}, {"CLIENT", "REPLY", "ON"}},
      {{"CLIENT", "REPLY", "OFF"}, {"CLIENT", "REPLY", "ON"}, {"CLIENT", "REPLY", "OFF"}},
      {{"SUBSCRIBE", "c"}},
      {{"SUBSCRIBE", "c", "d", "c"}},
      {{"SUBSCRIBE"}},
      {{"PSUBSCRIBE", "c*"}, {"SUBSCRIBE", "c"}, {"UNSUBSCRIBE", "c"}, {"PUNSUBSCRIBE", "c*", "e"}},
      {{"SSUBSCRIBE", "c"}},
      {{"SUNSUBSCRIBE", "c"}},
      {{"UNSUBSCRIBE"}},
      {{"CLIENT", "REPLY", "OFF"}, {"SUBSCRIBE", "c"}},
      {{"SUBSCRIBE", "c"}, {"CLIENT", "REPLY", "SKIP"}},
      {{"CLIENT", "KILL", "USER", "nobody"}, {"CLIENT", "KILL", "ID", "x", "USER", "nobody"}},
      {{"CLIENT", "KILL", "USER", "nobody", "ID", "x"}, {"CLIENT", "KILL", "USER"}},
      {{"CLIENT", "REPLY", "SKIP"}, {"CLIENT", "KILL", "ID", "999999"}},
  };
  const std::vector<std::vector<std::vector<std::string>>> before = {
      {}, {{"CLIENT", "REPLY", "OFF"}}, {{"CLIENT", "REPLY", "SKIP"}}, {{"SUBSCRIBE", "other"}}};
  for (const std::string version : {"2", "3"}) {
    for (const auto& prelude : before) {
      for (const auto& transaction : transactions) {
        for (const std::string end : {"EXEC", "DISCARD"}) {
          std::string bytes;
          const auto add = [&bytes](const std::vector<std::vector<std::string>>& requests) {
            for (const auto& request : requests) bytes += Encode(request);
          };
          add(prelude);
          add({{"MULTI"}, {"SET", "k", "1"}});
          add(transaction);
          add({{"GET", "k"}, {end}, {"PING", "a"}, {"PING", "b"}, {"CLIENT", "REPLY", "ON"}});
          add({{"GET", "k"}, {"PING", "c"}, {"QUIT"}});
          ExpectSameAfterHello(version, bytes);
        }
      }
    }
  }
}

// From EXEC on it listens as if it had subscribed outside; and once it is gone, nobody does.
TEST_F(TransactionTest, ASubscriptionMadeInItHears) {
  RawClient publisher(weir_.port());
  {
    RawClient client(weir_.port());
    client.Command({"HELLO", "3"});
    client.Send(Encode({"SUBSCRIBE", "first"}) + Encode({"MULTI"}) + Encode({"SUBSCRIBE", "c"}) +
                Encode({"EXEC"}));
    EXPECT_EQ(client.ReadFrames(3).back(), "+QUEUED\r\n");
    EXPECT_EQ(client.ReadFrame(), "*1\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:2\r\n");
    EXPECT_EQ(publisher.Command({"PUBLISH", "c", "hi"}), ":1\r\n");
    EXPECT_EQ(client.ReadFrame(), ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n");
    EXPECT_EQ(client.Text({"GET", "none"}), "(nil)");
  }
  EXPECT_TRUE(Eventually([&] { return publisher.Command({"PUBLISH", "c", "hi"}) == ":0\r\n"; }));
}

// The bound on a client's channels holds there, too.
TEST(TransactionLimitsTest, SubscriptionsAreBounded) {
  RedisServer redis;
  WeirConfig config;
  config.url = redis.url();
  config.limits = "client_subscriptions_max = 2\n";
  WeirServer weir(config);
  RawClient client(weir.port());
  client.Send(Encode({"MULTI"}) + Encode({"SUBSCRIBE", "a"}) + Encode({"SUBSCRIBE", "b", "c"}) +
              Encode({"GET", "k"}) + Encode({"EXEC"}));
  EXPECT_EQ(client.ReadFrames(4).back(), "+QUEUED\r\n");
  EXPECT_EQ(client.ReadFrame(),
            "*3\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
            "-ERR weir: a client may subscribe to no more than 2 channels and patterns "
            "(client_subscriptions_max)\r\n$-1\r\n");
}

// What EXEC of more than 16 MiB had collected of them was said as if it were whole.
TEST_F(TransactionTest, AReplyTooLargeToBeLookedAtIsAnError) {
  RawClient client(weir_.port());
  std::string big;
  big.resize(size_t{9} << 20, 'x');
  EXPECT_EQ(client.Command({"SET", "big", big}), "+OK\r\n");
  client.Send(Encode({"MULTI"}) + Encode({"CLIENT", "ID"}) + Encode({"GET", "big"}) +
              Encode({"GET", "big"}) + Encode({"GET", "none"}) + Encode({"EXEC"}));
  EXPECT_EQ(client.ReadFrames(5).back(), "+QUEUED\r\n");
  EXPECT_EQ(client.ReadFrame(), "-ERR weir: the command has run, but its reply is too large to be looked at\r\n");
  EXPECT_EQ(client.Text({"PING", "still here"}), "still here");
}

// A transaction spoke HELLO 3, the client HELLO 2 right behind it: its own connection was taken for
// one that speaks RESP2, as it had when it was opened, and answered in RESP3.
TEST_F(TransactionTest, WhatItChangedIsKnownOfTheConnection) {
  RawClient client(weir_.port());
  client.Send(Encode({"MULTI"}) + Encode({"HELLO", "3"}) + Encode({"SELECT", "1"}) +
              Encode({"EXEC"}) + Encode({"HELLO", "2"}) + Encode({"SELECT", "0"}) +
              Encode({"BLPOP", "none", "0.01"}) + Encode({"SET", "where", "0"}) +
              Encode({"WATCH", "w"}) + Encode({"GET", "none"}));
  for (int i = 0; i < 3; ++i) client.ReadFrame();
  EXPECT_EQ(client.ReadFrame()[0], '*');
  EXPECT_EQ(client.ReadFrame()[0], '*');
  EXPECT_EQ(client.ReadFrame(), "+OK\r\n");
  EXPECT_EQ(client.ReadFrame(), "*-1\r\n");
  EXPECT_EQ(client.ReadFrame(), "+OK\r\n");
  EXPECT_EQ(client.ReadFrame(), "+OK\r\n");
  EXPECT_EQ(client.ReadFrame(), "$-1\r\n");
  RawClient direct(redis_.port());
  EXPECT_EQ(direct.Text({"GET", "where"}), "0");
}

// A transaction made the client another user, and AUTH right behind it the first one again: its own
// connection was taken for the first one's all along, and what came next ran as the other.
TEST(TransactionUsersTest, AUserThatATransactionChangedAndAuthChangedBack) {
  RedisServer redis, beside;
  WeirConfig config;
  config.url = redis.url();
  config.rest = "[auth]\nmode = \"passthrough\"\n";
  WeirServer weir(config);
  RawClient through(weir.port()), direct(beside.port());
  for (const RedisServer* server : {&redis, &beside}) {
    RawClient control(server->port());
    control.Command({"ACL", "SETUSER", "writer", "on", ">pw", "~*", "+@all"});
    control.Command({"ACL", "SETUSER", "reader", "on", ">pw", "~*", "+@all", "-@write"});
  }
  const std::string bytes =
      Encode({"AUTH", "reader", "pw"}) + Encode({"WATCH", "k"}) + Encode({"MULTI"}) +
      Encode({"AUTH", "writer", "pw"}) + Encode({"EXEC"}) + Encode({"AUTH", "reader", "pw"}) +
      Encode({"WATCH", "k"}) + Encode({"SET", "k", "1"}) + Encode({"ACL", "WHOAMI"}) +
      Encode({"UNWATCH"}) + Encode({"SET", "k", "1"}) + Encode({"ACL", "WHOAMI"});
  direct.Send(bytes);
  through.Send(bytes);
  const std::vector<std::string> expected = direct.ReadFrames(12);
  ASSERT_TRUE(expected.size() == 12 && expected[7].starts_with("-NOPERM ")) << expected.size();
  EXPECT_EQ(through.ReadFrames(12), expected);
}

// Only Redis knows its users; inside MULTI it was not asked.
TEST(TransactionUsersTest, TheClientsOfAUserAreKilledWhenItRuns) {
  RedisServer redis;
  WeirConfig config;
  config.url = redis.url();
  config.rest = "[auth]\nmode = \"passthrough\"\n";
  config.workers = 2;
  WeirServer weir(config);
  RawClient control(weir.port()), bob(weir.port()), too(weir.port());
  RawClient(redis.port()).Command({"ACL", "SETUSER", "bob", "on", ">pw", "~*", "&*", "+@all"});
  for (RawClient* client : {&bob, &too}) client->Command({"AUTH", "bob", "pw"});
  control.Send(Encode({"MULTI"}) + Encode({"CLIENT", "KILL", "USER", "bob"}) +
               Encode({"CLIENT", "KILL", "USER", "eve"}) + Encode({"EXEC"}));
  EXPECT_EQ(control.ReadFrames(3).back(), "+QUEUED\r\n");
  EXPECT_EQ(control.ReadFrame(), "*2\r\n:2\r\n-ERR No such user 'eve'\r\n");
  EXPECT_EQ(bob.ReadUntilClose(), "");
  EXPECT_EQ(too.ReadUntilClose(), "");
}

// In silence nothing ran of what weir itself does in a transaction.
TEST_F(TransactionTest, ItIsDoneInSilence) {
  RawClient client(weir_.port()), victim(weir_.port());
  const std::string id = victim.Text({"CLIENT", "ID"});
  client.Send(Encode({"CLIENT", "REPLY", "OFF"}) + Encode({"MULTI"}) +
              Encode({"CLIENT", "KILL", "ID", id}) + Encode({"EXEC"}) +
              Encode({"CLIENT", "REPLY", "ON"}));
  EXPECT_EQ(client.ReadFrame(), "+OK\r\n");
  EXPECT_EQ(victim.ReadUntilClose(), "");
}

}  // namespace
}  // namespace weir::harness
