// What a namespace makes of single requests.
#include "plugins/namespace_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/idem_command.h"
#include "plugins/limit_commands.h"
#include "routing/text.h"
#include "tests/plugins/namespace_support.h"

namespace weir::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Outcome = NamespacedRequest::Outcome;

class NamespaceRequestTest : public ::testing::Test {
 protected:
  std::string Say(std::string_view line) const { return tenant_.Say(Words(line)); }
  NamespaceReply ReplyOf(std::string_view line) const { return tenant_.Ask(Words(line)).reply; }
  // "" if it is not refused.
  std::string ReasonOf(std::string_view line) const {
    const std::string refusal = tenant_.Ask(Words(line)).refusal;
    const size_t at = refusal.find(" reason=");
    if (at == std::string::npos) return refusal;
    return refusal.substr(at + 8, refusal.find(' ', at + 1) - at - 8);
  }

  Tenant tenant_;
};

TEST_F(NamespaceRequestTest, Prefixes) {
  EXPECT_TRUE(IsNamespacePrefix("acme:"));
  EXPECT_TRUE(IsNamespacePrefix("\xc3\xa9'\""));
  EXPECT_FALSE(IsNamespacePrefix(""));
  for (const char c : std::string_view("{}*?[]\\^ \n\0\x7f", 12)) {
    EXPECT_FALSE(IsNamespacePrefix(std::string("a") + c)) << static_cast<int>(c);
  }
}

TEST_F(NamespaceRequestTest, TheCommonCaseIsOnePosition) {
  const NamespacedRequest request = tenant_.Ask({"GET", "k"});
  EXPECT_EQ(request.outcome, Outcome::kPrefixed);
  EXPECT_EQ(request.reply, NamespaceReply::kAsIs);
  EXPECT_THAT(request.positions, ElementsAre(1));
  EXPECT_EQ(Say("SET k v EX 10 GET"), "SET acme:k v EX 10 GET");
  EXPECT_EQ(Say("SET  v"), "SET acme: v");
  EXPECT_EQ(Say("GET acme:k"), "GET acme:acme:k");
  EXPECT_EQ(Say("OBJECT ENCODING k"), "OBJECT ENCODING acme:k");
  EXPECT_EQ(Say("MEMORY USAGE k SAMPLES 5"), "MEMORY USAGE acme:k SAMPLES 5");
}

TEST_F(NamespaceRequestTest, KeysBySpecs) {
  EXPECT_EQ(Say("MGET a b a"), "MGET acme:a acme:b acme:a");
  EXPECT_EQ(Say("MSET a 1 b 2"), "MSET acme:a 1 acme:b 2");
  EXPECT_EQ(Say("RENAME a b"), "RENAME acme:a acme:b");
  EXPECT_EQ(Say("COPY a b DB 1 REPLACE"), "COPY acme:a acme:b DB 1 REPLACE");
  EXPECT_EQ(Say("MOVE a 1"), "MOVE acme:a 1");
  EXPECT_EQ(Say("BITOP NOT d s"), "BITOP NOT acme:d acme:s");
  EXPECT_EQ(Say("BLPOP a b 0"), "BLPOP acme:a acme:b 0");
  EXPECT_EQ(Say("ZUNIONSTORE d 2 a b WEIGHTS 1 2"),
            "ZUNIONSTORE acme:d 2 acme:a acme:b WEIGHTS 1 2");
  EXPECT_EQ(Say("LMPOP 2 a b LEFT"), "LMPOP 2 acme:a acme:b LEFT");
  EXPECT_EQ(Say("BLMPOP 0 1 a LEFT COUNT 2"), "BLMPOP 0 1 acme:a LEFT COUNT 2");
  EXPECT_EQ(Say("XGROUP CREATE s g $ MKSTREAM"), "XGROUP CREATE acme:s g $ MKSTREAM");
  EXPECT_EQ(Say("XINFO STREAM s FULL"), "XINFO STREAM acme:s FULL");
  EXPECT_EQ(Say("WATCH a b"), "WATCH acme:a acme:b");
  EXPECT_EQ(Say("PFDEBUG GETREG k"), "PFDEBUG GETREG acme:k");
  EXPECT_EQ(Say("GEOSEARCHSTORE d s FROMMEMBER m BYRADIUS 1 m STOREDIST"),
            "GEOSEARCHSTORE acme:d acme:s FROMMEMBER m BYRADIUS 1 m STOREDIST");
}

