// Frames must end where Redis ends them, however the bytes are cut.

#include "resp/frame_scanner.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "resp/reply_writer.h"
#include "tests/resp/feed.h"
#include "tests/resp/hiredis_oracle.h"
#include "tests/resp/random_bytes.h"
#include "tests/support/raw_client.h"
#include "tests/support/redis_server.h"

namespace weir {
namespace {

using testing::ByteByByte;
using testing::FeedFrames;
using testing::SeenFrames;
using testing::SplitAt;
using testing::Whole;

// All frames of `bytes`, however they are cut; `bytes` must consist of whole frames.
SeenFrames ScanAtEverySplit(std::string_view bytes, int protocol_version) {
  SeenFrames whole = FeedFrames(bytes, protocol_version, Whole());
  EXPECT_EQ(whole, FeedFrames(bytes, protocol_version, ByteByByte())) << bytes;
  for (size_t i = 1; i < bytes.size(); ++i) {
    EXPECT_EQ(whole, FeedFrames(bytes, protocol_version, SplitAt(i))) << bytes << " cut at " << i;
  }
  return whole;
}

void ExpectOneFrame(std::string_view bytes, int protocol_version) {
  const SeenFrames seen = ScanAtEverySplit(bytes, protocol_version);
  ASSERT_EQ(seen.frames.size(), 1u) << bytes;
  EXPECT_EQ(seen.frames[0].bytes, bytes.size()) << bytes;
  EXPECT_EQ(seen.frames[0].type, bytes[0]);
  EXPECT_FALSE(seen.broken);
  EXPECT_FALSE(seen.in_frame);
  const bool plain = std::string_view("-!>|").find(bytes[0]) == std::string_view::npos;
  const FrameRun run = ScanRun(bytes, 10, protocol_version);
  EXPECT_EQ(run.frames, plain ? 1u : 0u) << bytes;
  EXPECT_EQ(run.bytes, plain ? bytes.size() : 0u) << bytes;
}

void ExpectBroken(std::string_view bytes, int protocol_version) {
  const SeenFrames seen = ScanAtEverySplit(bytes, protocol_version);
  EXPECT_TRUE(seen.broken) << bytes;
  EXPECT_TRUE(seen.frames.empty()) << bytes;
  EXPECT_EQ(ScanRun(bytes, 10, protocol_version).frames, 0u) << bytes;
}

void ExpectUnfinished(std::string_view bytes, int protocol_version) {
  const SeenFrames seen = ScanAtEverySplit(bytes, protocol_version);
  EXPECT_FALSE(seen.broken) << bytes;
  EXPECT_TRUE(seen.in_frame) << bytes;
  EXPECT_TRUE(seen.frames.empty()) << bytes;
  EXPECT_EQ(ScanRun(bytes, 10, protocol_version).frames, 0u) << bytes;
}

TEST(FrameScannerTest, TakesEachTypeOfResp2) {
  for (const std::string_view frame :
       {"+OK\r\n", "+\r\n", "+a\rb\nc\r\r\n", "-ERR no\r\n", ":0\r\n", ":-1\r\n",
        ":9223372036854775807\r\n", ":-9223372036854775808\r\n", "$0\r\n\r\n", "$5\r\nhello\r\n",
        "$2\r\n\r\n\r\n", "$-1\r\n", "*0\r\n", "*-1\r\n", "*1\r\n:1\r\n",
        "*2\r\n*1\r\n:7\r\n+OK\r\n", "*2\r\n*0\r\n*2\r\n$-1\r\n$1\r\nx\r\n"}) {
    ExpectOneFrame(frame, 2);
    ExpectOneFrame(frame, 3);
  }
}

TEST(FrameScannerTest, TakesEachTypeOfResp3) {
  for (const std::string_view frame : {"_\r\n",
                                       "#t\r\n",
                                       "#f\r\n",
                                       ",1.5\r\n",
                                       ",inf\r\n",
                                       ",-inf\r\n",
                                       ",nan\r\n",
                                       "(3492890328409238509324850943850943825024385\r\n",
                                       "!5\r\nERR x\r\n",
                                       "=8\r\ntxt:text\r\n",
                                       "=4\r\ntxt:\r\n",
                                       "~2\r\n:1\r\n:2\r\n",
                                       "%1\r\n+a\r\n:1\r\n",
                                       "%0\r\n",
                                       ">2\r\n+message\r\n+x\r\n",
                                       "|1\r\n+ttl\r\n:3\r\n$1\r\nx\r\n",
                                       "|0\r\n:1\r\n",
                                       "*2\r\n|1\r\n+ttl\r\n:3\r\n:1\r\n:2\r\n",
                                       "|1\r\n+a\r\n|1\r\n+b\r\n:1\r\n:2\r\n*1\r\n_\r\n",
                                       "*1\r\n>1\r\n:1\r\n"}) {
    ExpectOneFrame(frame, 3);
    if (frame[0] != '*') ExpectBroken(frame, 2);
  }
}

TEST(FrameScannerTest, RefusesWhatRedisNeverSends) {
  constexpr std::string_view kGarbage[] = {"hello\r\n",
                                           "\r\n",
                                           "\n",
                                           std::string_view("\0", 1),
                                           "$x\r\n",
                                           "$\r\n",
                                           "$-\r\n",
                                           "$-2\r\n",
                                           "$-0\r\n",
                                           "$01\r\na\r\n",
                                           "$+1\r\na\r\n",
                                           "$1 \r\na\r\n",
                                           "$1\na\r\n",
                                           "$1\rXa\r\n",
                                           "$1\r\nab\r\n",
                                           "$1\r\na\rb",
                                           "$--1\r\n",
                                           "$4294967297\r\n",
                                           "$99999999999999999999999\r\n",
                                           "$?\r\n",
                                           "*?\r\n",
                                           "*-2\r\n",
                                           "*01\r\n",
                                           "*1x\r\n",
                                           "*2147483648\r\n",
                                           "*18446744073709551615\r\n",
                                           ":\r\n",
                                           ":1.5\r\n",
                                           ":01\r\n",
                                           ":-0\r\n",
                                           ":+1\r\n",
                                           ":9223372036854775808\r\n",
                                           ":-9223372036854775809\r\n",
                                           "*1\r\nx\r\n"};
  for (const std::string_view bytes : kGarbage) {
    ExpectBroken(bytes, 2);
    ExpectBroken(bytes, 3);
  }
  for (const std::string_view bytes :
       {"_x\r\n", "_\r\r\n", "#x\r\n", "#\r\n", "#tt\r\n", "#t\r\r\n", "=3\r\ntxt\r\n", "=-1\r\n",
        "!-1\r\n", "~-1\r\n", "%-1\r\n", ">-1\r\n", "|-1\r\n", "%2147483648\r\n", "$?\r\n", ".\r\n",
        "~?\r\n"}) {
    ExpectBroken(bytes, 3);
  }
}

TEST(FrameScannerTest, WaitsForTheRest) {
  for (const std::string_view bytes :
       {"+", "+OK", "+OK\r", "$", "$1", "$10\r", "$10\r\n", "$10\r\n123456789", "$1\r\na",
        "$1\r\na\r", "*1", "*1\r\n", "*2\r\n:1\r\n", "*1\r\n*1\r\n*1\r\n", "$-", "$-1\r", ":-",
        "-ERR"}) {
    ExpectUnfinished(bytes, 2);
    ExpectUnfinished(bytes, 3);
  }
  for (const std::string_view bytes : {"|1\r\n+a\r\n:1\r\n", "|0\r\n", "%1\r\n:1\r\n", "#", "#t"}) {
    ExpectUnfinished(bytes, 3);
  }
}

TEST(FrameScannerTest, BreaksForGood) {
  FrameScanner scanner(2);
  ASSERT_EQ(scanner.Scan("$1\r\naXX").status, ScanStatus::kError);
  const FrameScanner::Result again = scanner.Scan("+OK\r\n");
  EXPECT_EQ(again.status, ScanStatus::kError);
  EXPECT_EQ(again.consumed, 0u);
  EXPECT_EQ(scanner.Scan("").status, ScanStatus::kError);
}

TEST(FrameScannerTest, ForeseesALargeReply) {
  FrameScanner scanner(3);
  EXPECT_EQ(scanner.type(), 0);
  EXPECT_EQ(scanner.Scan("$536870912\r").status, ScanStatus::kNeedMore);
  EXPECT_EQ(scanner.top_bulk_bytes(), 0u);
  EXPECT_EQ(scanner.Scan("\n").status, ScanStatus::kNeedMore);
  EXPECT_EQ(scanner.top_bulk_bytes(), 536870912u);
  EXPECT_EQ(scanner.type(), '$');

  FrameScanner nested(3);
  EXPECT_EQ(nested.Scan("*1\r\n$536870912\r\n").status, ScanStatus::kNeedMore);
  EXPECT_EQ(nested.top_bulk_bytes(), 0u);
}

TEST(FrameScannerTest, SkipsAHugeBulkInBigPieces) {
  FrameScanner scanner(2);
  const uint64_t bytes = uint64_t{600} << 20;
  ASSERT_EQ(scanner.Scan("$" + std::to_string(bytes) + "\r\n").status, ScanStatus::kNeedMore);
  const std::string piece(1 << 20, '*');
  for (int i = 0; i < 600; ++i) {
    const FrameScanner::Result result = scanner.Scan(piece);
    ASSERT_EQ(result.status, ScanStatus::kNeedMore);
    ASSERT_EQ(result.consumed, piece.size());
  }
  const FrameScanner::Result end = scanner.Scan("\r\n+OK\r\n");
  EXPECT_EQ(end.status, ScanStatus::kFrame);
  EXPECT_EQ(end.consumed, 2u);
}

TEST(FrameScannerTest, NestsToAnyDepthWithoutMoreState) {
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "*1\r\n";
  EXPECT_EQ(FeedFrames(deep + ":1\r\n", 2, Whole()).frames.size(), 1u);
  EXPECT_EQ(ScanRun(deep + ":1\r\n", 10, 2).frames, 1u);
  EXPECT_TRUE(FeedFrames(deep, 2, Whole()).in_frame);
}

TEST(FrameScannerTest, CountsNoMoreElementsThanCouldBe) {
  // Without a bound the count of elements to come would wrap round to a small one, or to none.
  std::string bytes;
  for (uint64_t i = 0; i < (uint64_t{1} << 20); ++i) bytes += "*2147483647\r\n";
  EXPECT_TRUE(FeedFrames(bytes, 2, Whole()).in_frame);
  EXPECT_EQ(ScanRun(bytes, 10, 2).frames, 0u);
}

TEST(ScanRunTest, StopsWhereTheCallerMustLook) {
  const std::string plain = "+OK\r\n:1\r\n$1\r\na\r\n*1\r\n-ERR inner\r\n";
  for (const std::string_view special :
       {"-ERR\r\n", "!3\r\nERR\r\n", ">1\r\n:1\r\n", "|0\r\n:1\r\n", "$5\r\nab", "?\r\n"}) {
    const FrameRun run = ScanRun(plain + std::string(special), 100, 3);
    EXPECT_EQ(run.frames, 4u) << special;
    EXPECT_EQ(run.bytes, plain.size()) << special;
  }
  EXPECT_EQ(ScanRun(plain, 2, 3).frames, 2u);
  EXPECT_EQ(ScanRun(plain, 2, 3).bytes, 9u);
  EXPECT_EQ(ScanRun(plain, 0, 3).bytes, 0u);
  EXPECT_EQ(ScanRun("", 5, 3).frames, 0u);
}

// However damaged the bytes are, both scanners and hiredis tell the same story.
void CompareWithHiredis(std::string_view bytes) {
  FrameScanner scanner(2);
  while (!bytes.empty()) {
    const FrameScanner::Result result = scanner.Scan(bytes);
    const testing::HiredisResult opinion = testing::AskHiredis(bytes);
    if (opinion.opinion == testing::Opinion::kTooDeep) return;
    const bool hiredis_frame = opinion.opinion == testing::Opinion::kFrame && opinion.well_ended;
    ASSERT_EQ(result.status == ScanStatus::kFrame, hiredis_frame)
        << harness::Printable(bytes) << "\nhiredis: " << static_cast<int>(opinion.opinion) << " "
        << opinion.bytes << " well ended: " << opinion.well_ended;
    const FrameRun run = ScanRun(bytes, 1, 2);
    ASSERT_EQ(run.frames == 1, hiredis_frame && bytes[0] != '-') << bytes;
    if (!hiredis_frame) {
      // What hiredis calls an error is one; of an unfinished line it may not know yet.
      if (opinion.opinion == testing::Opinion::kError) {
        ASSERT_EQ(result.status, ScanStatus::kError) << bytes;
      }
      return;
    }
    ASSERT_EQ(result.consumed, opinion.bytes) << bytes;
    ASSERT_EQ(run.bytes, run.frames == 1 ? opinion.bytes : 0) << bytes;
    bytes.remove_prefix(result.consumed);
  }
}

TEST(FrameScannerPropertyTest, AgreesWithHiredisOnRandomAndDamagedFrames) {
  testing::Random random(harness::Seed());
  for (int i = 0; i < 20000 && !HasFatalFailure(); ++i) {
    std::string bytes;
    for (uint64_t n = 1 + testing::Below(random, 4); n != 0; --n) {
      testing::AppendRandomFrame(random, 2, 5, &bytes);
    }
    CompareWithHiredis(bytes);
    testing::Damage(random, &bytes);
    CompareWithHiredis(bytes);
  }
}

TEST(FrameScannerPropertyTest, RandomCutsChangeNothing) {
  testing::Random random(harness::Seed());
  for (int i = 0; i < 20000 && !HasFailure(); ++i) {
    const int protocol_version = 2 + static_cast<int>(testing::Below(random, 2));
    std::string bytes;
    std::vector<size_t> ends;
    for (uint64_t n = 1 + testing::Below(random, 5); n != 0; --n) {
      testing::AppendRandomFrame(random, protocol_version, 5, &bytes);
      ends.push_back(bytes.size());
    }
    SeenFrames whole = FeedFrames(bytes, protocol_version, Whole());
    ASSERT_EQ(whole.frames.size(), ends.size()) << bytes;
    size_t end = 0;
    for (size_t n = 0; n < ends.size(); ++n) {
      end += whole.frames[n].bytes;
      EXPECT_EQ(end, ends[n]) << bytes;
    }
    EXPECT_EQ(whole, FeedFrames(bytes, protocol_version, testing::RandomPieces(random))) << bytes;

    testing::Damage(random, &bytes);
    EXPECT_EQ(FeedFrames(bytes, protocol_version, Whole()),
              FeedFrames(bytes, protocol_version, testing::RandomPieces(random)))
        << bytes;
  }
}

TEST(FrameScannerRedisTest, FramesTheRepliesOfARealServer) {
  harness::RedisServer server({"--enable-debug-command", "yes"});
  const std::vector<std::vector<std::string>> commands = {
      {"COMMAND"},
      {"COMMAND", "DOCS"},
      {"INFO", "everything"},
      {"CONFIG", "GET", "*"},
      {"ZADD", "z", "1.5", "a", "inf", "b"},
      {"ZRANGE", "z", "0", "-1", "WITHSCORES"},
      {"ZSCORE", "z", "b"},
      {"HSET", "h", "a", "1"},
      {"HGETALL", "h"},
      {"SADD", "s", "1", "2"},
      {"SMEMBERS", "s"},
      {"GET", "nothing"},
      {"LPOP", "nothing", "2"},
      {"EVAL", "return {1, 'a', false, {err='X y'}, {ok='fine'}, {double=1.5}}", "0"},
      {"EVAL", "redis.setresp(3); return {{map={a=1}}, {set={b=true}}, true, redis.NIL}", "0"},
      {"DEBUG", "PROTOCOL", "attrib"},
      {"DEBUG", "PROTOCOL", "push"},
      {"DEBUG", "PROTOCOL", "bignum"},
      {"DEBUG", "PROTOCOL", "verbatim"},
      {"DEBUG", "PROTOCOL", "true"},
      {"DEBUG", "PROTOCOL", "double"},
      {"NOSUCH", "command"},
      {"MEMORY", "STATS"},
      {"XADD", "x", "1-1", "f", "v"},
      {"XINFO", "STREAM", "x", "FULL"}};
  for (const char* const version : {"2", "3"}) {
    harness::RawClient client(server.port());
    client.Command({"HELLO", version});
    for (const std::vector<std::string>& command : commands) {
      const std::string reply = client.Command(command);
      const SeenFrames seen = FeedFrames(reply, version[0] - '0', Whole());
      // DEBUG PROTOCOL push sends nothing but the push and then its OK, which is the next frame.
      ASSERT_EQ(seen.frames.size(), 1u) << command[0] << " " << harness::Printable(reply);
      EXPECT_EQ(seen.bytes(), reply.size());
      EXPECT_EQ(seen, FeedFrames(reply, version[0] - '0', SplitAt(reply.size() / 2)));
    }
  }
}

}  // namespace
}  // namespace weir
