// The command policy: precedence, default denials that exist, and errors that say what to do.
#include "routing/command_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "routing/command_table.h"
#include "routing/text.h"

namespace weir {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Patterns = std::vector<std::string>;

const CommandSpec& Spec(std::string_view name) {
  const auto table = CommandTable::BuiltIn();
  const size_t bar = name.find('|');
  const CommandSpec* command = table->Find(name.substr(0, bar));
  if (bar != std::string_view::npos)
    command = table->FindSubcommand(*command, name.substr(bar + 1));
  return *command;
}

bool Allows(const Patterns& allow, const Patterns& deny, std::string_view name) {
  const auto policy = CommandPolicy::Parse(allow, deny);
  EXPECT_TRUE(policy.ok()) << policy.status();
  return policy->Judge(Spec(name)).allowed;
}

TEST(CommandPolicyTest, AllowsWhatOnlyTouchesDataAndDeniesWhatHarmsOthers) {
  for (const std::string_view name :
       {"get", "set", "flushall", "keys", "eval", "config|get", "client|list", "acl|whoami",
        "script|kill", "cluster|slots", "module|list"}) {
    EXPECT_TRUE(Allows({}, {}, name)) << name;
  }
  for (const std::string_view name :
       {"shutdown",      "debug",         "replicaof",     "slaveof",        "failover",
        "monitor",       "sync",          "psync",         "replconf",       "save",
        "bgsave",        "bgrewriteaof",  "config|set",    "config|rewrite", "config|resetstat",
        "acl|setuser",   "acl|deluser",   "acl|load",      "acl|save",       "module|load",
        "module|loadex", "module|unload", "cluster|reset", "cluster|meet",   "client|pause",
        "migrate",       "pfdebug"}) {
    EXPECT_FALSE(Allows({}, {}, name)) << name;
  }
}

// Those of the list that Redis 7.0 does not have are newer servers'.
TEST(CommandPolicyTest, DefaultDenialsAreSortedAndNameRealCommands) {
  const auto denials = DefaultDenials();
  EXPECT_TRUE(std::is_sorted(denials.begin(), denials.end(),
                             [](const auto& a, const auto& b) { return a.name < b.name; }));
  std::vector<std::string> unknown;
  for (const DefaultDenial& denial : denials) {
    EXPECT_FALSE(denial.reason.empty()) << denial.name;
    const auto table = CommandTable::BuiltIn();
    if (std::none_of(table->specs().begin(), table->specs().end(),
                     [&](const auto& spec) { return spec->name == denial.name; })) {
      unknown.emplace_back(denial.name);
    }
  }
  EXPECT_THAT(unknown, ElementsAre("cluster|cancelslotmigrations", "cluster|migrateslots",
                                   "cluster|migration", "cluster|syncslots"));
}

// Every command of Redis that is dangerous or an administrator's is either denied or named here.
TEST(CommandPolicyTest, EveryAdministrativeCommandWasThoughtOf) {
  std::vector<std::string> allowed;
  for (const auto& spec : CommandTable::BuiltIn()->specs()) {
    if (spec->flags.Has(CommandFlag::kAdmin) && CommandPolicy().Judge(*spec).allowed) {
      allowed.push_back(spec->name);
    }
  }
  EXPECT_THAT(allowed, ::testing::UnorderedElementsAre(
                           "acl|dryrun", "acl|getuser", "acl|list", "acl|log", "acl|users",
                           "client|kill", "client|list", "client|no-evict", "client|unblock",
                           "cluster|count-failure-reports", "cluster|replicas", "cluster|slaves",
                           "config|get", "latency|doctor", "latency|graph", "latency|histogram",
                           "latency|history", "latency|latest", "latency|reset", "module|list",
                           "slowlog|get", "slowlog|len", "slowlog|reset", "weir|bigkeys",
                           "weir|hotkeys", "weir|slowlog"));
}

TEST(CommandPolicyTest, TheMostSpecificPatternDecides) {
  EXPECT_TRUE(Allows({"DEBUG"}, {}, "debug"));
  EXPECT_TRUE(Allows({"debug"}, {}, "debug"));
  EXPECT_TRUE(Allows({"CONFIG|SET"}, {}, "config|set"));
  EXPECT_FALSE(Allows({"CONFIG|SET"}, {}, "config|rewrite"));
  EXPECT_TRUE(Allows({"CONFIG"}, {}, "config|rewrite"));
  EXPECT_TRUE(Allows({"@all"}, {}, "shutdown"));
  EXPECT_TRUE(Allows({"@dangerous"}, {}, "shutdown"));
  EXPECT_FALSE(Allows({}, {"@all"}, "get"));
  EXPECT_TRUE(Allows({"@string"}, {"@all"}, "get"));
  EXPECT_FALSE(Allows({"@string"}, {"@all"}, "hget"));
  EXPECT_TRUE(Allows({"KEYS"}, {"@dangerous"}, "keys"));
  EXPECT_FALSE(Allows({}, {"@dangerous"}, "keys"));
  EXPECT_FALSE(Allows({"CONFIG"}, {"CONFIG|GET"}, "config|get"));
  EXPECT_TRUE(Allows({"CONFIG|GET"}, {"CONFIG"}, "config|get"));
  EXPECT_FALSE(Allows({"CONFIG|GET"}, {"CONFIG"}, "config|help"));
}

TEST(CommandPolicyTest, DenyWinsAmongEquals) {
  EXPECT_FALSE(Allows({"GET"}, {"GET"}, "get"));
  EXPECT_FALSE(Allows({"@string"}, {"@read"}, "get"));
  EXPECT_FALSE(Allows({"@all"}, {"@all"}, "get"));
}

TEST(CommandPolicyTest, ErrorsSayWhyAndWhatToDo) {
  EXPECT_EQ(CommandPolicy().Judge(Spec("debug")).error,
            "-NOPERM weir: 'debug' is denied: it can crash, stall or corrupt the server for every "
            "client; [commands] allow = [\"DEBUG\"] in weir's configuration permits it");
  EXPECT_THAT(CommandPolicy().Judge(Spec("config|set")).error,
              HasSubstr("allow = [\"CONFIG|SET\"]"));
  const auto policy = CommandPolicy::Parse({}, {"@dangerous", "get"});
  EXPECT_EQ(policy->Judge(Spec("keys")).error,
            "-NOPERM weir: 'keys' is denied: [commands] deny in weir's configuration names "
            "\"@DANGEROUS\"");
  EXPECT_THAT(policy->Judge(Spec("get")).error, HasSubstr("names \"GET\""));
}

TEST(CommandPolicyTest, RefusesWhatIsNoPattern) {
  const auto error_of = [](const Patterns& allow, const Patterns& deny) {
    const auto policy = CommandPolicy::Parse(allow, deny);
    EXPECT_FALSE(policy.ok());
    return std::string(policy.status().message());
  };
  EXPECT_THAT(error_of({"@dangeruos"}, {}),
              HasSubstr("[commands] allow holds \"@dangeruos\": there "
                        "is no such category; known are @all, "));
  EXPECT_THAT(error_of({}, {"CONFIG SET"}),
              HasSubstr("deny holds \"CONFIG SET\": write a subcommand "
                        "with '|'"));
  EXPECT_THAT(error_of({""}, {}), HasSubstr("expected a command"));
  for (const char* text : {"|SET", "CONFIG|", "A|B|C"}) {
    EXPECT_THAT(error_of({text}, {}), HasSubstr("expected a command and a subcommand"));
  }
}

TEST(CommandPolicyTest, NamesPatternsThatMatchNothing) {
  const auto policy =
      CommandPolicy::Parse({"JSON.SET", "GET", "@all"}, {"FLUSHAL", "CONFIG|NOPE", "@scripting"});
  EXPECT_THAT(policy->Unmatched(*CommandTable::BuiltIn()),
              ElementsAre("JSON.SET", "FLUSHAL", "CONFIG|NOPE"));
  EXPECT_THAT(CommandPolicy().Unmatched(*CommandTable::BuiltIn()), IsEmpty());
}

}  // namespace
}  // namespace weir
