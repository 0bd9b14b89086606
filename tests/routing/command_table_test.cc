// The command table: the built-in one is the installed server's; older, newer and broken replies.
#include "routing/command_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "routing/command_class.h"
#include "routing/command_policy.h"
#include "routing/command_reply.h"
#include "routing/keys.h"
#include "tests/support/support.h"

namespace weir {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string CommandReplyOfRedis() {
  const harness::RedisServer redis;
  harness::RawClient client(redis.port());
  return client.Command({"COMMAND"});
}

// What two specs have in common, as text, so that a difference can be read.
std::string Describe(const CommandSpec& spec) {
  std::string text = spec.name + " arity " + std::to_string(spec.arity) + " flags " +
                     std::to_string(spec.flags.bits()) + " keys " + std::to_string(spec.first_key) +
                     " " + std::to_string(spec.last_key) + " " + std::to_string(spec.step) +
                     " categories " + std::to_string(spec.categories.bits());
  for (const std::string& tip : spec.tips) text += " " + tip;
  for (const KeySpec& key : spec.key_specs) {
    text += " spec " + key.notes + std::to_string(key.flags.bits()) +
            std::to_string(static_cast<int>(key.begin_search)) + std::to_string(key.index) +
            key.keyword + std::to_string(key.start_from) +
            std::to_string(static_cast<int>(key.find_keys)) + std::to_string(key.last_key) +
            std::to_string(key.key_step) + std::to_string(key.limit) +
            std::to_string(key.keynum_idx) + std::to_string(key.first_key);
  }
  return text + " subcommands " + std::to_string(spec.subcommands.size());
}

TEST(CommandTableTest, BuiltInIsWhatTheInstalledRedisSays) {
  const auto server = CommandTable::FromReply(CommandReplyOfRedis());
  ASSERT_TRUE(server.ok()) << server.status();
  const auto built_in = CommandTable::BuiltIn();
  ASSERT_EQ((*server)->commands().size(), 240U);
  EXPECT_EQ(built_in->commands().size(), 242U) << "Redis' commands, WEIR and WEIR.ON";
  for (const auto& theirs : (*server)->specs()) {
    const CommandSpec* ours =
        theirs->parent == nullptr
            ? built_in->Find(theirs->name)
            : built_in->FindSubcommand(*built_in->Find(theirs->parent->name), theirs->own_name());
    ASSERT_NE(ours, nullptr) << theirs->name;
    EXPECT_EQ(Describe(*ours), Describe(*theirs));
    EXPECT_THAT(theirs->other_flags, IsEmpty()) << theirs->name;
    EXPECT_THAT(theirs->other_categories, IsEmpty()) << theirs->name;
  }
}

TEST(CommandTableTest, KnowsWhatRedisKnowsOfACommand) {
  const auto table = CommandTable::BuiltIn();
  const CommandSpec* set = table->Find("SeT");
  ASSERT_NE(set, nullptr);
  EXPECT_EQ(set->name, "set");
  EXPECT_EQ(set->arity, -3);
  EXPECT_EQ(set->flags, (CommandFlags{CommandFlag::kWrite, CommandFlag::kDenyoom}));
  EXPECT_TRUE(set->InCategory("STRING"));
  EXPECT_FALSE(set->InCategory("list"));
  ASSERT_EQ(set->key_specs.size(), 1U);
  EXPECT_TRUE(set->key_specs[0].flags.Has(KeyFlag::kVariableFlags));
  EXPECT_TRUE(set->ArityAllows(3));
  EXPECT_TRUE(set->ArityAllows(9));
  EXPECT_FALSE(set->ArityAllows(2));
  EXPECT_FALSE(table->Find("get")->ArityAllows(3));

  EXPECT_EQ(table->Find("mget")->request_policy, RequestPolicy::kMultiShard);
  EXPECT_EQ(table->Find("dbsize")->request_policy, RequestPolicy::kAllShards);
  EXPECT_EQ(table->Find("dbsize")->response_policy, ResponsePolicy::kAggSum);
  EXPECT_EQ(table->Find("scan")->request_policy, RequestPolicy::kSpecial);

  const CommandSpec* config = table->Find("config");
  const CommandSpec* config_set = table->FindSubcommand(*config, "SET");
  ASSERT_NE(config_set, nullptr);
  EXPECT_EQ(config_set->name, "config|set");
  EXPECT_EQ(config_set->own_name(), "set");
  EXPECT_EQ(config_set->parent, config);
  EXPECT_EQ(table->FindSubcommand(*config, "get")->name, "config|get");
  EXPECT_EQ(table->FindSubcommand(*config, "nonsense"), nullptr);
  EXPECT_EQ(table->FindSubcommand(*set, "set"), nullptr);
}

TEST(CommandTableTest, FindsNothingElse) {
  const auto table = CommandTable::BuiltIn();
  for (const std::string_view name :
       {"", "g", "gett", "get ", "config|set", "nosuchcommand", "georadiusbymember_roo"}) {
    EXPECT_EQ(table->Find(name), nullptr) << name;
  }
  EXPECT_NE(table->Find("GEORADIUSBYMEMBER_RO"), nullptr);
  EXPECT_EQ(table->Find(std::string(1 << 20, 'g')), nullptr);
}

TEST(CommandTableTest, ResolvesAsRedisDoes) {
  const auto table = CommandTable::BuiltIn();
  const auto resolve = [&](const std::vector<std::string_view>& args) {
    const CommandSpec* spec = table->Resolve(ArgList(args));
    return spec == nullptr ? std::string("unknown") : spec->name;
  };
  EXPECT_EQ(resolve({"GET", "SET"}), "get");
  EXPECT_EQ(resolve({"CONFIG"}), "config");
  EXPECT_EQ(resolve({"CONFIG", "Get", "x"}), "config|get");
  EXPECT_EQ(resolve({"CONFIG", "nope"}), "unknown");
  EXPECT_EQ(resolve({"nope"}), "unknown");
}

TEST(CommandTableTest, IdsAreDenseAndListsWhole) {
  const auto table = CommandTable::BuiltIn();
  size_t listed = 0;
  for (const CommandSpec* command : table->commands()) listed += 1 + command->subcommands.size();
  EXPECT_EQ(listed, table->size());
  for (size_t i = 0; i < table->size(); ++i) EXPECT_EQ(table->specs()[i]->id, i);
}

// --- Other servers
// ---------------------------------------------------------------------------------

// An entry of Redis 5: no categories and what came after them.
constexpr std::string_view kEntryOfRedis5 =
    "*6\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n";
// An entry of Redis 6: categories, no tips, key specs and subcommands.
constexpr std::string_view kEntryOfRedis6 =
    "*7\r\n$4\r\nkeys\r\n:2\r\n*2\r\n+readonly\r\n+sort_for_script\r\n:0\r\n:0\r\n:0\r\n"
    "*2\r\n+@keyspace\r\n+@dangerous\r\n";
// An entry of a module in a server to come: unknown flag, category, tip, key spec member and field.
constexpr std::string_view kEntryOfTheFuture =
    "*12\r\n$8\r\nJSON.SET\r\n:-3\r\n*2\r\n+write\r\n+quantum\r\n:1\r\n:1\r\n:1\r\n"
    "*2\r\n+@json\r\n+@write\r\n"
    "*3\r\n$22\r\nrequest_policy:unheard\r\n$24\r\nresponse_policy:agg_max!\r\n$5\r\nfoo:1\r\n"
    "*1\r\n*8\r\n$5\r\nflags\r\n*2\r\n+RW\r\n+shiny\r\n$4\r\nmore\r\n*1\r\n*-1\r\n"
    "$12\r\nbegin_search\r\n*4\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n*2\r\n"
    "$5\r\nindex\r\n:1\r\n"
    "$9\r\nfind_keys\r\n*4\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n*4\r\n"
    "$7\r\nlastkey\r\n:0\r\n$7\r\nkeystep\r\n:1\r\n"
    "*1\r\n*6\r\n$5\r\ndeep1\r\n:2\r\n*0\r\n:0\r\n:0\r\n:0\r\n"
    "*2\r\n*1\r\n:1\r\n$-1\r\n+eleventh\r\n";

std::string Reply(std::initializer_list<std::string_view> entries) {
  std::string reply = "*" + std::to_string(entries.size()) + "\r\n";
  for (std::string_view entry : entries) reply += entry;
  return reply;
}

TEST(CommandTableTest, ReadsOlderServers) {
  const auto table = CommandTable::FromReply(Reply({kEntryOfRedis5, kEntryOfRedis6}));
  ASSERT_TRUE(table.ok()) << table.status();
  const CommandSpec* get = (*table)->Find("get");
  ASSERT_NE(get, nullptr);
  EXPECT_FALSE(get->has_key_specs);
  KeyPositions keys;
  const std::vector<std::string_view> args = {"get", "k"};
  EXPECT_EQ(FindKeys(*get, ArgList(args), &keys), KeysFound::kAll);
  ASSERT_EQ(keys.size(), 1U);
  EXPECT_EQ(keys[0].index, 1U);
  const CommandSpec* keys_command = (*table)->Find("keys");
  EXPECT_TRUE(keys_command->flags.Has(CommandFlag::kSortForScript));
  EXPECT_TRUE(keys_command->InCategory("dangerous"));
}

TEST(CommandTableTest, ReadsNewerServersAndModules) {
  const auto table = CommandTable::FromReply(Reply({kEntryOfTheFuture}));
  ASSERT_TRUE(table.ok()) << table.status();
  const CommandSpec* spec = (*table)->Find("json.set");
  ASSERT_NE(spec, nullptr);
  EXPECT_EQ(spec->name, "json.set");
  EXPECT_TRUE(spec->flags.Has(CommandFlag::kWrite));
  EXPECT_THAT(spec->other_flags, ElementsAre("quantum"));
  EXPECT_TRUE(spec->InCategory("JSON"));
  EXPECT_EQ(spec->request_policy, RequestPolicy::kNone);
  EXPECT_EQ(spec->response_policy, ResponsePolicy::kNone);
  EXPECT_EQ(spec->tips.size(), 3U);
  ASSERT_EQ(spec->key_specs.size(), 1U);
  EXPECT_EQ(spec->key_specs[0].find_keys, KeySpec::FindKeys::kRange);
  ASSERT_EQ(spec->subcommands.size(), 1U);
  EXPECT_EQ(spec->subcommands[0]->name, "json.set|deep1");
}

TEST(CommandTableTest, MergeAddsToWhatIsKnownAndKeepsIds) {
  const auto base = CommandTable::BuiltIn();
  const std::string older_mget = "*7\r\n$4\r\nmget\r\n:-9\r\n*0\r\n:1\r\n:-1\r\n:1\r\n*0\r\n";
  const std::string newer_get =
      "*10\r\n$3\r\nget\r\n:7\r\n*0\r\n:1\r\n:1\r\n:1\r\n*0\r\n*0\r\n*0\r\n*0\r\n";
  const std::string newer_client =
      "*10\r\n$6\r\nclient\r\n:-2\r\n*0\r\n:0\r\n:0\r\n:0\r\n*0\r\n*0\r\n*0\r\n*1\r\n"
      "*10\r\n$11\r\nclient|capa\r\n:-3\r\n*0\r\n:0\r\n:0\r\n:0\r\n*0\r\n*0\r\n*0\r\n*0\r\n";
  const auto server =
      CommandTable::FromReply(Reply({kEntryOfTheFuture, older_mget, newer_get, newer_client}));
  ASSERT_TRUE(server.ok()) << server.status();
  const auto merged = CommandTable::Merge(*base, **server);

  EXPECT_EQ(merged->Find("mget")->arity, -2)
      << "an older server knows less than the built-in table";
  EXPECT_EQ(merged->Find("get")->arity, 7) << "a newer server knows better";
  const CommandSpec* client = merged->Find("client");
  ASSERT_NE(merged->FindSubcommand(*client, "capa"), nullptr);
  EXPECT_NE(merged->FindSubcommand(*client, "id"), nullptr);
  EXPECT_EQ(client->subcommands.size(), base->Find("client")->subcommands.size() + 1);
  EXPECT_EQ(merged->size(), base->size() + 3);
  EXPECT_EQ(merged->commands().front()->name, "json.set") << "in the server's order";
  EXPECT_EQ(merged->commands().back()->name, "weir");
  for (const auto& spec : base->specs()) EXPECT_EQ(merged->specs()[spec->id]->name, spec->name);
  for (const auto& spec : merged->specs()) {
    if (spec->parent == nullptr) continue;
    EXPECT_EQ(merged->specs()[spec->parent->id].get(), spec->parent);
  }
}

// rename-command FLUSHALL "", or a module unloaded: the table went on to say that it is there.
TEST(CommandTableTest, MergeForgetsWhatAServerThatListsAllDoesNotHave) {
  const auto base = CommandTable::BuiltIn();
  const std::string get =
      "*10\r\n$3\r\nget\r\n:2\r\n*0\r\n:1\r\n:1\r\n:1\r\n*0\r\n*0\r\n*0\r\n*0\r\n";
  const std::string config =
      "*10\r\n$6\r\nconfig\r\n:-2\r\n*0\r\n:0\r\n:0\r\n:0\r\n*0\r\n*0\r\n*0\r\n*1\r\n"
      "*10\r\n$10\r\nconfig|get\r\n:-3\r\n*0\r\n:0\r\n:0\r\n:0\r\n*0\r\n*0\r\n*0\r\n*0\r\n";
  const auto server = CommandTable::FromReply(Reply({get, config}));
  ASSERT_TRUE(server.ok()) << server.status();
  const auto merged = CommandTable::Merge(*base, **server);
  EXPECT_NE(merged->Find("get"), nullptr);
  EXPECT_EQ(merged->Find("flushall"), nullptr);
  const CommandSpec* container = merged->Find("config");
  ASSERT_NE(container, nullptr);
  EXPECT_NE(merged->FindSubcommand(*container, "get"), nullptr);
  EXPECT_EQ(merged->FindSubcommand(*container, "set"), nullptr);
  EXPECT_EQ(container->subcommands.size(), 1U);
  EXPECT_NE(merged->Find("weir"), nullptr) << "weir's own is no server's";
  EXPECT_EQ(merged->commands().size(), 4U);
  // Ids stay what they were: counters are kept by them.
  for (const auto& spec : base->specs()) EXPECT_EQ(merged->specs()[spec->id]->name, spec->name);
  const auto routing = RoutingTable::Make(merged, CommandPolicy());
  EXPECT_EQ(routing->Find("flushall"), nullptr);
  EXPECT_NE(routing->Find("get"), nullptr);
}

// --- What no server should say
// ---------------------------------------------------------------------

std::string ErrorOf(std::string_view reply) {
  const auto table = CommandTable::FromReply(reply);
  EXPECT_FALSE(table.ok()) << harness::Printable(reply);
  return std::string(table.status().message());
}

TEST(CommandTableTest, SaysWhatIsMalformed) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("byte 0: expected an array"));
  EXPECT_THAT(ErrorOf("-ERR no\r\n"), HasSubstr("expected an array"));
  EXPECT_THAT(ErrorOf("*99999999\r\n"), HasSubstr("more elements than there are bytes"));
  EXPECT_THAT(ErrorOf("*9223372036854775808\r\n"), HasSubstr("expected an array"));
  EXPECT_THAT(ErrorOf("*1\r\n*3\r\n$3\r\nget\r\n:1\r\n*0\r\n"), HasSubstr("fewer than 6 fields"));
  EXPECT_THAT(ErrorOf("*1\r\n*6\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n"),
              HasSubstr("expected a string"));
  EXPECT_THAT(ErrorOf("*1\r\n*6\r\n$3\r\nget\r\n:99999999999\r\n*0\r\n:0\r\n:0\r\n:0\r\n"),
              HasSubstr("expected an integer"));
  EXPECT_THAT(ErrorOf("*1\r\n*6\r\n$3\r\ng t\r\n:1\r\n*0\r\n:0\r\n:0\r\n:0\r\n"),
              HasSubstr("has a blank"));
  EXPECT_THAT(ErrorOf("*1\r\n*6\r\n$0\r\n\r\n:1\r\n*0\r\n:0\r\n:0\r\n:0\r\n"),
              HasSubstr("empty or too long"));
  EXPECT_THAT(ErrorOf("*1\r\n*6\r\n$999\r\nx\r\n:1\r\n*0\r\n:0\r\n:0\r\n:0\r\n"),
              HasSubstr("expected a string"));
  EXPECT_THAT(ErrorOf(Reply({kEntryOfRedis5}) + "+more\r\n"), HasSubstr("end of the reply"));
}

