// Who may connect: weir's own users, Redis' requirepass behind weir, and Redis' ACLs passed
// through.
#include <string>
#include <vector>

#include "tests/integration/fixture.h"
#include "tests/support/command_generator.h"

namespace weir::harness {
namespace {

// SHA-256 of "secret" and of "other".
constexpr const char* kSecret = "#2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
constexpr const char* kOther = "#d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa";

// What both sides of a comparison are asked; HELLO's id is made equal.
void ExpectSameConversation(uint16_t direct_port, uint16_t weir_port,
                            const std::vector<std::vector<std::string>>& requests) {
  RawClient direct(direct_port);
  RawClient through(weir_port);
  for (const auto& args : requests) {
    std::string expected = direct.Command(args);
    std::string got = through.Command(args);
    for (std::string* reply : {&expected, &got}) {
      const size_t id = reply->find("$2\r\nid\r\n:");
      if (id != std::string::npos) reply->erase(id, reply->find("\r\n", id + 9) - id);
    }
    EXPECT_EQ(Printable(got), Printable(expected)) << Printable(Encode(args));
  }
}

const std::vector<std::vector<std::string>> kBeforeAndAfterPassword = {
    {"PING"},
    {"GET", "k"},
    {"NOSUCH"},
    {"GET"},
    {"SELECT", "1"},
    {"CLIENT", "ID"},
    {"COMMAND", "COUNT"},
    {"HELLO"},
    {"HELLO", "3"},
    {"HELLO", "9"},
    {"HELLO", "3", "SETNAME", "x"},
    {"AUTH"},
    {"AUTH", "wrong"},
    {"AUTH", "default", "wrong"},
    {"AUTH", "nobody", "secret"},
    {"HELLO", "3", "AUTH", "default", "wrong"},
    {"RESET"},
    {"PING"},
    {"AUTH", "secret"},
    {"PING"},
    {"SET", "k", "v"},
    {"GET", "k"},
    {"AUTH", "wrong"},
    {"GET", "k"},
    {"AUTH", "default", "secret"},
    {"RESET"},
    {"GET", "k"},
    {"HELLO", "3", "AUTH", "default", "secret", "SETNAME", "me"},
    {"GET", "no"},
    {"CLIENT", "GETNAME"},
};

TEST(AuthTest, PasswordOfWeirsOwnLooksLikeRequirepass) {
  RedisServer direct({"--requirepass", "secret"});
  RedisServer redis;
  WeirConfig config;
  config.url = redis.url();
  config.rest = std::string("[auth]\nmode = \"users\"\n[[auth.user]]\nname = \"default\"\n") +
                "passwords = [\"" + kOther + "\", \"" + kSecret + "\"]\n";
  WeirServer weir(config);
  ExpectSameConversation(direct.port(), weir.port(), kBeforeAndAfterPassword);
  RawClient client(weir.port());
  EXPECT_EQ(client.Text({"AUTH", "other"}), "OK");
}

TEST(AuthTest, SeveralUsers) {
  RedisServer redis;
  WeirConfig config;
  config.url = redis.url();
  config.rest = std::string("[auth]\nmode = \"users\"\n") +
                "[[auth.user]]\nname = \"alice\"\npasswords = [\"" + kSecret + "\"]\n" +
                "[[auth.user]]\nname = \"bob\"\npasswords = [\"" + kOther + "\"]\n";
  WeirServer weir(config);
  RawClient client(weir.port());
  EXPECT_EQ(client.Text({"GET", "k"}), "-NOAUTH Authentication required.");
  EXPECT_EQ(client.Text({"AUTH", "secret"}).compare(0, 10, "-WRONGPASS"), 0);
  EXPECT_EQ(client.Text({"AUTH", "alice", "other"}).compare(0, 10, "-WRONGPASS"), 0);
  EXPECT_EQ(client.Text({"AUTH", "alice", "secret"}), "OK");
  EXPECT_EQ(client.Text({"GET", "k"}), "(nil)");
  EXPECT_NE(client.Text({"CLIENT", "INFO"}).find(" user=alice "), std::string::npos);
  EXPECT_EQ(client.Text({"AUTH", "bob", "other"}), "OK");
  EXPECT_NE(client.Text({"CLIENT", "INFO"}).find(" user=bob "), std::string::npos);
}

// Who has not authenticated may not make weir keep much.
TEST(AuthTest, UnauthenticatedRequestsAreSmall) {
  RedisServer direct({"--requirepass", "secret"});
  WeirConfig config;
  config.url = direct.url();
  config.rest = std::string("[auth]\nmode = \"users\"\n[[auth.user]]\nname = \"default\"\n") +
                "passwords = [\"" + kSecret + "\"]\n";
  WeirServer weir(config);
  for (const std::string bytes :
       {"*11\r\n", "*1\r\n$16385\r\n", "*2\r\n$3\r\nGET\r\n$16385\r\n", "*1000000\r\n"}) {
    RawClient one(direct.port());
    RawClient two(weir.port());
    one.Send(bytes);
    two.Send(bytes);
    EXPECT_EQ(two.ReadUntilClose(), one.ReadUntilClose()) << bytes;
  }
}

// After a transaction that ran AUTH, weir took the client for whom it had been before: it was
// shown, and allowed, what its new user may not do. Found by random histories.
TEST(AuthTest, AUserThatChangesInsideATransaction) {
  RedisServer redis;
  RawClient control(redis.port());
  ASSERT_EQ(control.Command({"ACL", "SETUSER", "reader", "on", ">pw", "~*", "+@all", "-@write"}),
            "+OK\r\n");
  WeirConfig config;
  config.url = redis.url();
  config.rest = "[auth]\nmode = \"passthrough\"\n";
  WeirServer weir(config);
  const std::vector<std::vector<std::vector<std::string>>> transactions = {
      {{"AUTH", "reader", "pw"}},
      {{"AUTH", "reader", "wrong"}},
      {{"AUTH", "reader", "pw"}, {"AUTH", "default", "wrong"}, {"SET", "k", "v"}},
      {{"HELLO", "2", "SETNAME", "n", "AUTH", "reader", "pw"}, {"ACL", "WHOAMI"}},
      {{"AUTH", "reader", "pw"}, {"NOSUCH"}},
  };
  for (const auto& transaction : transactions) {
    RawClient one(redis.port());
    RawClient two(weir.port());
    std::vector<std::vector<std::string>> requests = {{"MULTI"}};
    requests.insert(requests.end(), transaction.begin(), transaction.end());
    for (const char* after : {"EXEC", "MULTI", "DISCARD"}) requests.push_back({after});
    requests.push_back({"ACL", "WHOAMI"});
    requests.push_back({"SET", "k", "v"});
    requests.push_back({"RESET"});
    requests.push_back({"ACL", "WHOAMI"});
    for (const auto& request : requests) {
      EXPECT_EQ(Printable(Comparable({"HELLO"}, two.Command(request))),
                Printable(Comparable({"HELLO"}, one.Command(request))))
          << request[0] << " in a transaction of " << transaction.size();
    }
  }
}

// Which password was right nobody says, so a second one for the same user is refused at once.
TEST(AuthTest, TwoPasswordsInATransaction) {
  RedisServer redis;
  WeirConfig config;
  config.url = redis.url();
  config.rest = "[auth]\nmode = \"passthrough\"\n";
  WeirServer weir(config);
  RawClient client(weir.port());
  client.Command({"MULTI"});
  EXPECT_EQ(client.Command({"AUTH", "default", "one"}), "+QUEUED\r\n");
  EXPECT_EQ(client.Command({"AUTH", "default", "one"}), "+QUEUED\r\n");
  EXPECT_EQ(client.Command({"AUTH", "default", "two"}),
            "-ERR weir: 'auth' is not possible inside MULTI\r\n");
  EXPECT_EQ(client.Text({"EXEC"}), "-EXECABORT Transaction discarded because of previous errors.");
}

// A client's password was changed after it had authenticated. Its next MULTI needs a connection of
// its own, which Redis refused; weir then tried again and again, and the client waited for ever.
TEST(AuthTest, AConnectionOfItsOwnThatIsRefused) {
  RedisServer redis;
  RawClient control(redis.port());
  control.Command({"ACL", "SETUSER", "reader", "on", ">pw", "~*", "+@all"});
  WeirConfig config;
  config.url = redis.url();
  config.rest = "[auth]\nmode = \"passthrough\"\n";
  WeirServer weir(config);
  RawClient client(weir.port());
  ASSERT_EQ(client.Command({"AUTH", "reader", "pw"}), "+OK\r\n");
  ASSERT_EQ(client.Command({"GET", "k"}), "$-1\r\n");
  control.Command({"ACL", "SETUSER", "reader", "resetpass", ">new"});
  for (int i = 0; i < 3; ++i) {
    const std::string reply = client.Command({"MULTI"});
    EXPECT_TRUE(reply.starts_with("-WRONGPASS ")) << reply;
  }
  EXPECT_EQ(client.Command({"AUTH", "reader", "new"}), "+OK\r\n");
  EXPECT_EQ(client.Command({"MULTI"}), "+OK\r\n");
}

TEST(AuthTest, PasswordOfTheUrlOpensRedis) {
  RedisServer redis({"--requirepass", "s3cr:t@/"});
  WeirConfig config;
  config.url = "redis://:s3cr%3At%40%2F@" + redis.address();
  WeirServer weir(config);
  RawClient client(weir.port());
  EXPECT_EQ(client.Text({"SET", "k", "v"}), "OK");
  EXPECT_EQ(client.Text({"GET", "k"}), "v");
  RawClient fresh(weir.port());
  EXPECT_EQ(fresh.Command({"HELLO", "3"})[0], '%');
  EXPECT_EQ(fresh.Text({"GET", "k"}), "v");
  EXPECT_EQ(weir.process().output().find("s3cr"), std::string::npos);
}

TEST(AuthTest, WrongPasswordOfTheUrlIsTold) {
  RedisServer redis({"--requirepass", "right"});
  WeirConfig config;
  config.url = "redis://:wr0ng-one@" + redis.address();
  WeirServer weir(config);
  RawClient client(weir.port());
  const std::string answer = client.Text({"GET", "k"});
  EXPECT_EQ(answer[0], '-') << answer;
  EXPECT_NE(answer.find("WRONGPASS"), std::string::npos) << answer;
  EXPECT_EQ(weir.process().output().find("wr0ng-one"), std::string::npos);
}

const std::vector<std::string> kAcl = {
    "--user", "default", "on",       "nopass",  "~*",      "+@all",  "--user",     "alice",
    "on",     ">wonder", "~alice:*", "+@all",   "--user",  "bob",    "on",         ">builder",
    "~*",     "+get",    "+ping",    "+select", "+client", "+hello", "+acl|whoami"};

class PassthroughTest : public ::testing::Test {
 protected:
  static WeirConfig Config(const std::string& url) {
    WeirConfig config;
    config.url = url;
    config.rest = "[auth]\nmode = \"passthrough\"\n";
    return config;
  }
  RedisServer direct_{kAcl};
  RedisServer redis_{kAcl};
  WeirServer weir_{Config(redis_.url())};
};

TEST_F(PassthroughTest, RedisOwnAclsApply) {
  ExpectSameConversation(direct_.port(), weir_.port(),
                         {{"ACL", "WHOAMI"},
                          {"AUTH", "alice", "wrong"},
                          {"ACL", "WHOAMI"},
                          {"AUTH", "alice", "wonder"},
                          {"ACL", "WHOAMI"},
                          {"SET", "alice:k", "v"},
                          {"SET", "bob:k", "v"},
                          {"GET", "alice:k"},
                          {"AUTH", "bob", "builder"},
                          {"GET", "alice:k"},
                          {"SET", "alice:k", "x"},
                          {"ACL", "WHOAMI"},
                          {"AUTH", "nobody", "x"},
                          {"ACL", "WHOAMI"},
                          {"HELLO", "3", "AUTH", "alice", "wonder"},
                          {"ACL", "WHOAMI"},
                          {"SET", "bob:k", "v"},
                          {"HELLO", "2", "AUTH", "alice", "wrong"},
                          {"GET", "alice:nosuch"},
                          {"RESET"},
                          {"ACL", "WHOAMI"}});
}

TEST_F(PassthroughTest, UsersDoNotLeakToOthers) {
  RawClient alice(weir_.port());
  RawClient nobody(weir_.port());
  RawClient bob(weir_.port());
  ASSERT_EQ(alice.Text({"AUTH", "alice", "wonder"}), "OK");
  ASSERT_EQ(bob.Text({"AUTH", "bob", "builder"}), "OK");
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(alice.Text({"ACL", "WHOAMI"}), "alice");
    ASSERT_EQ(nobody.Text({"ACL", "WHOAMI"}), "default");
    ASSERT_EQ(bob.Text({"ACL", "WHOAMI"}), "bob");
    ASSERT_EQ(alice.Text({"SET", "alice:" + std::to_string(i), "v"}), "OK");
    ASSERT_EQ(bob.Text({"SET", "alice:k", "v"}).compare(0, 7, "-NOPERM"), 0);
    ASSERT_EQ(nobody.Text({"SET", "k", "v"}), "OK");
  }
}

// Where Redis decides who may, CLIENT REPLY takes effect only when Redis has permitted it; the OK
// of CLIENT REPLY ON was swallowed then, because the client was still silent when it was sent.
TEST_F(PassthroughTest, ReplyOnSpeaksAfterSilence) {
  RawClient direct(direct_.port());
  RawClient through(weir_.port());
  const std::string bytes = Encode({"CLIENT", "REPLY", "OFF"}) + Encode({"PING", "unheard"}) +
                            Encode({"CLIENT", "REPLY", "ON"}) + Encode({"PING", "heard"}) +
                            Encode({"CLIENT", "REPLY", "SKIP"}) + Encode({"PING", "skipped"}) +
                            Encode({"CLIENT", "REPLY", "SKIP"}) +
                            Encode({"CLIENT", "REPLY", "ON"}) + Encode({"PING", "end"});
  direct.Send(bytes);
  through.Send(bytes);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(Printable(through.ReadFrame()), Printable(direct.ReadFrame())) << "reply " << i;
  }
}

