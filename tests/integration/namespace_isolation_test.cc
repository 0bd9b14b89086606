// No command of Redis' table lets a tenant read, write, count or hear what is another's: each is
// sent with arguments of all kinds, the other's names and patterns that match them among them.
#include <cctype>
#include <functional>
#include <map>
#include <memory>
#include <set>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

constexpr const char* kValue = "S3CRET";  // in all values of the one, never sent by the other
constexpr const char* kUnguessed = "unguessed";  // in a key and a channel of the one, likewise

constexpr const char* kWords[] = {
    "a:s-string",  "a:s-list",
    "a:s-hash",    "a:s-set",
    "a:s-zset",    "a:s-stream",
    "s-string",    "s-list",
    "*",           "a:*",
    "?:*",         "[a-z]:*",
    "0",           "1",
    "2",           "100",
    "-1",          "-",
    "+",           "MATCH",
    "COUNT",       "STORE",
    "BY",          "GET",
    "DB",          "REPLACE",
    "STREAMS",     "GROUP",
    "KEYS",        "PREFIX",
    "BCAST",       "ON",
    "LEFT",        "MIN",
    "WITHSCORES",  "LIMIT",
    "ALPHA",       "#",
    "a:s-hash->f", "*->f",
    "FROMMEMBER",  "x",
    "AND",         "WEIGHTS",
    "127.0.0.1",   "return redis.call('keys','*')",
};

class NamespaceIsolationTest : public ::testing::TestWithParam<const char*> {
 protected:
  NamespaceIsolationTest() {
    WeirConfig config;
    config.url = redis_.url();
    config.commands = "allow = [\"@all\"]\n";
    config.rest = "[[listener]]\naddress = \"unix:" + b_path() +
                  "\"\n"
                  "[plugin.namespaces]\nenabled = true\n"
                  "[[plugin.namespaces.rule]]\nname = \"b\"\nlisteners = [\"unix:" +
                  b_path() +
                  "\"]\nprefix = \"b:\"\n"
                  "[[plugin.namespaces.rule]]\nname = \"a\"\nprefix = \"a:\"\n";
    weir_ = std::make_unique<WeirServer>(config);
    RawClient a(weir_->port());
    const std::string value = kValue;
    a.Command({"SET", "s-string", value});
    a.Command({"RPUSH", "s-list", value, value + "2"});
    a.Command({"HSET", "s-hash", "f", value});
    a.Command({"SADD", "s-set", value});
    a.Command({"ZADD", "s-zset", "1", value});
    a.Command({"XADD", "s-stream", "1-1", "f", value});
    a.Command({"XGROUP", "CREATE", "s-stream", "g", "0"});
    a.Command({"SET", kUnguessed, value});
  }
  std::string b_path() const { return dir_.path() + "/b.sock"; }

  // All that the one has, as Redis itself dumps it.
  std::map<std::string, std::string> Holdings() {
    std::map<std::string, std::string> all;
    const Reply keys = ParseReply(direct_.Command({"KEYS", "a:*"}));
    for (const Reply& key : keys.elements) all[key.text] = direct_.Command({"DUMP", key.text});
    return all;
  }

  // The names of COMMAND, subcommands too, in words.
  std::vector<std::vector<std::string>> Commands() {
    std::vector<std::vector<std::string>> names;
    const Reply listed = ParseReply(direct_.Command({"COMMAND", "LIST"}));
    for (const Reply& name : listed.elements) names.push_back({name.text});
    for (const char* container :
         {"ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DEBUG", "FUNCTION", "LATENCY", "MEMORY",
          "MODULE", "OBJECT", "PUBSUB", "SCRIPT", "SLOWLOG", "XGROUP", "XINFO"}) {
      const Reply help = ParseReply(direct_.Command({container, "HELP"}));
      for (const Reply& line : help.elements) {
        if (line.text.empty() || std::isupper(line.text[0]) == 0) continue;
        names.push_back({container, line.text.substr(0, line.text.find_first_of(" ("))});
      }
    }
    for (const char* own : {"WEIR", "WEIR.ON", "WEIR.LIMIT", "WEIR.IDEM", "CL.THROTTLE"}) {
      names.push_back({own});
    }
    for (const char* own : {"EXPLAIN", "HOTKEYS", "BIGKEYS", "SLOWLOG", "TOPOLOGY", "HEALTH"}) {
      names.push_back({"WEIR", own});
    }
    return names;
  }

  // All that comes until the PING is answered; of what blocks, or wants to hear nothing, what comes
  // for a while.
  static std::string ReadUntilDone(RawClient* client) {
    constexpr int kReadsMax = 150;
    std::string heard;
    for (int i = 0; i < kReadsMax; ++i) {
      heard += client->ReadAvailable(3);
      const bool done =
          heard.find("b-is-done") != std::string::npos || heard.find("QUEUED") != std::string::npos;
      if (done) break;
    }
    return heard;
  }

  static bool Leaks(const std::string& heard) {
    return heard.find(kValue) != std::string::npos || heard.find(kUnguessed) != std::string::npos;
  }

  TempDir dir_;
  RedisServer redis_;
  std::unique_ptr<WeirServer> weir_;
  RawClient direct_{redis_.port()};
};

INSTANTIATE_TEST_SUITE_P(Resp, NamespaceIsolationTest, ::testing::Values("2", "3"));

TEST_P(NamespaceIsolationTest, NoCommandReachesTheOther) {
  constexpr int kTries = 6;
  constexpr int kMoreArgsMax = 7;
  Random random(Seed());
  const std::map<std::string, std::string> before = Holdings();
  ASSERT_EQ(before.size(), 7u);
  RawClient a(weir_->port());
  RawClient listener(weir_->port());
  listener.Command({"SUBSCRIBE", "s-channel"});
  std::set<std::string> answered;
  for (const std::vector<std::string>& name : Commands()) {
    for (int attempt = 0; attempt < kTries; ++attempt) {
      std::vector<std::string> args = name;
      for (uint64_t more = Below(random, kMoreArgsMax + 1); more != 0; --more) {
        args.emplace_back(kWords[Below(random, std::size(kWords))]);
      }
      RawClient b(b_path());
      b.Send(Encode({"HELLO", GetParam()}) + Encode(args) + Encode({"PING", "b-is-done"}));
      b.ReadFrame();
      std::string heard = ReadUntilDone(&b);
      if (heard.find("\r\n") != std::string::npos && heard[0] != '-') answered.insert(name[0]);
      a.Send(Encode({"PUBLISH", kUnguessed, kValue}) + Encode({"SET", kUnguessed, kValue}) +
             Encode({"PUBLISH", "s-channel", "mine"}));
      a.ReadFrames(3);
      heard += b.ReadAvailable(3);
      ASSERT_FALSE(Leaks(heard)) << Printable(Encode(args)) << "\n" << Printable(heard);
      const std::string own = listener.ReadFrame();
      ASSERT_EQ(own, "*3\r\n$7\r\nmessage\r\n$9\r\ns-channel\r\n$4\r\nmine\r\n")
          << Printable(Encode(args));
    }
    ASSERT_EQ(Holdings(), before) << name[0] << (name.size() > 1 ? " " + name[1] : "");
  }
  // It is not that everything is refused.
  EXPECT_GT(answered.size(), 40u);
  EXPECT_EQ(a.Command({"DBSIZE"}), ":7\r\n");
}

}  // namespace
}  // namespace weir::harness