// COMMAND GETKEYS calls `PFMERGE d` malformed, and Redis runs it.
TEST_F(NamespaceRequestTest, PfmergeWithoutSourcesHasAKey) {
  EXPECT_EQ(Say("PFMERGE d"), "PFMERGE acme:d");
}

// Redis says what is wrong with them; none of their words could be another's key.
TEST_F(NamespaceRequestTest, MalformedRequestsArePrefixedAllTheSame) {
  EXPECT_EQ(Say("GET"), "GET");
  EXPECT_EQ(Say("GET a b"), "GET acme:a b");
  EXPECT_EQ(Say("ZUNIONSTORE d x a b"), "ZUNIONSTORE acme:d x acme:a acme:b");
  EXPECT_EQ(Say("ZUNIONSTORE d 5 a b"), "ZUNIONSTORE acme:d 5 acme:a acme:b");
  EXPECT_EQ(Say("ZUNION 0 a b"), "ZUNION 0 acme:a acme:b");
  EXPECT_EQ(Say("ZUNION 99999999999999999999 a"), "ZUNION 99999999999999999999 acme:a");
  EXPECT_EQ(Say("BLPOP 0"), "BLPOP acme:0");
  EXPECT_EQ(Say("MSET a 1 b"), "MSET acme:a 1 acme:b");
}

TEST_F(NamespaceRequestTest, Sort) {
  EXPECT_EQ(Say("SORT k"), "SORT acme:k");
  EXPECT_EQ(Say("SORT k BY w_* LIMIT 0 5 GET d_*->f GET # ASC ALPHA STORE a"),
            "SORT acme:k BY acme:w_* LIMIT 0 5 GET acme:d_*->f GET # ASC ALPHA STORE acme:a");
  EXPECT_EQ(Say("SORT k BY nosort"), "SORT acme:k BY acme:nosort");
  EXPECT_EQ(Say("SORT k store a STORE b"), "SORT acme:k store acme:a STORE acme:b");
  EXPECT_EQ(Say("SORT k LIMIT by STORE GET x"), "SORT acme:k LIMIT by STORE GET acme:x");
  EXPECT_EQ(Say("SORT k BY STORE STORE GET"), "SORT acme:k BY acme:STORE STORE acme:GET");
  EXPECT_EQ(Say("SORT k BOGUS STORE d"), "SORT acme:k BOGUS STORE acme:d");
  EXPECT_EQ(Say("SORT k GET"), "SORT acme:k GET");
  EXPECT_EQ(Say("SORT_RO k BY w_* GET #"), "SORT_RO acme:k BY acme:w_* GET #");
  // Redis' strcmp ends at a NUL byte.
  const std::string hash("#\0x", 3);
  EXPECT_THAT(tenant_.Ask({"SORT", "k", "GET", hash}).positions, ElementsAre(1));
}

// The last STORE counts, whatever COMMAND GETKEYS says.
TEST_F(NamespaceRequestTest, GeoRadius) {
  EXPECT_EQ(Say("GEORADIUS k 1 2 3 m STORE a STORE b"),
            "GEORADIUS acme:k 1 2 3 m STORE acme:a STORE acme:b");
  EXPECT_EQ(Say("GEORADIUS k 1 2 3 m STOREDIST STORE STORE x"),
            "GEORADIUS acme:k 1 2 3 m STOREDIST acme:STORE STORE acme:x");
  EXPECT_EQ(Say("GEORADIUS k 1 2 3 m COUNT STORE x"), "GEORADIUS acme:k 1 2 3 m COUNT STORE x");
  EXPECT_EQ(Say("GEORADIUSBYMEMBER k STORE 3 m STORE d"),
            "GEORADIUSBYMEMBER acme:k STORE 3 m STORE acme:d");
  EXPECT_EQ(Say("GEORADIUS_RO k 1 2 3 m"), "GEORADIUS_RO acme:k 1 2 3 m");
}

