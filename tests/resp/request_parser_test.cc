// Requests must be read as Redis reads them, whole or in pieces, one session after another.

#include "resp/request_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/resp/feed.h"
#include "tests/resp/random_bytes.h"

namespace weir {
namespace {

using testing::ByteByByte;
using ::testing::ElementsAre;
using testing::FeedRequests;
using ::testing::IsEmpty;
using testing::RequestFeed;
using testing::SeenRequest;
using testing::SeenRequests;
using testing::SplitAt;
using testing::Whole;

using Args = std::vector<std::string>;

std::string Encoded(const Args& args) {
  std::string out;
  AppendRequestHeader(&out, args.size());
  for (const std::string& arg : args) AppendRequestArg(&out, arg);
  return out;
}

SeenRequests ParseAtEverySplit(std::string_view bytes, const RequestLimits& limits = {},
                               bool authenticated = true) {
  SeenRequests whole = FeedRequests(bytes, limits, Whole(), authenticated);
  EXPECT_EQ(whole, FeedRequests(bytes, limits, ByteByByte(), authenticated)) << bytes;
  for (size_t i = 1; i < bytes.size(); ++i) {
    EXPECT_EQ(whole, FeedRequests(bytes, limits, SplitAt(i), authenticated))
        << bytes << " cut at " << i;
  }
  return whole;
}

std::string ErrorOf(std::string_view bytes, const RequestLimits& limits = {},
                    bool authenticated = true) {
  const SeenRequests seen = ParseAtEverySplit(bytes, limits, authenticated);
  EXPECT_THAT(seen.requests, IsEmpty()) << bytes;
  return seen.error;
}

TEST(RequestParserTest, FindsRequestsInAPipeline) {
  const Args set = {"SET", "key", std::string("a\0\r\nb", 5)};
  const Args empty = {"GET", ""};
  const Args mset = {"MSET", "a", "1", "b", "2", "c", "3"};
  const SeenRequests seen = ParseAtEverySplit(Encoded(set) + Encoded(empty) + Encoded(mset));
  ASSERT_EQ(seen.requests.size(), 3u);
  EXPECT_EQ(seen.requests[0].args, set);
  EXPECT_EQ(seen.requests[1].args, empty);
  EXPECT_EQ(seen.requests[2].args, mset);
  for (const SeenRequest& request : seen.requests) {
    EXPECT_EQ(request.wire, Encoded(request.args));
    EXPECT_EQ(request.argc_declared, request.args.size());
    EXPECT_FALSE(request.rewritten);
  }
  EXPECT_EQ(seen.error, "");
  EXPECT_EQ(seen.left_over, 0u);
}

TEST(RequestParserTest, ForwardsASliceOfTheInput) {
  RequestParser parser({});
  ParseState state;
  ParsedRequest request;
  const std::string bytes = Encoded({"PING"}) + "rest";
  ASSERT_EQ(parser.Parse(&state, bytes, &request), ParseStatus::kRequest);
  EXPECT_EQ(request.wire.data(), bytes.data());
  EXPECT_EQ(request.wire.size(), bytes.size() - 4);
  EXPECT_EQ(request.consumed, bytes.size() - 4);
  EXPECT_EQ(request.arg(0), "PING");
}

TEST(RequestParserTest, IgnoresRequestsWithoutArguments) {
  const SeenRequests seen =
      ParseAtEverySplit("\r\n\n*0\r\n*-1\r\n   \r\n*-2147483649\r\nPING\r\n\r\n");
  ASSERT_EQ(seen.requests.size(), 1u);
  EXPECT_THAT(seen.requests[0].args, ElementsAre("PING"));
  EXPECT_EQ(seen.left_over, 0u);
}

TEST(RequestParserTest, LetsTheCallerDropIgnoredRequestsAtOnce) {
  RequestParser parser({});
  ParseState state;
  ParsedRequest request;
  EXPECT_EQ(parser.Parse(&state, "\r\n*0\r\n*2\r\n$4", &request), ParseStatus::kNeedMore);
  EXPECT_EQ(request.consumed, 6u);
  EXPECT_TRUE(state.mid_request());
  EXPECT_EQ(parser.Parse(&state, "*2\r\n$4\r\nECHO\r\n$1\r\nx\r\n", &request),
            ParseStatus::kRequest);
  EXPECT_EQ(request.consumed, 21u);
  EXPECT_FALSE(state.mid_request());
}

TEST(RequestParserTest, RewritesWhatOnlyRedisWouldTake) {
  // Redis skips the byte after a line's CR and the two bytes after an argument without a look.
  for (const std::string_view bytes :
       {"*2\rX$4\r\nECHO\r\n$2\r\nhi\r\n", "*2\r\n$4\rXECHO\r\n$2\r\nhi\r\n",
        "*2\r\n$4\r\nECHO\r\n$2\r\nhiXX", "*2\r\n$4\r\nECHO  $2\r\nhi\r\n"}) {
    const SeenRequests seen = ParseAtEverySplit(bytes);
    ASSERT_EQ(seen.requests.size(), 1u) << bytes;
    EXPECT_THAT(seen.requests[0].args, ElementsAre("ECHO", "hi"));
    EXPECT_EQ(seen.requests[0].wire, Encoded({"ECHO", "hi"}));
    EXPECT_TRUE(seen.requests[0].rewritten);
  }
}

TEST(RequestParserTest, ReadsInlineRequests) {
  const std::vector<std::pair<std::string_view, Args>> cases = {
      {"PING\r\n", {"PING"}},
      {"PING\n", {"PING"}},
      {"  SET  key\tvalue  \r\n", {"SET", "key", "value"}},
      {"SET k \"a b\"\r\n", {"SET", "k", "a b"}},
      {"SET k \"\\x41\\n\\r\\t\\b\\a\\\\\\\"\\q\"\r\n", {"SET", "k", "A\n\r\t\b\a\\\"q"}},
      {"SET k \"\\x4\"\r\n", {"SET", "k", "x4"}},
      {"SET k \"\\xfF\"\r\n", {"SET", "k", "\xff"}},
      {"SET k '\\'\\n'\r\n", {"SET", "k", "'\\n"}},
      {"SET k \"\"\r\n", {"SET", "k", ""}},
      {"a\"b c\"\r\n", {"ab c"}},
      {"a'b c'\r\n", {"ab c"}},
      {"a\vb\fc \vd\r\n", {"a\vb\fc", "d"}},
      {"a\rb\r\r\n", {"a", "b"}},
      {"$3\r\n", {"$3"}},
  };
  for (const auto& [bytes, args] : cases) {
    const SeenRequests seen = ParseAtEverySplit(bytes);
    ASSERT_EQ(seen.requests.size(), 1u) << bytes;
    EXPECT_EQ(seen.requests[0].args, args) << bytes;
    EXPECT_EQ(seen.requests[0].wire, Encoded(args)) << bytes;
    EXPECT_TRUE(seen.requests[0].rewritten);
    EXPECT_EQ(seen.left_over, 0u);
  }
}

TEST(RequestParserTest, RefusesUnbalancedQuotes) {
  for (const std::string_view bytes : {"SET k \"a\r\n", "SET k 'a\r\n", "SET k \"a\"b\r\n",
                                       "SET k 'a'b\r\n", "\"\\\"\r\n", "\"\\x41\r\n"}) {
    EXPECT_EQ(ErrorOf(bytes), "-ERR Protocol error: unbalanced quotes in request\r\n") << bytes;
  }
}

TEST(RequestParserTest, RefusesWrongLengths) {
  for (const std::string_view bytes :
       {"*x\r\n", "*\r\n", "* 1\r\n", "*01\r\n", "*+1\r\n", "*-0\r\n", "*--1\r\n", "*1.0\r\n",
        "*2147483648\r\n", "*9223372036854775808\r\n", "*123456789012345678901234567890\r\n"}) {
    EXPECT_EQ(ErrorOf(bytes), "-ERR Protocol error: invalid multibulk length\r\n") << bytes;
  }
  for (const std::string_view length :
       {"x", "", " 1", "01", "+1", "-0", "-1", "536870913", "9223372036854775808", "4294967297",
        "18446744073709551617"}) {
    const std::string bytes = "*1\r\n$" + std::string(length) + "\r\n";
    EXPECT_EQ(ErrorOf(bytes), "-ERR Protocol error: invalid bulk length\r\n") << bytes;
  }
}

TEST(RequestParserTest, SaysWhatItGotInsteadOfADollar) {
  EXPECT_EQ(ErrorOf("*1\r\n:1\r\n"), "-ERR Protocol error: expected '$', got ':'\r\n");
  EXPECT_EQ(ErrorOf("*1\r\n\r\n"), "-ERR Protocol error: expected '$', got ' '\r\n");
  EXPECT_EQ(ErrorOf("*1\r\n\n\r\n"), "-ERR Protocol error: expected '$', got ' '\r\n");
  EXPECT_EQ(ErrorOf("*1\r\n*1\r\n$4\r\nPING\r\n"),
            "-ERR Protocol error: expected '$', got '*'\r\n");
}

TEST(RequestParserTest, BoundsLines) {
  const RequestLimits limits{.line_bytes_max = 100};
  const std::string most(100, 'a');
  EXPECT_EQ(FeedRequests(most + "\n", limits, ByteByByte()).requests.size(), 1u);
  EXPECT_EQ(ErrorOf(most + "a\n", limits), "-ERR Protocol error: too big inline request\r\n");
  EXPECT_EQ(ErrorOf("*" + most, limits), "-ERR Protocol error: too big mbulk count string\r\n");
  EXPECT_EQ(ErrorOf("*1\r\n$" + most, limits),
            "-ERR Protocol error: too big bulk count string\r\n");
  EXPECT_EQ(ErrorOf("*1\r\n$" + std::string(99, '1') + "\r\n", limits),
            "-ERR Protocol error: invalid bulk length\r\n");
}

TEST(RequestParserTest, FindsNoEndOfALineBehindANul) {
  const RequestLimits limits{.line_bytes_max = 40};
  const std::string nul(1, '\0');
  for (const std::string& bytes :
       {"PING" + nul + "\r\nPING\r\n", "*1" + nul + "\r\n", "*1\r\n$4" + nul + "\r\nPING\r\n"}) {
    const SeenRequests seen = ParseAtEverySplit(bytes, limits);
    EXPECT_THAT(seen.requests, IsEmpty());
    EXPECT_EQ(seen.error, "");
    const SeenRequests later = ParseAtEverySplit(bytes + std::string(45, '\n'), limits);
    EXPECT_THAT(later.requests, IsEmpty());
    EXPECT_THAT(later.error, ::testing::HasSubstr("Protocol error: too big "));
  }
}

TEST(RequestParserTest, TrustsTheUnauthenticatedLess) {
  const Args eleven(11, "a");
  EXPECT_EQ(ErrorOf(Encoded(eleven), {}, false),
            "-ERR Protocol error: unauthenticated multibulk length\r\n");
  const std::string large = "*1\r\n$16385\r\n";
  EXPECT_EQ(ErrorOf(large, {}, false), "-ERR Protocol error: unauthenticated bulk length\r\n");
  const Args ten(10, std::string(16384, 'a'));
  EXPECT_EQ(FeedRequests(Encoded(ten), {}, Whole(), false).requests[0].args, ten);
  EXPECT_EQ(FeedRequests(Encoded(eleven), {}, Whole(), true).requests[0].args, eleven);
}

TEST(RequestParserTest, ForeseesHowMuchIsToCome) {
  RequestParser parser({});
  ParseState state;
  ParsedRequest request;
  EXPECT_EQ(state.bytes_expected(), 0u);
  ASSERT_EQ(parser.Parse(&state, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\nabc", &request),
            ParseStatus::kNeedMore);
  EXPECT_EQ(state.bytes_expected(), 20u + 9 + 100002);
  state.Reset();
  ASSERT_EQ(parser.Parse(&state, "*3\r\n$3\r\nSE", &request), ParseStatus::kNeedMore);
  EXPECT_EQ(state.bytes_expected(), 4u + 4 + 5 + 2 * 6);
}

TEST(RequestParserTest, TakesAMillionArgumentsByteByByteInLinearTime) {
  std::string bytes = "*1000000\r\n";
  for (int i = 0; i < 1000000; ++i) bytes += "$1\r\na\r\n";
  RequestParser parser({.request_bytes_max = 16 << 20});
  ParseState state;
  ParsedRequest request;
  for (size_t end = 1; end < bytes.size(); ++end) {
    ASSERT_EQ(parser.Parse(&state, std::string_view(bytes).substr(0, end), &request),
              ParseStatus::kNeedMore);
  }
  ASSERT_EQ(parser.Parse(&state, bytes, &request), ParseStatus::kRequest);
  EXPECT_EQ(request.argc, 1000000u);
  EXPECT_EQ(request.arg(999999), "a");
  EXPECT_EQ(request.wire.size(), bytes.size());

  // What that took is given back at the next chance.
  EXPECT_GT(parser.memory_bytes(), 8000000u);
  ASSERT_EQ(parser.Parse(&state, "PING\r\n", &request), ParseStatus::kRequest);
  EXPECT_LT(parser.memory_bytes(), 32768u);
}

TEST(RequestParserTest, AHugeCountTakesNoMemory) {
  RequestParser parser({});
  ParseState state;
  ParsedRequest request;
  ASSERT_EQ(parser.Parse(&state, "*2147483647\r\n$4\r\nMSET\r\n", &request),
            ParseStatus::kNeedMore);
  EXPECT_LT(parser.memory_bytes(), 32768u);
}

TEST(RequestParserTest, ServesManySessionsAtOnce) {
  RequestParser parser({});
  std::vector<RequestFeed> feeds;
  std::vector<std::string> inputs;
  for (int i = 0; i < 5; ++i) {
    const std::string n = std::to_string(i);
    feeds.emplace_back(&parser);
    inputs.push_back(Encoded({"SET", "key" + n, std::string(i * 7, 'x')}) + "GET 'key " + n +
                     "'\r\n" + Encoded({"DEL", n}));
  }
  for (size_t at = 0; at < 200; ++at) {
    for (size_t i = 0; i < feeds.size(); ++i) {
      if (at < inputs[i].size()) feeds[i].Read(std::string_view(inputs[i]).substr(at, 1));
    }
  }
  for (size_t i = 0; i < feeds.size(); ++i) {
    EXPECT_EQ(feeds[i].seen(), FeedRequests(inputs[i], {}, Whole())) << i;
    EXPECT_EQ(feeds[i].seen().requests.size(), 3u);
  }
}

TEST(RequestParserTest, StreamsWhatDoesNotFit) {
  const RequestLimits limits{.request_bytes_max = 64};
  const Args large = {"SET", "key", std::string(50, 'v'), "EX", "10"};
  const std::string bytes = Encoded(large) + Encoded({"PING"});
  const SeenRequests seen = ParseAtEverySplit(bytes, limits);
  ASSERT_EQ(seen.requests.size(), 2u);
  EXPECT_THAT(seen.requests[0].args, ElementsAre("SET", "key"));
  EXPECT_EQ(seen.requests[0].argc_declared, 5u);
  EXPECT_TRUE(seen.requests[0].too_large);
  EXPECT_EQ(seen.requests[0].wire, Encoded(large));
  EXPECT_THAT(seen.requests[1].args, ElementsAre("PING"));
  EXPECT_FALSE(seen.requests[1].too_large);
}

TEST(RequestParserTest, DecidesOnSizeByTheArgumentThatDoesNotFit) {
  const RequestLimits limits{.request_bytes_max = 40};
  for (size_t bytes = 1; bytes < 60; ++bytes) {
    const Args args = {"SET", "key", std::string(bytes, 'v')};
    const SeenRequests seen = ParseAtEverySplit(Encoded(args), limits);
    ASSERT_EQ(seen.requests.size(), 1u);
    EXPECT_EQ(seen.requests[0].too_large, Encoded(args).size() > 40) << bytes;
    EXPECT_EQ(seen.requests[0].wire, Encoded(args));
  }
  // A command whose very name does not fit has no argument to show.
  const SeenRequests seen = ParseAtEverySplit(Encoded({std::string(50, 'n'), "x"}), limits);
  ASSERT_EQ(seen.requests.size(), 1u);
  EXPECT_THAT(seen.requests[0].args, IsEmpty());
  EXPECT_EQ(seen.requests[0].wire, Encoded({std::string(50, 'n'), "x"}));
}

TEST(RequestParserTest, FindsFaultsInTheTailOfALargeRequest) {
  const RequestLimits limits{.line_bytes_max = 100, .request_bytes_max = 32};
  const std::string begin = "*3\r\n$3\r\nSET\r\n$40\r\n" + std::string(40, 'k');
  const auto error_of = [&](std::string_view rest) {
    return ParseAtEverySplit(begin + std::string(rest), limits).error;
  };
  EXPECT_EQ(error_of("\r\n:1\r\n"), "-ERR Protocol error: expected '$', got ':'\r\n");
  EXPECT_EQ(error_of("\r\n\r\n"), "-ERR Protocol error: expected '$', got ' '\r\n");
  EXPECT_EQ(error_of("\r\n$-1\r\n"), "-ERR Protocol error: invalid bulk length\r\n");
  EXPECT_EQ(error_of("\r\n$536870913\r\n"), "-ERR Protocol error: invalid bulk length\r\n");
  EXPECT_EQ(error_of("\r\n$" + std::string(101, '1')),
            "-ERR Protocol error: too big bulk count string\r\n");
  EXPECT_EQ(error_of("\r\n$" + std::string(1, '\0') + std::string(101, '\r')),
            "-ERR Protocol error: too big bulk count string\r\n");
  const std::string strict =
      "-ERR Protocol error: weir: arguments of a request too large to be buffered must end in "
      "CRLF\r\n";
  EXPECT_EQ(error_of("XX"), strict);
  EXPECT_EQ(error_of("\rX"), strict);
  EXPECT_EQ(error_of("\r\n$1\rXa\r\n"), strict);
  EXPECT_EQ(error_of("\r\n$1\r\na\r\n"), "");
}

TEST(RequestTailTest, KnowsHowMuchIsLeftAtLeast) {
  RequestTail tail({}, 2);
  EXPECT_LE(tail.bytes_left_min(), 12u);
  ASSERT_EQ(tail.Scan("$1000000\r\nabc").status, RequestTail::Status::kNeedMore);
  EXPECT_EQ(tail.bytes_left_min(), 999997u + 2 + 6);
  ASSERT_EQ(tail.Scan(std::string(999997, 'x') + "\r\n$1\r\na\r").status,
            RequestTail::Status::kNeedMore);
  EXPECT_EQ(tail.bytes_left_min(), 1u);
  const RequestTail::Result end = tail.Scan("\n*1\r\n");
  EXPECT_EQ(end.status, RequestTail::Status::kEnd);
  EXPECT_EQ(end.consumed, 1u);
  EXPECT_EQ(tail.bytes_left_min(), 0u);
}

TEST(RequestTailTest, StreamsTheLargestBulkAndNoLarger) {
  RequestTail tail({}, 1);
  ASSERT_EQ(tail.Scan("$536870912\r\n").status, RequestTail::Status::kNeedMore);
  const std::string piece(1 << 20, 'x');
  for (int i = 0; i < 512; ++i) ASSERT_EQ(tail.Scan(piece).consumed, piece.size());
  EXPECT_EQ(tail.Scan("\r\n").status, RequestTail::Status::kEnd);

  RequestTail more({}, 1);
  EXPECT_EQ(more.Scan("$629145600\r\n").status, RequestTail::Status::kError);
  EXPECT_EQ(more.Scan("x").status, RequestTail::Status::kError);
}

std::string RandomPipeline(testing::Random& random) {
  std::string bytes;
  for (uint64_t n = 1 + testing::Below(random, 4); n != 0; --n) {
    switch (testing::Below(random, 5)) {
      case 0:
        bytes += "SET 'a b' \"\\x41\\n\" " + std::to_string(testing::Below(random, 1000)) + "\r\n";
        break;
      case 1:
        bytes += testing::Below(random, 2) == 0 ? "\r\n" : "*0\r\n";
        break;
      default: {
        Args args(1 + testing::Below(random, 5));
        for (std::string& arg : args) arg = testing::RandomText(random, 40);
        bytes += Encoded(args);
      }
    }
  }
  return bytes;
}

TEST(RequestParserPropertyTest, RandomCutsChangeNothing) {
  testing::Random random(harness::Seed());
  for (int i = 0; i < 20000 && !HasFailure(); ++i) {
    RequestLimits limits{.line_bytes_max = 200};
    if (testing::Below(random, 2) == 0) limits.request_bytes_max = 100;
    const bool authenticated = testing::Below(random, 4) != 0;
    std::string bytes = RandomPipeline(random);
    for (int damaged = 0; damaged < 2; ++damaged) {
      EXPECT_EQ(FeedRequests(bytes, limits, Whole(), authenticated),
                FeedRequests(bytes, limits, testing::RandomPieces(random), authenticated))
          << bytes;
      testing::Damage(random, &bytes);
    }
  }
}

// What is taken as alike is what the parser would have found one by one, and where it stops, the
// next request is another command's, not whole, too many, or no plain case.
TEST(RequestParserPropertyTest, AlikeIsWhatParsingOneByOneFinds) {
  testing::Random random(harness::Seed());
  uint64_t found = 0;
  for (int i = 0; i < 20000 && !HasFailure(); ++i) {
    const Args name_and_count = testing::Below(random, 2) == 0 ? Args{"GET"} : Args{"set", ""};
    std::string bytes;
    for (uint64_t n = 1 + testing::Below(random, 8); n > 0; --n) {
      Args args = {name_and_count[0], testing::RandomText(random, 30)};
      if (name_and_count.size() == 2) args.push_back(testing::RandomText(random, 120));
      if (testing::Below(random, 12) == 0) args[0] = "gEt";
      if (testing::Below(random, 12) == 0) args.emplace_back("one more");
      bytes += Encoded(args);
    }
    if (testing::Below(random, 3) == 0) testing::Damage(random, &bytes);
    if (testing::Below(random, 3) == 0) bytes.resize(testing::Below(random, bytes.size() + 1));
    RequestParser parser({});
    ParseState state;
    ParsedRequest first;
    if (parser.Parse(&state, bytes, &first) != ParseStatus::kRequest || first.rewritten) continue;
    const std::string head(first.wire.substr(0, first.args[0].offset + first.args[0].length + 2));
    const uint32_t argc = first.argc;
    const std::string_view following = std::string_view(bytes).substr(first.consumed);
    const auto max = static_cast<uint32_t>(testing::Below(random, 10));
    uint32_t count = 0;
    const size_t alike = parser.ParseAlike(following, head, argc - 1, max, &count);
    EXPECT_LE(count, max);
    std::vector<AlikeRequest> keyed(max);
    if (argc > 1) {
      EXPECT_EQ(parser.ParseAlikeKeys(following, head, argc - 1, 1, max, keyed.data()), count);
    }
    std::string_view rest = following;
    for (uint32_t k = 0; k < count; ++k) {
      ParsedRequest one;
      ASSERT_EQ(parser.Parse(&state, rest, &one), ParseStatus::kRequest) << bytes;
      EXPECT_EQ(one.argc, argc) << bytes;
      EXPECT_TRUE(one.wire.starts_with(head) && !one.rewritten) << bytes;
      EXPECT_EQ(one.consumed, one.wire.size()) << bytes;
      rest.remove_prefix(one.consumed);
      if (argc == 1) continue;
      EXPECT_EQ(keyed[k].end, following.size() - rest.size()) << bytes;
      EXPECT_EQ(following.substr(keyed[k].key, keyed[k].key_bytes), one.arg(1)) << bytes;
    }
    EXPECT_EQ(following.size() - rest.size(), alike) << bytes;
    ParsedRequest next;
    if (count < max && parser.Parse(&state, rest, &next) == ParseStatus::kRequest) {
      EXPECT_FALSE(rest.starts_with(head) && next.argc == argc && !next.rewritten) << bytes;
    }
    found += count;
  }
  EXPECT_GT(found, 10000u);
}

}  // namespace
}  // namespace weir
