// Merges: the reply of one server from those of several, and what is said when parts failed.
#include "routing/merge.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "routing/command_table.h"
#include "routing/info_keyspace.h"
#include "routing/slot.h"

namespace weir {
namespace {

using Replies = std::vector<std::string_view>;

std::string Merged(Merge merge, const Replies& replies, bool changes_data = false) {
  return MergeReplies({.merge = merge, .replies = replies, .changes_data = changes_data});
}

TEST(MergeTest, FirstOfAllThatSucceeded) {
  EXPECT_EQ(Merged(Merge::kFirst, {"+OK\r\n", "+OK\r\n"}), "+OK\r\n");
  EXPECT_EQ(Merged(Merge::kFirst, {"$2\r\nab\r\n"}), "$2\r\nab\r\n");
}

TEST(MergeTest, Sums) {
  EXPECT_EQ(Merged(Merge::kSum, {":1\r\n", ":2\r\n", ":40\r\n"}), ":43\r\n");
  EXPECT_EQ(Merged(Merge::kSum, {":-1\r\n", ":0\r\n"}), ":-1\r\n");
  EXPECT_EQ(Merged(Merge::kMin, {":3\r\n", ":2\r\n"}), ":2\r\n");
  EXPECT_EQ(Merged(Merge::kMax, {":3\r\n", ":2\r\n"}), ":3\r\n");
  EXPECT_EQ(Merged(Merge::kAnd, {"*2\r\n:1\r\n:1\r\n", "*2\r\n:0\r\n:1\r\n"}),
            "*2\r\n:0\r\n:1\r\n");
  EXPECT_EQ(Merged(Merge::kOr, {"*2\r\n:1\r\n:0\r\n", "*2\r\n:0\r\n:0\r\n"}), "*2\r\n:1\r\n:0\r\n");
  // WAITAOF's pair.
  EXPECT_EQ(Merged(Merge::kMin, {"*2\r\n:1\r\n:5\r\n", "*2\r\n:2\r\n:4\r\n"}),
            "*2\r\n:1\r\n:4\r\n");
  EXPECT_EQ(Merged(Merge::kSum, {":9223372036854775807\r\n", ":1\r\n"}).substr(0, 10),
            "-ERR weir:");
}

TEST(MergeTest, WhatDoesNotFitIsAnError) {
  for (const Replies& replies :
       {Replies{":1\r\n", "+OK\r\n"}, Replies{":1\r\n", "*1\r\n:1\r\n"},
        Replies{"*1\r\n:1\r\n", "*2\r\n:1\r\n:1\r\n"}, Replies{"*1\r\n+x\r\n", "*1\r\n:1\r\n"},
        Replies{"$1\r\n1\r\n", ":1\r\n"}, Replies{":\r\n", ":1\r\n"}}) {
    EXPECT_EQ(Merged(Merge::kSum, replies).substr(0, 10), "-ERR weir:") << replies[0];
  }
  EXPECT_EQ(Merged(Merge::kConcat, {"*0\r\n", "~0\r\n"}).substr(0, 10), "-ERR weir:");
  EXPECT_EQ(Merged(Merge::kConcat, {"+OK\r\n"}).substr(0, 10), "-ERR weir:");
}

TEST(MergeTest, Concatenates) {
  EXPECT_EQ(Merged(Merge::kConcat, {"*1\r\n$1\r\na\r\n", "*0\r\n", "*2\r\n:1\r\n*1\r\n:2\r\n"}),
            "*3\r\n$1\r\na\r\n:1\r\n*1\r\n:2\r\n");
  EXPECT_EQ(Merged(Merge::kConcat, {"~1\r\n:1\r\n", "~1\r\n:2\r\n"}), "~2\r\n:1\r\n:2\r\n");
  EXPECT_EQ(Merged(Merge::kConcat, {"%1\r\n+a\r\n:1\r\n", "%1\r\n+b\r\n:2\r\n"}),
            "%2\r\n+a\r\n:1\r\n+b\r\n:2\r\n");
}

// SLOWLOG GET: ten of each node, one node's behind the other's, had been the answer to "the last
// ten".
TEST(MergeTest, TheNewestOfAllNodesComeFirst) {
  const auto entry = [](int id, int time) {
    return "*6\r\n:" + std::to_string(id) + "\r\n:" + std::to_string(time) +
           "\r\n:15\r\n*1\r\n$4\r\nPING\r\n$9\r\n1.2.3.4:5\r\n$0\r\n\r\n";
  };
  const std::string a = "*3\r\n" + entry(7, 50) + entry(6, 40) + entry(5, 10);
  const std::string b = "*2\r\n" + entry(9, 45) + entry(8, 40);
  const auto merged = [](const Replies& replies, uint64_t elements_max) {
    return MergeReplies(
        {.merge = Merge::kNewestFirst, .replies = replies, .elements_max = elements_max});
  };
  const std::string all = entry(7, 50) + entry(9, 45) + entry(6, 40) + entry(8, 40) + entry(5, 10);
  EXPECT_EQ(merged({a, b, "*0\r\n"}, 10), "*5\r\n" + all);
  EXPECT_EQ(merged({a, b}, UINT64_MAX), "*5\r\n" + all);
  EXPECT_EQ(merged({a, b}, 2), "*2\r\n" + entry(7, 50) + entry(9, 45));
  EXPECT_EQ(merged({a, b}, 0), "*0\r\n");
  EXPECT_EQ(merged({"*0\r\n", "*0\r\n"}, 10), "*0\r\n");
  EXPECT_EQ(merged({a, "-NOPERM x\r\n"}, 10), "-NOPERM x\r\n");
  for (const char* other : {":1\r\n", "*1\r\n:1\r\n", "*1\r\n*1\r\n:1\r\n",
                            "*1\r\n*2\r\n:1\r\n+x\r\n", "%1\r\n:1\r\n*0\r\n"}) {
    EXPECT_EQ(merged({a, other}, 10).substr(0, 10), "-ERR weir:") << other;
  }
}

TEST(MergeTest, HowManyOfTheNewestAreWanted) {
  const auto wanted = [](const std::vector<std::string_view>& args) {
    return NewestWanted(ArgList(args));
  };
  EXPECT_EQ(wanted({"SLOWLOG", "GET"}), 10U);
  EXPECT_EQ(wanted({"SLOWLOG", "GET", "0"}), 0U);
  EXPECT_EQ(wanted({"SLOWLOG", "GET", "3"}), 3U);
  EXPECT_EQ(wanted({"SLOWLOG", "GET", "-1"}), UINT64_MAX);
  EXPECT_EQ(wanted({"SLOWLOG", "GET", "many"}), UINT64_MAX);
  EXPECT_EQ(wanted({"COMMANDLOG", "GET", "3", "slow"}), 3U);
}

TEST(MergeTest, UnitesAndAddsUp) {
  EXPECT_EQ(Merged(Merge::kUnion,
                   {"*2\r\n$1\r\na\r\n$1\r\nb\r\n", "*0\r\n", "*2\r\n$1\r\nb\r\n$0\r\n\r\n"}),
            "*3\r\n$1\r\na\r\n$1\r\nb\r\n$0\r\n\r\n");
  EXPECT_EQ(Merged(Merge::kUnion, {"*0\r\n", "*0\r\n"}), "*0\r\n");
  EXPECT_EQ(Merged(Merge::kUnion, {"*0\r\n", "+OK\r\n"}).substr(0, 10), "-ERR weir:");
  EXPECT_EQ(Merged(Merge::kUnion, {"*0\r\n", "-DOWN x\r\n"}), "-DOWN x\r\n");
  EXPECT_EQ(Merged(Merge::kSumCounts, {"*4\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n:2\r\n",
                                       "*4\r\n$1\r\na\r\n:0\r\n$1\r\nb\r\n:40\r\n"}),
            "*4\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n:42\r\n");
  EXPECT_EQ(Merged(Merge::kSumCounts, {"*0\r\n", "*0\r\n"}), "*0\r\n");
  for (const Replies& replies :
       {Replies{"*2\r\n+a\r\n:1\r\n", "*2\r\n+b\r\n:1\r\n"},
        Replies{"*2\r\n+a\r\n:1\r\n", "*0\r\n"}, Replies{"*1\r\n+a\r\n", "*1\r\n+a\r\n"},
        Replies{"*2\r\n+a\r\n+b\r\n"}, Replies{":1\r\n", ":1\r\n"},
        Replies{"*2\r\n+a\r\n:9223372036854775807\r\n", "*2\r\n+a\r\n:1\r\n"}}) {
    EXPECT_EQ(Merged(Merge::kSumCounts, replies).substr(0, 10), "-ERR weir:") << replies[0];
  }
}

TEST(MergeTest, OneThatSucceededIsEnough) {
  constexpr std::string_view kIdle = "-NOTBUSY No scripts in execution right now.\r\n";
  EXPECT_EQ(Merged(Merge::kOneSucceeded, {kIdle, "+OK\r\n", kIdle}), "+OK\r\n");
  EXPECT_EQ(Merged(Merge::kOneSucceeded, {kIdle, kIdle}), kIdle);
  EXPECT_EQ(Merged(Merge::kOneSucceeded, {kIdle, "-UNKILLABLE x\r\n", kIdle}), "-UNKILLABLE x\r\n");
}

TEST(MergeTest, ARandomKeyOfThoseThatAre) {
  const auto pick = [](const Replies& replies, uint64_t random) {
    return MergeReplies({.merge = Merge::kRandomKey, .replies = replies, .random = random});
  };
  const Replies replies = {"$-1\r\n", "$1\r\na\r\n", "_\r\n", "$1\r\nb\r\n", "-DOWN x\r\n"};
  EXPECT_EQ(pick(replies, 0), "$1\r\na\r\n");
  EXPECT_EQ(pick(replies, 1), "$1\r\nb\r\n");
  EXPECT_EQ(pick(replies, 2), "$1\r\na\r\n");
  EXPECT_EQ(pick({"$-1\r\n", "$-1\r\n"}, 5), "$-1\r\n");
  EXPECT_EQ(pick({"$-1\r\n", "-DOWN x\r\n"}, 5), "-DOWN x\r\n") << "it may have had one";
}

// Envoy hides a shard's error among MGET's values, Codis fails without saying why.
TEST(MergeTest, AFailedPartFailsTheWholeInItsOwnWords) {
  EXPECT_EQ(Merged(Merge::kFirst, {"+OK\r\n", "-OOM no\r\n", "-DOWN x\r\n"}), "-OOM no\r\n");
  EXPECT_EQ(Merged(Merge::kSum, {"-NOPERM x\r\n", ":1\r\n"}), "-NOPERM x\r\n");
  EXPECT_EQ(Merged(Merge::kConcat, {"*0\r\n", "-DOWN x\r\n"}), "-DOWN x\r\n");
}

TEST(MergeTest, AWriteTellsHowMuchWasDone) {
  EXPECT_EQ(Merged(Merge::kSum, {":1\r\n", "-OOM no\r\n", ":1\r\n"}, true),
            "-OOM no (weir: 2 of 3 parts were done)\r\n");
  EXPECT_EQ(Merged(Merge::kSum, {"-OOM no\r\n", "-OOM no\r\n"}, true), "-OOM no\r\n");
}

class KeyOrderTest : public ::testing::Test {
 protected:
  static std::shared_ptr<const Topology> Halves() {
    std::vector<NodeIndex> slots(kSlotCount);
    for (size_t i = 0; i < slots.size(); ++i) slots[i] = static_cast<NodeIndex>(i % 2);
    return Topology::Cluster({{.id = "x"}, {.id = "y"}}, slots, 1);
  }
  // What the parts of a MGET answer if each key's value is "<key>".
  std::string MergedMget(const std::vector<std::string_view>& args, int failing_unit = -1) {
    const KeySplit split =
        MakeSplit(*CommandTable::BuiltIn()->Find("mget"), *Halves(), ArgList(args));
    std::vector<std::string> texts;
    for (const SplitPart& part : split.parts) {
      std::string& text = texts.emplace_back("*" + std::to_string(part.unit_count) + "\r\n");
      for (const uint32_t unit : split.units_of(part)) {
        const std::string value = "<" + std::string(args[unit + 1]) + ">";
        text += "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
        if (static_cast<int>(unit) == failing_unit || failing_unit == -2) {
          text = "-DOWN " + std::string(args[unit + 1]) + "\r\n";
          break;
        }
      }
    }
    const std::vector<std::string_view> replies(texts.begin(), texts.end());
    return MergeReplies({.merge = Merge::kKeyOrder, .replies = replies, .split = &split});
  }
};

TEST_F(KeyOrderTest, ValuesStandWhereTheirKeysDid) {
  EXPECT_EQ(MergedMget({"MGET", "a", "b", "c", "a", "d"}),
            "*5\r\n$3\r\n<a>\r\n$3\r\n<b>\r\n$3\r\n<c>\r\n$3\r\n<a>\r\n$3\r\n<d>\r\n");
}

TEST_F(KeyOrderTest, TheFirstKeysErrorIsHeard) {
  EXPECT_EQ(MergedMget({"MGET", "a", "b", "c", "d"}, 2), "-DOWN c\r\n");
  EXPECT_EQ(MergedMget({"MGET", "a", "b", "c", "d"}, -2), "-DOWN a\r\n");
}

TEST_F(KeyOrderTest, ANodeThatGivesTooFewIsNotBelieved) {
  const std::vector<std::string_view> args = {"MGET", "a", "b"};
  const KeySplit split =
      MakeSplit(*CommandTable::BuiltIn()->Find("mget"), *Halves(), ArgList(args));
  const Replies replies = {"*1\r\n$1\r\n1\r\n", "*0\r\n"};
  EXPECT_EQ(
      MergeReplies({.merge = Merge::kKeyOrder, .replies = replies, .split = &split}).substr(0, 10),
      "-ERR weir:");
}

TEST(MergeInfoKeyspaceTest, SumsDbs) {
  const std::string_view first =
      "# Server\r\nredis_version:7.0.15\r\n\r\n# Keyspace\r\ndb0:keys=10,expires=2,avg_ttl=100\r\n";
  const std::string_view second =
      "# Server\r\nx:1\r\n\r\n# Keyspace\r\ndb0:keys=5,expires=6,avg_ttl=500\r\n"
      "db3:keys=1,expires=0,avg_ttl=0\r\n";
  const std::string_view none = "# Keyspace\r\n";
  EXPECT_EQ(MergeInfoKeyspace({{first, second, none}}),
            "# Server\r\nredis_version:7.0.15\r\n\r\n# Keyspace\r\n"
            "db0:keys=15,expires=8,avg_ttl=400\r\ndb3:keys=1,expires=0,avg_ttl=0\r\n");
  EXPECT_EQ(MergeInfoKeyspace({{none, second}}),
            "# Keyspace\r\ndb0:keys=5,expires=6,avg_ttl=500\r\ndb3:keys=1,expires=0,avg_ttl=0\r\n");
  EXPECT_EQ(MergeInfoKeyspace({{none, none}}), none);
  const std::string_view server = "# Server\r\nx:1\r\n";
  EXPECT_EQ(MergeInfoKeyspace({{server, server}}), server);
}

// Newer servers have more numbers, and sections behind.
TEST(MergeInfoKeyspaceTest, KeepsWhatItDoesNotKnow) {
  const std::string_view part =
      "# Keyspace\r\ndb0:keys=1,expires=0,avg_ttl=0,subexpiry=2\r\n\r\n# Weir\r\ndbx:1\r\n";
  EXPECT_EQ(MergeInfoKeyspace({{part, part}}),
            "# Keyspace\r\ndb0:keys=2,expires=0,avg_ttl=0,subexpiry=4\r\n\r\n# Weir\r\ndbx:1\r\n");
  const std::string_view cut = "# Keyspace\r\ndb0:keys=1";
  EXPECT_FALSE(MergeInfoKeyspace({{cut, cut}}).empty());
}

}  // namespace
}  // namespace weir
