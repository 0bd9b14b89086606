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

TEST_F(TransactionTest, WhatIsNotPossibleIsSaid) {
  for (const std::vector<std::string>& request :
       {std::vector<std::string>{"CLIENT", "REPLY", "OFF"},
        {"SUBSCRIBE", "c"},
        {"CLIENT", "KILL", "USER", "bob"}}) {
    RawClient client(weir_.port());
    EXPECT_EQ(client.Command({"MULTI"}), "+OK\r\n");
    EXPECT_TRUE(client.Command(request).starts_with("-ERR weir: ")) << request[0];
    EXPECT_TRUE(client.Command({"EXEC"}).starts_with("-EXECABORT "));
  }
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

}  // namespace
}  // namespace weir::harness