TEST_F(NamespaceRequestTest, Streams) {
  EXPECT_EQ(Say("XREAD COUNT 1 BLOCK 0 STREAMS a b 0 0"),
            "XREAD COUNT 1 BLOCK 0 STREAMS acme:a acme:b 0 0");
  EXPECT_EQ(Say("XREADGROUP GROUP g c NOACK streams a >"),
            "XREADGROUP GROUP g c NOACK streams acme:a >");
  // COMMAND GETKEYS finds the keys "x" and "STREAMS" here, Redis reads "a".
  EXPECT_EQ(Say("XREADGROUP COUNT 1 GROUP STREAMS x STREAMS a >"),
            "XREADGROUP COUNT 1 GROUP STREAMS x STREAMS acme:a >");
  EXPECT_EQ(Say("XREAD COUNT 1 BOGUS 2"), "XREAD COUNT 1 BOGUS 2");
  EXPECT_EQ(Say("XREAD STREAMS a b 0"), "XREAD STREAMS acme:a acme:b 0");
  EXPECT_EQ(ReplyOf("XREAD STREAMS a 0"), NamespaceReply::kStreams);
}

TEST_F(NamespaceRequestTest, Migrate) {
  EXPECT_EQ(Say("MIGRATE h 1 k 0 9"), "MIGRATE h 1 acme:k 0 9");
  EXPECT_EQ(Say("MIGRATE h 1  0 9 COPY AUTH2 keys p KEYS a b"),
            "MIGRATE h 1  0 9 COPY AUTH2 keys p KEYS acme:a acme:b");
  EXPECT_EQ(Say("MIGRATE h 1  0 9 REPLACE"), "MIGRATE h 1 acme: 0 9 REPLACE");
  EXPECT_EQ(Say("MIGRATE h 1 k 0 9 KEYS a"), "MIGRATE h 1 acme:k 0 9 KEYS acme:a");
}

TEST_F(NamespaceRequestTest, KeysAndScan) {
  EXPECT_EQ(Say("KEYS *"), "KEYS acme:*");
  EXPECT_EQ(Say("KEYS [ab]?"), "KEYS acme:[ab]?");
  EXPECT_EQ(ReplyOf("KEYS *"), NamespaceReply::kNames);
  EXPECT_EQ(Say("SCAN 0"), "SCAN 0 MATCH acme:*");
  EXPECT_EQ(Say("SCAN 0 COUNT 10 TYPE string"), "SCAN 0 MATCH acme:* COUNT 10 TYPE string");
  EXPECT_EQ(Say("SCAN 0 TYPE match MATCH a* COUNT 5"), "SCAN 0 TYPE match MATCH acme:a* COUNT 5");
  EXPECT_EQ(Say("SCAN 0 MATCH a MATCH b"), "SCAN 0 MATCH acme:a MATCH acme:b");
  // Malformed: Redis' error is the same as without the words put in.
  EXPECT_EQ(Say("SCAN 0 COUNT"), "SCAN 0 MATCH acme:* COUNT");
  EXPECT_EQ(Say("SCAN 0 MATCH"), "SCAN 0 MATCH acme:* MATCH");
  EXPECT_EQ(Say("SCAN"), "SCAN");
  EXPECT_EQ(ReplyOf("SCAN 0"), NamespaceReply::kScan);
  EXPECT_EQ(Say("HSCAN h 0 MATCH x"), "HSCAN acme:h 0 MATCH x");
  EXPECT_EQ(Say("DBSIZE"), "KEYS acme:*");
  EXPECT_EQ(ReplyOf("DBSIZE"), NamespaceReply::kCount);
  EXPECT_EQ(Say("DBSIZE x"), "-ERR wrong number of arguments for 'dbsize' command");
  EXPECT_EQ(tenant_.Say({"RANDOMKEY"}), "KEYS acme:*");
  EXPECT_EQ(ReplyOf("RANDOMKEY"), NamespaceReply::kOneOf);
}