TEST_F(PassthroughTest, AuthInAPipelineHoldsBackWhatFollows) {
  RawClient client(weir_.port());
  client.Send(Encode({"ACL", "WHOAMI"}) + Encode({"AUTH", "alice", "wonder"}) +
              Encode({"ACL", "WHOAMI"}) + Encode({"AUTH", "bob", "wrong"}) +
              Encode({"ACL", "WHOAMI"}));
  EXPECT_EQ(client.ReadFrame(), Bulk("default"));
  EXPECT_EQ(client.ReadFrame(), "+OK\r\n");
  EXPECT_EQ(client.ReadFrame(), Bulk("alice"));
  EXPECT_EQ(client.ReadFrame().compare(0, 10, "-WRONGPASS"), 0);
  EXPECT_EQ(client.ReadFrame(), Bulk("alice"));
}

TEST(PassthroughRequirepassTest, LooksLikeRedisItself) {
  RedisServer direct({"--requirepass", "secret"});
  RedisServer redis({"--requirepass", "secret"});
  WeirConfig config;
  config.url = redis.url();
  config.rest = "[auth]\nmode = \"passthrough\"\n";
  WeirServer weir(config);
  ExpectSameConversation(direct.port(), weir.port(), kBeforeAndAfterPassword);
}

// Each wrong password and each db that is none is asked of Redis on a link of its own, and those
// links stayed: a thousand of them, by one client that nobody knew, and links_max was reached for
// everybody.
TEST(RefusedLinksTest, AreGivenBack) {
  const RedisServer redis({"--requirepass", "secret"});
  WeirConfig config;
  config.url = redis.url();
  config.workers = 1;
  config.upstream = "links_max = 8\n";
  config.rest = "[auth]\nmode = \"passthrough\"\n";
  WeirServer weir(config);
  RawClient stranger(weir.port());
  for (int i = 0; i < 100; ++i) {
    const std::string reply = stranger.Text({"AUTH", "user" + std::to_string(i), "wrong"});
    ASSERT_TRUE(reply.starts_with("-WRONGPASS ")) << i << ": " << reply;
  }
  RawClient friendly(weir.port());
  ASSERT_EQ(friendly.Text({"AUTH", "secret"}), "OK");
  for (int i = 0; i < 100; ++i) {
    const std::string reply = friendly.Text({"SELECT", std::to_string(1000 + i)});
    ASSERT_EQ(reply, "-ERR DB index is out of range") << i;
  }
  EXPECT_EQ(friendly.Text({"SELECT", "5"}), "OK");
  EXPECT_EQ(friendly.Text({"SET", "k", "v"}), "OK");
}

}  // namespace
}  // namespace weir::harness
