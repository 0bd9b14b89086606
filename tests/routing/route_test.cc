// Which upstream a request goes to: rules in their order, key by key.
#include "routing/route.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "routing/command_table.h"

namespace weir {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr uint16_t kHome = 0;

class RouteTest : public testing::Test {
 protected:
  RouteChoice Choose(const std::vector<RouteRule>& rules, std::vector<std::string_view> args,
                     std::string_view user = "default", int64_t db = 0,
                     std::string_view listener = "a:1") {
    const RouteRules all(rules);
    const ArgList list(absl::MakeConstSpan(args));
    const CommandEntry* entry = table_->Resolve(list);
    const CommandSpec* spec = entry == nullptr ? nullptr : entry->spec;
    const RouteRules::Set candidates =
        all.ForListener(listener) & all.ForClient(user, db) &
        all.ForCommand(spec == nullptr ? list[0] : std::string_view(spec->name), spec);
    return all.Choose(candidates, entry, list, kHome);
  }
  bool ChooseByHead(const std::vector<RouteRule>& rules, std::vector<std::string_view> args,
                    RouteChoice* choice) {
    const RouteRules all(rules);
    const ArgList list(absl::MakeConstSpan(args));
    return all.ChooseByHead(~RouteRules::Set{0} >> (64 - rules.size()), table_->Resolve(list), list,
                            kHome, choice);
  }

