// A request of weir's making must be the bytes of its arguments, and they must stand where it says.
#include "resp/made_request.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "resp/reply_writer.h"
#include "tests/support/seed.h"

namespace weir {
namespace {

std::string Written(const std::vector<std::string>& args) {
  const std::vector<std::string_view> views(args.begin(), args.end());
  std::string wire;
  AppendRequest(&wire, views);
  return wire;
}

void ExpectIs(const MadeRequest& made, const std::vector<std::string>& args) {
  const ParsedRequest parsed = made.parsed();
  EXPECT_EQ(parsed.wire, Written(args));
  ASSERT_EQ(parsed.argc, args.size());
  EXPECT_EQ(parsed.argc_declared, args.size());
  EXPECT_TRUE(parsed.rewritten);
  for (uint32_t i = 0; i < parsed.argc; ++i) EXPECT_EQ(parsed.arg(i), args[i]);
}

class MadeRequestTest : public ::testing::Test {
 protected:
  RequestParser parser_{RequestLimits{}};
  ParseState state_;
  ParsedRequest parsed_;
};

TEST_F(MadeRequestTest, OfWords) {
  const std::vector<std::string_view> args = {"SET", "", "a\r\nb"};
  ExpectIs(MadeRequest(args), {"SET", "", "a\r\nb"});
}

// Lengths on both sides of where their digits become more.
TEST_F(MadeRequestTest, WithAPrefixBeforeAnyOfItsArguments) {
  harness::Random random(harness::Seed());
  constexpr size_t kLengths[] = {0, 1, 4, 5, 9, 10, 94, 95, 99, 100, 999, 1000, 10000};
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::string> args;
    for (uint64_t n = 1 + harness::Below(random, 6); n != 0; --n) {
      args.emplace_back(kLengths[harness::Below(random, std::size(kLengths))],
                        static_cast<char>('a' + n));
    }
    const std::string wire = Written(args);
    ASSERT_EQ(parser_.Parse(&state_, wire, &parsed_), ParseStatus::kRequest);
    const std::string prefix(1 + harness::Below(random, 12), 'p');
    std::vector<uint32_t> places;
    for (uint32_t i = 0; i < args.size(); ++i) {
      if (harness::Below(random, 2) == 0) continue;
      places.push_back(i);
      args[i].insert(0, prefix);
    }
    MadeRequest made(parsed_, places, prefix);
    ExpectIs(made, args);
    const MadeRequest moved = std::move(made);
    ExpectIs(moved, args);
    // Once more, on top of that.
    ExpectIs(MadeRequest(moved.parsed(), {}, "x"), args);
  }
}

TEST_F(MadeRequestTest, OfAnInlineRequest) {
  ASSERT_EQ(parser_.Parse(&state_, "set k \"a b\"\r\n", &parsed_), ParseStatus::kRequest);
  const uint32_t key = 1;
  ExpectIs(MadeRequest(parsed_, {&key, 1}, "t:"), {"set", "t:k", "a b"});
}

TEST_F(MadeRequestTest, OfTheBeginningOfALargeOne) {
  RequestParser parser(RequestLimits{.request_bytes_max = 100});
  ASSERT_EQ(parser.Parse(&state_, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5000\r\nvvv", &parsed_),
            ParseStatus::kTooLarge);
  const uint32_t key = 1;
  const MadeRequest made(parsed_, {&key, 1}, "t:");
  EXPECT_EQ(made.parsed().wire, "*3\r\n$3\r\nSET\r\n$3\r\nt:k\r\n");
  EXPECT_EQ(made.parsed().argc, 2u);
  EXPECT_EQ(made.parsed().argc_declared, 3u);
}

}  // namespace
}  // namespace weir
