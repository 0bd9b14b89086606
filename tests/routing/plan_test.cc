// Plans: one node, several nodes, and what WEIR EXPLAIN prints.
#include "routing/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "routing/keys.h"
#include "routing/slot.h"

namespace weir {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Args = std::vector<std::string_view>;

class PlanTest : public ::testing::Test {
 protected:
  Plan On(const Topology& topology, const Args& args) {
    return MakePlan(*routing_, topology, ArgList(args));
  }
  std::vector<std::string> Explained(const Topology& topology, const Args& args) {
    return ExplainPlan(On(topology, args), topology, ArgList(args));
  }

  // Even slots on node 0, odd ones on node 2, slot 0 nowhere; node 1 is a replica.
  static std::shared_ptr<const Topology> Cluster() {
    std::vector<NodeIndex> slots(kSlotCount);
    for (size_t i = 0; i < slots.size(); ++i) slots[i] = i % 2 == 0 ? 0 : 2;
    slots[KeySlot("nowhere")] = kNoNode;
    return Topology::Cluster({{.id = "a", .host = "a", .port = 1},
                              {.id = "b", .host = "b", .port = 2, .role = NodeRole::kReplica},
                              {.id = "c", .host = "c", .port = 3}},
                             slots, 1);
  }

  std::shared_ptr<const RoutingTable> routing_ =
      RoutingTable::Make(CommandTable::BuiltIn(), CommandPolicy());
  std::shared_ptr<const Topology> single_ = Topology::Single({.host = "127.0.0.1", .port = 6379});
  std::shared_ptr<const Topology> cluster_ = Cluster();
};

TEST_F(PlanTest, ASingleNodeTakesAllThatIsShared) {
  for (const Args& args : {Args{"GET", "k"}, Args{"MSET", "a", "1", "b", "2"}, Args{"DBSIZE"},
                           Args{"SET"}, Args{"CONFIG", "GET", "x"}}) {
    const Plan plan = On(*single_, args);
    EXPECT_EQ(plan.kind, PlanKind::kSingle) << args[0];
    EXPECT_EQ(plan.node, 0);
    EXPECT_EQ(plan.slot, kNoSlot);
    EXPECT_TRUE(plan.reason.empty());
  }
  EXPECT_EQ(On(*single_, {"GET", "k"}).entry->spec->name, "get");
}

// It may be any command by another name (rename-command), and leave anything on its connection.
TEST_F(PlanTest, WhatNoTableHasGetsAConnectionOfItsOwn) {
  const auto replicated =
      Topology::Replicated({{.host = "p", .port = 1}, {.host = "r", .port = 1}}, 1);
  for (const auto& topology : {single_, cluster_, std::shared_ptr<const Topology>(replicated)}) {
    const Plan plan = On(*topology, {"NOSUCH", "a"});
    EXPECT_EQ(plan.kind, PlanKind::kPinned);
    EXPECT_EQ(plan.entry, nullptr);
    EXPECT_EQ(plan.node, 0);
  }
}

TEST_F(PlanTest, OtherHandlingsBecomeOtherPlans) {
  EXPECT_EQ(On(*single_, {"PING"}).kind, PlanKind::kLocal);
  EXPECT_EQ(On(*single_, {"PING"}).entry->local, LocalCommand::kPing);
  const Plan pinned = On(*single_, {"MULTI"});
  EXPECT_EQ(pinned.kind, PlanKind::kPinned);
  EXPECT_EQ(pinned.node, 0);
  EXPECT_EQ(On(*single_, {"SUBSCRIBE", "c"}).kind, PlanKind::kSubscribe);
  EXPECT_EQ(On(*single_, {"SUBSCRIBE", "c"}).node, 0);
  EXPECT_EQ(PlanKindName(PlanKind::kSubscribe), "subscribe");
  EXPECT_EQ(PlanKindName(PlanKind::kReject), "reject");
  const Plan denied = On(*single_, {"DEBUG", "SLEEP", "1"});
  EXPECT_EQ(denied.kind, PlanKind::kReject);
  EXPECT_THAT(std::string(denied.reason), StartsWith("-NOPERM weir: 'debug' is denied"));
}

TEST_F(PlanTest, AClusterRoutesBySlot) {
  for (const std::string_view key : {"a", "b", "foo", "{x}y", ""}) {
    const Plan plan = On(*cluster_, {"GET", key});
    EXPECT_EQ(plan.kind, PlanKind::kSingle);
    EXPECT_EQ(plan.slot, KeySlot(key));
    EXPECT_EQ(plan.node, KeySlot(key) % 2 == 0 ? 0 : 2);
  }
  EXPECT_EQ(On(*cluster_, {"SPUBLISH", "foo", "m"}).slot, KeySlot("foo"));
  const Plan unserved = On(*cluster_, {"GET", "nowhere"});
  EXPECT_EQ(unserved.kind, PlanKind::kReject);
  EXPECT_THAT(std::string(unserved.reason), StartsWith("-CLUSTERDOWN"));
}

// The short cut for commands with one key gives what their key specs give.
TEST_F(PlanTest, TheOnlyKeyIsTheOneThatIsFound) {
  const Args words = {"w0", "w1", "w2", "w3", "w4", "w5", "w6", "w7", "w8"};
  int with_one_key = 0;
  for (const auto& spec : routing_->commands().specs()) {
    const uint8_t only_key = routing_->entry(*spec).only_key;
    if (only_key == 0) continue;
    ++with_one_key;
    const ArgList args(
        absl::MakeConstSpan(words.data(), static_cast<size_t>(std::abs(spec->arity))));
    KeyPositions keys;
    EXPECT_EQ(FindSlotArguments(*spec, args, &keys), KeysFound::kAll) << spec->name;
    ASSERT_EQ(keys.size(), 1U) << spec->name;
    EXPECT_EQ(keys[0].index, only_key) << spec->name;
  }
  EXPECT_GT(with_one_key, 100);
  EXPECT_EQ(routing_->Find("mget")->only_key, 0);
  EXPECT_EQ(routing_->Find("sort")->only_key, 0);
  EXPECT_EQ(routing_->Find("eval")->only_key, 0);
}

TEST_F(PlanTest, AClusterSplitsOrRefusesSeveralSlots) {
  EXPECT_EQ(On(*cluster_, {"MGET", "a", "b"}).kind, PlanKind::kSplit);
  EXPECT_EQ(On(*cluster_, {"MGET", "{t}a", "{t}b"}).kind, PlanKind::kSingle);
  const Plan crossing = On(*cluster_, {"SINTER", "a", "b"});
  EXPECT_EQ(crossing.kind, PlanKind::kReject);
  EXPECT_EQ(crossing.reason, "-CROSSSLOT Keys in request don't hash to the same slot");
}

TEST_F(PlanTest, WhatCannotBeSplitIsRefusedInRedisWords) {
  for (const Args& args :
       {Args{"MSETNX", "a", "1", "b", "2"}, Args{"RENAME", "a", "b"}, Args{"SMOVE", "a", "b", "m"},
        Args{"SUNIONSTORE", "a", "b", "c"}, Args{"EVAL", "x", "2", "a", "b"},
        Args{"BLPOP", "a", "b", "0"}, Args{"WATCH", "a", "b"}}) {
    EXPECT_EQ(On(*cluster_, args).kind, PlanKind::kReject) << args[0];
    EXPECT_EQ(On(*cluster_, args).reason, "-CROSSSLOT Keys in request don't hash to the same slot");
  }
  EXPECT_EQ(On(*cluster_, {"MSETNX", "{t}a", "1", "{t}b", "2"}).kind, PlanKind::kSingle);
  EXPECT_EQ(On(*cluster_, {"MSET", "a", "1", "b"}).reason,
            "-ERR wrong number of arguments for 'mset' command");
}

TEST_F(PlanTest, AConnectionOfItsOwnGoesWhereItsKeysAre) {
  for (const Args& args : {Args{"WATCH", "foo", "{foo}x"}, Args{"BLPOP", "foo", "0"},
                           Args{"XREAD", "BLOCK", "0", "STREAMS", "foo", "$"}}) {
    const Plan plan = On(*cluster_, args);
    EXPECT_EQ(plan.kind, PlanKind::kPinned) << args[0];
    EXPECT_EQ(plan.slot, KeySlot("foo"));
    EXPECT_EQ(plan.node, cluster_->PrimaryOf(KeySlot("foo")));
  }
  for (const Args& args : {Args{"MULTI"}, Args{"EXEC"}, Args{"WAIT", "0", "0"}}) {
    EXPECT_EQ(On(*cluster_, args).kind, PlanKind::kPinned);
    EXPECT_EQ(On(*cluster_, args).node, kNoNode) << "its first key will tell";
  }
  EXPECT_EQ(On(*cluster_, {"SSUBSCRIBE", "foo"}).slot, KeySlot("foo"));
  EXPECT_EQ(On(*cluster_, {"SUBSCRIBE", "foo"}).node, kNoNode);
  EXPECT_EQ(On(*cluster_, {"SSUBSCRIBE", "a", "b"}).kind, PlanKind::kSubscribe);
  EXPECT_EQ(On(*cluster_, {"SSUBSCRIBE", "a", "b"}).node, kNoNode) << "each where it is";
  EXPECT_EQ(On(*cluster_, {"SSUBSCRIBE", "nowhere"}).kind, PlanKind::kSubscribe) << "it waits";
  EXPECT_EQ(On(*cluster_, {"WATCH", "nowhere"}).kind, PlanKind::kReject);
}

// Servers that know nothing of each other: what is on one of them needs no common slot.
TEST_F(PlanTest, ShardedServersTakeWhatIsWhollyTheirs) {
  const Ketama::Server servers[] = {{"a"}, {"b"}, {"c"}};
  const auto sharded = Topology::Sharded(
      {{.host = "a", .port = 1}, {.host = "b", .port = 1}, {.host = "c", .port = 1}},
      Ketama(servers, "{}"));
  const auto server_of = [&](std::string_view key) { return sharded->SlotOf(key); };
  std::string other = "k";
  while (server_of(other) == server_of("foo")) other += "k";
  std::string same = "s";
  while (server_of(same) != server_of("foo")) same += "s";
  EXPECT_EQ(On(*sharded, {"GET", "foo"}).node, server_of("foo"));
  EXPECT_EQ(On(*sharded, {"SINTER", "foo", same}).node, server_of("foo"));
  EXPECT_EQ(On(*sharded, {"SINTER", "foo", other}).reason,
            "-CROSSSLOT weir: the keys are on different servers, and this command cannot be split");
  EXPECT_EQ(On(*sharded, {"MGET", "foo", other}).kind, PlanKind::kSplit);
  EXPECT_EQ(On(*sharded, {"DBSIZE"}).kind, PlanKind::kBroadcast);
  EXPECT_EQ(sharded->primaries().size(), 3U);
}

// A primary with replicas is one server, whatever the keys.
TEST_F(PlanTest, ReplicatedServersAreOne) {
  const auto replicated =
      Topology::Replicated({{.host = "p", .port = 1}, {.host = "r", .port = 1}}, 1);
  for (const Args& args :
       {Args{"GET", "a"}, Args{"MGET", "a", "b"}, Args{"SINTER", "a", "b"}, Args{"DBSIZE"},
        Args{"SCAN", "0"}, Args{"TIME"}, Args{"MSET", "a", "1", "b"}}) {
    EXPECT_EQ(On(*replicated, args).kind, PlanKind::kSingle) << args[0];
    EXPECT_EQ(On(*replicated, args).node, 0);
    EXPECT_EQ(On(*replicated, args).slot, 0);
  }
  EXPECT_EQ(On(*replicated, {"MULTI"}).node, 0);
  EXPECT_EQ(On(*replicated, {"WATCH", "a", "b"}).kind, PlanKind::kPinned);
  EXPECT_EQ(replicated->replicas(0), (std::vector<NodeIndex>{1}));
}

TEST_F(PlanTest, AClusterIsScannedNodeByNode) {
  EXPECT_EQ(On(*cluster_, {"SCAN", "0"}).kind, PlanKind::kScan);
  EXPECT_EQ(On(*single_, {"SCAN", "0"}).kind, PlanKind::kSingle);
  EXPECT_EQ(On(*cluster_, {"HSCAN", "foo", "0"}).slot, KeySlot("foo"));
  EXPECT_EQ(PlanKindName(PlanKind::kScan), "scan");
}

TEST_F(PlanTest, AClusterBroadcastsWhatConcernsAll) {
  EXPECT_EQ(On(*cluster_, {"DBSIZE"}).kind, PlanKind::kBroadcast);
  EXPECT_EQ(On(*cluster_, {"SCRIPT", "LOAD", "x"}).kind, PlanKind::kBroadcast);
  // No key, no policy, or arguments that Redis will refuse: any primary.
  for (const Args& args : {Args{"TIME"}, Args{"GET"}, Args{"EVAL", "x", "0"}}) {
    EXPECT_EQ(On(*cluster_, args).kind, PlanKind::kSingle) << args[0];
    EXPECT_EQ(On(*cluster_, args).node, 0) << args[0];
  }
  const auto replicas_only = Topology::Cluster({{.role = NodeRole::kReplica}},
                                               std::vector<NodeIndex>(kSlotCount, kNoNode), 1);
  EXPECT_EQ(On(*replicas_only, {"TIME"}).kind, PlanKind::kReject);
}

TEST_F(PlanTest, ExplainsItself) {
  EXPECT_THAT(Explained(*single_, {"MSET", "a", "1", "b\r\n", "2"}),
              ElementsAre("plan: single", "command: mset", "flags: write denyoom",
                          "keys: a b\\r\\n", "slot: 15495 8733", "node: 127.0.0.1:6379",
                          "why: one reply, no trace on the connection: it may share a link"));
  EXPECT_THAT(Explained(*single_, {"PING"}), Contains("plan: local"));
  EXPECT_THAT(Explained(*single_, {"MULTI"}).back(),
              StartsWith("why: it changes what the connection's"));
  EXPECT_THAT(Explained(*single_, {"SAVE"}).back(),
              StartsWith("why: NOPERM weir: 'save' is denied"));
  EXPECT_THAT(Explained(*single_, {"no\nsuch"}),
              ElementsAre("plan: pinned", "command: no\\nsuch", "node: 127.0.0.1:6379",
                          "why: weir does not know the command, so it may leave anything on its "
                          "connection"));
  EXPECT_THAT(Explained(*single_, {"EVAL", "x", "5", "a"}), Contains(HasSubstr("keys: unknown")));
  EXPECT_THAT(Explained(*single_, {"SORT", "a", "GET", "*"}), Contains(HasSubstr("only Redis")));
  EXPECT_THAT(
      Explained(*single_, {"POST"}),
      ElementsAre("plan: local", "command: POST", "why: Redis closes a connection that says so"));
  EXPECT_THAT(Explained(*cluster_, {"MGET", "a", "b"}).back(),
              "why: its keys are served by several nodes");
  EXPECT_THAT(Explained(*cluster_, {"MGET", "a", "b"}), Contains("merge: in key order"));
  EXPECT_THAT(Explained(*cluster_, {"DBSIZE"}),
              ElementsAre("plan: broadcast", "command: dbsize", "flags: readonly fast",
                          "spread: all primaries", "merge: sum", "nodes: a:1 c:3",
                          "why: it concerns every node"));
  EXPECT_THAT(Explained(*cluster_, {"SCAN", "0"}), Contains("plan: scan"));
  EXPECT_THAT(Explained(*cluster_, {"GET", "foo"}), Contains("node: a:1"));
}

// However long or many the keys, the lines stay readable and bounded.
TEST_F(PlanTest, ExplanationsAreBounded) {
  const std::string long_key(1 << 20, 'k');
  Args args = {"DEL"};
  for (int i = 0; i < 100; ++i) args.push_back(long_key);
  const std::vector<std::string> lines = Explained(*single_, args);
  EXPECT_THAT(lines, Contains(HasSubstr(" and 84 more")));
  for (const std::string& line : lines) EXPECT_LT(line.size(), 4096U);
}

}  // namespace
}  // namespace weir
