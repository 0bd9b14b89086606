// How each command is handled on a shared link.
#include "routing/command_class.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/support.h"

namespace weir {
namespace {

std::shared_ptr<const RoutingTable> Table(const std::vector<std::string>& allow = {},
                                          const std::vector<std::string>& deny = {}) {
  return RoutingTable::Make(CommandTable::BuiltIn(), *CommandPolicy::Parse(allow, deny));
}

class CommandClassTest : public ::testing::Test {
 protected:
  const CommandEntry* Resolve(const std::vector<std::string_view>& args) {
    return table_->Resolve(ArgList(args));
  }
  Handling HandlingOf(const std::vector<std::string_view>& args) {
    const CommandEntry* entry = Resolve(args);
    return entry == nullptr ? Handling::kShared : entry->handling;
  }
  LocalCommand LocalOf(const std::vector<std::string_view>& args) {
    const CommandEntry* entry = Resolve(args);
    return entry == nullptr ? LocalCommand::kNone : entry->local;
  }

  std::shared_ptr<const RoutingTable> table_ = Table();
};

TEST_F(CommandClassTest, DataCommandsShareALink) {
  for (const std::string_view name : {"GET", "set", "Mget", "EVAL", "PUBLISH", "SPUBLISH", "DBSIZE",
                                      "XADD", "FLUSHALL", "SCAN", "TIME", "LOLWUT", "OBJECT"}) {
    EXPECT_EQ(HandlingOf({name, "k"}), Handling::kShared) << name;
    EXPECT_FALSE(table_->Find(name)->blocks) << name;
  }
  EXPECT_EQ(HandlingOf({"CONFIG", "GET", "x"}), Handling::kShared);
  EXPECT_EQ(HandlingOf({"SCRIPT", "LOAD", "x"}), Handling::kShared);
  EXPECT_EQ(HandlingOf({"PUBSUB", "CHANNELS"}), Handling::kShared);
}

TEST_F(CommandClassTest, WhatRedisMustJudgeIsShared) {
  EXPECT_EQ(Resolve({"NOSUCHCOMMAND"}), nullptr);
  EXPECT_EQ(Resolve({""}), nullptr);
  EXPECT_EQ(HandlingOf({"CONFIG", "NOPE"}), Handling::kShared);
  EXPECT_EQ(HandlingOf({"CONFIG"}), Handling::kShared);
  EXPECT_EQ(HandlingOf({"CLIENT"}), Handling::kShared);
  EXPECT_EQ(HandlingOf({"CLIENT", "NOPE"}), Handling::kShared);
  EXPECT_EQ(HandlingOf({"COMMAND", "NOPE"}), Handling::kShared);
}

TEST_F(CommandClassTest, TheConversationWithWeirIsLocal) {
  EXPECT_EQ(LocalOf({"hello", "3"}), LocalCommand::kHello);
  EXPECT_EQ(LocalOf({"AUTH", "x"}), LocalCommand::kAuth);
  EXPECT_EQ(LocalOf({"select", "0"}), LocalCommand::kSelect);
  EXPECT_EQ(LocalOf({"QUIT"}), LocalCommand::kQuit);
  EXPECT_EQ(LocalOf({"Reset"}), LocalCommand::kReset);
  EXPECT_EQ(LocalOf({"PING"}), LocalCommand::kPing);
  EXPECT_EQ(LocalOf({"ECHO", "x"}), LocalCommand::kEcho);
  EXPECT_EQ(LocalOf({"INFO"}), LocalCommand::kInfo);
  EXPECT_EQ(LocalOf({"COMMAND"}), LocalCommand::kCommand);
  EXPECT_EQ(LocalOf({"COMMAND", "getkeysandflags", "GET", "k"}),
            LocalCommand::kCommandGetkeysandflags);
  EXPECT_EQ(LocalOf({"CLIENT", "LIST"}), LocalCommand::kClientList);
  EXPECT_EQ(LocalOf({"client", "setinfo", "lib-name", "x"}), LocalCommand::kClientSetinfo);
  EXPECT_EQ(LocalOf({"CLIENT", "NO-TOUCH", "on"}), LocalCommand::kClientNoTouch);
  EXPECT_EQ(Resolve({"CLIENT", "NO-TOUCH", "on"})->spec->name, "client|no-touch");
  EXPECT_EQ(LocalOf({"WEIR", "EXPLAIN", "GET", "k"}), LocalCommand::kWeirExplain);
  EXPECT_EQ(LocalOf({"WEIR"}), LocalCommand::kWeir);
  EXPECT_EQ(LocalOf({"WEIR", "NOPE"}), LocalCommand::kWeir);
}

TEST_F(CommandClassTest, WhatLeavesATraceOrWaitsIsPinned) {
  for (const std::string_view name : {"MULTI", "EXEC", "DISCARD", "WATCH", "UNWATCH", "BLPOP",
                                      "BRPOP", "BLMOVE", "BLMPOP", "BZPOPMIN", "BZPOPMAX", "BZMPOP",
                                      "BRPOPLPUSH", "READONLY", "READWRITE", "ASKING", "WAIT"}) {
    EXPECT_EQ(HandlingOf({name, "k"}), Handling::kPinned) << name;
    EXPECT_FALSE(table_->Find(name)->is_readonly) << name;
  }
  EXPECT_EQ(HandlingOf({"CLIENT", "TRACKING", "on"}), Handling::kPinned);
  EXPECT_EQ(HandlingOf({"CLIENT", "CACHING", "yes"}), Handling::kPinned);
  EXPECT_EQ(HandlingOf({"SCRIPT", "DEBUG", "yes"}), Handling::kPinned);
  EXPECT_EQ(Resolve({"multi"})->effect, PinEffect::kMulti);
  EXPECT_EQ(Resolve({"exec"})->effect, PinEffect::kExec);
  EXPECT_EQ(Resolve({"watch", "k"})->effect, PinEffect::kWatch);
  EXPECT_EQ(Resolve({"blpop", "k", "0"})->effect, PinEffect::kBlock);
  EXPECT_EQ(Resolve({"wait", "0", "0"})->effect, PinEffect::kBlock);
  EXPECT_EQ(Resolve({"client", "tracking", "on"})->effect, PinEffect::kTracking);
  EXPECT_EQ(Resolve({"readonly"})->effect, PinEffect::kOther);
}

TEST_F(CommandClassTest, SubscriptionsAreShared) {
  for (const std::string_view name :
       {"SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"}) {
    EXPECT_EQ(HandlingOf({name, "c"}), Handling::kSubscribe) << name;
    EXPECT_FALSE(table_->Find(name)->is_readonly) << name;
  }
  for (const std::vector<std::string_view>& args :
       {std::vector<std::string_view>{"PUBLISH", "c", "m"},
        {"SPUBLISH", "c", "m"},
        {"PUBSUB", "NUMSUB", "c"},
        {"PUBSUB", "SHARDNUMSUB", "c"}}) {
    EXPECT_EQ(HandlingOf(args), Handling::kShared) << args[0];
    EXPECT_TRUE(Resolve(args)->counts_receivers) << args[0];
  }
  EXPECT_FALSE(Resolve({"PUBSUB", "NUMPAT"})->counts_receivers);
  EXPECT_FALSE(Resolve({"GET", "k"})->counts_receivers);
}

// Pinned stays pinned whatever the policy allows: it would ruin the shared link.
TEST_F(CommandClassTest, AllowingDoesNotUnpin) {
  const auto table = Table({"@all"});
  for (const std::string_view name : {"SYNC", "PSYNC", "REPLCONF"}) {
    const std::vector<std::string_view> args = {name};
    EXPECT_EQ(HandlingOf(args), Handling::kDenied) << name;
    EXPECT_EQ(table->Resolve(ArgList(args))->handling, Handling::kPinned) << name;
  }
  EXPECT_EQ(table->Find("debug")->handling, Handling::kShared);
}

TEST_F(CommandClassTest, XreadBlocksOnlyIfTold) {
  EXPECT_EQ(HandlingOf({"XREAD", "STREAMS", "s", "0"}), Handling::kShared);
  EXPECT_TRUE(Resolve({"XREAD", "STREAMS", "s", "0"})->is_readonly);
  EXPECT_EQ(HandlingOf({"XREAD", "BLOCK", "0", "STREAMS", "s", "$"}), Handling::kPinned);
  EXPECT_EQ(HandlingOf({"xread", "count", "1", "block", "0", "streams", "s", "$"}),
            Handling::kPinned);
  EXPECT_TRUE(Resolve({"XREAD", "BLOCK", "0", "STREAMS", "s", "$"})->blocks);
  EXPECT_FALSE(Resolve({"XREAD", "BLOCK", "0", "STREAMS", "s", "$"})->is_readonly);
  EXPECT_EQ(Resolve({"XREAD", "BLOCK", "0", "STREAMS", "s", "$"})->effect, PinEffect::kBlock);
  // Streams, groups and consumers may be called so.
  EXPECT_EQ(HandlingOf({"XREAD", "STREAMS", "block", "0"}), Handling::kShared);
  EXPECT_EQ(HandlingOf({"XREADGROUP", "GROUP", "block", "block", "STREAMS", "s", ">"}),
            Handling::kShared);
  EXPECT_EQ(
      HandlingOf({"XREADGROUP", "GROUP", "g", "c", "NOACK", "BLOCK", "0", "STREAMS", "s", ">"}),
      Handling::kPinned);
  // Redis compares options as C strings.
  EXPECT_EQ(HandlingOf({"XREAD", std::string_view("BLOCK\0x", 7), "0", "STREAMS", "s", "$"}),
            Handling::kPinned);
  EXPECT_EQ(HandlingOf({"XREAD"}), Handling::kShared);
  EXPECT_EQ(HandlingOf({"XREADGROUP", "GROUP"}), Handling::kShared);
}

TEST_F(CommandClassTest, DeniedWinsOverLocal) {
  const auto table = Table({"CLIENT|ID"}, {"CLIENT", "PING"});
  const auto handling = [&](const std::vector<std::string_view>& args) {
    return table->Resolve(ArgList(args))->handling;
  };
  EXPECT_EQ(handling({"PING"}), Handling::kDenied);
  EXPECT_EQ(handling({"CLIENT", "LIST"}), Handling::kDenied);
  EXPECT_EQ(handling({"CLIENT", "NOPE"}), Handling::kDenied);
  EXPECT_EQ(handling({"CLIENT", "SETINFO", "a", "b"}), Handling::kDenied);
  EXPECT_EQ(handling({"CLIENT", "ID"}), Handling::kLocal);
  EXPECT_EQ(HandlingOf({"CONFIG", "SET", "a", "b"}), Handling::kDenied);
  EXPECT_EQ(HandlingOf({"DEBUG", "SLEEP", "0"}), Handling::kDenied);
}

TEST_F(CommandClassTest, ABlockedReadIsDeniedToo) {
  const auto table = Table({}, {"XREAD"});
  const std::vector<std::string_view> args = {"XREAD", "BLOCK", "0", "STREAMS", "s", "$"};
  EXPECT_EQ(table->Resolve(ArgList(args))->handling, Handling::kDenied);
}

// Redis finds a command by a hash of its whole name but compares it as a C string, so by chance
// "SHUTDOWN\0x" is SHUTDOWN and "MULTI\0x" is MULTI. Tried often enough, such a name would pass
// every list of denials.
TEST_F(CommandClassTest, NamesWithANulByteNeverReachRedis) {
  EXPECT_EQ(LocalOf({std::string_view("SHUTDOWN\0x", 10)}), LocalCommand::kUnknownCommand);
  EXPECT_EQ(LocalOf({std::string_view("GET\0", 4)}), LocalCommand::kUnknownCommand);
  EXPECT_EQ(LocalOf({std::string_view("\0", 1)}), LocalCommand::kUnknownCommand);
  EXPECT_EQ(LocalOf({"CONFIG", std::string_view("SET\0x", 5)}), LocalCommand::kUnknownSubcommand);
  EXPECT_EQ(LocalOf({"SET", std::string_view("k\0x", 3), "v"}), LocalCommand::kNone);
}

// That Redis does so, in both ways: this is what the test above protects from.
TEST_F(CommandClassTest, RedisTakesSomeNamesWithANulByteForCommands) {
  const harness::RedisServer redis;
  harness::RawClient client(redis.port());
  int taken = 0;
  for (int i = 0; i < 20000 && taken == 0; ++i) {
    taken += client.Command({std::string("PING\0", 5) + std::to_string(i)}) == "+PONG\r\n" ? 1 : 0;
  }
  EXPECT_GT(taken, 0);
}

// A browser's request must not close a link that clients share, though Redis closes its connection.
TEST_F(CommandClassTest, PostAndHostCloseSilently) {
  const harness::RedisServer redis;
  for (const std::string_view name : {"POST", "host:", "Host:", "post"}) {
    EXPECT_EQ(LocalOf({name}), LocalCommand::kCloseSilently) << name;
    harness::RawClient client(redis.port());
    EXPECT_EQ(client.Command({std::string(name), "/"}), harness::kClosed) << name;
  }
  EXPECT_EQ(LocalOf({std::string_view("POST\0x", 6)}), LocalCommand::kCloseSilently);
  harness::RawClient client(redis.port());
  EXPECT_EQ(client.Command({std::string("POST\0x", 6)}), harness::kClosed);
}

TEST_F(CommandClassTest, KnowsWhatIsSafeToSendTwice) {
  const auto readonly = [&](const std::vector<std::string_view>& args) {
    return Resolve(args)->is_readonly;
  };
  EXPECT_TRUE(readonly({"GET", "k"}));
  EXPECT_TRUE(readonly({"EVAL_RO", "return 1", "0"}));
  EXPECT_TRUE(readonly({"TIME"}));
  EXPECT_TRUE(readonly({"INFO"}));
  EXPECT_TRUE(readonly({"CONFIG", "GET", "x"}));
  EXPECT_TRUE(readonly({"SCRIPT", "EXISTS", "x"}));
  for (const std::string_view name : {"SET", "INCR", "EVAL", "EVALSHA", "FCALL", "PUBLISH",
                                      "SPUBLISH", "GETEX", "SORT", "XREADGROUP", "FLUSHALL"}) {
    EXPECT_FALSE(readonly({name, "k"})) << name;
  }
  EXPECT_FALSE(readonly({"SCRIPT", "FLUSH"}));
  EXPECT_FALSE(readonly({"SLOWLOG", "RESET"}));
  EXPECT_FALSE(readonly({"CONFIG", "NOPE"}));
  EXPECT_TRUE(Resolve({"SET", "k", "v"})->is_write);
  EXPECT_FALSE(Resolve({"GET", "k"})->is_write);
}

TEST_F(CommandClassTest, NoWriteIsSafeToSendTwice) {
  for (const auto& spec : table_->commands().specs()) {
    const CommandEntry& entry = table_->entry(*spec);
    EXPECT_EQ(entry.spec, spec.get());
    EXPECT_FALSE(entry.is_write && entry.is_readonly) << spec->name;
    EXPECT_FALSE(entry.blocks && entry.handling == Handling::kShared) << spec->name;
    EXPECT_EQ(entry.handling == Handling::kDenied, !entry.error.empty()) << spec->name;
    EXPECT_TRUE(entry.handling == Handling::kPinned || entry.effect == PinEffect::kNone ||
                entry.handling == Handling::kDenied)
        << spec->name;
    EXPECT_EQ(entry.handling == Handling::kLocal, entry.local != LocalCommand::kNone) << spec->name;
  }
}

}  // namespace
}  // namespace weir
