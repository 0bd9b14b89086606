// Every command of Redis' table: none lets a tenant reach what is not its own.
//
// Names and expectations are generated from the table, and real servers say what is true: where the
// keys are (COMMAND GETKEYS), and what a request did to the keys of others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "plugins/namespace_request.h"
#include "routing/keys.h"
#include "routing/text.h"
#include "tests/plugins/namespace_support.h"
#include "tests/support/command_generator.h"
#include "tests/support/support.h"

namespace weir::testing {
namespace {

using Outcome = NamespacedRequest::Outcome;

Args NameOf(const CommandSpec& spec) {
  Args args;
  if (spec.parent != nullptr) args.push_back(spec.parent->name);
  args.push_back(ToUpper(spec.own_name()));
  return args;
}

bool IsContainer(const CommandSpec& spec) { return !spec.subcommands.empty(); }

// With as many arguments as it wants and a few more.
std::vector<Args> PlausibleCalls(const CommandSpec& spec) {
  std::vector<Args> calls;
  for (size_t more = 0; more < (spec.arity < 0 ? 4 : 1); ++more) {
    Args args = NameOf(spec);
    while (args.size() < static_cast<size_t>(std::abs(spec.arity)) + more) args.emplace_back("1");
    calls.push_back(std::move(args));
  }
  return calls;
}

// The commands of which some call passes with no prefix, though it is no error.
std::set<std::string> PassingOf(const Tenant& tenant) {
  std::set<std::string> passing;
  for (const auto& spec : tenant.routes->commands().specs()) {
    if (spec->absent || IsContainer(*spec)) continue;
    for (const Args& args : PlausibleCalls(*spec)) {
      if (tenant.Ask(args).outcome == Outcome::kPass) passing.insert(spec->name);
    }
  }
  return passing;
}

// A command that is new here needs a thought: what of others could it read, write, count or hear?
const std::set<std::string> kPassing = {"acl|cat",
                                        "acl|genpass",
                                        "acl|help",
                                        "acl|whoami",
                                        "asking",
                                        "auth",
                                        "client|caching",
                                        "client|getname",
                                        "client|getredir",
                                        "client|help",
                                        "client|id",
                                        "client|info",
                                        "client|reply",
                                        "client|setname",
                                        "client|tracking",
                                        "client|trackinginfo",
                                        "cluster|help",
                                        "cluster|info",
                                        "cluster|myid",
                                        "cluster|nodes",
                                        "cluster|shards",
                                        "cluster|slots",
                                        "command|count",
                                        "command|docs",
                                        "command|getkeys",
                                        "command|getkeysandflags",
                                        "command|help",
                                        "command|info",
                                        "command|list",
                                        "config|help",
                                        "discard",
                                        "echo",
                                        "exec",
                                        "function|help",
                                        "hello",
                                        "info",
                                        "latency|help",
                                        "lolwut",
                                        "memory|help",
                                        "module|help",
                                        "multi",
                                        "object|help",
                                        "ping",

                                        "pubsub|help",
                                        "pubsub|numsub",
                                        "pubsub|shardnumsub",
                                        "punsubscribe",
                                        "quit",
                                        "readonly",
                                        "readwrite",
                                        "reset",
                                        "role",
                                        "script|help",
                                        "select",
                                        "slowlog|help",

                                        "sunsubscribe",
                                        "time",
                                        "unsubscribe",
                                        "unwatch",
                                        "wait",
                                        "weir|explain",
                                        "weir|health",
                                        "weir|help",
                                        "xgroup|help",
                                        "xinfo|help",
                                        "xread",
                                        "xreadgroup"};

// Of these the calls without names do: UNSUBSCRIBE, PUBSUB NUMSUB, and XREAD without STREAMS.

TEST(NamespaceTableTest, WhatPassesIsWrittenDown) {
  const Tenant tenant;
  EXPECT_THAT(PassingOf(tenant), ::testing::ContainerEq(kPassing));
  // Scripts that say they have no keys pass, too, once they are allowed.
  std::set<std::string> with_scripts = kPassing;
  with_scripts.insert({"eval", "eval_ro", "evalsha", "evalsha_ro", "fcall", "fcall_ro",
                       "script|exists", "script|load"});
  EXPECT_THAT(PassingOf({.scripts = true}), ::testing::ContainerEq(with_scripts));
}

TEST(NamespaceTableTest, OfARealServerNoMorePasses) {
  const harness::RedisServer redis;
  harness::RawClient client(redis.port());
  const auto server = CommandTable::FromReply(client.Command({"COMMAND"}));
  ASSERT_TRUE(server.ok());
  const Tenant tenant = {.routes =
                             RoutesOf(CommandTable::Merge(*CommandTable::BuiltIn(), **server))};
  std::set<std::string> known = kPassing;
  known.insert(
      {"client|capa", "client|no-touch", "client|setinfo", "cluster|myshardid", "waitaof"});
  for (const std::string& name : PassingOf(tenant)) EXPECT_TRUE(known.count(name)) << name;
}

// --- Positions

const Args kVocabulary = {"1",         "2",    "0",     "STORE", "get",      "by",   "LIMIT",
                          "storedist", "KEYS", "AUTH",  "AUTH2", "",         "COPY", "STREAMS",
                          "count",     "SET",  "GROUP", "#",     "overflow", "k*"};

Args RandomCall(const CommandSpec& spec, harness::Random* random) {
  Args args = NameOf(spec);
  const size_t least = static_cast<size_t>(std::abs(spec.arity));
  const size_t most = spec.arity > 0 ? least : least + harness::Below(*random, 9);
  while (args.size() < most) {
    args.push_back(harness::Below(*random, 2) == 0
                       ? "k" + std::to_string(1 + harness::Below(*random, 13))
                       : kVocabulary[harness::Below(*random, kVocabulary.size())]);
  }
  return args;
}

std::string Line(const Args& args) {
  std::string line;
  for (const std::string& arg : args) line += "'" + arg + "' ";
  return line;
}

// Where more is named than COMMAND GETKEYS says; see namespace_request.h.
bool HasMoreThanGetkeysSays(const std::string& name) {
  return name.starts_with("sort") || name.starts_with("xread") || name == "georadius" ||
         name == "georadiusbymember";
}

// COMMAND GETKEYS looks for a word anywhere, also where it is another option's argument.
bool IsMisreadByGetkeys(const CommandSpec& spec, const Args& args) {
  const Args words = spec.name.starts_with("xread") ? Args{"STREAMS"} : Args{"STORE", "storedist"};
  const Args takers = {"STREAMS", "STORE", "storedist", "count", "GROUP"};
  const auto is_among = [](const Args& list, const std::string& word) {
    return std::find(list.begin(), list.end(), word) != list.end();
  };
  if (spec.name == "migrate") return args.back() == "KEYS";
  const bool has_options = spec.name.starts_with("xread") || spec.name.starts_with("sort") ||
                           spec.name.starts_with("georadius");
  if (!has_options) return false;
  for (size_t i = 2; i < args.size(); ++i) {
    if (!is_among(words, args[i])) continue;
    if (is_among(takers, args[i - 1]) || args[i - 2] == "GROUP") return true;
  }
  return std::count(args.begin(), args.end(), "STREAMS") > 1;
}

TEST(NamespaceTableTest, PositionsAreThoseOfGetkeys) {
  const harness::RedisServer redis;
  harness::RawClient client(redis.port());
  harness::Random random(harness::Seed());
  const Tenant tenant = {.scripts = true};
  size_t compared = 0;
  for (const auto& spec : tenant.routes->commands().specs()) {
    if (spec->name.starts_with("weir") || !MayHaveKeys(*spec)) continue;
    for (int round = 0; round < 150 && !HasFailure(); ++round) {
      const Args args = RandomCall(*spec, &random);
      Args request = {"COMMAND", "GETKEYS"};
      request.insert(request.end(), args.begin(), args.end());
      const harness::Reply reply = harness::ParseReply(client.Command(request));
      if (reply.type == '-' || IsMisreadByGetkeys(*spec, args)) continue;
      const NamespacedRequest asked = tenant.Ask(args);
      std::multiset<std::string> theirs, ours;
      for (const harness::Reply& key : reply.elements) theirs.insert(key.text);
      for (const uint32_t position : asked.positions) ours.insert(args.at(position));
      EXPECT_NE(asked.outcome, Outcome::kRewritten) << Line(args);
      EXPECT_EQ(asked.refusal, "") << Line(args);
      // Malformed numbers of keys: no keys, says Redis, and all that could be any, says weir.
      if (theirs.empty() && spec->flags.Has(CommandFlag::kNoMandatoryKeys)) continue;
      if (HasMoreThanGetkeysSays(spec->name)) {
        EXPECT_TRUE(std::includes(ours.begin(), ours.end(), theirs.begin(), theirs.end()))
            << Line(args) << ::testing::PrintToString(ours);
      } else {
        EXPECT_EQ(ours, theirs) << Line(args);
      }
      ++compared;
    }
  }
  EXPECT_GT(compared, 2000U);
}

// --- What a server does

constexpr std::string_view kSecret = "SECRET";

// A key of each type for whoever asks for `name`; `word` is what their values say.
void Fill(harness::RawClient* client, const std::string& name, size_t type,
          const std::string& word) {
  const std::string number = std::to_string(name.size() % 3);
  switch (type % 6) {
    case 0:
      client->Command({"SET", name, word});
      break;
    case 1:
      client->Command({"RPUSH", name, word, "1", "k1"});
      break;
    case 2:
      client->Command({"HSET", name, word, word, "1", word});
      break;
    case 3:
      client->Command({"ZADD", name, "1", word, "2", "k1"});
      client->Command({"GEOADD", name, "1", "2", word + "g"});
      break;
    case 4:
      client->Command({"SADD", name, word, "k2"});
      break;
    default:
      client->Command({"XADD", name, "1-1", word, word});
      client->Command({"XGROUP", "CREATE", name, "k4", "0"});
      break;
  }
}

// Names that may come up in a request: what RandomCall says, and names that only others have.
Args NamesOfOthers() {
  Args names = kVocabulary;
  for (int i = 1; i < 14; ++i) names.push_back("k" + std::to_string(i));
  for (int i = 0; i < 12; ++i) names.push_back(std::string(kSecret) + std::to_string(i));
  for (const char* of_generator : {"s", "l", "h", "set", "z", "x", "{tag}g", "p", "acme"}) {
    names.emplace_back(of_generator);
  }
  return names;
}

class NamespaceAttackTest : public ::testing::Test {
 protected:
  // Whether it may be sent inside MULTI, where nothing blocks and nothing is left behind.
  static bool MayTry(const CommandSpec& spec) {
    const NamespaceRule rule = RuleOfNamespace(spec);
    const bool waits_for_others = spec.name == "migrate";  // connects to what it is told
    return !IsContainer(spec) && rule.way != NamespaceWay::kPass &&
           rule.way != NamespaceWay::kTracking && rule.reply != NamespaceReply::kPush &&
           !waits_for_others;
  }