TEST_F(NamespaceRequestTest, Flush) {
  const NamespacedRequest request = tenant_.Ask({"FLUSHDB"});
  EXPECT_EQ(request.outcome, Outcome::kRewritten);
  ASSERT_EQ(request.args.size(), 5U);
  EXPECT_EQ(request.args[0], "EVAL");
  EXPECT_EQ(request.args[3], "acme:*");
  EXPECT_EQ(request.args[4], "UNLINK");
  EXPECT_EQ(tenant_.Ask({"FLUSHALL", "sync"}).args.at(4), "DEL");
  EXPECT_EQ(Say("FLUSHALL NOW"), "-ERR syntax error");
  EXPECT_EQ(Say("FLUSHDB SYNC ASYNC"), "-ERR syntax error");
  tenant_.cluster = true;
  EXPECT_EQ(ReasonOf("FLUSHALL"), "cluster");
  EXPECT_EQ(ReasonOf("FLUSHDB ASYNC"), "cluster");
}

TEST_F(NamespaceRequestTest, Scripts) {
  for (const char* line : {"EVAL s 1 k a", "EVALSHA s 1 k a", "EVAL_RO s 1 k", "EVALSHA_RO s 1 k",
                           "FCALL f 1 k", "FCALL_RO f 1 k", "SCRIPT LOAD s", "SCRIPT EXISTS s"}) {
    tenant_.scripts = false;
    EXPECT_EQ(ReasonOf(line), "scripts") << line;
    tenant_.scripts = true;
    EXPECT_EQ(ReasonOf(line), "") << line;
  }
  EXPECT_EQ(Say("EVAL s 2 a b c"), "EVAL s 2 acme:a acme:b c");
  EXPECT_EQ(Say("FCALL f 1 k a"), "FCALL f 1 acme:k a");
  EXPECT_EQ(Say("EVAL s 0 a"), "EVAL s 0 a");
  EXPECT_EQ(Say("EVAL s -1 a"), "EVAL s -1 acme:a");
  EXPECT_EQ(Say("SCRIPT LOAD s"), "SCRIPT LOAD s");
  for (const char* line : {"SCRIPT FLUSH", "SCRIPT KILL", "SCRIPT DEBUG YES", "FUNCTION LIST",
                           "FUNCTION LOAD s", "FUNCTION FLUSH", "FUNCTION DUMP"}) {
    EXPECT_EQ(ReasonOf(line), "server") << line;
  }
}

TEST_F(NamespaceRequestTest, Channels) {
  EXPECT_EQ(Say("PUBLISH c m"), "PUBLISH acme:c m");
  EXPECT_EQ(Say("SPUBLISH c m"), "SPUBLISH acme:c m");
  EXPECT_EQ(Say("SUBSCRIBE a b"), "SUBSCRIBE acme:a acme:b");
  EXPECT_EQ(Say("PSUBSCRIBE a* b"), "PSUBSCRIBE acme:a* acme:b");
  EXPECT_EQ(Say("SSUBSCRIBE a"), "SSUBSCRIBE acme:a");
  EXPECT_EQ(Say("UNSUBSCRIBE a"), "UNSUBSCRIBE acme:a");
  for (const char* line : {"UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"}) {
    EXPECT_EQ(Say(line), line);
    EXPECT_EQ(ReplyOf(line), NamespaceReply::kPush);
  }
  EXPECT_EQ(Say("PUBSUB CHANNELS"), "PUBSUB CHANNELS acme:*");
  EXPECT_EQ(Say("PUBSUB CHANNELS a*"), "PUBSUB CHANNELS acme:a*");
  EXPECT_EQ(Say("PUBSUB SHARDCHANNELS"), "PUBSUB SHARDCHANNELS acme:*");
  EXPECT_EQ(Say("PUBSUB NUMSUB a b"), "PUBSUB NUMSUB acme:a acme:b");
  EXPECT_EQ(Say("PUBSUB NUMSUB"), "PUBSUB NUMSUB");
  EXPECT_EQ(ReplyOf("PUBSUB SHARDNUMSUB a"), NamespaceReply::kPairs);
  EXPECT_EQ(ReasonOf("PUBSUB NUMPAT"), "server");
}

