// Rules: which requests they match, in which order, and what is wrong with those that cannot.
#include "plugins/rule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/text.h"
#include "routing/command_class.h"
#include "tests/plugins/fakes.h"

namespace weir {
namespace {

class RuleTest : public testing::Test {
 protected:
  // The rule that matches, and the argument that is its key: "0", "0 key 1", or "none".
  std::string Find(std::vector<RuleMatch> rules, const std::vector<std::string_view>& args,
                   RuleSet::Rules needs_key = 0) {
    RuleSet set(std::move(rules));
    const ArgList list(absl::MakeConstSpan(args));
    const CommandEntry* entry = routing_->Resolve(list);
    std::string found;
    // The second time, what it knows of the command is remembered.
    for (int i = 0; i < 2; ++i) {
      const RuleSet::Rules candidates =
          set.ForCommand(entry, list, 0) &
          set.ForClient(IpAddressOfPeer(session_.peer), session_.listener());
      const RuleSet::Match match = set.Find(candidates, needs_key, session_, entry, list);
      const std::string text = match.rule == RuleSet::kNone ? "none"
                               : match.key == RuleSet::kNoKey
                                   ? Concat(match.rule)
                                   : Concat(match.rule, " key ", match.key);
      if (i == 1) {
        EXPECT_EQ(text, found);
      }
      found = text;
    }
    return found;
  }

