#include "routing/spread.h"

#include <algorithm>
#include <iterator>

namespace weir {
namespace {

struct Exception {
  std::string_view command;
  SpreadRule rule;
};

// What the tips of Redis 7.0 do not say, or not as it is needed here.
constexpr Exception kExceptions[] = {
    // In parts it would no longer be atomic: CROSSSLOT, as Redis says.
    {"msetnx", {Spread::kOne, Merge::kFirst}},
    {"scan", {Spread::kScan, Merge::kFirst}},
    {"randomkey", {Spread::kAllPrimaries, Merge::kRandomKey}},
    // Each node tells of the subscribers that it has itself.
    {"pubsub|channels", {Spread::kAllPrimaries, Merge::kUnion}},
    {"pubsub|numpat", {Spread::kAllPrimaries, Merge::kSum}},
    {"pubsub|numsub", {Spread::kAllPrimaries, Merge::kSumCounts}},
    {"pubsub|shardchannels", {Spread::kAllPrimaries, Merge::kUnion}},
    {"pubsub|shardnumsub", {Spread::kAllPrimaries, Merge::kSumCounts}},
    {"slowlog|get", {Spread::kAllNodes, Merge::kNewestFirst}},
    {"commandlog|get", {Spread::kAllNodes, Merge::kNewestFirst}},
    // They answer how many there were.
    {"latency|reset", {Spread::kAllNodes, Merge::kSum}},
    // What concerns the server concerns each node, though Redis' tips are silent.
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
    // Of DEBUG OBJECT, one node has the key.
    {"debug", {Spread::kAllPrimaries, Merge::kOneSucceeded}},
    {"module|load", {Spread::kAllNodes, Merge::kFirst}},
    {"module|unload", {Spread::kAllNodes, Merge::kFirst}},
    {"save", {Spread::kAllPrimaries, Merge::kFirst}},
};

// One key range up to the last argument is taken apart and put together again; anything else is
// not known to stay what it was.
bool HasOneRangeToTheEnd(const CommandSpec& spec) {
  if (spec.key_specs.size() != 1) return false;
  const KeySpec& keys = spec.key_specs[0];
  return keys.begin_search == KeySpec::BeginSearch::kIndex && keys.index > 0 &&
         keys.find_keys == KeySpec::FindKeys::kRange && keys.last_key == -1 && keys.limit == 0 &&
         keys.key_step > 0;
}

Spread SpreadOf(const CommandSpec& spec) {
  switch (spec.request_policy) {
    case RequestPolicy::kAllNodes:
      return Spread::kAllNodes;
    case RequestPolicy::kAllShards:
      return Spread::kAllPrimaries;
    case RequestPolicy::kMultiShard:
      return HasOneRangeToTheEnd(spec) ? Spread::kKeys : Spread::kOne;
    case RequestPolicy::kSpecial:
    case RequestPolicy::kNone:
      return Spread::kOne;
  }
  return Spread::kOne;
}

}  // namespace

std::string_view SpreadName(Spread spread) {
  constexpr std::string_view kNames[] = {"one", "keys", "all primaries", "all nodes", "scan"};
  return kNames[static_cast<size_t>(spread)];
}

std::string_view MergeName(Merge merge) {
  constexpr std::string_view kNames[] = {"first",  "one succeeded", "sum",   "min",
                                         "max",    "and",           "or",    "in key order",
                                         "concat", "random key",    "union", "sum of counts",
                                         "info",   "newest first"};
  return kNames[static_cast<size_t>(merge)];
}

SpreadRule SpreadRuleOf(const CommandSpec& spec) {
  const auto* exception =
      std::find_if(std::begin(kExceptions), std::end(kExceptions),
                   [&](const Exception& candidate) { return candidate.command == spec.name; });
  if (exception != std::end(kExceptions)) return exception->rule;
  const Spread spread = SpreadOf(spec);
  switch (spec.response_policy) {
    case ResponsePolicy::kNone:
      if (spread == Spread::kOne) return {};
      return {spread, spread == Spread::kKeys ? Merge::kKeyOrder : Merge::kConcat};
    case ResponsePolicy::kOneSucceeded:
      return {spread, Merge::kOneSucceeded};
    case ResponsePolicy::kAllSucceeded:
      return {spread, Merge::kFirst};
    case ResponsePolicy::kAggLogicalAnd:
      return {spread, Merge::kAnd};
    case ResponsePolicy::kAggLogicalOr:
      return {spread, Merge::kOr};
    case ResponsePolicy::kAggMin:
      return {spread, Merge::kMin};
    case ResponsePolicy::kAggMax:
      return {spread, Merge::kMax};
    case ResponsePolicy::kAggSum:
      return {spread, Merge::kSum};
    case ResponsePolicy::kSpecial:
      // What each node says of itself (INFO, MEMORY STATS, LATENCY LATEST) has no sum: one of them
      // answers for itself.
      return {};
  }
  return {};
}

}  // namespace weir
