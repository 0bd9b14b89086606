#include "proxy/client/monitor_line.h"

#include <gtest/gtest.h>

#include <vector>

#include "routing/command_policy.h"
#include "routing/command_table.h"

namespace weir {
namespace {

class MonitorLineTest : public ::testing::Test {
 protected:
  std::string Words(const std::vector<std::string_view>& args, bool complete = true) const {
    const CommandEntry* entry = routing_->Resolve(ArgList(args));
    return entry == nullptr ? "unknown" : MonitorWords(*entry, ArgList(args), complete);
  }
  bool IsShown(const std::vector<std::string_view>& args) const {
    return IsShownToMonitors(routing_->Resolve(ArgList(args)), static_cast<uint32_t>(args.size()));
  }

  CommandPolicy policy_ = *CommandPolicy::Parse({"@all"}, {});
  std::shared_ptr<const RoutingTable> routing_ =
      RoutingTable::Make(CommandTable::BuiltIn(), policy_);
};

TEST_F(MonitorLineTest, ALineIsAsRedisWritesIt) {
  EXPECT_EQ(MonitorLine(1'700'000'000'000'001, 3, "127.0.0.1:50000", "\"PING\""),
            "+1700000000.000001 [3 127.0.0.1:50000] \"PING\"\r\n");
}

TEST_F(MonitorLineTest, WhatIsNotPrintableIsEscaped) {
  EXPECT_EQ(Words({"set", "k", std::string_view("\0\x7f\xe9\n\r\t\a\b\\\" ~", 12)}),
            "\"set\" \"k\" \"\\x00\\x7f\\xe9\\n\\r\\t\\a\\b\\\\\\\" ~\"");
  EXPECT_EQ(Words({"SET", "", "v"}), "\"SET\" \"\" \"v\"");
  EXPECT_EQ(Words({"SET", "k"}, false), "\"SET\" \"k\" ...");
}

TEST_F(MonitorLineTest, PasswordsAreNotShown) {
  EXPECT_EQ(Words({"auth", "p"}), "\"auth\" \"(redacted)\"");
  EXPECT_EQ(Words({"AUTH", "u", "p"}), "\"AUTH\" \"(redacted)\" \"(redacted)\"");
  EXPECT_EQ(Words({"HELLO", "3", "AUTH", "u", "p", "SETNAME", "auth"}),
            "\"HELLO\" \"3\" \"AUTH\" \"(redacted)\" \"(redacted)\" \"SETNAME\" \"auth\"");
  EXPECT_EQ(Words({"MIGRATE", "h", "1", "k", "0", "10", "COPY", "AUTH", "p"}),
            "\"MIGRATE\" \"h\" \"1\" \"k\" \"0\" \"10\" \"COPY\" \"AUTH\" \"(redacted)\"");
  EXPECT_EQ(Words({"MIGRATE", "h", "1", "k", "0", "10", "auth2", "u", "p", "KEYS", "a"}),
            "\"MIGRATE\" \"h\" \"1\" \"k\" \"0\" \"10\" \"auth2\" \"(redacted)\" \"(redacted)\" "
            "\"KEYS\" \"a\"");
}

TEST_F(MonitorLineTest, OnlyWhatRedisExecutesAndNotForAdministrators) {
  EXPECT_TRUE(IsShown({"GET", "k"}));
  EXPECT_TRUE(IsShown({"EVAL", "return 1", "0"}));
  EXPECT_TRUE(IsShown({"CLIENT", "ID"}));
  EXPECT_FALSE(IsShown({"GET"}));
  EXPECT_FALSE(IsShown({"NOSUCH"}));
  EXPECT_FALSE(IsShown({"CLIENT", "NOSUCH"}));
  EXPECT_FALSE(IsShown({"CLIENT", "LIST"}));
  EXPECT_FALSE(IsShown({"CONFIG", "GET", "x"}));
  EXPECT_FALSE(IsShown({"MONITOR"}));
  EXPECT_FALSE(IsShown({"SYNC"}));
  EXPECT_FALSE(IsShown({"POST", "x"}));
}

}  // namespace
}  // namespace weir