  void FillOthers() {
    size_t type = 0;
    for (const std::string& name : names_) Fill(&client_, name, type++, std::string(kSecret));
  }
  void FillOwn(uint64_t turn) {
    for (const std::string& name : names_) {
      if (name.starts_with(kSecret)) continue;
      Fill(&client_, "acme:" + name, turn++, "mine");
    }
  }

  // All that there is of others, as bytes.
  std::string Others() {
    const harness::Reply keys = harness::ParseReply(client_.Command({"KEYS", "*"}));
    Args theirs = {"DEBUG", "DIGEST-VALUE"};
    for (const harness::Reply& key : keys.elements) {
      if (!key.text.starts_with("acme:")) theirs.push_back(key.text);
    }
    std::sort(theirs.begin() + 2, theirs.end());
    return Line(theirs) + client_.Command(theirs);
  }

  // The client's reply, from within a transaction of its own.
  std::string Try(const Args& args) {
    const NamespacedRequest asked = tenant_.Ask(args);
    if (asked.outcome == Outcome::kRefused) return asked.refusal;
    client_.Command({"MULTI"});
    const std::string queued = client_.Command(tenant_.Sent(args, asked));
    if (queued[0] == '-') {
      client_.Command({"DISCARD"});
      return TakeOff(asked.reply, tenant_.prefix, queued);
    }
    const std::string reply = client_.Command({"EXEC"});
    const auto taken = TakeOffExec({&asked.reply, 1}, tenant_.prefix, reply);
    EXPECT_TRUE(taken.has_value()) << Line(args) << harness::Printable(reply);
    return taken.value_or("");
  }