TEST_F(NamespaceRequestTest, Tracking) {
  EXPECT_EQ(Say("CLIENT TRACKING ON BCAST"), "CLIENT TRACKING ON PREFIX acme: BCAST");
  EXPECT_EQ(Say("CLIENT TRACKING on REDIRECT 5 PREFIX a NOLOOP BCAST PREFIX b"),
            "CLIENT TRACKING on REDIRECT 5 PREFIX acme:a NOLOOP BCAST PREFIX acme:b");
  EXPECT_EQ(Say("CLIENT TRACKING ON OPTIN"), "CLIENT TRACKING ON OPTIN");
  EXPECT_EQ(Say("CLIENT TRACKING OFF"), "CLIENT TRACKING OFF");
  EXPECT_EQ(Say("CLIENT TRACKING ON PREFIX BCAST BCAST"),
            "CLIENT TRACKING ON PREFIX acme:BCAST BCAST");
  EXPECT_EQ(ReplyOf("CLIENT TRACKINGINFO"), NamespaceReply::kTrackingInfo);
}

TEST_F(NamespaceRequestTest, WhatConcernsTheServerIsRefused) {
  for (const char* line : {"SWAPDB 0 1",
                           "CONFIG GET *",
                           "CONFIG SET a b",
                           "CLIENT LIST",
                           "CLIENT KILL a",
                           "CLIENT PAUSE 1",
                           "CLIENT UNPAUSE",
                           "CLIENT UNBLOCK 1",
                           "CLIENT NO-EVICT on",
                           "MONITOR",
                           "SLOWLOG GET",
                           "LATENCY LATEST",
                           "MODULE LIST",
                           "SAVE",
                           "BGSAVE",
                           "SHUTDOWN",
                           "DEBUG SLEEP 0",
                           "DEBUG OBJECT",
                           "ACL LIST",
                           "ACL SETUSER a",
                           "CLUSTER COUNTKEYSINSLOT 1",
                           "CLUSTER GETKEYSINSLOT 1 2",
                           "CLUSTER FLUSHSLOTS",
                           "MEMORY STATS",
                           "MEMORY DOCTOR",
                           "PFSELFTEST",
                           "REPLICAOF a 1",
                           "SYNC",
                           "PSYNC a 1",
                           "REPLCONF a b",
                           "FAILOVER",
                           "WEIR BIGKEYS",
                           "WEIR HOTKEYS",
                           "WEIR SLOWLOG GET",
                           "WEIR UPSTREAMS",
                           "WEIR TOPOLOGY",
                           "WEIR.ON other GET k"}) {
    EXPECT_EQ(ReasonOf(line), "server") << line;
  }
  EXPECT_THAT(Say("config get x"),
              StartsWith("-NONAMESPACE command=config|get reason=server weir: "));
}

TEST_F(NamespaceRequestTest, WhatHarmsNobodyPasses) {
  for (const char* line : {"PING",         "MULTI",      "EXEC",     "DISCARD",
                           "UNWATCH",      "SELECT 1",   "AUTH p",   "HELLO 3",
                           "QUIT",         "RESET",      "TIME",     "WAIT 0 0",
                           "ASKING",       "LOLWUT",     "COMMAND",  "COMMAND GETKEYS GET k",
                           "CLIENT ID",    "ACL WHOAMI", "ROLE",     "CLUSTER INFO",
                           "CLUSTER MYID", "XINFO HELP", "WEIR HELP"}) {
    EXPECT_EQ(Say(line), line);
  }
  EXPECT_EQ(Say("CLUSTER KEYSLOT k"), "CLUSTER KEYSLOT acme:k");
  EXPECT_EQ(Say("DEBUG object k fast"), "DEBUG object acme:k fast");
  EXPECT_EQ(ReplyOf("INFO keyspace"), NamespaceReply::kInfo);
}

TEST_F(NamespaceRequestTest, UnknownCommandsGetRedisOwnErrors) {
  EXPECT_EQ(Say("FOO a b"), "-ERR unknown command 'FOO', with args beginning with: 'a' 'b' ");
  EXPECT_EQ(Say("object Foo k"), "-ERR unknown subcommand 'Foo'. Try OBJECT HELP.");
  EXPECT_EQ(Say("COMMAND FOO"), "-ERR unknown subcommand 'FOO'. Try COMMAND HELP.");
  EXPECT_EQ(Say("CONFIG"), "-ERR wrong number of arguments for 'config' command");
}

