// Replies as trees: what is in them, and what is refused.

#include "resp/reply_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "resp/frame_scanner.h"
#include "tests/resp/random_bytes.h"
#include "tests/support/raw_client.h"
#include "tests/support/redis_server.h"

namespace weir {
namespace {

using ::testing::HasSubstr;

TEST(ReplyTreeTest, HoldsEachType) {
  const absl::StatusOr<Reply> reply =
      ParseReply("*7\r\n+fine\r\n-ERR no\r\n:-7\r\n$3\r\na\r\n\r\n$-1\r\n*-1\r\n*0\r\n");
  ASSERT_TRUE(reply.ok()) << reply.status();
  ASSERT_TRUE(reply->is(Reply::Type::kArray));
  ASSERT_EQ(reply->elements.size(), 7u);
  EXPECT_TRUE(reply->elements[0].is(Reply::Type::kStatus));
  EXPECT_EQ(reply->elements[0].string, "fine");
  EXPECT_TRUE(reply->elements[1].is(Reply::Type::kError));
  EXPECT_EQ(reply->elements[1].string, "ERR no");
  EXPECT_TRUE(reply->elements[2].is(Reply::Type::kInteger));
  EXPECT_EQ(reply->elements[2].integer, -7);
  EXPECT_TRUE(reply->elements[3].is(Reply::Type::kString));
  EXPECT_EQ(reply->elements[3].string, "a\r\n");
  EXPECT_TRUE(reply->elements[4].is(Reply::Type::kNil));
  EXPECT_TRUE(reply->elements[5].is(Reply::Type::kNil));
  EXPECT_TRUE(reply->elements[6].is(Reply::Type::kArray));
  EXPECT_TRUE(reply->elements[6].elements.empty());
}

TEST(ReplyTreeTest, FindsValuesByKey) {
  const absl::StatusOr<Reply> reply =
      ParseReply("*5\r\n$1\r\na\r\n:1\r\n+b\r\n:2\r\n$3\r\nodd\r\n");
  ASSERT_TRUE(reply.ok());
  ASSERT_NE(reply->Find("a"), nullptr);
  EXPECT_EQ(reply->Find("a")->integer, 1);
  EXPECT_EQ(reply->Find("b")->integer, 2);
  EXPECT_EQ(reply->Find("c"), nullptr);
  EXPECT_EQ(reply->Find("odd"), nullptr);
}

TEST(ReplyTreeTest, SaysWhatIsWrongAndWhere) {
  const auto message = [](std::string_view bytes) {
    const absl::StatusOr<Reply> reply = ParseReply(bytes);
    EXPECT_FALSE(reply.ok()) << bytes;
    EXPECT_EQ(reply.status().code(), absl::StatusCode::kInvalidArgument) << bytes;
    return std::string(reply.status().message());
  };
  EXPECT_THAT(message(""), HasSubstr("incomplete"));
  EXPECT_THAT(message("$10\r\nabc"), HasSubstr("goes on after its 8 bytes"));
  EXPECT_THAT(message("*1000000000\r\n:1\r\n"), HasSubstr("incomplete"));
  EXPECT_THAT(message("+OK\r\n:1\r\n"), HasSubstr("ends at offset 5 but 4 bytes follow"));
  EXPECT_THAT(message("*2\r\n:1\r\nx"), HasSubstr("unexpected byte at offset 8"));
  EXPECT_THAT(message("%1\r\n+a\r\n:1\r\n"), HasSubstr("not a RESP2 reply"));
  std::string deep;
  for (int i = 0; i <= kReplyDepthMax; ++i) deep += "*1\r\n";
  EXPECT_THAT(message(deep + ":1\r\n"), HasSubstr("depth"));
  EXPECT_TRUE(ParseReply(deep.substr(4) + ":1\r\n").ok());
}

TEST(ReplyTreeTest, IsBounded) {
  EXPECT_EQ(ParseReply("$10\r\n0123456789\r\n", {.bytes_max = 16}).status().code(),
            absl::StatusCode::kResourceExhausted);
  std::string many = "*100\r\n";
  for (int i = 0; i < 100; ++i) many += ":1\r\n";
  EXPECT_EQ(ParseReply(many, {.values_max = 100}).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(ParseReply(many, {.values_max = 102}).ok());
}

TEST(ReplyTreeTest, ReadsTheDeepestReplyThatWeirAsksFor) {
  harness::RedisServer server;
  harness::RawClient client(server.port());
  const absl::StatusOr<Reply> commands = ParseReply(client.Command({"COMMAND"}));
  ASSERT_TRUE(commands.ok()) << commands.status();
  EXPECT_GT(commands->elements.size(), 200u);
  const absl::StatusOr<Reply> config = ParseReply(client.Command({"CONFIG", "GET", "*"}));
  ASSERT_TRUE(config.ok());
  ASSERT_NE(config->Find("maxmemory-policy"), nullptr);
  EXPECT_EQ(config->Find("maxmemory-policy")->string, "noeviction");
}

TEST(ReplyTreePropertyTest, TakesExactlyWhatTheScannerCallsOneFrame) {
  testing::Random random(harness::Seed());
  for (int i = 0; i < 10000 && !HasFailure(); ++i) {
    std::string bytes;
    testing::AppendRandomFrame(random, 2, 5, &bytes);
    EXPECT_TRUE(ParseReply(bytes).ok()) << bytes;
    testing::Damage(random, &bytes);
    FrameScanner scanner(2);
    const FrameScanner::Result result = scanner.Scan(bytes);
    const bool one_frame = result.status == ScanStatus::kFrame && result.consumed == bytes.size();
    EXPECT_EQ(ParseReply(bytes).ok(), one_frame) << bytes;
  }
}

}  // namespace
}  // namespace weir
