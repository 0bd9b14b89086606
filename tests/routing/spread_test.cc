// To how many nodes each command of Redis goes, and how replies become one.
#include "routing/spread.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "routing/command_table.h"

namespace weir {
namespace {

// All of Redis 7.0's commands that do not simply go to one node.
TEST(SpreadTest, TheTableIsKnown) {
  const std::map<std::string, std::pair<Spread, Merge>> expected = {
      {"acl|deluser", {Spread::kAllNodes, Merge::kFirst}},
      {"acl|load", {Spread::kAllNodes, Merge::kFirst}},
      {"acl|save", {Spread::kAllNodes, Merge::kFirst}},
      {"acl|setuser", {Spread::kAllNodes, Merge::kFirst}},
      {"bgrewriteaof", {Spread::kAllPrimaries, Merge::kFirst}},
      {"bgsave", {Spread::kAllPrimaries, Merge::kFirst}},
      {"client|pause", {Spread::kAllPrimaries, Merge::kFirst}},
      {"client|unpause", {Spread::kAllPrimaries, Merge::kFirst}},
      {"config|resetstat", {Spread::kAllNodes, Merge::kFirst}},
      {"config|rewrite", {Spread::kAllNodes, Merge::kFirst}},
      {"config|set", {Spread::kAllNodes, Merge::kFirst}},
      {"dbsize", {Spread::kAllPrimaries, Merge::kSum}},
      {"debug", {Spread::kAllPrimaries, Merge::kOneSucceeded}},
      {"del", {Spread::kKeys, Merge::kSum}},
      {"exists", {Spread::kKeys, Merge::kSum}},
      {"flushall", {Spread::kAllPrimaries, Merge::kFirst}},
      {"flushdb", {Spread::kAllPrimaries, Merge::kFirst}},
      {"function|delete", {Spread::kAllPrimaries, Merge::kFirst}},
      {"function|flush", {Spread::kAllPrimaries, Merge::kFirst}},
      {"function|kill", {Spread::kAllPrimaries, Merge::kOneSucceeded}},
      {"function|load", {Spread::kAllPrimaries, Merge::kFirst}},
      {"function|restore", {Spread::kAllPrimaries, Merge::kFirst}},
      {"keys", {Spread::kAllPrimaries, Merge::kConcat}},
      {"latency|reset", {Spread::kAllNodes, Merge::kSum}},
      {"memory|purge", {Spread::kAllPrimaries, Merge::kFirst}},
      {"mget", {Spread::kKeys, Merge::kKeyOrder}},
      {"module|load", {Spread::kAllNodes, Merge::kFirst}},
      {"module|unload", {Spread::kAllNodes, Merge::kFirst}},
      {"mset", {Spread::kKeys, Merge::kFirst}},
      {"ping", {Spread::kAllPrimaries, Merge::kFirst}},
      {"pubsub|channels", {Spread::kAllPrimaries, Merge::kUnion}},
      {"pubsub|numpat", {Spread::kAllPrimaries, Merge::kSum}},
      {"pubsub|numsub", {Spread::kAllPrimaries, Merge::kSumCounts}},
      {"pubsub|shardchannels", {Spread::kAllPrimaries, Merge::kUnion}},
      {"pubsub|shardnumsub", {Spread::kAllPrimaries, Merge::kSumCounts}},
      {"randomkey", {Spread::kAllPrimaries, Merge::kRandomKey}},
      {"save", {Spread::kAllPrimaries, Merge::kFirst}},
      {"scan", {Spread::kScan, Merge::kFirst}},
      {"script|exists", {Spread::kAllPrimaries, Merge::kAnd}},
      {"script|flush", {Spread::kAllNodes, Merge::kFirst}},
      {"script|kill", {Spread::kAllPrimaries, Merge::kOneSucceeded}},
      {"script|load", {Spread::kAllNodes, Merge::kFirst}},
      {"slowlog|get", {Spread::kAllNodes, Merge::kNewestFirst}},
      {"slowlog|len", {Spread::kAllNodes, Merge::kSum}},
      {"slowlog|reset", {Spread::kAllNodes, Merge::kFirst}},
      {"touch", {Spread::kKeys, Merge::kSum}},
      {"unlink", {Spread::kKeys, Merge::kSum}},
      {"wait", {Spread::kAllPrimaries, Merge::kMin}},
  };
  std::map<std::string, std::pair<Spread, Merge>> found;
  for (const auto& spec : CommandTable::BuiltIn()->specs()) {
    const SpreadRule rule = SpreadRuleOf(*spec);
    if (rule.spread != Spread::kOne) found[spec->name] = {rule.spread, rule.merge};
  }
  for (const auto& [name, rule] : expected) {
    ASSERT_TRUE(found.contains(name)) << name;
    EXPECT_EQ(SpreadName(found[name].first), SpreadName(rule.first)) << name;
    EXPECT_EQ(MergeName(found[name].second), MergeName(rule.second)) << name;
  }
  for (const auto& [name, rule] : found) EXPECT_TRUE(expected.contains(name)) << name;
}

// A command of a module that splits in a form which weir cannot take apart is not split.
TEST(SpreadTest, OnlyOneRangeOfKeysToTheEndIsSplit) {
  CommandSpec spec;
  spec.name = "mod.del";
  spec.request_policy = RequestPolicy::kMultiShard;
  spec.response_policy = ResponsePolicy::kAggSum;
  EXPECT_EQ(SpreadRuleOf(spec).spread, Spread::kOne);
  KeySpec keys;
  keys.begin_search = KeySpec::BeginSearch::kIndex;
  keys.index = 2;
  keys.find_keys = KeySpec::FindKeys::kRange;
  keys.last_key = -1;
  spec.key_specs = {keys};
  EXPECT_EQ(SpreadRuleOf(spec).spread, Spread::kKeys);
  EXPECT_EQ(SpreadRuleOf(spec).merge, Merge::kSum);
  spec.key_specs[0].last_key = -2;
  EXPECT_EQ(SpreadRuleOf(spec).spread, Spread::kOne);
  spec.key_specs = {keys, keys};
  EXPECT_EQ(SpreadRuleOf(spec).spread, Spread::kOne);
}

}  // namespace
}  // namespace weir
