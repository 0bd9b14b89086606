// Front authentication in its three modes, and what a client may do before and after.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "proxy/client/authenticator.h"
#include "tests/proxy/local_client.h"

namespace weir::harness {
namespace {

using Args = std::vector<std::string>;

constexpr char kWrongPass[] = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
constexpr char kNoAuth[] = "-NOAUTH Authentication required.\r\n";
// printf %s PASSWORD | sha256sum
constexpr char kSecretHash[] = "#2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
constexpr char kFoobarHash[] = "#c3ab8ff13720e8ad9047dd39466b3c8974e592c2fa383d4a3960714caef0c4f2";
constexpr char kEmptyHash[] = "#e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

AuthConfig Users() {
  return {.mode = AuthMode::kUsers,
          .users = {{.name = "default", .passwords = {kSecretHash}},
                    {.name = "alice", .passwords = {kFoobarHash, kSecretHash}},
                    {.name = "bob", .passwords = {kEmptyHash}}}};
}

TEST(AuthenticatorTest, ComparesHashes) {
  const AuthConfig config = Users();
  EXPECT_EQ(Authenticate(config, "default", "secret"), AuthVerdict::kAccepted);
  EXPECT_EQ(Authenticate(config, "default", "foobar"), AuthVerdict::kRefused);
  EXPECT_EQ(Authenticate(config, "alice", "foobar"), AuthVerdict::kAccepted);
  EXPECT_EQ(Authenticate(config, "alice", "secret"), AuthVerdict::kAccepted);
  EXPECT_EQ(Authenticate(config, "alice", "Secret"), AuthVerdict::kRefused);
  EXPECT_EQ(Authenticate(config, "alice", kSecretHash), AuthVerdict::kRefused);
  EXPECT_EQ(Authenticate(config, "Alice", "secret"), AuthVerdict::kRefused);
  EXPECT_EQ(Authenticate(config, "bob", ""), AuthVerdict::kAccepted);
  EXPECT_EQ(Authenticate(config, "alice", ""), AuthVerdict::kRefused);
  EXPECT_EQ(Authenticate(config, "carol", "secret"), AuthVerdict::kRefused);
  EXPECT_EQ(Authenticate(config, "alice", std::string("secret\0x", 8)), AuthVerdict::kRefused);
}

TEST(AuthenticatorTest, Modes) {
  EXPECT_FALSE(AuthRequired({}, true));
  EXPECT_TRUE(AuthRequired(Users(), false));
  EXPECT_FALSE(AuthRequired({.mode = AuthMode::kPassthrough, .users = {}}, false));
  EXPECT_TRUE(AuthRequired({.mode = AuthMode::kPassthrough, .users = {}}, true));
  EXPECT_EQ(Authenticate({}, "default", "x"), AuthVerdict::kAccepted);
  EXPECT_EQ(Authenticate({}, "alice", "x"), AuthVerdict::kRefused);
  EXPECT_EQ(Authenticate({.mode = AuthMode::kPassthrough, .users = {}}, "default", "x"),
            AuthVerdict::kAskRedis);
  EXPECT_TRUE(IsUser(Users(), "alice"));
  EXPECT_FALSE(IsUser(Users(), "carol"));
}

// The same users on both sides: a Redis that knows them itself is the specification.
TEST(LocalAuthTest, UsersAreAsInRedisAcl) {
  const RedisServer redis({"--requirepass", "secret", "--user", "alice", "on", ">foobar", ">secret",
                           "allcommands", "allkeys"});
  RawClient admin(redis.port());
  ASSERT_EQ(admin.Command({"AUTH", "secret"}), "+OK\r\n");
  const RedisServer behind;  // weir's clients need not know its passwords
  const std::vector<Args> requests = {
      {"PING"},
      {"PING", "a", "b"},
      {"CLIENT", "ID", "x"},
      {"CLIENT", "GETNAME"},
      {"HELLO"},
      {"HELLO", "3"},
      {"HELLO", "3", "SETNAME", "x"},
      {"HELLO", "4"},
      {"HELLO", "3", "AUTH", "alice", "wrong"},
      {"PING"},
      {"AUTH", "wrong"},
      {"AUTH", "alice", "wrong"},
      {"AUTH", "carol", "secret"},
      {"AUTH", "a", "b", "c"},
      {"PING"},
      {"AUTH", "secret"},
      {"PING"},
      {"CLIENT", "GETNAME"},
      {"AUTH", "alice", "wrong"},
      {"PING"},
      {"AUTH", "alice", "foobar"},
      {"CLIENT", "KILL", "USER", "carol"},
      {"RESET"},
      {"PING"},
      {"HELLO", "3", "AUTH", "alice", "secret", "NONSENSE"},
      {"PING"},
      {"RESET"},
      {"HELLO", "3", "AUTH", "alice", "secret", "SETNAME", "y"},
      {"CLIENT", "GETNAME"},
      {"HELLO", "2", "AUTH", "default", "secret"},
      {"HELLO", "3", "AUTH", "default", "foobar"},
      {"CLIENT", "GETNAME"},
  };
  RawClient direct(redis.port());
  LocalClient weir(behind, Users());
  weir.conversation.id = std::stoull(admin.Text({"CLIENT", "ID"})) + 1;
  for (const Args& args : requests) {
    const std::string expected = direct.Command(args);
    EXPECT_EQ(Printable(weir.Run(args)), Printable(expected)) << Printable(Encode(args));
  }
}

TEST(LocalAuthTest, UserIsKept) {
  const RedisServer redis;
  LocalClient client(redis, Users());
  EXPECT_EQ(client.Run({"AUTH", "alice", "secret"}), "+OK\r\n");
  EXPECT_EQ(client.conversation.user(), "alice");
  EXPECT_EQ(client.Run({"AUTH", "bob", "wrong"}), kWrongPass);
  EXPECT_EQ(client.conversation.user(), "alice");
  EXPECT_TRUE(client.conversation.authenticated);
  EXPECT_EQ(client.Run({"AUTH", "secret"}), "+OK\r\n");
  EXPECT_EQ(client.conversation.user(), "default");
  EXPECT_EQ(client.asked, 0);
  EXPECT_TRUE(client.conversation.Names().upstream_user.empty());
}

TEST(LocalAuthTest, WeirsOwnCommandsNeedAuthenticationToo) {
  const RedisServer redis;
  LocalClient client(redis, Users());
  for (const Args& args : {Args{"WEIR", "HELP"}, Args{"WEIR", "EXPLAIN", "GET", "a"},
                           Args{"INFO", "weir"}, Args{"CLIENT", "LIST"}, Args{"COMMAND"},
                           Args{"CLIENT", "KILL", "TYPE", "normal"}, Args{"SELECT", "1"}}) {
    EXPECT_EQ(client.Run(args), kNoAuth) << Printable(Encode(args));
  }
  EXPECT_EQ(client.asked, 0);
  EXPECT_EQ(client.workers[0].rows.size(), 1u);
}

std::vector<Args> RequestsOfStrangers() {
  return {{"PING"},
          {"PING", "a", "b"},
          {"ECHO", "x"},
          {"SELECT", "0"},
          {"SELECT", "x"},
          {"SELECT", "3"},
          {"SELECT", "0"},
          {"CLIENT", "ID"},
          {"CLIENT", "NONSENSE"},
          {"CLIENT", "SETNAME", "x"},
          {"CLIENT", "SETNAME", "x y"},
          {"CLIENT", "REPLY", "maybe"},
          {"CLIENT", "LIST", "ID", "x"},
          {"CLIENT", "KILL", "ID", "x"},
          {"CLIENT", "GETNAME"},
          {"CLIENT", "LIST", "TYPE", "pubsub"},
          {"CLIENT", "KILL", "TYPE", "normal"},
          {"CLIENT", "KILL", "USER", "nobody"},
          {"CLIENT", "NO-EVICT", "on"},
          {"CLIENT", "REPLY", "on"},
          {"COMMAND", "INFO", "get"},
          {"HELLO"},
          {"HELLO", "4"},
          {"HELLO", "3"},
          {"CLIENT", "TRACKINGINFO"},
          {"HELLO", "3", "SETNAME", "y"}};
}

class PassthroughTest : public testing::Test {
 protected:
  PassthroughTest()
      : redis({"--requirepass", "secret",                                            //
               "--user", "alice", "on", ">foobar", "+@all", "~*",                    //
               "--user", "limited", "on", ">foobar", "+@all", "-client", "-select",  //
               "-echo", "-ping", "~*"}),
        weir(redis, {.mode = AuthMode::kPassthrough, .users = {}}, "secret") {}