TEST_F(NamespaceRequestTest, DeniedCommandsKeepTheirError) {
  tenant_.routes = RoutingTable::Make(CommandTable::BuiltIn(), CommandPolicy());
  const std::vector<std::string_view> views = {"DEBUG", "OBJECT", "k"};
  const CommandEntry* entry = tenant_.routes->Resolve(ArgList(absl::MakeConstSpan(views)));
  ASSERT_EQ(entry->handling, Handling::kDenied);
  EXPECT_EQ(Say("DEBUG OBJECT k"), entry->error);
}

// --- What a server or module says of commands that weir does not know

CommandSpec SpecOf(std::string name, CommandFlags flags = {}) {
  CommandSpec spec;
  spec.name = std::move(name);
  spec.arity = -2;
  spec.flags = flags;
  spec.has_key_specs = true;
  return spec;
}
KeySpec RangeAt(int index, int last, int step = 1) {
  KeySpec key;
  key.begin_search = KeySpec::BeginSearch::kIndex;
  key.index = index;
  key.find_keys = KeySpec::FindKeys::kRange;
  key.last_key = last;
  key.key_step = step;
  return key;
}
NamespacedRequest AskOf(const CommandSpec& spec, const Args& args) {
  CommandEntry entry;
  entry.spec = &spec;
  const std::vector<std::string_view> views(args.begin(), args.end());
  return PutOn(&entry, ArgList(absl::MakeConstSpan(views)), {.prefix = "p:"}, true,
               static_cast<uint32_t>(args.size()));
}

TEST(NamespaceOfOtherServersTest, NewCommandsPassIfAllTheirKeysAreKnown) {
  CommandSpec spec = SpecOf("hexpire");
  EXPECT_THAT(AskOf(spec, {"HEXPIRE", "a"}).refusal, HasSubstr("command=hexpire reason=server"));
  spec.key_specs = {RangeAt(1, 0)};
  EXPECT_THAT(AskOf(spec, {"HEXPIRE", "a", "b"}).positions, ElementsAre(1));
  spec.key_specs[0].flags.Add(KeyFlag::kIncomplete);
  EXPECT_THAT(AskOf(spec, {"HEXPIRE", "a"}).refusal, HasSubstr("reason=unknown_keys"));
  for (const auto& spoil : std::vector<void (*)(KeySpec*)>{
           [](KeySpec* key) { key->begin_search = KeySpec::BeginSearch::kUnknown; },
           [](KeySpec* key) { key->begin_search = KeySpec::BeginSearch::kKeyword; },
           [](KeySpec* key) { key->find_keys = KeySpec::FindKeys::kUnknown; },
           [](KeySpec* key) { key->index = 0; }, [](KeySpec* key) { key->key_step = 0; },
           [](KeySpec* key) { key->last_key = -1, key->limit = 2; }}) {
    spec.key_specs = {RangeAt(1, 0)};
    spoil(&spec.key_specs[0]);
    EXPECT_THAT(AskOf(spec, {"HEXPIRE", "a"}).refusal, HasSubstr("reason=unknown_keys"));
  }
}

// MSETEX numkeys key value [key value …] of Redis 8.4.
TEST(NamespaceOfOtherServersTest, CountedKeysMayStandApart) {
  CommandSpec spec = SpecOf("msetex");
  KeySpec key;
  key.begin_search = KeySpec::BeginSearch::kIndex;
  key.index = 1;
  key.find_keys = KeySpec::FindKeys::kKeynum;
  key.first_key = 1;
  key.key_step = 2;
  spec.key_specs = {key};
  EXPECT_THAT(AskOf(spec, {"MSETEX", "2", "a", "1", "b", "2", "EX", "5"}).positions,
              ElementsAre(2, 4));
}

