// ArgList shows the same arguments whether they were parsed from bytes or listed.
#include "routing/arg_list.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "routing/text.h"

namespace weir {
namespace {

TEST(ArgListTest, ShowsAParsedRequest) {
  const std::string wire = "*3\r\n$3\r\nSET\r\n$0\r\n\r\n$5\r\nv\r\nlu\r\n";
  const ArgSpan spans[] = {{8, 3}, {17, 0}, {23, 5}};
  ParsedRequest request;
  request.wire = wire;
  request.args = spans;
  request.argc = 3;
  const ArgList args(request);
  ASSERT_EQ(args.size(), 3U);
  EXPECT_EQ(args[0], "SET");
  EXPECT_EQ(args[1], "");
  EXPECT_EQ(args[2], "v\r\nlu");
  EXPECT_EQ(args.Tail(1).size(), 2U);
  EXPECT_EQ(args.Tail(1)[1], "v\r\nlu");
  EXPECT_EQ(args.Tail(3).size(), 0U);
}

TEST(ArgListTest, ShowsAListOfStrings) {
  const std::vector<std::string_view> strings = {"GET", "k"};
  const ArgList args(strings);
  ASSERT_EQ(args.size(), 2U);
  EXPECT_EQ(args[1], "k");
  EXPECT_EQ(args.Tail(1)[0], "k");
}

TEST(TextTest, KeywordsEndAtANulByteAndIgnoreCase) {
  EXPECT_TRUE(IsKeyword("Block", "block"));
  EXPECT_TRUE(IsKeyword(std::string_view("block\0x", 7), "block"));
  EXPECT_FALSE(IsKeyword("blocks", "block"));
  EXPECT_FALSE(IsKeyword("", "block"));
  EXPECT_FALSE(EqualsIgnoreCase("[", "{")) << "only letters have case";
  EXPECT_EQ(ToLower("AZ[@`{\xc1"), "az[@`{\xc1");
  EXPECT_EQ(ToUpper("az[@`{\xe1"), "AZ[@`{\xe1");
  EXPECT_EQ(Concat("a", "", "bc"), "abc");
}

}  // namespace
}  // namespace weir
