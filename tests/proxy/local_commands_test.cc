// What weir answers itself, byte for byte against what a real redis-server answers.
#include "proxy/client/local_commands.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "tests/proxy/local_client.h"

namespace weir::harness {
namespace {

using Args = std::vector<std::string>;
using namespace std::string_literals;  // NOLINT(google-build-using-namespace)

// A connection straight to Redis beside a client of weir that has the same id.
class Pair {
 public:
  explicit Pair(const RedisServer& redis) : direct(redis.port()), weir(redis) {
    weir.conversation.id = std::stoull(direct.Text({"CLIENT", "ID"}));
  }

  void ExpectSame(const Args& args) {
    const std::string expected = direct.Command(args);
    EXPECT_EQ(Printable(weir.Run(args), 4000), Printable(expected, 4000))
        << Printable(Encode(args));
  }

  RawClient direct;
  LocalClient weir;
};

const Args kPing = {"PING"};

std::vector<Args> ConnectionRequests() {
  return {
      kPing,
      {"ping", "hello"},
      {"PING", "a", "b"},
      {"PING", ""},
      {"ECHO"},
      {"ECHO", "a\r\nb\0c"s},
      {"ECHO", "a", "b"},
      {"SELECT"},
      {"SELECT", "1"},
      {"SELECT", "15"},
      {"SELECT", "16"},
      {"SELECT", "0"},
      {"SELECT", "-1"},
      {"SELECT", "-0"},
      {"SELECT", "01"},
      {"SELECT", "+1"},
      {"SELECT", " 1"},
      {"SELECT", "1 "},
      {"SELECT", ""},
      {"SELECT", "abc"},
      {"SELECT", "1\0"s},
      {"SELECT", "2147483647"},
      {"SELECT", "2147483648"},
      {"SELECT", "-2147483649"},
      {"SELECT", "9223372036854775807"},
      {"SELECT", "9223372036854775808"},
      {"SELECT", "1", "2"},
      {"AUTH"},
      {"AUTH", "secret"},
      {"AUTH", "default", "anything"},
      {"AUTH", "DEFAULT", "anything"},
      {"AUTH", "", ""},
      {"AUTH", "bob", "secret"},
      {"AUTH", "a", "b", "c"},
      {"RESET", "now"},
  };
}

std::vector<Args> HelloRequests() {
  return {
      {"HELLO"},
      {"HELLO", "2"},
      {"HELLO", "3"},
      {"HELLO"},
      {"HELLO", "1"},
      {"HELLO", "4"},
      {"HELLO", "-3"},
      {"HELLO", "03"},
      {"HELLO", "three"},
      {"HELLO", ""},
      {"HELLO", "99999999999999999999"},
      {"HELLO", "2", "AUTH"},
      {"HELLO", "2", "AUTH", "default"},
      {"HELLO", "2", "AUTH", "nobody", "x"},
      {"HELLO"},
      {"HELLO", "2", "auth", "default", "x"},
      {"HELLO", "3", "SETNAME"},
      {"HELLO", "3", "SETNAME", "two words"},
      {"CLIENT", "GETNAME"},
      {"HELLO", "3", "SETNAME", "one", "AUTH", "nobody", "x"},
      {"CLIENT", "GETNAME"},
      {"HELLO", "3", "setname", "two", "AUTH", "default", "x"},
      {"CLIENT", "GETNAME"},
      {"HELLO", "2", "SETNAME", "three", "NONSENSE"},
      {"CLIENT", "GETNAME"},
      {"HELLO", "2", "NON\r\nSENSE"},
      {"HELLO", "2", "NON\0SENSE"s},
      {"HELLO", "2", std::string(300, 'x')},
      {"HELLO", "AUTH", "default", "x"},
      {"HELLO", "2", "SETNAME\0x"s, "four"},
      {"HELLO", "2", "SETNAME", ""},
      {"CLIENT", "GETNAME"},
      {"HELLO", "3", "SETNAME", "caf\xc3\xa9"},
      {"RESET"},
      {"HELLO"},
      {"CLIENT", "GETNAME"},
  };
}

std::vector<Args> ClientRequests() {
  return {
      {"CLIENT"},
      {"CLIENT", "NONSENSE"},
      {"CLIENT", "non\r\nsense", "x"},
      {"CLIENT", std::string(300, 'x')},
      {"CLIENT", "HELP"},
      {"client", "help"},
      {"CLIENT", "HELP", "me"},
      {"CLIENT", "ID"},
      {"client", "id"},
      {"CLIENT", "ID", "x"},
      {"CLIENT", "GETNAME"},
      {"CLIENT", "SETNAME", "a-name!~"},
      {"CLIENT", "GETNAME"},
      {"CLIENT", "SETNAME", "two words"},
      {"CLIENT", "SETNAME", "new\nline"},
      {"CLIENT", "SETNAME", "nul\0"s},
      {"CLIENT", "SETNAME"},
      {"CLIENT", "SETNAME", "a", "b"},
      {"CLIENT", "GETNAME", "a"},
      {"CLIENT", "GETNAME"},
      {"CLIENT", "SETNAME", ""},
      {"CLIENT", "GETNAME"},
      {"CLIENT", "SETINFO", "LIB-NAME", "x"},
      {"CLIENT", "SETINFO"},
      {"CLIENT", "NO-TOUCH", "ON"},
      {"CLIENT", "NO-EVICT"},
      {"CLIENT", "NO-EVICT", "on"},
      {"CLIENT", "NO-EVICT", "OFF"},
      {"CLIENT", "NO-EVICT", "maybe"},
      {"CLIENT", "REPLY", "on"},
      {"CLIENT", "REPLY", "maybe"},
      {"CLIENT", "REPLY"},
      {"CLIENT", "REPLY", "ON", "x"},
      {"CLIENT", "GETREDIR"},
      {"CLIENT", "GETREDIR", "x"},
      {"CLIENT", "TRACKINGINFO"},
      {"CLIENT", "TRACKINGINFO", "x"},
      {"CLIENT", "INFO", "x"},
      {"CLIENT", "LIST", "TYPE"},
      {"CLIENT", "LIST", "TYPE", "nonsense"},
      {"CLIENT", "LIST", "TYPE", "mas\r\nter"},
      {"CLIENT", "LIST", "TYPE", "master"},
      {"CLIENT", "LIST", "type", "PUBSUB"},
      {"CLIENT", "LIST", "TYPE", "replica"},
      {"CLIENT", "LIST", "TYPE", "slave"},
      {"CLIENT", "LIST", "TYPE", "slave", "x"},
      {"CLIENT", "LIST", "ID"},
      {"CLIENT", "LIST", "ID", "abc"},
      {"CLIENT", "LIST", "ID", "123456", "abc"},
      {"CLIENT", "LIST", "ID", "123456", "234567"},
      {"CLIENT", "LIST", "ID", "-1"},
      {"CLIENT", "LIST", "ID", "99999999999999999999"},
      {"CLIENT", "LIST", "NONSENSE"},
      {"CLIENT", "LIST", "NONSENSE", "x"},
      {"CLIENT", "KILL"},
      {"CLIENT", "KILL", "1.2.3.4:5"},
      {"CLIENT", "KILL", ""},
      {"CLIENT", "KILL", "ID", "0"},
      {"CLIENT", "KILL", "ID", "-1"},
      {"CLIENT", "KILL", "ID", "abc"},
      {"CLIENT", "KILL", "ID", "9223372036854775807"},
      {"CLIENT", "KILL", "ID", "9223372036854775808"},
      {"CLIENT", "KILL", "id", "123456"},
      {"CLIENT", "KILL", "ID", "123456", "TYPE"},
      {"CLIENT", "KILL", "TYPE", "nonsense"},
      {"CLIENT", "KILL", "TYPE", "pubsub"},
      {"CLIENT", "KILL", "TYPE", "master", "SKIPME", "no"},
      {"CLIENT", "KILL", "TYPE", "master", "SKIPME", "maybe"},
      {"CLIENT", "KILL", "USER", "nobody"},
      {"CLIENT", "KILL", "USER", "no\r\nbody"},
      {"CLIENT", "KILL", "USER", "default", "TYPE", "replica"},
      {"CLIENT", "KILL", "ADDR", "1.2.3.4:5", "LADDR", "1.2.3.4:5"},
      {"CLIENT", "KILL", "ADDR", "1.2.3.4:5", "nonsense", "x"},
      {"CLIENT", "KILL", "MAXAGE", "10000"},
      {"CLIENT", "KILL", "nonsense", "x"},
  };
}

// Of COMMAND and INFO, what weir's own commands and section do not change.
std::vector<Args> CommandRequests() {
  return {
      {"COMMAND", "NONSENSE"},
      {"COMMAND", "HELP"},
      {"COMMAND", "HELP", "x"},
      {"COMMAND", "COUNT", "x"},
      {"COMMAND", "INFO", "get"},
      {"COMMAND", "INFO", "get", "nonsense", "CONFIG|GET"},
      {"COMMAND", "DOCS", "get", "nonsense", "config|get"},
      {"COMMAND", "DOCS", "nonsense"},
      {"COMMAND", "LIST", "FILTERBY"},
      {"COMMAND", "LIST", "FILTERBY", "NONSENSE", "x"},
      {"COMMAND", "LIST", "FILTERBY", "MODULE", "weir"},
      {"COMMAND", "LIST", "FILTERBY", "ACLCAT", "nonsense"},
      {"COMMAND", "LIST", "FILTERBY", "ACLCAT", "geo"},
      {"COMMAND", "LIST", "FILTERBY", "PATTERN", "xr*"},
      {"COMMAND", "LIST", "FILTERBY", "PATTERN", "xr*", "y"},
      {"COMMAND", "LIST", "weir"},
      {"COMMAND", "GETKEYS"},
      {"COMMAND", "GETKEYS", "GET", "a"},
      {"COMMAND", "GETKEYS", "MSET", "a", "1", "b", "2"},
      {"COMMAND", "GETKEYS", "NONSENSE"},
      {"COMMAND", "GETKEYSANDFLAGS", "SET", "a", "b"},
      {"INFO", "nonsense"},
      {"INFO", "cluster"},
      {"INFO", "cluster", "keyspace"},
      {"POST"},
  };
}

void CompareAll(const std::vector<Args>& requests) {
  const RedisServer redis;
  for (const bool resp3 : {false, true}) {
    SCOPED_TRACE(resp3 ? "RESP3" : "RESP2");
    Pair pair(redis);
    if (resp3) pair.ExpectSame({"HELLO", "3"});
    for (const Args& args : requests) {
      if (args == Args{"POST"}) continue;  // Redis closes
      pair.ExpectSame(args);
    }
  }
}

TEST(LocalCommandsTest, ConnectionCommandsAreRedisOwn) { CompareAll(ConnectionRequests()); }
TEST(LocalCommandsTest, HelloIsRedisOwn) { CompareAll(HelloRequests()); }
TEST(LocalCommandsTest, ClientIsRedisOwn) { CompareAll(ClientRequests()); }
TEST(LocalCommandsTest, CommandAndInfoAreRedisOwn) { CompareAll(CommandRequests()); }

// Random sequences of the above, with arguments exchanged, so that state builds up on both sides.
TEST(LocalCommandsTest, RandomSequencesAreRedisOwn) {
  const RedisServer redis;
  Random random(Seed());
  std::vector<Args> requests;
  for (const auto& list : {ConnectionRequests(), HelloRequests(), ClientRequests()}) {
    requests.insert(requests.end(), list.begin(), list.end());
  }
  requests.push_back({"RESET"});
  std::vector<std::string> words;
  for (const Args& args : requests) {
    words.insert(words.end(), args.begin() + 1, args.end());
  }
  for (int session = 0; session < 20; ++session) {
    Pair pair(redis);
    pair.weir.databases_known = session % 2 == 0 ? 1 : 16;
    for (int i = 0; i < 200 && !HasFailure(); ++i) {
      Args args = requests[Below(random, requests.size())];
      if (Below(random, 3) == 0 && args.size() > 2) {
        args[2 + Below(random, args.size() - 2)] = words[Below(random, words.size())];
      }
      // What would close a connection of the test itself, or end its replies.
      const auto has = [&](const char* word) {
        return std::find(args.begin(), args.end(), word) != args.end();
      };
      // Its line of CLIENT LIST, with a socket of its own in it; the number 15 came to be its id.
      if (has(std::to_string(pair.weir.conversation.id).c_str())) continue;
      if ((has("KILL") && has("default")) || (has("REPLY") && !has("on"))) continue;
      pair.ExpectSame(args);
    }
  }
}

TEST(LocalCommandsTest, QuitSaysOkAndCloses) {
  const RedisServer redis;
  LocalClient client(redis);
  EXPECT_EQ(client.Run({"QUIT"}), "+OK\r\n");
  EXPECT_TRUE(client.closed);
}

TEST(LocalCommandsTest, PostAndHostCloseWithoutAWord) {
  const RedisServer redis;
  for (const Args& args : {Args{"POST", "/"}, Args{"host:", "x"}}) {
    LocalClient client(redis);
    EXPECT_EQ(client.Run(args), "");
    EXPECT_TRUE(client.closed);
  }
}

TEST(LocalCommandsTest, ResetForgetsAll) {
  const RedisServer redis;
  LocalClient client(redis);
  client.Run({"HELLO", "3", "SETNAME", "x"});
  client.Run({"SELECT", "3"});
  client.Run({"CLIENT", "REPLY", "OFF"});
  EXPECT_EQ(client.Run({"RESET"}), "+RESET\r\n");
  EXPECT_EQ(client.conversation.db, 0);
  EXPECT_EQ(client.conversation.protocol_version, 2);
  EXPECT_EQ(client.conversation.name(), "");
  EXPECT_EQ(client.conversation.user(), "default");
  EXPECT_EQ(client.conversation.reply_mode, ReplyMode::kOn);
  EXPECT_TRUE(client.conversation.authenticated);
  EXPECT_EQ(client.conversation.names, nullptr);
}

TEST(LocalCommandsTest, ResetKeepsWhatTheServersVersionKeeps) {
  const RedisServer redis;
  LocalClient client(redis);
  client.server.version = "7.0.15";
  client.Run({"CLIENT", "NO-EVICT", "ON"});
  client.Run({"RESET"});
  EXPECT_TRUE(client.conversation.Names().no_evict) << "Redis 7.0 keeps it";
  client.server.version = "7.2.4";
  client.conversation.Names().lib_name = "redis-py";
  client.Run({"RESET"});
  EXPECT_FALSE(client.conversation.Names().no_evict);
  EXPECT_EQ(client.conversation.Names().lib_name, "redis-py");
}

TEST(LocalCommandsTest, ReplyModeFollowsClientReply) {
  const RedisServer redis;
  LocalClient client(redis);
  EXPECT_EQ(client.Run({"CLIENT", "REPLY", "SKIP"}), "");
  EXPECT_EQ(client.conversation.reply_mode, ReplyMode::kSkipNext);
  EXPECT_EQ(client.Run({"CLIENT", "REPLY", "OFF"}), "");
  EXPECT_EQ(client.conversation.reply_mode, ReplyMode::kOff);
  EXPECT_EQ(client.Run({"CLIENT", "REPLY", "SKIP"}), "");
  EXPECT_EQ(client.conversation.reply_mode, ReplyMode::kOff);
  EXPECT_EQ(client.Run({"CLIENT", "REPLY", "ON"}), "+OK\r\n");
  EXPECT_EQ(client.conversation.reply_mode, ReplyMode::kOn);
}

TEST(LocalCommandsTest, SelectAsksRedisOnlyAboveTheDatabasesKnown) {
  const RedisServer redis;
  LocalClient client(redis);
  client.databases_known = 4;
  EXPECT_EQ(client.Run({"SELECT", "3"}), "+OK\r\n");
  EXPECT_EQ(client.asked, 0);
  EXPECT_EQ(client.Run({"SELECT", "9"}), "+OK\r\n");
  EXPECT_EQ(client.asked, 1);
  EXPECT_EQ(client.conversation.db, 9);
  EXPECT_EQ(client.Run({"SELECT", "77"}), "-ERR DB index is out of range\r\n");
  EXPECT_EQ(client.conversation.db, 9);
}

TEST(LocalCommandsTest, HelloOfAServerNotReachedYetIsTheServersOwn) {
  const RedisServer redis;
  Pair pair(redis);
  pair.weir.server.version.clear();
  for (const char* version : {"2", "3", "2"}) {
    pair.ExpectSame({"HELLO", version, "SETNAME", "x"});
    EXPECT_EQ(pair.weir.conversation.protocol_version, version[0] - '0');
  }
  pair.ExpectSame({"HELLO"});
  EXPECT_EQ(pair.weir.asked, 4);
}

TEST(LocalCommandsTest, HelloThatNobodyAnswersSwitchesNothing) {
  const RedisServer redis;
  LocalClient client(redis);
  client.server.version.clear();
  ParsedRequest request;
  const std::string bytes = Encode({"HELLO", "3"});
  RequestParser parser{RequestLimits()};
  ParseState state;
  ASSERT_EQ(parser.Parse(&state, bytes, &request), ParseStatus::kRequest);
  LocalContext context;
  context.routing = client.routing.get();
  context.auth = &client.auth;
  context.server = &client.server;
  LocalOutcome outcome =
      RunLocalCommand(context, *client.routing->Resolve(request), request, client.conversation);
  ASSERT_EQ(outcome.kind, LocalOutcome::Kind::kAsk);
  const std::string down = "-DOWN weir: 127.0.0.1:6379 cannot be reached\r\n";
  EXPECT_EQ(outcome.ask.finish(client.conversation, down), down);
  EXPECT_EQ(client.conversation.protocol_version, 2);
}

TEST(LocalCommandsTest, SetinfoIsThereIfTheServerHasIt) {
  const RedisServer redis;
  LocalClient client(redis);
  // As Redis 7.2 lists it.
  const auto newer = CommandTable::FromReply(
      "*1\r\n*10\r\n$6\r\nclient\r\n:-2\r\n*0\r\n:0\r\n:0\r\n:0\r\n*0\r\n*0\r\n*0\r\n*2\r\n"
      "*10\r\n$14\r\nclient|setinfo\r\n:4\r\n*0\r\n:0\r\n:0\r\n:0\r\n*0\r\n*0\r\n*0\r\n*0\r\n"
      "*10\r\n$15\r\nclient|no-touch\r\n:3\r\n*0\r\n:0\r\n:0\r\n:0\r\n*0\r\n*0\r\n*0\r\n*0\r\n");
  ASSERT_TRUE(newer.ok()) << newer.status();
  client.routing = RoutingTable::Make(CommandTable::Merge(*CommandTable::BuiltIn(), **newer),
                                      *CommandPolicy::Parse({"@all"}, {}));
  EXPECT_EQ(client.Run({"CLIENT", "SETINFO", "lib-name", "redis-py"}), "+OK\r\n");
  EXPECT_EQ(client.Run({"CLIENT", "SETINFO", "LIB-VER", "5.0"}), "+OK\r\n");
  EXPECT_EQ(client.conversation.names->lib_name, "redis-py");
  EXPECT_EQ(client.conversation.names->lib_version, "5.0");
  EXPECT_EQ(client.Run({"CLIENT", "SETINFO", "LIB-FOO", "5.0"}),
            "-ERR Unrecognized option 'LIB-FOO'\r\n");
  EXPECT_EQ(client.Run({"CLIENT", "SETINFO", "lib-name", "a b"}),
            "-ERR lib-name cannot contain spaces, newlines or special characters.\r\n");
  EXPECT_EQ(client.Run({"CLIENT", "SETINFO", "lib-name"}),
            "-ERR wrong number of arguments for 'client|setinfo' command\r\n");
  EXPECT_EQ(client.Run({"CLIENT", "NO-TOUCH", "on"}), "+OK\r\n");
  EXPECT_TRUE(client.conversation.names->no_touch);
  EXPECT_EQ(client.Run({"CLIENT", "NO-TOUCH", "x"}), "-ERR syntax error\r\n");
}

TEST(LocalCommandsTest, NamesWithNulAreUnknown) {
  const RedisServer redis;
  Pair pair(redis);
  pair.ExpectSame({"FOO\0BAR"s, "a", "b\0c"s});
  EXPECT_EQ(pair.weir.Run({"SHUTDOWN\0x"s, "NOSAVE"}),
            "-ERR unknown command 'SHUTDOWN', with args beginning with: 'NOSAVE' \r\n");
  EXPECT_EQ(pair.weir.Run({"config", "SET\0x"s, "a", "b"}),
            "-ERR unknown subcommand 'SET'. Try CONFIG HELP.\r\n");
}

TEST(LocalCommandsTest, WeirHelpAndErrors) {
  const RedisServer redis;
  LocalClient client(redis);
  EXPECT_EQ(client.Run({"weir", "help"}),
            "*17\r\n+WEIR <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n"
            "+BIGKEYS [<count>]\r\n+    Show the keys that move most bytes.\r\n"
            "+EXPLAIN <command> [<arg> ...]\r\n"
            "+    Show what weir would do with a command, without running it.\r\n"
            "+HEALTH\r\n+    Show which nodes weir reaches, and why not the others.\r\n"
            "+HOTKEYS [<count>]\r\n+    Show the keys that are asked for most.\r\n"
            "+SLOWLOG GET [<count>] | LEN | RESET | HELP\r\n"
            "+    Show the requests that took long, and where their time went.\r\n"
            "+TOPOLOGY [<upstream>]\r\n"
            "+    Show an upstream's nodes, their roles and slots.\r\n"
            "+UPSTREAMS\r\n+    Show all upstreams and where they are.\r\n"
            "+HELP\r\n+    Prints this help.\r\n");
  EXPECT_EQ(client.Run({"WEIR", "UPSTREAMS"}), "*1\r\n$6\r\nreport\r\n");
  EXPECT_EQ(client.Run({"WEIR", "TOPOLOGY", "nobody"}),
            "-ERR weir: there is no upstream of that name; WEIR UPSTREAMS lists them\r\n");
  EXPECT_EQ(client.Run({"WEIR", "TOPOLOGY", "a", "b"}),
            "-ERR wrong number of arguments for 'weir|topology' command\r\n");
  EXPECT_EQ(client.Run({"WEIR", "EXPLAIN", "GET", "a"}),
            "*2\r\n$12\r\ncommand: GET\r\n$12\r\narguments: 1\r\n");
  EXPECT_EQ(client.Run({"WEIR"}), "-ERR wrong number of arguments for 'weir' command\r\n");
  EXPECT_EQ(client.Run({"WEIR", "EXPLAIN"}),
            "-ERR wrong number of arguments for 'weir|explain' command\r\n");
  EXPECT_EQ(client.Run({"Weir", "Nonsense"}),
            "-ERR unknown subcommand 'Nonsense'. Try WEIR HELP.\r\n");
}

TEST(LocalCommandsTest, InfoHasWeirsSection) {
  const RedisServer redis;
  for (const bool resp3 : {false, true}) {
    SCOPED_TRACE(resp3 ? "RESP3" : "RESP2");
    LocalClient client(redis);
    if (resp3) client.Run({"HELLO", "3"});
    const std::string own = "# Weir\r\nweir_version:0.1.0\r\n";
    EXPECT_EQ(client.Run({"INFO", "weir"}),
              resp3 ? "=32\r\ntxt:" + own + "\r\n" : "$28\r\n" + own + "\r\n");
    for (const Args& args :
         {Args{"INFO"}, Args{"info", "ALL"}, Args{"INFO", "everything"}, Args{"INFO", "default"},
          Args{"INFO", "server", "weir"}, Args{"INFO", "Weir", "server"}}) {
      const std::string reply = client.Run(args);
      const std::string text = ParseReply(reply).text;
      EXPECT_EQ(reply[0], resp3 ? '=' : '$');
      EXPECT_NE(text.find("# Server\r\n"), std::string::npos) << Printable(reply);
      EXPECT_TRUE(text.ends_with("\r\n\r\n" + own)) << Printable(text.substr(text.size() - 60));
      FrameEnd frame;
      EXPECT_TRUE(frame.Find(reply) && frame.size() == reply.size()) << "its length is right";
    }
    EXPECT_EQ(client.Run({"INFO", "server"}).find("# Weir"), std::string::npos);
  }
}

// The address, age and buffers of a line differ; its fields and their order must not.
std::string FieldNames(const std::string& line) {
  std::string names;
  for (size_t i = 0; i < line.size();) {
    const size_t equals = line.find('=', i);
    if (equals == std::string::npos) break;
    names += line.substr(i, equals - i) + " ";
    i = std::min(line.find_first_of(" \n", equals), line.size() - 1) + 1;
  }
  return names;
}

std::string FieldOf(const std::string& line, const std::string& name) {
  const size_t begin = (" " + line).find(" " + name + "=");
  if (begin == std::string::npos) return "(none)";
  const size_t value = begin + name.size() + 1;
  return line.substr(value, line.find_first_of(" \n", value) - value);
}

TEST(LocalCommandsTest, ClientInfoHasRedisFields) {
  const RedisServer redis;
  for (const char* version : {"2", "3"}) {
    Pair pair(redis);
    pair.ExpectSame({"HELLO", version, "SETNAME", "me"});
    pair.ExpectSame({"SELECT", "5"});
    const std::string weir = pair.weir.Run({"CLIENT", "INFO"});
    const std::string direct = pair.direct.Command({"CLIENT", "INFO"});
    EXPECT_EQ(weir[0], direct[0]);
    const std::string ours = ParseReply(weir).text;
    const std::string theirs = ParseReply(direct).text;
    EXPECT_EQ(FieldNames(ours), FieldNames(theirs));
    EXPECT_EQ(ours.back(), theirs.back());
    for (const char* field : {"id", "name", "flags", "db", "sub", "psub", "ssub", "multi", "cmd",
                              "multi-mem", "oll", "omem", "events", "user", "redir", "resp"}) {
      EXPECT_EQ(FieldOf(ours, field), FieldOf(theirs, field)) << field;
    }
  }
}

TEST(LocalCommandsTest, ClientLinesOfOtherVersions) {
  const RedisServer redis;
  LocalClient client(redis);
  client.server.version = "6.2.7";
  std::string line = ParseReply(client.Run({"CLIENT", "INFO"})).text;
  EXPECT_EQ(
      FieldNames(line),
      "id addr laddr fd name age idle flags db sub psub multi qbuf qbuf-free argv-mem obl oll "
      "omem tot-mem events cmd user redir ");
  EXPECT_EQ(FieldOf(line, "cmd"), "client");
  client.server.version = "7.2.0";
  line = ParseReply(client.Run({"CLIENT", "INFO"})).text;
  EXPECT_TRUE(FieldNames(line).ends_with("resp lib-name lib-ver ")) << line;
  client.server.server = "valkey";
  client.server.version = "8.0.1";
  line = ParseReply(client.Run({"CLIENT", "INFO"})).text;
  EXPECT_TRUE(FieldNames(line).ends_with("lib-name lib-ver tot-net-in tot-net-out tot-cmds "))
      << line;
  EXPECT_NE(FieldNames(line).find("multi watch qbuf"), std::string::npos) << line;
}

// Redis 7.2 and Valkey take all options of HELLO or none, and names up to a NUL byte. What stands
// behind it would be a line of its own in CLIENT LIST.
TEST(LocalCommandsTest, HelloAndNamesOfNewerVersions) {
  const RedisServer redis;
  LocalClient client(redis);
  client.server.version = "7.2.4";
  EXPECT_EQ(client.Run({"HELLO", "3", "SETNAME", "a", "NONSENSE"}),
            "-ERR Syntax error in HELLO option 'NONSENSE'\r\n");
  EXPECT_EQ(client.conversation.name(), "");
  EXPECT_EQ(client.conversation.protocol_version, 2);
  EXPECT_EQ(client.Run({"HELLO", "3", "SETNAME", "a", "SETNAME", "b"})[0], '%');
  EXPECT_EQ(client.conversation.name(), "b");
  const std::string name("c\0\nid=1 addr=forged", 19);
  EXPECT_EQ(client.Run({"CLIENT", "SETNAME", name}), "+OK\r\n");
  EXPECT_EQ(ParseReply(client.Run({"CLIENT", "GETNAME"})).text, name);
  const std::string line = ParseReply(client.Run({"CLIENT", "INFO"})).text;
  EXPECT_EQ(FieldOf(line, "name"), "c");
  EXPECT_EQ(line.find("forged"), std::string::npos) << line;
}

void FillWorkers(LocalClient* client) {
  client->workers[0].rows = {MakeRow(3), MakeRow(7)};
  client->workers[1].rows = {MakeRow(12), MakeRow(5)};
  client->workers[1].rows[0].user = "alice";
}

std::string IdsListed(const std::string& reply) {
  std::string ids;
  const std::string text = ParseReply(reply).text;
  for (size_t i = 0; i < text.size(); i = text.find('\n', i) + 1) {
    ids += FieldOf(text.substr(i), "id") + " ";
  }
  return ids;
}

TEST(LocalCommandsTest, ClientListGathersAllWorkers) {
  const RedisServer redis;
  LocalClient client(redis);
  FillWorkers(&client);
  EXPECT_EQ(IdsListed(client.Run({"CLIENT", "LIST"})), "3 5 7 12 ");
  EXPECT_EQ(IdsListed(client.Run({"CLIENT", "LIST", "TYPE", "normal"})), "3 5 7 12 ");
  EXPECT_EQ(IdsListed(client.Run({"CLIENT", "LIST", "TYPE", "pubsub"})), "");
  EXPECT_EQ(IdsListed(client.Run({"CLIENT", "LIST", "ID", "12", "4", "3", "12"})), "12 3 12 ");
  EXPECT_EQ(client.Run({"CLIENT", "LIST", "ID", "4"}), "$0\r\n\r\n");
  client.Run({"HELLO", "3"});
  EXPECT_EQ(client.Run({"CLIENT", "LIST"})[0], '=');
}

std::string IdsLeft(const LocalClient& client) {
  std::string ids;
  for (const FakeClients& worker : client.workers) {
    for (const ClientRow& row : worker.rows) ids += std::to_string(row.id) + " ";
  }
  return ids;
}

struct KillCase {
  Args args;
  std::string reply;
  std::string left;
};

TEST(LocalCommandsTest, ClientKillClosesWhatMatches) {
  const RedisServer redis;
  const std::vector<KillCase> cases = {
      {{"127.0.0.1:50012"}, "+OK\r\n", "3 7 5 "},
      {{"127.0.0.1:50012\0x"s}, "+OK\r\n", "3 7 5 "},
      {{"127.0.0.1:50007"}, "+OK\r\n", "3 12 5 "},
      {{"127.0.0.1:1"}, "-ERR No such client\r\n", "3 7 12 5 "},
      {{"ID", "5"}, ":1\r\n", "3 7 12 "},
      {{"ID", "7"}, ":0\r\n", "3 7 12 5 "},
      {{"ID", "7", "SKIPME", "no"}, ":1\r\n", "3 12 5 "},
      {{"ID", "5", "ID", "3"}, ":1\r\n", "7 12 5 "},
      {{"TYPE", "normal"}, ":3\r\n", "7 "},
      {{"TYPE", "normal", "skipme", "NO"}, ":4\r\n", ""},
      {{"TYPE", "master"}, ":0\r\n", "3 7 12 5 "},
      {{"USER", "default"}, ":2\r\n", "7 12 "},
      {{"USER", "default", "ADDR", "127.0.0.1:50003"}, ":1\r\n", "7 12 5 "},
      {{"LADDR", "127.0.0.1:6380"}, ":3\r\n", "7 "},
      {{"LADDR", "127.0.0.1:6381"}, ":0\r\n", "3 7 12 5 "},
  };
  for (const KillCase& test : cases) {
    LocalClient client(redis);
    FillWorkers(&client);
    Args args = {"CLIENT", "KILL"};
    args.insert(args.end(), test.args.begin(), test.args.end());
    EXPECT_EQ(client.Run(args), test.reply) << Printable(Encode(args));
    EXPECT_EQ(IdsLeft(client), test.left) << Printable(Encode(args));
  }
}

TEST(LocalCommandsTest, ClientKillKnowsMaxAgeSince74) {
  const RedisServer redis;
  LocalClient client(redis);
  FillWorkers(&client);
  client.server.version = "7.4.0";
  EXPECT_EQ(client.Run({"CLIENT", "KILL", "MAXAGE", "x"}),
            "-ERR maxage is not an integer or out of range\r\n");
  EXPECT_EQ(client.Run({"CLIENT", "KILL", "MAXAGE", "0"}),
            "-ERR maxage should be greater than 0\r\n");
  EXPECT_EQ(client.Run({"CLIENT", "KILL", "maxage", "5"}), ":2\r\n");
  EXPECT_EQ(IdsLeft(client), "3 7 ");
}

}  // namespace
}  // namespace weir::harness