  const RedisServer redis;
  LocalClient weir;
};

TEST_F(PassthroughTest, RedisChecksThePassword) {
  EXPECT_EQ(weir.Run({"PING"}), kNoAuth);
  EXPECT_EQ(weir.Run({"AUTH", "wrong"}), kWrongPass);
  EXPECT_EQ(weir.Run({"AUTH", "alice", "wrong"}), kWrongPass);
  EXPECT_EQ(weir.Run({"AUTH", "carol", "foobar"}), kWrongPass);
  EXPECT_EQ(weir.Run({"AUTH", "", "secret"}), kWrongPass);
  EXPECT_EQ(weir.Run({"ACL", "WHOAMI"}), kNoAuth);
  EXPECT_EQ(weir.Run({"AUTH", "alice", "foobar"}), "+OK\r\n");
  EXPECT_EQ(weir.conversation.user(), "alice");
  EXPECT_EQ(weir.conversation.Names().upstream_user, "alice");
  EXPECT_EQ(weir.conversation.Names().upstream_password, "foobar");
  EXPECT_EQ(weir.Run({"ACL", "WHOAMI"}), "$5\r\nalice\r\n");
  EXPECT_EQ(weir.Run({"AUTH", "alice", "wrong"}), kWrongPass);
  EXPECT_EQ(weir.Run({"ACL", "WHOAMI"}), "$5\r\nalice\r\n");
  EXPECT_EQ(weir.Run({"AUTH", "secret"}), "+OK\r\n");
  EXPECT_EQ(weir.conversation.user(), "default");
  EXPECT_EQ(weir.Run({"ACL", "WHOAMI"}), "$7\r\ndefault\r\n");
  EXPECT_EQ(weir.Run({"RESET"}), "+RESET\r\n");
  EXPECT_EQ(weir.conversation.names, nullptr);
  EXPECT_EQ(weir.Run({"ACL", "WHOAMI"}), kNoAuth);
}

TEST_F(PassthroughTest, HelloAuthenticatesAndSwitches) {
  RawClient direct(redis.port());
  const std::vector<Args> requests = {
      {"HELLO", "3"},
      {"HELLO", "3", "AUTH", "alice", "wrong"},
      {"PING"},
      {"HELLO", "3", "AUTH", "", "secret"},
      {"HELLO", "3", "AUTH", "alice", "foobar", "NONSENSE"},
      {"PING"},
      {"HELLO", "3", "SETNAME", "a b", "AUTH", "alice", "foobar"},
      {"HELLO", "3", "AUTH", "alice", "foobar", "SETNAME", "me"},
      {"CLIENT", "GETNAME"},
      {"CLIENT", "TRACKINGINFO"},
      {"HELLO", "2", "AUTH", "default", "foobar"},
      {"CLIENT", "TRACKINGINFO"},
      {"HELLO", "2", "AUTH", "default", "secret"},
      {"RESET"},
      {"PING"},
  };
  RawClient admin(redis.port());
  admin.Command({"AUTH", "secret"});
  weir.conversation.id = std::stoull(admin.Text({"CLIENT", "ID"})) - 1;
  for (const Args& args : requests) {
    const std::string expected = direct.Command(args);
    EXPECT_EQ(Printable(weir.Run(args)), Printable(expected)) << Printable(Encode(args));
  }
}

TEST_F(PassthroughTest, AFailedAuthSwitchesNothing) {
  weir.Run({"HELLO", "3", "AUTH", "alice", "wrong", "SETNAME", "x"});
  EXPECT_EQ(weir.conversation.protocol_version, 2);
  EXPECT_FALSE(weir.conversation.has_own_credentials());
  EXPECT_EQ(weir.conversation.name(), "");
}

TEST_F(PassthroughTest, OneAuthAHello) {
  weir.server.version = "7.0.15";  // later, only the last one counts
  EXPECT_EQ(weir.Run({"HELLO", "3", "AUTH", "alice", "foobar", "AUTH", "default", "secret"}),
            "-ERR weir: HELLO takes AUTH once\r\n");
  EXPECT_EQ(weir.conversation.user(), "alice");
  EXPECT_EQ(weir.conversation.protocol_version, 2);
}

// A stranger is to weir what it is to Redis: nobody where a password is needed, else "default".
TEST_F(PassthroughTest, StrangersAreRefusedByRedis) {
  RawClient direct(redis.port());
  for (const Args& args : RequestsOfStrangers()) {
    EXPECT_EQ(Printable(weir.Run(args)), Printable(direct.Command(args)))
        << Printable(Encode(args));
  }
  EXPECT_EQ(weir.Run({"WEIR", "HELP"}), kNoAuth);
  EXPECT_EQ(weir.Run({"WEIR", "EXPLAIN", "GET", "a"}), kNoAuth);
  EXPECT_EQ(weir.Run({"INFO", "weir"}), kNoAuth);
  EXPECT_EQ(weir.workers[0].rows.size(), 1u);
  EXPECT_EQ(weir.conversation.db, 0);
  EXPECT_EQ(weir.conversation.protocol_version, 2);
}

TEST(OpenPassthroughTest, StrangersAreTheDefaultUser) {
  const RedisServer redis;
  RawClient direct(redis.port());
  LocalClient weir(redis, {.mode = AuthMode::kPassthrough, .users = {}});
  weir.conversation.id = std::stoull(direct.Text({"CLIENT", "ID"}));
  for (const Args& args : RequestsOfStrangers()) {
    if (args[0] == "CLIENT" && args.back() == "normal") continue;  // it would close the test's own
    EXPECT_EQ(Printable(weir.Run(args)), Printable(direct.Command(args)))
        << Printable(Encode(args));
  }
  EXPECT_EQ(weir.conversation.protocol_version, 3);
  EXPECT_EQ(weir.Run({"WEIR", "EXPLAIN", "GET", "a"}).substr(0, 2), "*2");
}

TEST_F(PassthroughTest, WhereTheUrlHasCredentialsStrangersGetNone) {
  weir.url_has_credentials = true;
  ASSERT_EQ(weir.Run({"AUTH", "alice", "foobar"}), "+OK\r\n");
  ASSERT_EQ(weir.Run({"RESET"}), "+RESET\r\n");
  EXPECT_FALSE(weir.conversation.authenticated);
  weir.asked = 0;
  EXPECT_EQ(weir.Run({"PING"}), kNoAuth);
  EXPECT_EQ(weir.Run({"HELLO", "3"}).substr(0, 11), "-NOAUTH HEL");
  EXPECT_EQ(weir.asked, 0);
}

// What Redis' ACL forbids a user, weir does not do for it either.
TEST_F(PassthroughTest, AclsApplyToWhatWeirAnswers) {
  RawClient direct(redis.port());
  const Args auth = {"AUTH", "limited", "foobar"};
  ASSERT_EQ(direct.Command(auth), "+OK\r\n");
  ASSERT_EQ(weir.Run(auth), "+OK\r\n");
  weir.databases_known = 16;
  weir.workers[0].rows = {MakeRow(1), MakeRow(2), MakeRow(weir.conversation.id)};
  for (const Args& args : {Args{"PING"},
                           Args{"PING", "x"},
                           Args{"ECHO", "x"},
                           Args{"SELECT", "3"},
                           Args{"CLIENT", "ID"},
                           Args{"CLIENT", "INFO"},
                           Args{"CLIENT", "GETNAME"},
                           Args{"CLIENT", "SETNAME", "x"},
                           Args{"CLIENT", "LIST"},
                           Args{"CLIENT", "LIST", "TYPE", "normal"},
                           Args{"CLIENT", "KILL", "1.2.3.4:5"},
                           Args{"CLIENT", "KILL", "ID", "1"},
                           Args{"CLIENT", "KILL", "TYPE", "normal"},
                           Args{"CLIENT", "KILL", "USER", "alice"},
                           Args{"CLIENT", "NO-EVICT", "on"},
                           Args{"CLIENT", "REPLY", "ON"},
                           Args{"CLIENT", "REPLY", "OFF"},
                           Args{"CLIENT", "GETREDIR"},
                           Args{"CLIENT", "TRACKINGINFO"},
                           Args{"CLIENT", "HELP"}}) {
    EXPECT_EQ(Printable(weir.Run(args)), Printable(direct.Command(args)))
        << Printable(Encode(args));
  }
  EXPECT_EQ(weir.workers[0].rows.size(), 3u);
  EXPECT_EQ(weir.conversation.name(), "");
  EXPECT_EQ(weir.conversation.db, 0);
  EXPECT_EQ(weir.conversation.reply_mode, ReplyMode::kOn);
}

TEST_F(PassthroughTest, WhatTheAclAllowsIsDone) {
  ASSERT_EQ(weir.Run({"AUTH", "alice", "foobar"}), "+OK\r\n");
  weir.workers[0].rows = {MakeRow(1), MakeRow(2), MakeRow(weir.conversation.id)};
  EXPECT_EQ(weir.Run({"SELECT", "3"}), "+OK\r\n");
  EXPECT_EQ(weir.conversation.db, 3);
  EXPECT_EQ(weir.Run({"CLIENT", "SETNAME", "x"}), "+OK\r\n");
  EXPECT_EQ(weir.Run({"CLIENT", "GETNAME"}), "$1\r\nx\r\n");
  EXPECT_EQ(weir.Run({"CLIENT", "ID"}), ":7\r\n");
  EXPECT_EQ(weir.Run({"CLIENT", "NO-EVICT", "on"}), "+OK\r\n");
  EXPECT_TRUE(weir.conversation.Names().no_evict);
  EXPECT_EQ(weir.Run({"PING", "x"}), "$1\r\nx\r\n");
  EXPECT_EQ(weir.Run({"CLIENT", "LIST", "ID", "2"}).substr(0, 1), "$");
  EXPECT_EQ(weir.Run({"CLIENT", "KILL", "USER", "carol"}), "-ERR No such user 'carol'\r\n");
  EXPECT_EQ(weir.Run({"CLIENT", "KILL", "USER", "limited"}), ":0\r\n");
  EXPECT_EQ(weir.Run({"CLIENT", "KILL", "ID", "2"}), ":1\r\n");
  EXPECT_EQ(weir.workers[0].rows.size(), 2u);
  EXPECT_EQ(weir.Run({"INFO", "weir"}).substr(0, 1), "$");
  EXPECT_EQ(weir.Run({"CLIENT", "REPLY", "SKIP"}), "");
  EXPECT_EQ(weir.conversation.reply_mode, ReplyMode::kSkipNext);
}

}  // namespace
}  // namespace weir::harness
