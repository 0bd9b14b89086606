// What a command answers under a token, first and again, is byte for byte what it answers without.
//
// Redis 7.0 has no write that answers a boolean, a big number or a verbatim string, nor a read that
// takes a token; so these types cannot be here.
#include <gmock/gmock.h>

#include <set>

#include "plugins/idem_command.h"
#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

using Args = std::vector<std::string>;

struct Case {
  std::vector<Args> before;
  Args command;
};

const std::vector<Case>& Cases() {
  static const std::vector<Case> cases = {
      {{{"SET", "k", "ab"}}, {"APPEND", "k", std::string("\r\n\0$-1\r\n", 8)}},
      {{},
       {"BITFIELD", "b", "OVERFLOW", "FAIL", "INCRBY", "u2", "0", "3", "INCRBY", "u2", "0", "1"}},
      {{}, {"BITFIELD", "b", "SET", "i53", "0", "-4503599627370496", "GET", "i53", "0"}},
      {{{"SET", "{t}a", "x"}}, {"BITOP", "NOT", "{t}b", "{t}a"}},
      {{{"SET", "{t}a", "x"}}, {"COPY", "{t}a", "{t}b", "REPLACE"}},
      {{}, {"DECR", "n"}},
      {{{"SET", "n", "-9223372036854775800"}}, {"DECRBY", "n", "7"}},
      {{{"MSET", "{t}a", "1", "{t}b", "2"}}, {"DEL", "{t}a", "{t}b", "{t}c"}},
      {{{"SET", "k", "v"}}, {"EXPIRE", "k", "1000000000", "NX"}},
      {{}, {"EXPIREAT", "nothing", "4000000000"}},
      {{}, {"GEOADD", "g", "13.361389", "38.115556", "P"}},
      {{{"GEOADD", "{t}g", "13.361389", "38.115556", "P"}},
       {"GEOSEARCHSTORE", "{t}to", "{t}g", "FROMLONLAT", "15", "37", "BYRADIUS", "200", "km"}},
      {{{"SET", "k", "v"}}, {"GETDEL", "k"}},
      {{}, {"GETDEL", "nothing"}},
      {{{"SET", "k", ""}}, {"GETEX", "k", "PERSIST"}},
      {{{"SET", "k", "old"}}, {"GETSET", "k", "new"}},
      {{}, {"GETSET", "k", "new"}},
      {{{"HSET", "h", "a", "1", "b", "2"}}, {"HDEL", "h", "a", "c"}},
      {{}, {"HINCRBY", "h", "f", "5"}},
      {{{"HSET", "h", "f", "9223372036854775806"}}, {"HINCRBY", "h", "f", "1"}},
      {{}, {"HINCRBYFLOAT", "h", "f", "1.1"}},
      {{}, {"HMSET", "h", "f", "1"}},
      {{}, {"HSET", "h", "f", "1", "g", "2"}},
      {{}, {"HSETNX", "h", "f", "1"}},
      {{}, {"INCR", "n"}},
      {{{"SET", "n", "9007199254740992"}}, {"INCR", "n"}},
      {{{"SET", "n", "9007199254740990"}}, {"INCR", "n"}},
      {{{"SET", "n", "9223372036854775800"}}, {"INCRBY", "n", "7"}},
      {{{"SET", "n", "-9007199254740992"}}, {"INCRBY", "n", "-1"}},
      {{}, {"INCRBYFLOAT", "n", "3.0e3"}},
      {{{"RPUSH", "l", "a", "b"}}, {"LINSERT", "l", "BEFORE", "b", "x"}},
      {{{"RPUSH", "{t}l", "a", "b"}}, {"LMOVE", "{t}l", "{t}m", "LEFT", "RIGHT"}},
      {{}, {"LMOVE", "{t}l", "{t}m", "LEFT", "RIGHT"}},
      {{{"RPUSH", "l", "a", "b"}}, {"LMPOP", "1", "l", "LEFT", "COUNT", "9"}},
      {{}, {"LMPOP", "1", "l", "LEFT"}},
      {{{"RPUSH", "l", "a", "b"}}, {"LPOP", "l"}},
      {{}, {"LPOP", "l"}},
      {{{"RPUSH", "l", "a", "b", "c"}}, {"LPOP", "l", "2"}},
      {{{"RPUSH", "l", "a", "b", "c"}}, {"LPOP", "l", "0"}},
      {{}, {"LPOP", "l", "2"}},
      {{}, {"LPUSH", "l", "a", "b"}},
      {{}, {"LPUSHX", "l", "a"}},
      {{{"RPUSH", "l", "a", "b", "a"}}, {"LREM", "l", "0", "a"}},
      {{{"RPUSH", "l", "a", "b", "a"}}, {"LSET", "l", "1", "x"}},
      {{{"RPUSH", "l", "a", "b", "a"}}, {"LTRIM", "l", "1", "1"}},
      {{{"SET", "k", "v"}}, {"MOVE", "k", "1"}},
      {{}, {"MSET", "{t}a", "1", "{t}b", "2"}},
      {{}, {"MSETNX", "{t}a", "1", "{t}b", "2"}},
      {{{"SET", "k", "v", "EX", "1000"}}, {"PERSIST", "k"}},
      {{{"SET", "k", "v"}}, {"PEXPIRE", "k", "1000000000"}},
      {{{"SET", "k", "v"}}, {"PEXPIREAT", "k", "4000000000000"}},
      {{}, {"PFADD", "p", "a", "b"}},
      {{{"PFADD", "{t}p", "a"}}, {"PFMERGE", "{t}q", "{t}p"}},
      {{}, {"PSETEX", "k", "1000000000", "v"}},
      {{{"SET", "{t}a", "1"}}, {"RENAME", "{t}a", "{t}b"}},
      {{{"MSET", "{t}a", "1", "{t}b", "2"}}, {"RENAMENX", "{t}a", "{t}b"}},
      {{},
       {"RESTORE", "k", "0",
        std::string("\x00\xc0\x01\x0a\x00\x26\x78\xe7\xb6\xd1\x01\x11\xfc", 13)}},
      {{{"RPUSH", "l", "a", "b"}}, {"RPOP", "l"}},
      {{{"RPUSH", "l", "a", "b"}}, {"RPOP", "l", "9"}},
      {{}, {"RPOP", "l", "9"}},
      {{{"RPUSH", "{t}l", "a", "b"}}, {"RPOPLPUSH", "{t}l", "{t}m"}},
      {{}, {"RPUSH", "l", "a"}},
      {{{"RPUSH", "l", "a"}}, {"RPUSHX", "l", "a"}},
      {{}, {"SADD", "s", "a", "b"}},
      {{{"SADD", "{t}s", "1", "2"}}, {"SDIFFSTORE", "{t}d", "{t}s", "{t}o"}},
      {{}, {"SET", "k", "v"}},
      {{{"SET", "k", "v"}}, {"SET", "k", "w", "NX"}},
      {{{"SET", "k", "v"}}, {"SET", "k", "w", "GET"}},
      {{}, {"SET", "k", "w", "GET"}},
      {{}, {"SETBIT", "k", "7", "1"}},
      {{}, {"SETEX", "k", "1000000", "v"}},
      {{}, {"SETNX", "k", "v"}},
      {{}, {"SETRANGE", "k", "3", "v"}},
      {{{"SADD", "{t}s", "1", "2"}}, {"SINTERSTORE", "{t}d", "{t}s"}},
      {{{"SADD", "{t}s", "1", "2"}}, {"SMOVE", "{t}s", "{t}o", "1"}},
      {{{"SADD", "s", "1"}}, {"SPOP", "s"}},
      {{}, {"SPOP", "s"}},
      {{{"SADD", "s", "1", "2", "3"}}, {"SPOP", "s", "9"}},
      {{{"SADD", "s", "1", "2", "3"}}, {"SPOP", "s", "0"}},
      {{}, {"SPOP", "s", "2"}},
      {{{"SADD", "s", "1", "2"}}, {"SREM", "s", "1", "5"}},
      {{{"SADD", "{t}s", "1", "2"}}, {"SUNIONSTORE", "{t}d", "{t}s"}},
      {{{"SET", "k", "v"}}, {"UNLINK", "k"}},
      {{{"XADD", "x", "1-1", "f", "v"},
        {"XGROUP", "CREATE", "x", "g", "0"},
        {"XREADGROUP", "GROUP", "g", "c", "STREAMS", "x", ">"}},
       {"XACK", "x", "g", "1-1"}},
      {{}, {"XADD", "x", "1-1", "f", "v"}},
      {{}, {"XADD", "x", "NOMKSTREAM", "1-1", "f", "v"}},
      {{{"XADD", "x", "1-1", "f", "v"},
        {"XADD", "x", "1-2", "f", "v"},
        {"XGROUP", "CREATE", "x", "g", "0"},
        {"XREADGROUP", "GROUP", "g", "c", "STREAMS", "x", ">"},
        {"XDEL", "x", "1-1"}},
       {"XAUTOCLAIM", "x", "g", "d", "0", "0"}},
      {{{"XADD", "x", "1-1", "f", "v"},
        {"XGROUP", "CREATE", "x", "g", "0"},
        {"XREADGROUP", "GROUP", "g", "c", "STREAMS", "x", ">"}},
       {"XCLAIM", "x", "g", "d", "0", "1-1"}},
      {{{"XADD", "x", "1-1", "f", "v"}}, {"XDEL", "x", "1-1", "1-2"}},
      {{}, {"XGROUP", "CREATE", "x", "g", "0", "MKSTREAM"}},
      {{{"XGROUP", "CREATE", "x", "g", "0", "MKSTREAM"}},
       {"XGROUP", "CREATECONSUMER", "x", "g", "c"}},
      {{{"XGROUP", "CREATE", "x", "g", "0", "MKSTREAM"}}, {"XGROUP", "DELCONSUMER", "x", "g", "c"}},
      {{{"XGROUP", "CREATE", "x", "g", "0", "MKSTREAM"}}, {"XGROUP", "DESTROY", "x", "g"}},
      {{{"XGROUP", "CREATE", "x", "g", "0", "MKSTREAM"}}, {"XGROUP", "SETID", "x", "g", "$"}},
      {{{"XADD", "x", "1-1", "f", "v"},
        {"XADD", "x", "1-2", "f", "v", "g", "w"},
        {"XGROUP", "CREATE", "x", "g", "0"}},
       {"XREADGROUP", "GROUP", "g", "c", "STREAMS", "x", ">"}},
      {{{"XGROUP", "CREATE", "x", "g", "0", "MKSTREAM"}},
       {"XREADGROUP", "GROUP", "g", "c", "STREAMS", "x", ">"}},
      {{{"XADD", "{t}x", "1-1", "f", "v"},
        {"XADD", "{t}y", "1-2", "f", "v"},
        {"XGROUP", "CREATE", "{t}x", "g", "0"},
        {"XGROUP", "CREATE", "{t}y", "g", "0"},
        {"XREADGROUP", "GROUP", "g", "c", "STREAMS", "{t}x", "{t}y", ">", ">"},
        {"XDEL", "{t}x", "1-1"}},
       {"XREADGROUP", "GROUP", "g", "c", "STREAMS", "{t}x", "{t}y", "0", "0"}},
      {{{"XADD", "x", "1-1", "f", "v"}}, {"XSETID", "x", "5-5"}},
      {{{"XADD", "x", "1-1", "f", "v"}, {"XADD", "x", "1-2", "f", "v"}},
       {"XTRIM", "x", "MAXLEN", "1"}},
      {{}, {"ZADD", "z", "1.5", "a", "2", "b"}},
      {{}, {"ZADD", "z", "INCR", "3.7", "a"}},
      {{{"ZADD", "z", "1", "a"}}, {"ZADD", "z", "NX", "INCR", "3.7", "a"}},
      {{{"ZADD", "{t}z", "1", "a"}}, {"ZDIFFSTORE", "{t}d", "1", "{t}z"}},
      {{{"ZADD", "z", "0.1", "a"}}, {"ZINCRBY", "z", "0.2", "a"}},
      {{{"ZADD", "z", "0.1", "a"}}, {"ZINCRBY", "z", "-inf", "a"}},
      {{{"ZADD", "{t}z", "1", "a"}}, {"ZINTERSTORE", "{t}d", "1", "{t}z"}},
      {{{"ZADD", "z", "1", "a", "2.5", "b"}}, {"ZMPOP", "1", "z", "MAX", "COUNT", "5"}},
      {{}, {"ZMPOP", "1", "z", "MAX"}},
      {{{"ZADD", "z", "1", "a", "2.5", "b"}}, {"ZPOPMAX", "z"}},
      {{{"ZADD", "z", "1", "a", "inf", "b"}}, {"ZPOPMAX", "z", "3"}},
      {{{"ZADD", "z", "1", "a", "2.5", "b"}}, {"ZPOPMIN", "z"}},
      {{{"ZADD", "z", "1", "a", "2.5", "b"}}, {"ZPOPMIN", "z", "1"}},
      {{}, {"ZPOPMIN", "z"}},
      {{}, {"ZPOPMIN", "z", "2"}},
      {{{"ZADD", "{t}z", "1", "a", "2.5", "b"}}, {"ZRANGESTORE", "{t}d", "{t}z", "0", "-1"}},
      {{{"ZADD", "z", "1", "a", "2.5", "b"}}, {"ZREM", "z", "a", "x"}},
      {{{"ZADD", "z", "0", "a", "0", "b"}}, {"ZREMRANGEBYLEX", "z", "[a", "[a"}},
      {{{"ZADD", "z", "1", "a", "2.5", "b"}}, {"ZREMRANGEBYRANK", "z", "0", "0"}},
      {{{"ZADD", "z", "1", "a", "2.5", "b"}}, {"ZREMRANGEBYSCORE", "z", "-inf", "2"}},
      {{{"ZADD", "{t}z", "1", "a", "2.5", "b"}}, {"ZUNIONSTORE", "{t}d", "1", "{t}z"}},
  };
  return cases;
}