TEST(NamespaceOfOtherServersTest, OfModulesOnlyTheKnownPass) {
  CommandSpec spec = SpecOf("ft.search", {CommandFlag::kModule, CommandFlag::kReadonly});
  spec.key_specs = {RangeAt(1, 0)};
  EXPECT_THAT(AskOf(spec, {"FT.SEARCH", "i", "*"}).refusal, HasSubstr("reason=unknown_keys"));
  spec.name = "json.get";
  EXPECT_THAT(AskOf(spec, {"JSON.GET", "k", "$"}).positions, ElementsAre(1));
}

TEST(NamespaceOfOtherServersTest, LegacyRanges) {
  CommandSpec spec = SpecOf("old");
  spec.has_key_specs = false;
  EXPECT_THAT(AskOf(spec, {"OLD", "a"}).refusal, HasSubstr("reason=server"));
  spec.first_key = 1, spec.last_key = -1, spec.step = 2;
  EXPECT_THAT(AskOf(spec, {"OLD", "a", "1", "b", "2"}).positions, ElementsAre(1, 3));
  spec.flags.Add(CommandFlag::kMovablekeys);
  EXPECT_THAT(AskOf(spec, {"OLD", "a"}).refusal, HasSubstr("reason=unknown_keys"));
}

// Another table may have another command at the same id.
TEST(NamespaceRulesTest, AreKnownByName) {
  NamespaceRules rules;
  CommandSpec spec = SpecOf("get");
  spec.id = 7;
  EXPECT_EQ(rules.Of(spec).way, NamespaceWay::kKeys);
  EXPECT_EQ(rules.Of(spec).way, NamespaceWay::kKeys);
  spec.name = "config|set";
  EXPECT_EQ(rules.Of(spec).way, NamespaceWay::kKeys);  // and has no key specs
  spec.name = "sort";
  EXPECT_EQ(rules.Of(spec).way, NamespaceWay::kSort);
  spec.flags.Add(CommandFlag::kModule);
  EXPECT_EQ(rules.Of(spec).way, NamespaceWay::kRefuse);
}

// --- Commands of weir's plugins

class NamespaceOwnCommandsTest : public NamespaceRequestTest {
 protected:
  // WEIR.IDEM and WEIR.LIMIT are in the table only while their plugins are on.
  NamespacedRequest AskOwn(const Args& args) {
    const CommandSpec* found = nullptr;
    for (const auto* specs : {&IdemCommandSpecs(), &LimitCommandSpecs()}) {
      for (const CommandSpec* spec : *specs) {
        if (EqualsIgnoreCase(spec->name, args[0])) found = spec;
      }
    }
    CommandEntry entry;
    entry.spec = found;
    if (found != nullptr && found->name != "weir.idem") entry.only_key = 1;
    const std::vector<std::string_view> views(args.begin(), args.end());
    const NamespaceScope scope = {tenant_.prefix, false, false,
                                  with_routing_ ? tenant_.routes.get() : nullptr};
    return PutOn(&entry, ArgList(absl::MakeConstSpan(views)), scope, whole_,
                 static_cast<uint32_t>(args.size() + (whole_ ? 0 : 1)));
  }
  std::string SayOwn(std::string_view line) {
    const NamespacedRequest request = AskOwn(Words(line));
    if (request.outcome == Outcome::kRefused) return request.refusal;
    std::string said;
    for (const std::string& arg : tenant_.Sent(Words(line), request)) {
      said += (said.empty() ? "" : " ") + arg;
    }
    return said;
  }
  bool with_routing_ = true;
  bool whole_ = true;
};

TEST_F(NamespaceOwnCommandsTest, Limit) {
  EXPECT_EQ(SayOwn("WEIR.LIMIT k POINTS 1 PERIOD 2"), "WEIR.LIMIT acme:k POINTS 1 PERIOD 2");
  EXPECT_EQ(SayOwn("WEIR.LIMIT RESET k"), "WEIR.LIMIT RESET acme:k");
  EXPECT_EQ(SayOwn("WEIR.LIMIT RESET POINTS 1 PERIOD 2"),
            "WEIR.LIMIT acme:RESET POINTS 1 PERIOD 2");
  EXPECT_EQ(SayOwn("CL.THROTTLE k 1 2 3"), "CL.THROTTLE acme:k 1 2 3");
}