  const harness::RedisServer redis_{{"--enable-debug-command", "yes"}};
  harness::RawClient client_{redis_.port()};
  const Args names_ = NamesOfOthers();
  Tenant tenant_{.scripts = true};
};

TEST_F(NamespaceAttackTest, NoCommandReachesOthers) {
  harness::Random random(harness::Seed());
  FillOthers();
  const std::string before = Others();
  ASSERT_THAT(before, ::testing::HasSubstr("SECRET11"));
  size_t tried = 0, answered = 0;
  for (const auto& spec : tenant_.routes->commands().specs()) {
    if (!MayTry(*spec)) continue;
    Args last;
    for (int round = 0; round < 100; ++round) {
      if (round % 20 == 0) {
        FillOwn(harness::Below(random, 6));
      }
      last = RandomCall(*spec, &random);
      const std::string reply = Try(last);
      EXPECT_THAT(reply, ::testing::Not(::testing::HasSubstr(kSecret))) << Line(last);
      EXPECT_THAT(reply, ::testing::Not(::testing::HasSubstr("acme:k"))) << Line(last);
      ++tried;
      if (!reply.starts_with("*1\r\n-") && !reply.starts_with("-")) ++answered;
    }
    ASSERT_EQ(Others(), before) << spec->name << ", the last call was " << Line(last);
    ASSERT_FALSE(HasFailure());
  }
  printf("%zu calls, %zu answered\n", tried, answered);
  EXPECT_GT(answered, tried / 20);
}

// The same with requests that make sense, mostly.
TEST_F(NamespaceAttackTest, NoCommonRequestReachesOthers) {
  const uint64_t seed = harness::Seed();
  harness::Random random(seed);
  harness::CommandGenerator generator(seed);
  FillOthers();
  const std::string before = Others();
  for (int i = 0; i < 6000; ++i) {
    if (i % 500 == 0) FillOwn(harness::Below(random, 6));
    const Args args = generator.Next();
    const std::vector<std::string_view> views(args.begin(), args.end());
    const CommandEntry* entry = tenant_.routes->Resolve(ArgList(absl::MakeConstSpan(views)));
    if (entry == nullptr || entry->spec == nullptr || !MayTry(*entry->spec)) continue;
    EXPECT_THAT(Try(args), ::testing::Not(::testing::HasSubstr(kSecret))) << Line(args);
    if (i % 100 == 0) {
      ASSERT_EQ(Others(), before) << i << " " << Line(args);
      ASSERT_FALSE(HasFailure());
    }
  }
  EXPECT_EQ(Others(), before);
}

// The test must be able to fail: without the prefix the same calls do reach others.
TEST_F(NamespaceAttackTest, TheCallsAreNotHarmlessByThemselves) {
  harness::Random random(harness::Seed());
  FillOthers();
  const std::string before = Others();
  std::set<std::string> readers, writers;
  for (const auto& spec : tenant_.routes->commands().specs()) {
    if (!MayTry(*spec) || !MayHaveKeys(*spec)) continue;
    for (int round = 0; round < 100; ++round) {
      const Args args = RandomCall(*spec, &random);
      client_.Command({"MULTI"});
      client_.Command(args);
      if (client_.Command({"EXEC"}).find(kSecret) != std::string::npos) readers.insert(spec->name);
    }
    if (Others() != before) {
      writers.insert(spec->name);
      client_.Command({"FLUSHALL"});
      FillOthers();
    }
  }
  EXPECT_GT(readers.size(), 12U) << ::testing::PrintToString(readers);
  EXPECT_GT(writers.size(), 25U) << ::testing::PrintToString(writers);
}

TEST_F(NamespaceAttackTest, GetkeysMisreadsWhatRedisWrites) {
  client_.Command({"GEOADD", "acme:k", "1", "2", "m"});
  client_.Command({"XADD", "victim", "1-1", "f", std::string(kSecret)});
  const std::string before = Others();
  const Args read = Words("XREADGROUP COUNT 1 GROUP STREAMS x STREAMS victim >");
  EXPECT_THAT(Try(read), ::testing::HasSubstr("-NOGROUP No such key 'victim' or consumer group"));
  const Args store = {"GEORADIUS", "k", "1", "2", "3", "m", "STORE", "a", "STORE", "victim"};
  EXPECT_EQ(Try(store), "*1\r\n:1\r\n");
  EXPECT_EQ(Try({"PFMERGE", "d"}), "*1\r\n+OK\r\n");
  EXPECT_EQ(Others(), before);
  EXPECT_EQ(client_.Command({"EXISTS", "acme:victim", "acme:d"}), ":2\r\n");
}

TEST_F(NamespaceAttackTest, FlushingLeavesOthersAlone) {
  const auto fill = [&](const std::string& prefix, int count) {
    for (int i = 0; i < count; ++i) {
      client_.Send(harness::Encode({"SET", prefix + std::to_string(i), "v"}));
    }
    client_.ReadFrames(static_cast<size_t>(count));
  };
  for (const char* db : {"3", "0"}) {
    client_.Command({"SELECT", db});
    fill("acme:", 5000), fill("other:", 100), fill("acme", 1);
  }
  EXPECT_EQ(Try({"FLUSHDB"}), "*1\r\n+OK\r\n");
  EXPECT_EQ(client_.Command({"DBSIZE"}), ":101\r\n");
  EXPECT_EQ(Try({"DBSIZE"}), "*1\r\n:0\r\n");
  client_.Command({"SELECT", "3"});
  EXPECT_EQ(client_.Command({"DBSIZE"}), ":5101\r\n");
  EXPECT_EQ(Try({"DBSIZE"}), "*1\r\n:5000\r\n");
  client_.Command({"SELECT", "5"});
  EXPECT_EQ(Try({"FLUSHALL", "SYNC"}), "*1\r\n+OK\r\n");
  // The script's SELECTs are its own.
  EXPECT_EQ(client_.Command({"SET", "here", "1"}), "+OK\r\n");
  client_.Command({"SELECT", "3"});
  EXPECT_EQ(client_.Command({"DBSIZE"}), ":101\r\n");
  client_.Command({"SELECT", "5"});
  EXPECT_EQ(client_.Command({"DBSIZE"}), ":1\r\n");
}

}  // namespace
}  // namespace weir::testing