// Those that run under a claim: what waits, with and without something to wait for, and scripts.
const std::vector<Case>& Claimed() {
  static const std::vector<Case> cases = {
      {{{"RPUSH", "{t}l", "a", "b"}}, {"BLMOVE", "{t}l", "{t}m", "LEFT", "RIGHT", "0"}},
      {{}, {"BLMOVE", "{t}l", "{t}m", "LEFT", "RIGHT", "0.01"}},
      {{{"RPUSH", "l", "a", "b"}}, {"BLMPOP", "0", "1", "l", "LEFT", "COUNT", "9"}},
      {{}, {"BLMPOP", "0.01", "1", "l", "LEFT"}},
      {{{"RPUSH", "l", "a\r\n", "b"}}, {"BLPOP", "l", "0"}},
      {{}, {"BLPOP", "l", "0.01"}},
      {{{"RPUSH", "l", "a", "b"}}, {"BRPOP", "l", "0"}},
      {{}, {"BRPOP", "l", "0.01"}},
      {{{"RPUSH", "{t}l", "a", "b"}}, {"BRPOPLPUSH", "{t}l", "{t}m", "0"}},
      {{}, {"BRPOPLPUSH", "{t}l", "{t}m", "0.01"}},
      {{{"ZADD", "z", "1", "a", "2.5", "b"}}, {"BZMPOP", "0", "1", "z", "MAX", "COUNT", "5"}},
      {{}, {"BZMPOP", "0.01", "1", "z", "MAX"}},
      {{{"ZADD", "z", "1", "a", "-inf", "b"}}, {"BZPOPMIN", "z", "0"}},
      {{}, {"BZPOPMIN", "z", "0.01"}},
      {{{"ZADD", "z", "1", "a", "0.1", "b"}}, {"BZPOPMAX", "z", "0"}},
      {{}, {"BZPOPMAX", "z", "0.01"}},
      {{{"XADD", "x", "1-1", "f", "v"},
        {"XADD", "x", "1-2", "f", "v", "g", "w"},
        {"XGROUP", "CREATE", "x", "g", "0"}},
       {"XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "x", ">"}},
      {{{"XGROUP", "CREATE", "x", "g", "0", "MKSTREAM"}},
       {"XREADGROUP", "GROUP", "g", "c", "BLOCK", "10", "STREAMS", "x", ">"}},
      {{}, {"EVAL", "return redis.call('INCR', KEYS[1])", "1", "n"}},
      {{}, {"EVAL", "return {1, {'a', {}, false, true, 3.9}, redis.status_reply('FINE')}", "0"}},
      {{}, {"EVAL", "return nil", "0"}},
      {{},
       {"EVAL",
        "redis.setresp(3); redis.call('ZADD', KEYS[1], 1.5, 'a', 'inf', 'b'); "
        "return {redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES'), "
        "redis.call('ZSCORE', KEYS[1], 'b'), redis.call('GET', 'none'), {double = 3.25}}",
        "1", "z"}},
      {{},
       {"EVAL",
        "redis.setresp(3); redis.call('HSET', KEYS[1], 'f', 'v'); "
        "return {redis.call('HGETALL', KEYS[1]), {map = {a = 1}}, {set = {x = true}}, "
        "{big_number = '12345678901234567890'}, {verbatim_string = {format = 'txt', string = "
        "'vs'}}, "
        "true, false}",
        "1", "h"}},
      {{{"SCRIPT", "LOAD", "return redis.call('INCR', KEYS[1])"}},
       {"EVALSHA", "dd5b6c6d6ea12bf5f4ef60bd2a2ab6f6a0fb1c2b", "1", "n"}},
      {{{"FUNCTION", "LOAD", "REPLACE",
         "#!lua name=lib\nredis.register_function('f', function(keys, args) "
         "return redis.call('APPEND', keys[1], args[1]) end)"}},
       {"FCALL", "f", "1", "k", "xyz"}},
  };
  return cases;
}

// Errors are not recorded, so a repeat gets the next one, which is the same.
const std::vector<Case>& Errors() {
  static const std::vector<Case> cases = {
      {{{"SET", "k", "v"}}, {"LPUSH", "k", "a"}},
      {{{"SET", "k", "v"}}, {"INCR", "k"}},
      {{{"SET", "k", "9223372036854775807"}}, {"INCR", "k"}},
      {{}, {"SET", "k", "v", "NONSENSE"}},
      {{}, {"SET", "k", "v", "EX", "-1"}},
      {{}, {"INCR"}},
      {{}, {"INCR", "a", "b"}},
      {{}, {"XADD", "x", "0-0", "f", "v"}},
      {{}, {"XREADGROUP", "GROUP", "none", "c", "STREAMS", "x", ">"}},
      {{}, {"LSET", "none", "0", "v"}},
      {{}, {"LMPOP", "x", "l", "LEFT"}},
      {{}, {"ZADD", "z", "nan", "a"}},
      {{}, {"RESTORE", "k", "0", "nonsense"}},
      {{}, {"XGROUP", "CREATE", "x", "g", "0"}},
      {{}, {"RENAME", "{t}none", "{t}b"}},
      {{}, {"EVAL", "return redis.error_reply('MINE is this')", "0"}},
      {{}, {"EVAL", "return redis.call('INCR')", "0"}},
      {{}, {"EVAL", "this is no Lua", "0"}},
      {{}, {"EVAL", "return 1", "1"}},
      {{}, {"EVALSHA", "ffffffffffffffffffffffffffffffffffffffff", "0"}},
      {{}, {"FCALL", "none", "0"}},
      {{{"SET", "k", "v"}}, {"BLPOP", "k", "0"}},
      {{}, {"BLPOP", "k", "-1"}},
      {{}, {"XREADGROUP", "GROUP", "none", "c", "BLOCK", "0", "STREAMS", "x", ">"}},
  };
  return cases;
}

class IdempotencyRepliesTest : public ::testing::Test {
 protected:
  static WeirConfig Config(const std::string& url) {
    WeirConfig config;
    config.url = url;
    config.rest = "[plugin.idempotency]\nenabled = true\n";
    return config;
  }

  static std::unique_ptr<RawClient> Connect(uint16_t port, int version) {
    auto client = std::make_unique<RawClient>(port);
    if (version == 3) client->Command({"HELLO", "3"});
    return client;
  }

  void SetUp() override {
    for (const int version : {2, 3}) {
      plain_[version] = Connect(direct_.port(), version);
      through_[version] = Connect(weir_.port(), version);
    }
    behind_ = Connect(redis_.port(), 2);
  }

  static void Prepare(RawClient& client, const Case& one) {
    client.Command({"FLUSHALL"});
    for (const Args& before : one.before) {
      const std::string reply = client.Command(before);
      ASSERT_NE(reply[0], '-') << reply;
    }
  }

  std::string Repeat(int version, const Args& command) {
    Args args = {"WEIR.IDEM", "token"};
    args.insert(args.end(), command.begin(), command.end());
    return through_[version]->Command(args);
  }

  // All data but records, as DUMP has it. Streams keep times, so of them only the length; a set's
  // order is each server's own, so its members are sorted.
  static std::map<std::string, std::string> DataOf(RawClient& client) {
    std::map<std::string, std::string> data;
    for (const Reply& key : ParseReply(client.Command({"KEYS", "*"})).elements) {
      if (key.text.starts_with("weir:idem:")) continue;
      const std::string type = client.Text({"TYPE", key.text});
      data[key.text] = type == "stream" ? client.Command({"XLEN", key.text})
                       : type == "set"  ? client.Command({"SORT", key.text, "ALPHA"})
                                        : client.Command({"DUMP", key.text});
    }
    return data;
  }

  RedisServer direct_;
  RedisServer redis_;
  WeirServer weir_{Config(redis_.url())};
  std::map<int, std::unique_ptr<RawClient>> plain_;
  std::map<int, std::unique_ptr<RawClient>> through_;
  std::unique_ptr<RawClient> behind_;
};

TEST_F(IdempotencyRepliesTest, EveryCommandHasItsCase) {
  std::set<std::string> names;
  for (const std::string_view name : IdemCommandNames()) names.emplace(name);
  for (const Case& one : Cases()) {
    std::string name = one.command[0];
    if (name == "XGROUP") name += "|" + one.command[1];
    for (char& c : name) c = static_cast<char>(tolower(c));
    names.erase(name);
  }
  EXPECT_THAT(names, ::testing::IsEmpty());
}

TEST_F(IdempotencyRepliesTest, EveryCommandUnderAClaimHasItsCase) {
  std::set<std::string> names;
  for (const std::string_view name : IdemClaimedNames()) names.emplace(name);
  for (const Case& one : Claimed()) {
    std::string name = one.command[0];
    for (char& c : name) c = static_cast<char>(tolower(c));
    names.erase(name);
  }
  EXPECT_THAT(names, ::testing::IsEmpty());
}

TEST_F(IdempotencyRepliesTest, FirstAndAgainAreTheBytesOfADirectCall) {
  std::vector<Case> all = Cases();
  all.insert(all.end(), Claimed().begin(), Claimed().end());
  for (Case& one : all) {
    if (one.command[0] == "EVALSHA") one.command[1] = behind_->Text(one.before[0]);
    SCOPED_TRACE(Printable(Encode(one.command)));
    std::map<int, std::string> expected;
    for (const int version : {2, 3}) {
      Prepare(*plain_[version], one);
      expected[version] = plain_[version]->Command(one.command);
      ASSERT_NE(expected[version][0], '-') << expected[version];
    }
    const std::map<std::string, std::string> data = DataOf(*plain_[2]);
    for (const int first : {2, 3}) {
      Prepare(*behind_, one);
      EXPECT_EQ(Printable(Repeat(first, one.command)), Printable(expected[first])) << first;
      for (const int again : {2, 3, first}) {
        EXPECT_EQ(Printable(Repeat(again, one.command)), Printable(expected[again]))
            << "first in RESP" << first << ", again in RESP" << again;
      }
      EXPECT_EQ(DataOf(*behind_), data) << "it did not run exactly once";
      EXPECT_EQ(ParseReply(behind_->Command({"KEYS", "weir:idem:*"})).elements.size(), 1u);
    }
  }
}

TEST_F(IdempotencyRepliesTest, ErrorsAreThoseOfADirectCallAndNotRecorded) {
  for (const Case& one : Errors()) {
    SCOPED_TRACE(Printable(Encode(one.command)));
    for (const int version : {2, 3}) {
      Prepare(*plain_[version], one);
      Prepare(*behind_, one);
      const std::string expected = plain_[version]->Command(one.command);
      ASSERT_EQ(expected[0], '-') << expected;
      EXPECT_EQ(Repeat(version, one.command), expected);
      EXPECT_EQ(Repeat(version, one.command), expected);
      EXPECT_EQ(behind_->Command({"KEYS", "weir:idem:*"}), "*0\r\n");
    }
  }
}

}  // namespace
}  // namespace weir::harness