  FakeSession session_;
  const std::shared_ptr<const RoutingTable> routing_ =
      RoutingTable::Make(CommandTable::BuiltIn(), CommandPolicy());
};

RuleMatch Commands(std::vector<std::string> commands) {
  RuleMatch match;
  match.commands = std::move(commands);
  return match;
}

TEST_F(RuleTest, WithoutConditionsMatchesAllButWhatKeepsAConnectionGoing) {
  EXPECT_EQ(Find({{}}, {"GET", "k"}), "0");
  EXPECT_EQ(Find({{}}, {"no-such-command", "k"}), "0");
  EXPECT_EQ(Find({{}}, {"PUBLISH", "c", "m"}), "0");
  for (const char* name : {"AUTH", "HELLO", "PING", "QUIT", "RESET", "SELECT", "ECHO", "MULTI",
                           "EXEC", "DISCARD", "WATCH", "UNWATCH"}) {
    EXPECT_EQ(Find({{}}, {name, "x"}), "none") << name;
    EXPECT_EQ(Find({Commands({"@all"})}, {name, "x"}), "none") << name;
    EXPECT_EQ(Find({Commands({"@fast", "@slow", "@connection"})}, {name, "x"}), "none") << name;
    EXPECT_EQ(Find({Commands({name})}, {name, "x"}), "0") << name;
  }
  EXPECT_EQ(Find({{}}, {"CLIENT", "SETNAME", "x"}), "none");
  EXPECT_EQ(Find({Commands({"client"})}, {"CLIENT", "SETNAME", "x"}), "0");
  EXPECT_EQ(Find({Commands({"Client|SetName"})}, {"CLIENT", "SETNAME", "x"}), "0");
  EXPECT_EQ(Find({Commands({"Client|SetName"})}, {"CLIENT", "GETNAME"}), "none");
}

TEST_F(RuleTest, TheFirstThatMatchesIsTheOne) {
  const std::vector<RuleMatch> rules = {Commands({"SET", "config|get"}), Commands({"@write"}), {}};
  EXPECT_EQ(Find(rules, {"set", "k", "v"}), "0");
  EXPECT_EQ(Find(rules, {"CONFIG", "GET", "x"}), "0");
  EXPECT_EQ(Find(rules, {"INCR", "k"}), "1");
  EXPECT_EQ(Find(rules, {"GET", "k"}), "2");
}

TEST_F(RuleTest, KeysArePatternsOfAnyOfThem) {
  RuleMatch match;
  match.keys = {"login:*", "h[ae]llo"};
  EXPECT_EQ(Find({match}, {"GET", "login:7"}), "0 key 1");
  EXPECT_EQ(Find({match}, {"GET", "logout:7"}), "none");
  EXPECT_EQ(Find({match}, {"MGET", "a", "hallo", "login:1"}), "0 key 2");
  EXPECT_EQ(Find({match}, {"EVAL", "login:script", "1", "login:key", "arg"}), "0 key 3");
  EXPECT_EQ(Find({match}, {"DBSIZE"}), "none");
  EXPECT_EQ(Find({match}, {"no-such-command", "login:7"}), "none");
  // Too few arguments: Redis will refuse it, but the first key is there.
  EXPECT_EQ(Find({match}, {"SETEX", "login:7"}), "0 key 1");
}

TEST_F(RuleTest, WhatCountsByKeyNeedsOne) {
  EXPECT_EQ(Find({{}, {}}, {"DBSIZE"}, 1), "1");
  EXPECT_EQ(Find({{}, {}}, {"GET", "k"}, 1), "0 key 1");
}

TEST_F(RuleTest, LooksAtTheClient) {
  RuleMatch user;
  user.users = {"app-*", "admin"};
  RuleMatch name;
  name.client_names = {"batch*"};
  RuleMatch db;
  db.dbs = {"3", "4"};
  RuleMatch listener;
  listener.listeners = {"unix:/run/weir.sock"};
  const std::vector<RuleMatch> rules = {user, name, db, listener};
  EXPECT_EQ(Find(rules, {"GET", "k"}), "none");
  session_.listener_address = "unix:/run/weir.sock";
  EXPECT_EQ(Find(rules, {"GET", "k"}), "3");
  session_.selected_db = 4;
  EXPECT_EQ(Find(rules, {"GET", "k"}), "2");
  session_.name = "batch-17";
  EXPECT_EQ(Find(rules, {"GET", "k"}), "1");
  session_.user_name = "app-web";
  EXPECT_EQ(Find(rules, {"GET", "k"}), "0");
}

TEST_F(RuleTest, AddressesAreNetworks) {
  RuleMatch match;
  match.addresses = {"10.0.0.0/8", "192.168.1.7", "2001:db8::/32", "0.0.0.0/0"};
  const std::vector<RuleMatch> all = {match};
  match.addresses.pop_back();
  const std::vector<RuleMatch> rules = {match};
  for (const auto& [peer, found] :
       std::vector<std::pair<std::string, std::string>>{{"10.200.3.4:5", "0"},
                                                        {"11.0.0.1:5", "none"},
                                                        {"192.168.1.7:5", "0"},
                                                        {"192.168.1.8:5", "none"},
                                                        {"[2001:db8:1::9]:5", "0"},
                                                        {"[2001:db9::9]:5", "none"},
                                                        {"[::ffff:10.1.2.3]:5", "0"},
                                                        {"/run/weir.sock:0", "none"}}) {
    session_.peer = peer;
    EXPECT_EQ(Find(rules, {"GET", "k"}), found) << peer;
  }
  session_.peer = "[::1]:5";
  EXPECT_EQ(Find(all, {"GET", "k"}), "none") << "IPv4's everything is not IPv6's";
}

// A command's entry may be at the address where another's was, once a table was read again.
TEST_F(RuleTest, DoesNotTakeOneCommandForAnother) {
  RuleSet set({Commands({"GET"})});
  CommandSpec get, put;
  get.name = "get";
  put.name = "put";
  CommandEntry entry;
  const std::vector<std::string_view> args = {"x", "k"};
  const ArgList list(absl::MakeConstSpan(args));
  entry.spec = &get;
  EXPECT_EQ(set.ForCommand(&entry, list, 0), 1u);
  entry.spec = &put;
  EXPECT_EQ(set.ForCommand(&entry, list, 0), 0u);
  entry.spec = &get;
  EXPECT_EQ(set.ForCommand(&entry, list, 0), 1u);
}

TEST(RuleCheck, SaysWhatWasExpected) {
  EXPECT_TRUE(CheckRuleCommand("CONFIG|SET").ok());
  EXPECT_TRUE(CheckRuleCommand("@Write").ok());
  EXPECT_FALSE(CheckRuleCommand("@wrote").ok());
  EXPECT_FALSE(CheckRuleCommand("CONFIG SET").ok());
  EXPECT_FALSE(CheckRuleCommand("").ok());
  for (const char* good : {"10.0.0.0/8", "10.1.2.3", "::1", "2001:db8::/32", "0.0.0.0/0"}) {
    EXPECT_TRUE(CheckRuleAddress(good).ok()) << good;
  }
  for (const char* bad : {"", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "host", "10.0.0.0/08"}) {
    EXPECT_FALSE(CheckRuleAddress(bad).ok()) << bad;
  }
  EXPECT_TRUE(CheckRuleDb("15").ok());
  EXPECT_FALSE(CheckRuleDb("-1").ok());
  EXPECT_FALSE(CheckRuleDb("x").ok());
}

}  // namespace
}  // namespace weir
