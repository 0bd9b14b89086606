// Key positions: for every command of the server, with many arguments, what COMMAND GETKEYSANDFLAGS
// says.
#include "routing/keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "routing/command_table.h"
#include "routing/text.h"
#include "tests/support/support.h"

namespace weir {
namespace {

using ::testing::ElementsAre;
using Args = std::vector<std::string>;

std::vector<std::string_view> Views(const Args& args) { return {args.begin(), args.end()}; }

// "key:RW access …" for each key, in order; "invalid" if Redis would refuse the arguments.
std::vector<std::string> KeysByWeir(const CommandSpec& spec, const Args& args) {
  const auto views = Views(args);
  KeyPositions positions;
  if (FindKeys(spec, ArgList(views), &positions) == KeysFound::kInvalid) return {"invalid"};
  std::vector<std::string> keys;
  for (const KeyPosition& position : positions) {
    std::vector<std::string> flags;
    for (int i = 0; i < kKeyFlagCount; ++i) {
      const auto flag = static_cast<KeyFlag>(i);
      if (position.flags.Has(flag)) flags.emplace_back(KeyFlagName(flag));
    }
    std::string key = args.at(position.index) + ":";
    for (const std::string& flag : flags) key += " " + flag;
    keys.push_back(key);
  }
  return keys;
}

std::vector<std::string> KeysByRedis(harness::RawClient* client, const Args& args) {
  Args request = {"COMMAND", "GETKEYSANDFLAGS"};
  request.insert(request.end(), args.begin(), args.end());
  const harness::Reply reply = harness::ParseReply(client->Command(request));
  if (reply.type == '-') return {"invalid"};
  std::vector<std::string> keys;
  for (const harness::Reply& element : reply.elements) {
    std::string key = element.elements.at(0).text + ":";
    for (const harness::Reply& flag : element.elements.at(1).elements) key += " " + flag.text;
    keys.push_back(key);
  }
  return keys;
}

class KeysTest : public ::testing::Test {
 protected:
  std::vector<std::string> Find(const Args& args) {
    const auto views = Views(args);
    const CommandSpec* spec = table_->Resolve(ArgList(views));
    return spec == nullptr ? std::vector<std::string>{"unknown"} : KeysByWeir(*spec, args);
  }
  // As Redis says it; where EVAL and its like have no keys, "none" and "invalid" are the same to
  // it.
  void ExpectSame(harness::RawClient* client, const CommandSpec& spec, const Args& args) {
    const auto ours = KeysByWeir(spec, args);
    const auto theirs = KeysByRedis(client, args);
    if (theirs.empty() && spec.flags.Has(CommandFlag::kNoMandatoryKeys)) {
      EXPECT_THAT(ours, ::testing::AnyOf(ElementsAre(), ElementsAre("invalid")));
      return;
    }
    std::string line;
    for (const std::string& arg : args) line += " " + arg;
    EXPECT_EQ(ours, theirs) << line;
  }