TEST(CommandTableTest, BoundsNamesAndNumbers) {
  const auto entry = [](const std::string& name) {
    return "*6\r\n$" + std::to_string(name.size()) + "\r\n" + name +
           "\r\n:1\r\n*0\r\n:0\r\n:0\r\n:0\r\n";
  };
  EXPECT_TRUE(CommandTable::FromReply("*1\r\n" + entry(std::string(128, 'a'))).ok());
  EXPECT_THAT(ErrorOf("*1\r\n" + entry(std::string(129, 'a'))), HasSubstr("too long"));
  std::string many;
  for (size_t i = 0; i < kCommandSpecsMax; ++i) many += entry("c" + std::to_string(i));
  const auto full = CommandTable::FromReply("*16384\r\n" + many);
  ASSERT_TRUE(full.ok()) << full.status();
  EXPECT_NE((*full)->Find("C16383"), nullptr);
  EXPECT_THAT(ErrorOf("*16385\r\n" + many + entry("one.too.many")),
              HasSubstr("more commands than weir takes"));
  std::string key_specs;
  for (size_t i = 0; i <= kKeySpecsMax; ++i) key_specs += "*0\r\n";
  EXPECT_THAT(ErrorOf("*1\r\n*9\r\n$1\r\nx\r\n:1\r\n*0\r\n:0\r\n:0\r\n:0\r\n*0\r\n*0\r\n*65\r\n" +
                      key_specs),
              HasSubstr("too many key specs"));
  EXPECT_THAT(ErrorOf(std::string(kCommandReplyBytesMax + 1, '*')), HasSubstr("more bytes than"));
}

