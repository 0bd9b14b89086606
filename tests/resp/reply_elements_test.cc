#include "resp/reply_elements.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(ReplyElementsTest, ReadsHeaders) {
  const auto array = ReadAggregateHeader("*12\r\n:1\r\n");
  ASSERT_TRUE(array);
  EXPECT_EQ(array->type, '*');
  EXPECT_EQ(array->count, 12u);
  EXPECT_EQ(array->bytes, 5u);
  EXPECT_EQ(ReadAggregateHeader("%0\r\n")->count, 0u);
  for (const char* reply : {"", "*", "*1", "*\r\n", "*-1\r\n", "$1\r\na\r\n", "+OK\r\n", "\r\n",
                            "*1x\r\n", "*99999999999999999999\r\n"}) {
    EXPECT_FALSE(ReadAggregateHeader(reply)) << reply;
  }
}

TEST(ReplyElementsTest, CutsAtElements) {
  const auto elements = CutElements("*3\r\n*1\r\n:1\r\n$4\r\n\r\n\r\n\r\n+OK\r\n", 2);
  ASSERT_TRUE(elements);
  ASSERT_EQ(elements->size(), 3u);
  EXPECT_EQ((*elements)[0], "*1\r\n:1\r\n");
  EXPECT_EQ((*elements)[1], "$4\r\n\r\n\r\n\r\n");
  EXPECT_EQ((*elements)[2], "+OK\r\n");
  EXPECT_EQ(CutElements("%1\r\n+a\r\n_\r\n", 3)->size(), 2u);
  EXPECT_TRUE(CutElements("*0\r\n", 2)->empty());
  EXPECT_FALSE(CutElements("*1\r\n$4\r\nab", 2));
  EXPECT_FALSE(CutElements("*1\r\nnonsense\r\n", 2));
  EXPECT_FALSE(CutElements(":1\r\n", 2));
}

TEST(ReplyElementsTest, Appends) {
  const std::string_view reply = "*9\r\n:1\r\n";
  EXPECT_EQ(AppendElements(reply, *ReadAggregateHeader(reply), 1, "+x\r\n"), "*10\r\n:1\r\n+x\r\n");
}

TEST(ReplyElementsTest, StringsOfElements) {
  EXPECT_EQ(StringOf("$3\r\nget\r\n"), "get");
  EXPECT_EQ(StringOf("+get\r\n"), "get");
  EXPECT_EQ(StringOf("$-1\r\n"), "");
  EXPECT_EQ(StringOf(":1\r\n"), "");
  EXPECT_EQ(StringOf(""), "");
}

}  // namespace
}  // namespace weir
