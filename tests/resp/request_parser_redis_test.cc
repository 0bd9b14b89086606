// The request parser against a real redis-server: the same bytes must be the same requests, and the
// same protocol errors, to both.
//
// Each case is sent to Redis on a connection of its own, which is then half closed. What Redis
// answers must be what a model says that knows ECHO, Redis' errors, and otherwise only the parser.

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/match.h"
#include "resp/errors.h"
#include "resp/reply_writer.h"
#include "resp/request_parser.h"
#include "tests/resp/feed.h"
#include "tests/resp/random_bytes.h"
#include "tests/support/raw_client.h"
#include "tests/support/redis_server.h"

namespace weir {
namespace {

using testing::FeedRequests;
using testing::SeenRequest;
using testing::SeenRequests;

// Redis buffers whatever it accepts.
constexpr RequestLimits kBufferAll{.request_bytes_max = 1 << 30};

// What Redis answers to `seen`, which may hold no command but ECHO that Redis knows.
std::string Expected(const SeenRequests& seen) {
  std::string out;
  ReplyWriter writer(&out, 2);
  for (const SeenRequest& request : seen.requests) {
    const std::vector<std::string_view> args(request.args.begin(), request.args.end());
    if (strcasecmp(request.args[0].c_str(), "echo") != 0 || request.args[0].size() != 4) {
      writer.Error(UnknownCommandText(args));
    } else if (args.size() != 2) {
      writer.Error(ErrorText(RedisError::kWrongArgCount, "echo"));
    } else {
      writer.Bulk(args[1]);
    }
  }
  return out + seen.error;
}

class RequestParserRedisTest : public ::testing::Test {
 protected:
  std::string Ask(std::string_view bytes) {
    harness::RawClient client(server_.port());
    client.Send(bytes);
    client.HalfClose();
    return client.ReadUntilClose();
  }

  void Compare(std::string_view bytes) {
    const std::string expected = Expected(FeedRequests(bytes, kBufferAll, testing::Whole()));
    EXPECT_EQ(harness::Printable(Ask(bytes)), harness::Printable(expected))
        << harness::Printable(bytes, 2000);
  }