TEST(CommandTableTest, RefusesEveryTruncation) {
  const std::string reply = Reply({kEntryOfTheFuture, kEntryOfRedis6, kEntryOfRedis5});
  ASSERT_TRUE(CommandTable::FromReply(reply).ok());
  for (size_t size = 0; size < reply.size(); ++size) ErrorOf(reply.substr(0, size));
}

// Hostile bytes give an error or a table, and the table's specs find no argument that is not there.
TEST(CommandTableTest, SurvivesMutations) {
  harness::Random random(harness::Seed());
  const std::string sound = CommandReplyOfRedis();
  const std::vector<std::string_view> args = {"x", "2", "STREAMS", "1", "k", "STORE", "KEYS", "0"};
  int accepted = 0;
  for (int round = 0; round < 300; ++round) {
    // Only digits are changed in most rounds, so that many replies stay well-formed.
    std::string reply = sound;
    for (int i = 0; i < 20; ++i) {
      char& c = reply[harness::Below(random, reply.size())];
      if (c >= '0' && c <= '9' && round % 3 != 0) {
        c = static_cast<char>('0' + harness::Below(random, 10));
      } else if (round % 10 == 0) {
        c = static_cast<char>(harness::Below(random, 256));
      }
    }
    const auto table = CommandTable::FromReply(reply);
    if (!table.ok()) continue;
    ++accepted;
    for (const auto& spec : (*table)->specs()) {
      KeyPositions keys;
      for (size_t argc = 1; argc <= args.size(); ++argc) {
        const ArgList list(absl::MakeConstSpan(args.data(), argc));
        (void)FindKeys(*spec, list, &keys);
        for (const KeyPosition& key : keys) ASSERT_LT(key.index, argc) << spec->name;
      }
    }
  }
  EXPECT_GT(accepted, 0);
}

}  // namespace
}  // namespace weir
