// What weir writes must be what Redis would have written, byte for byte.

#include "resp/reply_writer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/raw_client.h"
#include "tests/support/redis_server.h"

namespace weir {
namespace {

std::string Written(int protocol_version, const std::function<void(ReplyWriter&)>& write) {
  std::string out;
  ReplyWriter writer(&out, protocol_version);
  write(writer);
  return out;
}

TEST(ReplyWriterTest, WritesEachTypeInBothVersions) {
  struct Case {
    std::function<void(ReplyWriter&)> write;
    std::string_view resp2, resp3;
  };
  const std::vector<Case> cases = {
      {[](ReplyWriter& w) { w.Ok(); }, "+OK\r\n", "+OK\r\n"},
      {[](ReplyWriter& w) { w.SimpleString("a\r\nb"); }, "+a  b\r\n", "+a  b\r\n"},
      {[](ReplyWriter& w) { w.Integer(INT64_MIN); }, ":-9223372036854775808\r\n",
       ":-9223372036854775808\r\n"},
      {[](ReplyWriter& w) { w.Bulk(""); }, "$0\r\n\r\n", "$0\r\n\r\n"},
      {[](ReplyWriter& w) { w.Bulk(std::string_view("a\0\r\n", 4)); },
       std::string_view("$4\r\na\0\r\n\r\n", 10), std::string_view("$4\r\na\0\r\n\r\n", 10)},
      {[](ReplyWriter& w) { w.Null(); }, "$-1\r\n", "_\r\n"},
      {[](ReplyWriter& w) { w.NullArray(); }, "*-1\r\n", "_\r\n"},
      {[](ReplyWriter& w) { w.ArrayHeader(3); }, "*3\r\n", "*3\r\n"},
      {[](ReplyWriter& w) { w.MapHeader(3); }, "*6\r\n", "%3\r\n"},
      {[](ReplyWriter& w) { w.SetHeader(3); }, "*3\r\n", "~3\r\n"},
      {[](ReplyWriter& w) { w.PushHeader(3); }, "*3\r\n", ">3\r\n"},
      {[](ReplyWriter& w) { w.Boolean(true); }, ":1\r\n", "#t\r\n"},
      {[](ReplyWriter& w) { w.Boolean(false); }, ":0\r\n", "#f\r\n"},
      {[](ReplyWriter& w) { w.Verbatim("txt", "hi"); }, "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"},
      {[](ReplyWriter& w) { w.Double(3); }, "$1\r\n3\r\n", ",3\r\n"},
      {[](ReplyWriter& w) { w.Double(0.1); }, "$19\r\n0.10000000000000001\r\n",
       ",0.10000000000000001\r\n"},
      {[](ReplyWriter& w) { w.Double(-INFINITY); }, "$4\r\n-inf\r\n", ",-inf\r\n"},
      {[](ReplyWriter& w) { w.Double(1e300); }, "$23\r\n1.0000000000000001e+300\r\n",
       ",1.0000000000000001e+300\r\n"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(Written(2, c.write), c.resp2);
    EXPECT_EQ(Written(3, c.write), c.resp3);
  }
}

TEST(ReplyWriterTest, GivesAnErrorItsCodeAndOneLine) {
  const auto error = [](std::string_view text) {
    return Written(2, [text](ReplyWriter& w) { w.Error(text); });
  };
  EXPECT_EQ(error("syntax error"), "-ERR syntax error\r\n");
  EXPECT_EQ(error("-NOAUTH Authentication required."), "-NOAUTH Authentication required.\r\n");
  EXPECT_EQ(error("a\r\nb\r\n"), "-ERR a  b\r\n");
  EXPECT_EQ(error("\n-WRONGTYPE x"), "-WRONGTYPE x\r\n");
  EXPECT_EQ(error(""), "-ERR \r\n");
}

TEST(ReplyWriterTest, AppendsToWhatIsThere) {
  std::string out = "before";
  ReplyWriter(&out, 2).Ok();
  AppendRequest(&out, {"GET", ""});
  EXPECT_EQ(out, "before+OK\r\n*2\r\n$3\r\nGET\r\n$0\r\n\r\n");
}

// The same values, from Redis' own pen.
TEST(ReplyWriterRedisTest, WritesAsARealServerDoes) {
  harness::RedisServer server({"--enable-debug-command", "yes"});
  struct Case {
    std::vector<std::string> command;
    std::function<void(ReplyWriter&)> write;
  };
  const std::vector<Case> cases = {
      {{"SET", "k", "v"}, [](ReplyWriter& w) { w.Ok(); }},
      {{"GET", "k"}, [](ReplyWriter& w) { w.Bulk("v"); }},
      {{"GET", "none"}, [](ReplyWriter& w) { w.Null(); }},
      {{"LPOP", "none", "1"}, [](ReplyWriter& w) { w.NullArray(); }},
      {{"ZADD", "z", "0.1", "a", "1e17", "b", "-inf", "c", "3", "d"},
       [](ReplyWriter& w) { w.Integer(4); }},
      {{"ZSCORE", "z", "a"}, [](ReplyWriter& w) { w.Double(0.1); }},
      {{"ZSCORE", "z", "b"}, [](ReplyWriter& w) { w.Double(1e17); }},
      {{"ZSCORE", "z", "c"}, [](ReplyWriter& w) { w.Double(-INFINITY); }},
      {{"ZSCORE", "z", "d"}, [](ReplyWriter& w) { w.Double(3); }},
      {{"HGETALL", "none"}, [](ReplyWriter& w) { w.MapHeader(0); }},
      {{"SMEMBERS", "none"}, [](ReplyWriter& w) { w.SetHeader(0); }},
      {{"LRANGE", "none", "0", "1"}, [](ReplyWriter& w) { w.ArrayHeader(0); }},
      {{"DEBUG", "PROTOCOL", "true"}, [](ReplyWriter& w) { w.Boolean(true); }},
      {{"DEBUG", "PROTOCOL", "false"}, [](ReplyWriter& w) { w.Boolean(false); }},
      {{"DEBUG", "PROTOCOL", "double"}, [](ReplyWriter& w) { w.Double(3.141); }},
      {{"DEBUG", "PROTOCOL", "verbatim"},
       [](ReplyWriter& w) { w.Verbatim("txt", "This is a verbatim\nstring"); }},
      {{"DEBUG", "PROTOCOL", "null"}, [](ReplyWriter& w) { w.Null(); }},
      {{"SETEX", "k", "-1", "v"},
       [](ReplyWriter& w) { w.Error("invalid expire time in 'setex' command"); }},
      {{"LPUSH", "k", "v"},
       [](ReplyWriter& w) {
         w.Error("-WRONGTYPE Operation against a key holding the wrong kind of value");
       }},
  };
  for (const int version : {2, 3}) {
    harness::RawClient client(server.port());
    client.Command({"HELLO", std::to_string(version)});
    client.Command({"DEL", "z"});
    for (const Case& c : cases) {
      EXPECT_EQ(Written(version, c.write), client.Command(c.command)) << c.command[0];
    }
  }
}

}  // namespace
}  // namespace weir