  std::shared_ptr<const CommandTable> table_ = CommandTable::BuiltIn();
};

TEST_F(KeysTest, FindsKeysOfEveryShape) {
  EXPECT_THAT(Find({"GET", "k"}), ElementsAre("k: RO access"));
  EXPECT_THAT(Find({"SET", "k", "v"}), ElementsAre("k: OW update"));
  EXPECT_THAT(Find({"SET", "k", "v", "EX", "1", "get"}), ElementsAre("k: RW access update"));
  EXPECT_THAT(Find({"MSET", "a", "1", "b", "2"}), ElementsAre("a: OW update", "b: OW update"));
  EXPECT_THAT(Find({"EVAL", "return 1", "2", "a", "b", "c"}),
              ElementsAre("a: RW access update", "b: RW access update"));
  EXPECT_THAT(Find({"EVAL", "return 1", "0"}), ElementsAre());
  EXPECT_THAT(Find({"EVAL", "return 1", "3", "a"}), ElementsAre("invalid"));
  EXPECT_THAT(Find({"XREAD", "COUNT", "1", "STREAMS", "a", "b", "0", "0"}),
              ElementsAre("a: RO access", "b: RO access"));
  EXPECT_THAT(Find({"XREADGROUP", "GROUP", "g", "c", "streams", "a", ">"}),
              ElementsAre("a: RO access"));
  EXPECT_THAT(Find({"ZUNIONSTORE", "d", "2", "a", "b", "WEIGHTS", "1", "2"}),
              ElementsAre("d: OW update", "a: RO access", "b: RO access"));
  EXPECT_THAT(Find({"GEORADIUS", "k", "1", "2", "3", "m", "STORE", "d"}),
              ElementsAre("k: RO access", "d: OW update"));
  EXPECT_THAT(Find({"OBJECT", "ENCODING", "k"}), ElementsAre("k: RO"));
  EXPECT_THAT(Find({"PING"}), ElementsAre());
  EXPECT_THAT(Find({"GET"}), ElementsAre("invalid"));
}

TEST_F(KeysTest, FindsWhatKeySpecsCannotSay) {
  EXPECT_THAT(Find({"SORT", "k", "BY", "store", "GET", "x", "STORE", "a", "STORE", "b"}),
              ElementsAre("k: RO access", "b: OW update"));
  EXPECT_THAT(Find({"SORT_RO", "k", "BY", "w_*"}), ElementsAre("k: RO access"));
  EXPECT_THAT(Find({"MIGRATE", "h", "1", "k", "0", "9"}), ElementsAre("k: RW access delete"));
  EXPECT_THAT(Find({"MIGRATE", "h", "1", "", "0", "9", "AUTH2", "keys", "p", "KEYS", "a", "b"}),
              ElementsAre("a: RW access delete", "b: RW access delete"));
  EXPECT_THAT(Find({"BITFIELD", "k", "GET", "u8", "0"}), ElementsAre("k: RO access"));
  EXPECT_THAT(Find({"BITFIELD", "k", "GET", "u8", "0", "SET", "u8", "0", "1"}),
              ElementsAre("k: RW access update"));
}

TEST_F(KeysTest, SaysWhenThereMayBeMore) {
  const auto found = [&](const Args& args) {
    const auto views = Views(args);
    KeyPositions keys;
    return FindKeys(*table_->Resolve(ArgList(views)), ArgList(views), &keys);
  };
  EXPECT_EQ(found({"SORT", "k", "GET", "w_*"}), KeysFound::kPartial);
  EXPECT_EQ(found({"SORT", "k", "LIMIT", "0", "1"}), KeysFound::kAll);
  EXPECT_EQ(found({"GET", "k"}), KeysFound::kAll);
}

// Redis compares keywords as C strings, which end at a NUL byte.
TEST_F(KeysTest, KeywordsEndAtANulByte) {
  EXPECT_THAT(Find({"SORT", "k", std::string("store\0x", 7), "d"}),
              ElementsAre("k: RO access", "d: OW update"));
}

TEST_F(KeysTest, ShardChannelsHaveSlotsButAreNoKeys) {
  const std::vector<std::string_view> args = {"SPUBLISH", "channel", "message"};
  const CommandSpec* spec = table_->Resolve(ArgList(args));
  KeyPositions positions;
  EXPECT_FALSE(MayHaveKeys(*spec));
  EXPECT_EQ(FindKeys(*spec, ArgList(args), &positions), KeysFound::kAll);
  EXPECT_TRUE(positions.empty());
  EXPECT_EQ(FindSlotArguments(*spec, ArgList(args), &positions), KeysFound::kAll);
  ASSERT_EQ(positions.size(), 1U);
  EXPECT_EQ(positions[0].index, 1U);
}

// A server may claim that MIGRATE takes two arguments; found by the fuzzer, which read past the
// end.
TEST_F(KeysTest, AFalseArityFindsNoMissingArgument) {
  CommandSpec lie;
  lie.name = "migrate";
  lie.arity = -1;
  lie.has_key_specs = true;
  lie.key_specs.resize(1);
  for (Args args = {"MIGRATE"}; args.size() < 6; args.emplace_back("x")) {
    EXPECT_THAT(KeysByWeir(lie, args), ElementsAre("invalid"));
  }
}

TEST_F(KeysTest, ManyKeysAreAllFound) {
  Args args = {"DEL"};
  for (int i = 0; i < 5000; ++i) args.push_back("k" + std::to_string(i));
  EXPECT_EQ(Find(args).size(), 5000U);
}

// Every command with arguments drawn from what key specs and their exceptions look at.
TEST_F(KeysTest, AgreesWithRedisOnEveryCommand) {
  const harness::RedisServer redis;
  harness::RawClient client(redis.port());
  harness::Random random(harness::Seed());
  const Args vocabulary = {"1",       "2",     "3",     "0",        "k1",     "k2",
                           "k3",      "STORE", "get",   "by",       "LIMIT",  "storedist",
                           "KEYS",    "AUTH",  "AUTH2", "",         "u8",     "COPY",
                           "STREAMS", "count", "SET",   "overflow", "incrby", "GET"};
  int with_keys = 0;
  for (const auto& spec : table_->specs()) {
    if (spec->name.substr(0, 4) == "weir") continue;  // Redis does not know them
    if (!MayHaveKeys(*spec)) continue;
    ++with_keys;
    for (int round = 0; round < 150 && !HasFailure(); ++round) {
      Args args;
      if (spec->parent != nullptr) args.push_back(spec->parent->name);
      args.push_back(ToUpper(spec->own_name()));
      const size_t least = static_cast<size_t>(std::abs(spec->arity));
      const size_t most = spec->arity > 0 ? least : least + harness::Below(random, 9);
      while (args.size() < most) {
        args.push_back(vocabulary[harness::Below(random, vocabulary.size())]);
      }
      ExpectSame(&client, *spec, args);
    }
  }
  EXPECT_GT(with_keys, 150);
}

}  // namespace
}  // namespace weir