TEST_F(NamespaceOwnCommandsTest, IdemTreatsTheCommandWithin) {
  EXPECT_EQ(SayOwn("WEIR.IDEM t TTL 5 WAIT 6 INCR k"), "WEIR.IDEM acme:t TTL 5 WAIT 6 INCR acme:k");
  EXPECT_EQ(SayOwn("WEIR.IDEM t LMPOP 1 k LEFT"), "WEIR.IDEM acme:t LMPOP 1 acme:k LEFT");
  EXPECT_EQ(AskOwn(Words("WEIR.IDEM t LMPOP 1 k LEFT")).reply, NamespaceReply::kFirst);
  EXPECT_EQ(SayOwn("WEIR.IDEM t PING"), "WEIR.IDEM acme:t PING");
  EXPECT_EQ(SayOwn("WEIR.IDEM t SCAN 0"), "WEIR.IDEM acme:t SCAN 0 MATCH acme:*");
  EXPECT_THAT(SayOwn("WEIR.IDEM t SWAPDB 0 1"), HasSubstr("command=swapdb"));
  EXPECT_THAT(SayOwn("WEIR.IDEM t WEIR.IDEM u INCR k"), HasSubstr("-NONAMESPACE"));
  EXPECT_THAT(SayOwn("WEIR.IDEM t WEIR.ON u INCR k"), HasSubstr("command=weir.on"));
  // An empty token stays one, and a missing command missing, for the plugin to complain.
  EXPECT_EQ(SayOwn("WEIR.IDEM  INCR k"), "WEIR.IDEM  INCR acme:k");
  EXPECT_EQ(SayOwn("WEIR.IDEM t TTL 5"), "WEIR.IDEM t TTL 5");
  with_routing_ = false;
  EXPECT_THAT(SayOwn("WEIR.IDEM t INCR k"), HasSubstr("-NONAMESPACE"));
}

TEST_F(NamespaceOwnCommandsTest, OfALargeIdemTheCommandMustBeKnown) {
  whole_ = false;
  EXPECT_THAT(SayOwn("WEIR.IDEM t"), HasSubstr("reason=too_large"));
  EXPECT_EQ(SayOwn("WEIR.IDEM t SET k"), "WEIR.IDEM acme:t SET acme:k");
  EXPECT_THAT(SayOwn("WEIR.IDEM t MGET k"), HasSubstr("reason=too_large"));
}

// --- Large requests

TEST_F(NamespaceRequestTest, OfLargeRequestsAllNamesMustBeKnown) {
  const auto ask = [&](std::string_view line, size_t argc) {
    const NamespacedRequest request = tenant_.Ask(Words(line), false, argc);
    if (request.outcome == Outcome::kRefused) return request.refusal;
    return ::testing::PrintToString(
        std::vector<uint32_t>(request.positions.begin(), request.positions.end()));
  };
  const auto too_large = HasSubstr("reason=too_large");
  EXPECT_EQ(ask("SET k", 3), "{ 1 }");
  EXPECT_THAT(ask("SET", 3), too_large);
  EXPECT_EQ(ask("PUBLISH c", 3), "{ 1 }");
  EXPECT_EQ(ask("ECHO", 2), "{}");
  EXPECT_EQ(ask("ZUNIONSTORE d 1 a", 6), "{ 1, 3 }");
  EXPECT_THAT(ask("ZUNIONSTORE d 2 a", 6), too_large);
  EXPECT_THAT(ask("ZUNIONSTORE d", 6), too_large);
  EXPECT_EQ(ask("RENAME a b", 3), "{ 1, 2 }");
  for (const char* line :
       {"MSET a 1", "DEL a", "SORT k", "SCAN 0", "XREAD STREAMS a", "SUBSCRIBE a",
        "MIGRATE h 1 k 0 9", "CLIENT TRACKING ON", "GEORADIUS k 1 2 3 m"}) {
    EXPECT_THAT(ask(line, 20), too_large) << line;
  }
  tenant_.scripts = true;
  EXPECT_EQ(ask("EVAL s 1 k", 5), "{ 3 }");
  EXPECT_THAT(ask("EVAL", 4), too_large);
}

}  // namespace
}  // namespace weir::testing
