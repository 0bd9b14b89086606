// The plugin idempotency: what it makes of requests, of answers, and of its configuration.
#include "plugins/idempotency.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "plugins/idem_command.h"
#include "plugins/idem_reply.h"
#include "plugins/idem_script.h"
#include "plugins/idem_token.h"
#include "plugins/text.h"
#include "routing/command_class.h"
#include "routing/command_table.h"
#include "routing/slot.h"

namespace weir {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

using Args = std::vector<std::string_view>;

ArgList List(const Args& args) { return absl::MakeConstSpan(args); }

// ---- replies

std::string In3(std::string_view recorded, IdemShape shape) {
  return SayRecorded(recorded, shape, 3).value_or("nothing");
}
std::string In2(std::string_view recorded, IdemShape shape) {
  return SayRecorded(recorded, shape, 2).value_or("nothing");
}

TEST(IdemReply, PlainRepliesDifferInTheirNullsOnly) {
  for (const std::string_view reply :
       {"+OK\r\n", "-ERR no\r\n", ":-5\r\n", "$0\r\n\r\n", "$6\r\n$-1\r\n!\r\n", "*0\r\n",
        "*2\r\n*1\r\n:1\r\n$1\r\nx\r\n"}) {
    EXPECT_EQ(In2(reply, IdemShape::kPlain), reply);
    EXPECT_EQ(In3(reply, IdemShape::kPlain), reply);
  }
  EXPECT_EQ(In2("*2\r\n$-1\r\n:1\r\n", IdemShape::kPlain), "*2\r\n$-1\r\n:1\r\n");
  EXPECT_EQ(In3("*2\r\n$-1\r\n:1\r\n", IdemShape::kPlain), "*2\r\n_\r\n:1\r\n");
  EXPECT_EQ(In2("$-1\r\n", IdemShape::kNullArray), "*-1\r\n");
  EXPECT_EQ(In3("$-1\r\n", IdemShape::kNullArray), "_\r\n");
}

// Whoever may write records can make them up; one of these ended a reply before its end.
TEST(IdemReply, NoRecordEndsAReplyEarly) {
  EXPECT_EQ(In3("$12\r\n1\r\n+INJECTED\r\n", IdemShape::kDouble), "nothing");
  EXPECT_EQ(In3("*2\r\n$1\r\na\r\n$3\r\n1\r\n\r\n", IdemShape::kScore), "nothing");
  EXPECT_EQ(In2("$12\r\n1\r\n+INJECTED\r\n", IdemShape::kDouble), "$12\r\n1\r\n+INJECTED\r\n");
}

TEST(IdemReply, ShapesAreResp3sTypes) {
  EXPECT_EQ(In3("$3\r\n1.5\r\n", IdemShape::kDouble), ",1.5\r\n");
  EXPECT_EQ(In2("$3\r\n1.5\r\n", IdemShape::kDouble), "$3\r\n1.5\r\n");
  EXPECT_EQ(In3(":2\r\n", IdemShape::kDouble), ":2\r\n");
  const std::string_view scores = "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$3\r\ninf\r\n";
  EXPECT_EQ(In3(scores, IdemShape::kScores),
            "*2\r\n*2\r\n$1\r\na\r\n,1\r\n*2\r\n$1\r\nb\r\n,inf\r\n");
  EXPECT_EQ(In2(scores, IdemShape::kScores), scores);
  EXPECT_EQ(In3("*2\r\n$1\r\na\r\n$1\r\n1\r\n", IdemShape::kScore), "*2\r\n$1\r\na\r\n,1\r\n");
  EXPECT_EQ(In3("*2\r\n$1\r\nz\r\n*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n", IdemShape::kKeyAndScores),
            "*2\r\n$1\r\nz\r\n*1\r\n*2\r\n$1\r\na\r\n,1\r\n");
  EXPECT_EQ(In3("*1\r\n$1\r\na\r\n", IdemShape::kSet), "~1\r\n$1\r\na\r\n");
  EXPECT_EQ(In3("$1\r\na\r\n", IdemShape::kSet), "$1\r\na\r\n");
  EXPECT_EQ(In3("*1\r\n*2\r\n$1\r\nx\r\n*1\r\n*2\r\n$3\r\n1-1\r\n$-1\r\n", IdemShape::kMap),
            "%1\r\n$1\r\nx\r\n*1\r\n*2\r\n$3\r\n1-1\r\n_\r\n");
  EXPECT_EQ(In2("*1\r\n*2\r\n$1\r\nx\r\n*1\r\n*2\r\n$3\r\n1-1\r\n$-1\r\n", IdemShape::kMap),
            "*1\r\n*2\r\n$1\r\nx\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*-1\r\n");
}

TEST(IdemReply, WhatIsNoReplyOfItsShapeIsNotSaid) {
  for (const std::string_view damaged :
       {"", "+OK", "+OK\r\n+OK\r\n", "$5\r\nabc\r\n", "$-2\r\n", "*2\r\n:1\r\n", "*-1\r\n", "_\r\n",
        "$18446744073709551615\r\nx\r\n",
        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"}) {
    EXPECT_EQ(In3(damaged, IdemShape::kPlain), "nothing") << damaged;
  }
  EXPECT_EQ(In3("*1\r\n$1\r\na\r\n", IdemShape::kScores), "nothing");
  EXPECT_EQ(In3("*1\r\n:1\r\n", IdemShape::kMap), "nothing");
  EXPECT_EQ(In3("*1\r\n*1\r\n:1\r\n", IdemShape::kMap), "nothing");
}

// ---- tokens

TEST(IdemToken, SourcesAreRead) {
  for (const std::string_view good : {"arg(1)", "arg(-1)", "key", "key_part(2)", "field(id)"}) {
    EXPECT_TRUE(ParseIdemTokenSource(good)) << good;
  }
  for (const std::string_view bad : {"", "arg", "arg()", "arg(0)", "arg(x)", "arg(1", "key_part(0)",
                                     "key_part(-1)", "field()", "keys", "arg(1001)", "arg(1) "}) {
    EXPECT_FALSE(ParseIdemTokenSource(bad)) << bad;
  }
}

std::string TokenOf(std::string_view source, const Args& args, uint32_t key = 1) {
  return std::string(FindIdemToken(*ParseIdemTokenSource(source), List(args), key));
}
std::vector<std::string> Stripped(std::string_view source, const Args& args, uint32_t key = 1) {
  return StripIdemToken(*ParseIdemTokenSource(source), List(args), key);
}

TEST(IdemToken, IsFoundAndTakenOut) {
  const Args incr = {"INCRBY", "a:b:c", "5", "t"};
  EXPECT_EQ(TokenOf("arg(3)", incr), "t");
  EXPECT_EQ(TokenOf("arg(-1)", incr), "t");
  EXPECT_EQ(TokenOf("arg(4)", incr), "");
  EXPECT_EQ(TokenOf("arg(-4)", incr), "");
  EXPECT_EQ(TokenOf("key", incr), "a:b:c");
  EXPECT_EQ(TokenOf("key_part(1)", incr), "a");
  EXPECT_EQ(TokenOf("key_part(3)", incr), "c");
  EXPECT_EQ(TokenOf("key_part(4)", incr), "");
  EXPECT_EQ(TokenOf("field(id)", incr), "");
  EXPECT_THAT(Stripped("arg(-1)", incr), ElementsAre("INCRBY", "a:b:c", "5"));
  EXPECT_THAT(Stripped("key_part(1)", incr), ElementsAre("INCRBY", "b:c", "5", "t"));
  EXPECT_THAT(Stripped("key_part(2)", incr), ElementsAre("INCRBY", "a:c", "5", "t"));
  EXPECT_THAT(Stripped("key_part(3)", incr), ElementsAre("INCRBY", "a:b", "5", "t"));
  EXPECT_THAT(Stripped("key_part(1)", {"DEL", "whole"}), ElementsAre("DEL", ""));
}

TEST(IdemToken, FieldsAreThoseOfHashesAndStreams) {
  EXPECT_EQ(TokenOf("field(id)", {"hset", "h", "a", "id", "id", "t"}), "t");
  EXPECT_EQ(TokenOf("field(id)", {"XADD", "x", "*", "a", "1", "id", "t"}), "t");
  EXPECT_EQ(TokenOf("field(id)",
                    {"XADD", "x", "NOMKSTREAM", "MINID", "~", "5", "LIMIT", "1", "*", "id", "t"}),
            "t");
  EXPECT_EQ(TokenOf("field(maxlen)", {"XADD", "x", "MAXLEN", "5", "1-1", "maxlen", "t"}), "t");
  EXPECT_EQ(TokenOf("field(id)", {"XADD", "x", "MAXLEN"}), "");
  EXPECT_EQ(TokenOf("field(id)", {"XADD", "x", "*", "id"}), "");
  EXPECT_THAT(Stripped("field(id)", {"XADD", "x", "*", "a", "1", "id", "t", "b", "2"}),
              ElementsAre("XADD", "x", "*", "a", "1", "b", "2"));
}

// ---- commands

class IdemCommandTest : public testing::Test {
 protected:
  IdemPlan Plan(const Args& args) { return PlanIdem(List(args), table_->Resolve(List(args))); }
  const std::shared_ptr<const RoutingTable> table_ =
      RoutingTable::Make(CommandTable::BuiltIn(), CommandPolicy());
};

// Of Redis' writes, each is known or refused on purpose.
TEST_F(IdemCommandTest, TheTableIsRedisOwn) {
  const std::set<std::string_view> on_purpose = {"flushall",          "flushdb", "georadius",
                                                 "georadiusbymember", "migrate", "pfdebug",
                                                 "restore-asking",    "sort",    "swapdb"};
  std::set<std::string_view> known;
  const std::vector<std::string_view> names = IdemCommandNames();
  for (const std::string_view name : names) known.insert(name);
  EXPECT_EQ(known.size(), names.size());
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  std::set<std::string_view> found;
  const auto look = [&](const CommandSpec& spec) {
    if (!spec.flags.Has(CommandFlag::kWrite) || !spec.subcommands.empty()) return;
    const bool runs = known.contains(spec.name);
    if (runs) found.insert(spec.name);
    // XREADGROUP only blocks if it is told to.
    const bool blocks = spec.flags.Has(CommandFlag::kBlocking) && spec.name != "xreadgroup";
    const bool may =
        !blocks && !spec.flags.Has(CommandFlag::kNoscript) && !on_purpose.contains(spec.name);
    EXPECT_EQ(runs, may) << spec.name;
  };
  for (const CommandSpec* spec : CommandTable::BuiltIn()->commands()) {
    look(*spec);
    for (const CommandSpec* subcommand : spec->subcommands) look(*subcommand);
  }
  EXPECT_EQ(found, known);
}

TEST_F(IdemCommandTest, PlansSayWhatBecomesOfACommand) {
  using Kind = IdemPlan::Kind;
  EXPECT_EQ(Plan({"SET", "k", "v"}).kind, Kind::kRun);
  EXPECT_THAT(Plan({"mset", "a", "1", "b", "2"}).keys, ElementsAre(1u, 3u));
  EXPECT_EQ(Plan({"LPOP", "l"}).shape, IdemShape::kPlain);
  EXPECT_EQ(Plan({"LPOP", "l", "1"}).shape, IdemShape::kNullArray);
  EXPECT_EQ(Plan({"ZPOPMIN", "z"}).shape, IdemShape::kScore);
  EXPECT_EQ(Plan({"ZPOPMAX", "z", "1"}).shape, IdemShape::kScores);
  EXPECT_EQ(Plan({"HINCRBY", "h", "f", "1"}).exact, IdemExact::kHget);
  EXPECT_EQ(Plan({"XGROUP", "CREATE", "x", "g", "0"}).kind, Kind::kRun);
  EXPECT_EQ(Plan({"GET", "k"}).kind, Kind::kPass);
  EXPECT_EQ(Plan({"SET", "k"}).kind, Kind::kPass) << "Redis will say what is wrong";
  EXPECT_EQ(Plan({"SHUTDOWN"}).kind, Kind::kPass) << "weir will deny it";
  for (const Args& args :
       std::vector<Args>{{"MULTI"},
                         {"FLUSHALL"},
                         {"NONSENSE"},
                         {"SORT", "l", "STORE", "m"},
                         {"BITFIELD", "b", "GET", "u54", "0", "SET", "u8", "0", "1"},
                         {"bitfield", "b", "incrby", "i64", "0", "1"}}) {
    EXPECT_EQ(Plan(args).kind, Kind::kRefuse) << args[0];
    EXPECT_THAT(Plan(args).why, testing::Not(IsEmpty())) << args[0];
  }
}

// What waits for others, and what is a script, is run under a claim, if it writes.
TEST_F(IdemCommandTest, WhatNoScriptCanWrapIsClaimed) {
  using Kind = IdemPlan::Kind;
  for (const Args& args :
       std::vector<Args>{{"BLPOP", "a", "b", "0"},
                         {"XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "x", ">"}}) {
    const IdemPlan plan = Plan(args);
    EXPECT_EQ(plan.kind, Kind::kClaim) << args[0];
    EXPECT_TRUE(plan.blocks);
    EXPECT_FALSE(plan.is_script);
  }
  const IdemPlan script = Plan({"evalsha", "x", "2", "{t}a", "{t}b", "c"});
  EXPECT_EQ(script.kind, Kind::kClaim);
  EXPECT_TRUE(script.is_script);
  EXPECT_FALSE(script.blocks);
  EXPECT_THAT(script.keys, ElementsAre(3u, 4u));
  EXPECT_TRUE(Plan({"EVAL", "x", "0"}).keys.empty());
  EXPECT_EQ(Plan({"FCALL", "f", "0"}).kind, Kind::kClaim);
  EXPECT_EQ(Plan({"XREADGROUP", "GROUP", "g", "c", "STREAMS", "x", ">"}).kind, Kind::kRun);
  for (const Args& args : std::vector<Args>{{"EVAL", "x", "none"},
                                            {"EVAL", "x"},
                                            {"EVAL", "x", "5", "a"},
                                            {"EVAL_RO", "x", "0"},
                                            {"FCALL_RO", "f", "0"},
                                            {"XREAD", "BLOCK", "0", "STREAMS", "x", "$"}}) {
    EXPECT_EQ(Plan(args).kind, Kind::kPass) << args[0];
  }
  std::set<std::string_view> claimed;
  for (const std::string_view name : IdemClaimedNames()) claimed.insert(name);
  const std::vector<std::string_view> names = IdemClaimedNames();
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  for (const CommandSpec* spec : CommandTable::BuiltIn()->commands()) {
    const bool waits =
        spec->flags.Has(CommandFlag::kBlocking) && spec->flags.Has(CommandFlag::kWrite);
    EXPECT_TRUE(!waits || claimed.contains(spec->name)) << spec->name;
  }
}

std::optional<IdemCommand> Parse(const Args& args, std::string* error) {
  return ParseIdemCommand(List(args), 1000, error);
}

TEST(IdemCommand, IsReadWithItsOptions) {
  std::string error;
  auto command = Parse({"WEIR.IDEM", "t", "INCR", "n"}, &error);
  ASSERT_TRUE(command);
  EXPECT_EQ(command->token, "t");
  EXPECT_EQ(command->ttl_ms, 0u);
  EXPECT_EQ(command->within, 2u);
  command = Parse({"WEIR.IDEM", "t", "wait", "0", "ttl", "5", "INCR", "n"}, &error);
  ASSERT_TRUE(command);
  EXPECT_EQ(command->ttl_ms, 5u);
  EXPECT_EQ(command->wait_ms, 0u);
  EXPECT_EQ(command->within, 6u);
  for (const Args& args : std::vector<Args>{{"WEIR.IDEM"},
                                            {"WEIR.IDEM", "t"},
                                            {"WEIR.IDEM", "t", "TTL"},
                                            {"WEIR.IDEM", "t", "TTL", "5"},
                                            {"WEIR.IDEM", "t", "TTL", "1001", "INCR", "n"},
                                            {"WEIR.IDEM", "t", "TTL", "x", "INCR", "n"},
                                            {"WEIR.IDEM", "t", "WAIT", "-1", "INCR", "n"},
                                            {"WEIR.IDEM", "", "INCR", "n"}}) {
    EXPECT_FALSE(Parse(args, &error)) << args.size();
    EXPECT_THAT(error, StartsWith("-ERR weir: expected "));
  }
}

// ---- the script

TEST(IdemScript, RecordsLieInTheSlotOfTheirKey) {
  const IdemScope scope = {"rule", "user"};
  for (const std::string_view key : {"plain", "{tag}x", "a}b{", "{}x", "{{t}}", ""}) {
    EXPECT_EQ(KeySlot(IdemRecordKey(scope, "t", key)), KeySlot(key)) << key;
  }
  std::set<std::string> names = {IdemRecordKey(scope, "t", "k"), IdemRecordKey(scope, "u", "k"),
                                 IdemRecordKey({"rule", "other"}, "t", "k"),
                                 IdemRecordKey({"ruleuser", ""}, "t", "k"),
                                 IdemRecordKey({"rul", "euser"}, "t", "k")};
  EXPECT_EQ(names.size(), 5u);
}

TEST(IdemScript, FingerprintsTellArgumentsApart) {
  const auto print = [](const Args& args) { return IdemFingerprint(List(args)); };
  EXPECT_EQ(print({"SET", "a", "b"}), print({"set", "a", "b"}));
  std::set<std::string> prints = {print({"SET", "a", "b"}), print({"SET", "ab", ""}),
                                  print({"SET", "a", "B"}), print({"SET", "a", "b", ""}),
                                  print({"SETNX", "a", "b"})};
  EXPECT_EQ(prints.size(), 5u);
  EXPECT_EQ(print({"SET", "a", "b"}).size(), 32u);
}

TEST(IdemScript, AnswersAreRead) {
  const auto answer = ParseIdemAnswer("$9\r\nRk07=+OK\r\n\r\n");
  ASSERT_FALSE(answer) << "the length is wrong";
  const auto good = ParseIdemAnswer("$10\r\nRk07=+OK\r\n\r\n");
  ASSERT_TRUE(good);
  EXPECT_EQ(good->event, IdemEvent::kReplayed);
  EXPECT_EQ(good->shape, IdemShape::kKeyAndScores);
  EXPECT_EQ(good->rule, 7u);
  EXPECT_EQ(good->state, '=');
  EXPECT_EQ(good->body, "+OK\r\n");
  EXPECT_EQ(ParseIdemAnswer("$4\r\nMp99\r\n")->event, IdemEvent::kMismatch);
  for (const std::string_view bad : {"", "-ERR no\r\n", "$-1\r\n", "+QUEUED\r\n", "$3\r\nMp9\r\n",
                                     "$4\r\nZp99\r\n", "$4\r\nMx99\r\n", "$4\r\nMp9x\r\n"}) {
    EXPECT_FALSE(ParseIdemAnswer(bad)) << bad;
  }
}

}  // namespace
}  // namespace weir
