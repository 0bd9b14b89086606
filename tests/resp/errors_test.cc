// weir's copies of Redis' error texts must be Redis' own.

#include "resp/errors.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "resp/reply_writer.h"
#include "tests/support/raw_client.h"
#include "tests/support/redis_server.h"

namespace weir {
namespace {

using Args = std::vector<std::string>;

std::string Line(std::string_view text) {
  std::string out;
  ReplyWriter(&out, 2).Error(text);
  return out;
}

TEST(ErrorsTest, EachIsOneLineWithACode) {
  for (int i = 0; i < kRedisErrorCount; ++i) {
    const std::string text = ErrorText(static_cast<RedisError>(i), "a\r\nb", "c\nd");
    EXPECT_EQ(text[0], '-') << text;
    EXPECT_EQ(text.find_first_of("\r\n\1\2"), std::string::npos) << text;
    EXPECT_EQ(Line(text), text + "\r\n");
  }
}

TEST(ErrorsRedisTest, AreWordForWordThoseOfARealServer) {
  harness::RedisServer server;
  harness::RawClient client(server.port());
  const std::string name(150, 'n');
  const std::string odd("a\r\nb\0c", 6);
  struct Case {
    Args command;
    RedisError error;
    std::string subject, second;
  };
  const std::vector<Case> cases = {
      {{"SET", "k", "v", "NOPE"}, RedisError::kSyntax, "", ""},
      {{"CLIENT", "REPLY", "x"}, RedisError::kSyntax, "", ""},
      {{"SELECT", "x"}, RedisError::kNotAnInteger, "", ""},
      {{"SELECT", "16"}, RedisError::kDbOutOfRange, "", ""},
      {{"GET"}, RedisError::kWrongArgCount, "get", ""},
      {{"CONFIG", "SET"}, RedisError::kWrongArgCount, "config|set", ""},
      {{"Config", "nope"}, RedisError::kUnknownSubcommand, "nope", "Config"},
      {{"CLIENT", name}, RedisError::kUnknownSubcommand, name, "client"},
      {{"CLIENT", odd}, RedisError::kUnknownSubcommand, odd, "CLIENT"},
      {{"CLIENT", "CACHING", "YES", "x"}, RedisError::kWrongArgCount, "client|caching", ""},
      {{"XGROUP", "CREATE", "k", "g", "$", "x"},
       RedisError::kUnknownSubcommandOrArgs,
       "CREATE",
       "xgroup"},
      {{"HELLO", "x"}, RedisError::kHelloVersionNotAnInteger, "", ""},
      {{"HELLO", "4"}, RedisError::kNoProto, "", ""},
      {{"HELLO", "3", odd}, RedisError::kHelloOption, odd, ""},
      {{"HELLO", "3", name}, RedisError::kHelloOption, name, ""},
      {{"AUTH", "x"}, RedisError::kAuthWithoutPassword, "", ""},
      {{"AUTH", "x", "y"}, RedisError::kWrongPass, "", ""},
      {{"CLIENT", "SETNAME", "a b"}, RedisError::kClientName, "", ""},
      {{"CLIENT", "LIST", "ID", "x"}, RedisError::kClientId, "", ""},
      {{"CLIENT", "KILL", "ID", "0"}, RedisError::kClientIdNotPositive, "", ""},
      {{"CLIENT", "KILL", "1.2.3.4:5"}, RedisError::kNoSuchClient, "", ""},
      {{"CLIENT", "KILL", "USER", odd}, RedisError::kNoSuchUser, odd, ""},
      {{"CLIENT", "LIST", "TYPE", name}, RedisError::kUnknownClientType, name, ""},
      {{"COMMAND", "GETKEYS", "nope", "x"}, RedisError::kInvalidCommand, "", ""},
      {{"COMMAND", "GETKEYS", "PING", "x"}, RedisError::kCommandHasNoKeys, "", ""},
      {{"COMMAND", "GETKEYS", "GET", "x", "y"}, RedisError::kCommandArgCount, "", ""},
      {{"COMMAND", "GETKEYS", "ZUNION", "9", "x"}, RedisError::kCommandArgs, "", ""},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(client.Command(c.command), Line(ErrorText(c.error, c.subject, c.second)))
        << c.command[0] << " " << (c.command.size() > 1 ? c.command[1] : "");
  }
  client.Command({"ACL", "SETUSER", "bob", "on", "nopass", "+auth"});
  client.Command({"AUTH", "bob", "x"});
  EXPECT_EQ(client.Command({"CONFIG", "GET", "x"}),
            Line(ErrorText(RedisError::kNoPerm, "config|get")));
}

TEST(ErrorsRedisTest, AuthenticationErrorsToo) {
  harness::RedisServer server({"--requirepass", "secret"});
  harness::RawClient client(server.port());
  EXPECT_EQ(client.Command({"GET", "k"}), Line(ErrorText(RedisError::kNoAuth)));
  EXPECT_EQ(client.Command({"HELLO", "3"}), Line(ErrorText(RedisError::kHelloNoAuth)));
}

TEST(ErrorsRedisTest, TooManyClientsToo) {
  harness::RedisServer server({"--maxclients", "1"});
  harness::RawClient first(server.port());
  // The harness' own first connection may still be on its way out.
  while (first.Command({"PING"}) != "+PONG\r\n") first = harness::RawClient(server.port());
  harness::RawClient second(server.port());
  EXPECT_EQ(second.ReadUntilClose(), Line(ErrorText(RedisError::kMaxClients)));
}

TEST(ErrorsRedisTest, UnknownCommandsShowTheirArgumentsAsRedisDoes) {
  harness::RedisServer server;
  harness::RawClient client(server.port());
  const std::string odd("a\r\nb\0c", 6);
  for (const Args& command :
       std::vector<Args>{{"nosuch"},
                         {"nosuch", "a", "", "b"},
                         {std::string(200, 'n'), "a"},
                         {odd, odd, odd},
                         {"nosuch", std::string(124, 'a'), "b", "c"},
                         {"nosuch", std::string(125, 'a'), "b", "c"},
                         {"nosuch", std::string(126, 'a'), "b", "c"},
                         {"nosuch", std::string(60, 'a'), std::string(80, 'b'), "c"},
                         {"nosuch", std::string(500, 'a'), "b"}}) {
    const std::vector<std::string_view> args(command.begin(), command.end());
    EXPECT_EQ(client.Command(command), Line(UnknownCommandText(args)));
  }
}

}  // namespace
}  // namespace weir