  std::shared_ptr<const RoutingTable> table_ =
      RoutingTable::Make(CommandTable::BuiltIn(), CommandPolicy());
};

TEST_F(RouteTest, TheFirstRuleThatMatchesAKeyDecides) {
  const std::vector<RouteRule> rules = {{.keys = {"session:*", "s:?"}, .upstream = 1},
                                        {.keys = {"*:1"}, .upstream = 2}};
  EXPECT_EQ(Choose(rules, {"GET", "session:1"}).upstream, 1);
  EXPECT_EQ(Choose(rules, {"GET", "session:1"}).rule, 0);
  EXPECT_EQ(Choose(rules, {"SET", "s:2", "v"}).upstream, 1);
  EXPECT_EQ(Choose(rules, {"GET", "x:1"}).upstream, 2);
  EXPECT_EQ(Choose(rules, {"GET", "Session:2"}).upstream, kHome);
  EXPECT_EQ(Choose(rules, {"GET", "Session:2"}).rule, RouteChoice::kNoRule);
  EXPECT_TRUE(Choose(rules, {"GET", "Session:2"}).has_keys);
}

TEST_F(RouteTest, WhatHasNoKeyGoesByTheFirstRuleWithoutPatterns) {
  const std::vector<RouteRule> rules = {{.keys = {"*"}, .upstream = 1},
                                        {.commands = {"DBSIZE", "config|get"}, .upstream = 2},
                                        {.commands = {"@dangerous"}, .upstream = 3}};
  EXPECT_EQ(Choose(rules, {"DBSIZE"}).upstream, 2);
  EXPECT_EQ(Choose(rules, {"CONFIG", "GET", "x"}).upstream, 2);
  EXPECT_EQ(Choose(rules, {"CONFIG", "SET", "x", "y"}).upstream, 3);
  EXPECT_EQ(Choose(rules, {"TIME"}).upstream, kHome);
  EXPECT_FALSE(Choose(rules, {"TIME"}).has_keys);
  EXPECT_EQ(Choose(rules, {"EVAL", "return 1", "0"}).upstream, kHome);
  EXPECT_EQ(Choose(rules, {"NOSUCH", "a"}).upstream, kHome);
}

TEST_F(RouteTest, KeysAreDecidedOneByOne) {
  const std::vector<RouteRule> rules = {{.keys = {"a*"}, .upstream = 1},
                                        {.keys = {"b*"}, .upstream = 2}};
  EXPECT_THAT(Choose(rules, {"MGET", "a", "c", "b", "a2"}).by_key, ElementsAre(1, kHome, 2, 1));
  EXPECT_THAT(Choose(rules, {"MSET", "a", "b", "b", "a"}).by_key, ElementsAre(1, 2));
  EXPECT_THAT(Choose(rules, {"MGET", "a", "a2"}).by_key, IsEmpty());
  EXPECT_EQ(Choose(rules, {"MGET", "b", "b"}).upstream, 2);
  EXPECT_TRUE(Choose(rules, {"EVAL", "…", "2", "a", "b"}).crosses());
  EXPECT_FALSE(Choose(rules, {"EVAL", "…", "1", "a", "b"}).crosses());
  EXPECT_TRUE(Choose(rules, {"XREAD", "STREAMS", "a", "c", "0", "0"}).crosses());
}

TEST_F(RouteTest, ConditionsAllHaveToHold) {
  const std::vector<RouteRule> rules = {{.listeners = {"a:1"},
                                         .users = {"bob*"},
                                         .dbs = {3, 4},
                                         .commands = {"@read"},
                                         .keys = {"k*"},
                                         .upstream = 1}};
  EXPECT_EQ(Choose(rules, {"GET", "k"}, "bobby", 4).upstream, 1);
  EXPECT_EQ(Choose(rules, {"GET", "k"}, "bobby", 5).upstream, kHome);
  EXPECT_EQ(Choose(rules, {"GET", "k"}, "alice", 4).upstream, kHome);
  EXPECT_EQ(Choose(rules, {"SET", "k", "v"}, "bob", 3).upstream, kHome);
  EXPECT_EQ(Choose(rules, {"GET", "l"}, "bob", 3).upstream, kHome);
  EXPECT_EQ(Choose(rules, {"GET", "k"}, "bob", 3, "b:2").upstream, kHome);
}

TEST_F(RouteTest, ChannelsStandForKeys) {
  const std::vector<RouteRule> rules = {{.keys = {"news.*"}, .upstream = 1}};
  EXPECT_EQ(Choose(rules, {"PUBLISH", "news.a", "m"}).upstream, 1);
  EXPECT_EQ(Choose(rules, {"PUBLISH", "a", "news.a"}).upstream, kHome);
  EXPECT_EQ(Choose(rules, {"SPUBLISH", "news.a", "m"}).upstream, 1);
  EXPECT_EQ(Choose(rules, {"SUBSCRIBE", "news.a", "news.b"}).upstream, 1);
  EXPECT_TRUE(Choose(rules, {"SUBSCRIBE", "news.a", "b"}).crosses());
  EXPECT_EQ(Choose(rules, {"PSUBSCRIBE", "news.*"}).upstream, 1);
  EXPECT_EQ(Choose(rules, {"PUBSUB", "NUMSUB", "news.a"}).upstream, 1);
  EXPECT_EQ(Choose(rules, {"UNSUBSCRIBE", "news.a"}).upstream, kHome);
}

TEST_F(RouteTest, OfALargeRequestTheKeysMustBeKnown) {
  const std::vector<RouteRule> rules = {{.keys = {"a*"}, .upstream = 1}};
  RouteChoice choice;
  EXPECT_TRUE(ChooseByHead(rules, {"SET", "a"}, &choice));
  EXPECT_EQ(choice.upstream, 1);
  EXPECT_FALSE(ChooseByHead(rules, {"SET"}, &choice)) << "the key itself is large";
  EXPECT_FALSE(ChooseByHead(rules, {"MSET", "a"}, &choice)) << "another may follow";
  EXPECT_FALSE(ChooseByHead(rules, {"EVAL"}, &choice));
  EXPECT_TRUE(ChooseByHead(rules, {"ECHO"}, &choice));
  EXPECT_TRUE(ChooseByHead({{.commands = {"mset"}, .upstream = 1}}, {"MSET", "a"}, &choice));
  EXPECT_EQ(choice.upstream, 1);
}

TEST_F(RouteTest, WhetherRequestsOfOneClientMayPart) {
  EXPECT_FALSE(RouteRules({{.users = {"bob"}, .upstream = 1}}).looks_at_requests());
  EXPECT_TRUE(RouteRules({{.commands = {"get"}, .upstream = 1}}).looks_at_requests());
  EXPECT_TRUE(RouteRules({{.keys = {"*"}, .upstream = 1}}).looks_at_keys());
}

}  // namespace
}  // namespace weir