  harness::RedisServer server_;
};

TEST_F(RequestParserRedisTest, SaysTheSameOfEveryBadInput) {
  const std::string nul(1, '\0');
  const std::string kib64(64 << 10, 'a');
  const std::string echo = "*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n";
  for (const std::string& bytes : std::vector<std::string>{"*x\r\n",
                                                           "*\r\n",
                                                           "* 1\r\n",
                                                           "*01\r\n",
                                                           "*+1\r\n",
                                                           "*-0\r\n",
                                                           "*2147483648\r\n",
                                                           "*2147483647\r\n",
                                                           "*9223372036854775808\r\n",
                                                           "*-1\r\n" + echo,
                                                           "*0\r\n" + echo,
                                                           "*-9223372036854775808\r\n" + echo,
                                                           "*-9223372036854775809\r\n" + echo,
                                                           "\r\n\n \r\n" + echo,
                                                           "*1\r\n$-1\r\n",
                                                           "*1\r\n$x\r\n",
                                                           "*1\r\n$\r\n",
                                                           "*1\r\n$01\r\n",
                                                           "*1\r\n$536870912\r\n",
                                                           "*1\r\n$536870913\r\n",
                                                           "*1\r\n$629145600\r\n",
                                                           "*1\r\n$99999999999999999999\r\n",
                                                           "*1\r\n:1\r\n",
                                                           "*1\r\n\r\n",
                                                           "*1\r\n\n\r\n",
                                                           "*1\r\n\xff\r\n",
                                                           "*1\r\n" + nul + "\r\n",
                                                           "*1" + nul + "\r\n" + echo,
                                                           "ECHO" + nul + " a\r\nECHO b\r\n",
                                                           "*1\r\n*1\r\n*1\r\n",
                                                           "*2\rX$4\rYECHO\r\n$2\r\nhi\r\n",
                                                           "*2\r\n$4\r\nECHOxx$2\r\nhiyy" + echo,
                                                           "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n" + echo,
                                                           "*1\r",
                                                           "*1\r\n$4\r",
                                                           "*1\rX",
                                                           "ECHO 'a\\'b'\r\n",
                                                           "ECHO \"a\\\"b\\x41\\xzz\\q\"\r\n",
                                                           "ECHO \"a\"b\r\n",
                                                           "ECHO 'a'b\r\n",
                                                           "ECHO \"a\r\n",
                                                           "ECHO 'a\r\n",
                                                           "ECHO a'b c'\r\n",
                                                           "ECHO a\vb\r\n",
                                                           "ECHO \va\r\n",
                                                           "ECHO a\rb\r\n",
                                                           "ECHO a\r\r\n",
                                                           "\"\"\r\n",
                                                           "'' \"\"\r\n",
                                                           "ECHO \"\\\r\n",
                                                           "ECHO \"\\",
                                                           "ECHO \"\\x4\"\r\n",
                                                           "ECHO \"\\x\"\r\n",
                                                           "ECHO \xff\xfe\r\n",
                                                           "$4\r\n",
                                                           "-ERR\r\n",
                                                           kib64,
                                                           kib64 + "a",
                                                           "*" + kib64,
                                                           "*1\r\n$" + kib64,
                                                           "ECHO " + kib64,
                                                           "*1\r\n" + kib64 + "\r\n"}) {
    Compare(bytes);
  }
}

TEST_F(RequestParserRedisTest, TrustsTheUnauthenticatedAsLittle) {
  harness::RedisServer server({"--requirepass", "secret"});
  for (const std::string_view bytes : {"*11\r\n", "*1\r\n$16385\r\n"}) {
    harness::RawClient client(server.port());
    client.Send(bytes);
    EXPECT_EQ(client.ReadUntilClose(), FeedRequests(bytes, {}, testing::Whole(), false).error);
  }
  for (const std::string_view bytes : {"*10\r\n", "*1\r\n$16384\r\n"}) {
    EXPECT_EQ(FeedRequests(bytes, {}, testing::Whole(), false).error, "");
  }
}

TEST_F(RequestParserRedisTest, ReadsRandomAndDamagedPipelinesTheSame) {
  testing::Random random(harness::Seed());
  for (int i = 0; i < 1500 && !HasFailure(); ++i) {
    std::string bytes;
    for (uint64_t n = 1 + testing::Below(random, 4); n != 0; --n) {
      switch (testing::Below(random, 6)) {
        case 0:
          bytes += "eChO \"a\\x41\\n'\" \r\n";
          break;
        case 1:
          bytes += "  'echo' 'it\\'s'\n";
          break;
        case 2:
          bytes += testing::Below(random, 2) == 0 ? "*0\r\n" : "\r\n";
          break;
        case 3:
          // No part of this name may be a command: damage can cut it anywhere. It was
          // "nosuch-command" once, and a newline in its middle asked Redis for COMMAND.
          AppendRequest(&bytes, {"xqzwvk", testing::RandomText(random, 60),
                                 testing::RandomText(random, 60), testing::RandomText(random, 60)});
          break;
        default:
          AppendRequest(&bytes, {"ECHO", testing::RandomText(random, 40)});
      }
    }
    if (testing::Below(random, 4) != 0) testing::Damage(random, &bytes);
    Compare(bytes);
  }
}

// What is forwarded must be to Redis what the client meant: the wire bytes give the same replies.
TEST_F(RequestParserRedisTest, ForwardsWhatTheClientMeant) {
  testing::Random random(harness::Seed());
  for (int i = 0; i < 300 && !HasFailure(); ++i) {
    std::string bytes = "ECHO 'inline \\' one'\r\n*2\rX$4\r\nECHO..$3\r\na\r\n\r\n\r\n";
    AppendRequest(&bytes, {"ECHO", testing::RandomText(random, 40)});
    testing::Damage(random, &bytes);
    const SeenRequests seen = FeedRequests(bytes, {}, testing::Whole());
    std::string wire;
    for (const SeenRequest& request : seen.requests) wire += request.wire;
    EXPECT_EQ(Ask(wire) + seen.error, Ask(bytes)) << harness::Printable(bytes);
  }
}

}  // namespace
}  // namespace weir
