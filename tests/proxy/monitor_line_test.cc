// A client that monitors Redis through weir sees what clients do, not how weir's links begin: with
// Redis itself there are none, and its own test suite expects a MULTI to be the first line of one.
#include "proxy/backend/monitor_line.h"

#include <string>

#include "gtest/gtest.h"

namespace weir {
namespace {

bool Own(const std::string& said, std::string_view client_name = "weir") {
  return IsOwnChatter("+1700000000.123456 [0 127.0.0.1:50000] " + said + "\r\n", client_name);
}

TEST(MonitorLineTest, HandshakesAndHealthChecksAreWeirsOwn) {
  EXPECT_TRUE(Own("\"CLIENT\" \"SETNAME\" \"weir\""));
  EXPECT_TRUE(Own("\"CLIENT\" \"SETNAME\" \"my proxy\"", "my proxy"));
  EXPECT_TRUE(Own("\"CLIENT\" \"ID\""));
  EXPECT_TRUE(Own("\"HELLO\" \"3\""));
  EXPECT_TRUE(Own("\"HELLO\" \"3\" \"AUTH\" \"(redacted)\" \"(redacted)\""));
  EXPECT_TRUE(Own("\"PING\""));
}

TEST(MonitorLineTest, WhatClientsSayIsNot) {
  EXPECT_FALSE(Own("\"multi\""));
  EXPECT_FALSE(Own("\"set\" \"k\" \"] \\\"PING\\\"\""));
  EXPECT_FALSE(Own("\"CLIENT\" \"SETNAME\" \"weirdo\""));
  EXPECT_FALSE(Own("\"CLIENT\" \"SETNAME\" \"\"", ""));
  EXPECT_FALSE(Own("\"client\" \"setname\" \"weir\""));
  EXPECT_FALSE(Own("\"HELLO\" \"3\" \"SETNAME\" \"x\""));
  EXPECT_FALSE(Own("\"PING\" \"hello\""));
  EXPECT_FALSE(IsOwnChatter("+OK\r\n", "weir"));
}

}  // namespace
}  // namespace weir
