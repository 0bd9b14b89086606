// Random commands that two servers answer alike.
//
// The table below is a grammar of one line a command: words that begin with '%' are placeholders,
// "%a|b" takes one of the words, and a placeholder with a trailing '+' stands for one to four of
// it.
//
//   %k key   %v value   %f field or member   %n integer   %s score   %x float   %i stream id
//   %o bit offset   %t a time far away   %p pattern   %g longitude and latitude
//
// Left out: what differs by nature (TIME, RANDOMKEY, SPOP, ids that the server makes, LASTSAVE,
// MEMORY USAGE, idle times), what weir refuses to share, and what weir answers itself.
#include "tests/support/command_generator.h"

#include <algorithm>
#include <cctype>
#include <map>

#include "tests/support/resp.h"

namespace weir::harness {
namespace {

constexpr std::string_view kCommands[] = {
    // strings
    "SET %k %v",
    "SET %k %v",
    "SET %k %v NX",
    "SET %k %v XX GET",
    "SET %k %v KEEPTTL",
    "SET %k %v EXAT %t",
    "SET %k %v PXAT %t000",
    "SET %k %v GET",
    "SET %k %v EX 0",
    "SET %k %v NX XX",
    "SETNX %k %v",
    "SETEX %k 100000 %v",
    "PSETEX %k 100000000 %v",
    "GET %k",
    "GET %k",
    "GETSET %k %v",
    "GETDEL %k",
    "GETEX %k",
    "GETEX %k PERSIST",
    "GETEX %k EXAT %t",
    "MGET %k+",
    "MSET %k %v %k %v",
    "MSETNX %k %v %k %v",
    "APPEND %k %v",
    "STRLEN %k",
    "INCR %k",
    "DECR %k",
    "INCRBY %k %n",
    "DECRBY %k %n",
    "INCRBYFLOAT %k %x",
    "GETRANGE %k %n %n",
    "SUBSTR %k %n %n",
    "SETRANGE %k %o %v",
    "LCS %k %k",
    "LCS %k %k LEN",
    "LCS %k %k IDX MINMATCHLEN 2 WITHMATCHLEN",
    // bits
    "SETBIT %k %o %0|1|2",
    "GETBIT %k %o",
    "BITCOUNT %k",
    "BITCOUNT %k %n %n",
    "BITCOUNT %k %n %n %BIT|BYTE",
    "BITPOS %k %0|1",
    "BITPOS %k %0|1 %n %n %BIT|BYTE",
    "BITOP %AND|OR|XOR %k %k %k",
    "BITOP NOT %k %k",
    "BITFIELD %k GET u8 %o INCRBY i5 %o %n",
    "BITFIELD %k SET u4 #1 %n OVERFLOW %SAT|FAIL|WRAP INCRBY u2 %o 1",
    "BITFIELD_RO %k GET u8 %o",
    // lists
    "LPUSH %k %v+",
    "RPUSH %k %v+",
    "LPUSHX %k %v",
    "RPUSHX %k %v",
    "LPOP %k",
    "RPOP %k",
    "LPOP %k %n",
    "RPOP %k 2",
    "LLEN %k",
    "LRANGE %k %n %n",
    "LINDEX %k %n",
    "LSET %k %n %v",
    "LINSERT %k %BEFORE|AFTER %v %v",
    "LREM %k %n %v",
    "LTRIM %k %n %n",
    "RPOPLPUSH %k %k",
    "LMOVE %k %k %LEFT|RIGHT %LEFT|RIGHT",
    "LPOS %k %v",
    "LPOS %k %v COUNT 0 RANK %n",
    "LMPOP 2 %k %k %LEFT|RIGHT COUNT 2",
    // hashes
    "HSET %k %f %v",
    "HSET %k %f %v %f %v",
    "HMSET %k %f %v",
    "HSETNX %k %f %v",
    "HGET %k %f",
    "HMGET %k %f+",
    "HGETALL %k",
    "HKEYS %k",
    "HVALS %k",
    "HLEN %k",
    "HDEL %k %f+",
    "HEXISTS %k %f",
    "HSTRLEN %k %f",
    "HINCRBY %k %f %n",
    "HINCRBYFLOAT %k %f %x",
    "HSCAN %k 0 COUNT 100000",
    "HSCAN %k 0 MATCH %p COUNT 100000",
    // sets
    "SADD %k %f+",
    "SADD %k %n",
    "SREM %k %f+",
    "SCARD %k",
    "SISMEMBER %k %f",
    "SMISMEMBER %k %f+",
    "SMEMBERS %k",
    "SINTER %k %k",
    "SUNION %k %k",
    "SDIFF %k %k",
    "SINTERCARD 2 %k %k LIMIT 3",
    "SINTERSTORE %k %k %k",
    "SUNIONSTORE %k %k %k",
    "SDIFFSTORE %k %k %k",
    "SMOVE %k %k %f",
    "SSCAN %k 0 COUNT 100000",
    // sorted sets
    "ZADD %k %s %f",
    "ZADD %k %s %f %s %f",
    "ZADD %k %NX|XX|GT|LT CH %s %f",
    "ZADD %k INCR %s %f",
    "ZADD %k NX GT %s %f",
    "ZREM %k %f+",
    "ZSCORE %k %f",
    "ZMSCORE %k %f+",
    "ZINCRBY %k %s %f",
    "ZCARD %k",
    "ZCOUNT %k -inf %s",
    "ZCOUNT %k (%s +inf",
    "ZLEXCOUNT %k - +",
    "ZRANK %k %f",
    "ZREVRANK %k %f",
    "ZRANGE %k %n %n",
    "ZRANGE %k %n %n WITHSCORES",
    "ZRANGE %k %s %s BYSCORE",
    "ZRANGE %k - + BYLEX LIMIT 0 3",
    "ZRANGE %k (a [z BYLEX",
    "ZRANGE %k +inf -inf BYSCORE REV",
    "ZREVRANGE %k 0 -1 WITHSCORES",
    "ZRANGEBYSCORE %k -inf +inf WITHSCORES LIMIT 0 5",
    "ZREVRANGEBYSCORE %k +inf -inf",
    "ZRANGEBYLEX %k - +",
    "ZRANGESTORE %k %k 0 -1",
    "ZREMRANGEBYRANK %k %n %n",
    "ZREMRANGEBYSCORE %k (%s %s",
    "ZREMRANGEBYLEX %k [a [b",
    "ZPOPMIN %k",
    "ZPOPMAX %k 2",
    "ZMPOP 1 %k %MIN|MAX COUNT 2",
    "ZUNION 2 %k %k WITHSCORES",
    "ZINTER 2 %k %k WEIGHTS 2 3 AGGREGATE %SUM|MIN|MAX",
    "ZDIFF 2 %k %k WITHSCORES",
    "ZUNIONSTORE %k 2 %k %k",
    "ZINTERSTORE %k 2 %k %k WEIGHTS %x %x",
    "ZDIFFSTORE %k 2 %k %k",
    "ZINTERCARD 2 %k %k",
    "ZSCAN %k 0 COUNT 100000",
    // streams
    "XADD %k %i f %v",
    "XADD %k NOMKSTREAM %i f %v",
    "XADD %k MAXLEN 5 %i f %v",
    "XLEN %k",
    "XRANGE %k - +",
    "XRANGE %k %i + COUNT 3",
    "XREVRANGE %k + -",
    "XREAD COUNT 3 STREAMS %k %i",
    "XREAD STREAMS %k %k 0 %i",
    "XDEL %k %i",
    "XTRIM %k MAXLEN %n",
    "XTRIM %k MINID %i",
    "XGROUP CREATE %k g 0",
    "XGROUP CREATE %k g %i MKSTREAM",
    "XGROUP DESTROY %k g",
    "XGROUP CREATECONSUMER %k g %f",
    "XGROUP DELCONSUMER %k g %f",
    "XGROUP SETID %k g %i",
    "XREADGROUP GROUP g %f COUNT 2 STREAMS %k >",
    "XREADGROUP GROUP g %f STREAMS %k 0",
    "XACK %k g %i",
    "XPENDING %k g",
    "XCLAIM %k g %f 0 %i JUSTID",
    "XAUTOCLAIM %k g %f 0 0 JUSTID",
    "XINFO STREAM %k",
    "XINFO GROUPS %k",
    "XSETID %k %i",
    // hyperloglog, geo
    "PFADD %k %f+",
    "PFCOUNT %k",
    "PFCOUNT %k %k",
    "PFMERGE %k %k %k",
    "GEOADD %k %g %f",
    "GEOADD %k XX CH %g %f",
    "GEOPOS %k %f+",
    "GEODIST %k %f %f %m|km|parsec",
    "GEOHASH %k %f+",
    "GEOSEARCH %k FROMLONLAT %g BYRADIUS 5000 km ASC WITHCOORD WITHDIST WITHHASH",
    "GEOSEARCH %k FROMMEMBER %f BYBOX 400 400 km ASC",
    "GEOSEARCHSTORE %k %k FROMLONLAT %g "
    "BYRADIUS 9000 km ASC COUNT 3",
    "GEORADIUS %k %g 5000 km ASC",
    "GEORADIUSBYMEMBER_RO %k %f "
    "9000 km ASC",
    "GEORADIUS %k %g 5000 km STORE %k",
    // keys
    "DEL %k+",
    "UNLINK %k+",
    "EXISTS %k+",
    "TOUCH %k+",
    "TYPE %k",
    "RENAME %k %k",
    "RENAMENX %k %k",
    "COPY %k %k",
    "COPY %k %k REPLACE",
    "COPY %k %k DB 1 REPLACE",
    "MOVE %k 1",
    "EXPIRE %k 100000",
    "EXPIRE %k %-1|0|abc|1.5|9223372036854775807",
    "EXPIRE %k 100000 %NX|XX",
    "PEXPIRE %k 100000000",
    "EXPIREAT %k %t",
    "EXPIREAT %k 100",
    "PEXPIREAT %k 100",
    "EXPIREAT %k %t %GT|LT",
    "PEXPIREAT %k %t000",
    "PERSIST %k",
    "TTL %k",
    "PTTL %k",
    "EXPIRETIME %k",
    "PEXPIRETIME %k",
    "KEYS *",
    "KEYS %p",
    "DBSIZE",
    "SCAN 0 COUNT 100000",
    "SCAN 0 MATCH %p COUNT 100000 TYPE string",
    "OBJECT ENCODING %k",
    "OBJECT REFCOUNT %k",
    "OBJECT FREQ %k",
    "RESTORE %k 0 garbage",
    "RESTORE %k 0 garbage REPLACE",
    "SORT %k",
    "SORT %k ALPHA",
    "SORT %k ALPHA DESC LIMIT 0 3",
    "SORT %k BY nosort GET # GET *",
    "SORT_RO %k "
    "ALPHA",
    "SORT %k ALPHA STORE %k",
    "SORT %k BY *:w GET h:*->f",
    "DUMP nosuch",
    "FLUSHDB",
    "SWAPDB 1 2",
    "SELECT 1",
    "SELECT 0",
    "SELECT 0",
    "SELECT 99",
    "SELECT %v",
    // scripts and functions
    "EVAL return 0",
    "EVAL return{1,2,{3,'x'},redis.call('get',KEYS[1])} 1 %k",
    "EVAL return(ARGV) 1 %k %v %v",
    "EVAL return{ok='fine'} 0",
    "EVAL return{err='MY_error'} 0",
    "EVAL return(redis.call('nosuch')) 0",
    "EVAL return(redis.pcall('lpush',KEYS[1])) 1 %k",
    "EVAL return(redis.call('incr',KEYS[1])) 1 %k",
    "EVAL syntax-error 0",
    "EVAL return(1) -1",
    "EVAL return(1) 2 %k",
    "EVAL redis.setresp(3)return(redis.call('zscore',KEYS[1],'a')) 1 %k",
    "EVAL redis.setresp(3)return{map={a=true}} 0",
    "EVAL return{double=3.5} 0",
    "EVAL return{big_number='123456789012345678901'} 0",
    "EVAL return(false) 0",
    "EVAL_RO return(redis.call('set',KEYS[1],1)) 1 %k",
    "EVALSHA "
    "e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0",
    "EVALSHA 0123456789012345678901234567890123456789 "
    "0",
    "SCRIPT LOAD return(1)",
    "SCRIPT LOAD return(%n)",
    "SCRIPT EXISTS "
    "e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0123456789012345678901234567890123456789",
    "SCRIPT FLUSH",
    "SCRIPT NOSUCH",
    "FUNCTION LIST",
    "FCALL nosuch 0",
    "FUNCTION DELETE nosuch",
    // others
    "PUBLISH %k %v",
    "SPUBLISH %k %v",
    "PUBSUB CHANNELS",
    "PUBSUB NUMSUB %k %k",
    "PUBSUB NUMPAT",
    "ECHO %v",
    "PING",
    "PING %v",
    "CONFIG GET maxmemory*",
    "CONFIG GET nosuch",
    "ACL WHOAMI",
    "ACL CAT",
    "ACL CAT nosuch",
    "OBJECT HELP",
    "XINFO HELP",
    "WEIRD",
    "WEIRD %v %v+",
    "OBJECT WEIRD %k",
    "CONFIG",
    "CLIENT GETNAME",
    "CLIENT SETNAME %f",
    "COMMAND GETKEYS SET %k %v",
    "CLUSTER INFO",
    "LATENCY RESET nosuch",
    "SLOWLOG NOSUCH",
    "MEMORY NOSUCH",
};

bool Upper(std::string_view word, std::string_view name) {
  return word.size() == name.size() &&
         std::equal(word.begin(), word.end(), name.begin(),
                    [](char a, char b) { return toupper(static_cast<unsigned char>(a)) == b; });
}

// Another argument of these would make a key that expires during the test, or a list without order.
bool Delicate(std::string_view name) {
  return name == "SET" || name == "COMMAND" || name.find("EX") != std::string_view::npos ||
         name.find("SCAN") != std::string_view::npos;
}

// Sorts the elements, `step` of them together.
std::string Sorted(const std::string& frame, size_t step) {
  std::string header;
  std::vector<std::string> elements;
  if (!SplitAggregate(frame, &header, &elements) || elements.size() % step != 0) return frame;
  std::vector<std::string> groups;
  for (size_t i = 0; i < elements.size(); i += step) {
    std::string group;
    for (size_t n = 0; n < step; ++n) group += elements[i + n];
    groups.push_back(group);
  }
  std::sort(groups.begin(), groups.end());
  for (const std::string& group : groups) header += group;
  return header;
}

std::string ComparableScan(const std::string& frame, size_t step) {
  std::string header;
  std::vector<std::string> parts;
  if (!SplitAggregate(frame, &header, &parts) || parts.size() != 2) return frame;
  // A cursor other than 0 (the COUNT was spoilt) tells of each server's own hash table.
  if (parts[0] != Bulk("0")) return "(part of a scan)";
  return header + parts[0] + Sorted(parts[1], step);
}

}  // namespace

std::string CommandGenerator::Key() {
  static const std::string kKeys[] = {
      "k1", "k2", "s", "l", "h", "set", "z", "x", "{tag}g", "p", std::string("bin\0\r\n\xff", 7),
      ""};
  return kKeys[Below(std::size(kKeys))];
}

std::string CommandGenerator::Value() {
  switch (Below(12)) {
    case 0:
      return "";
    case 1:
      return Number();
    case 2:
      return std::string("\0\r\n$5\r\n*1\r\n\xfe", 12);
    case 3:
      return std::string(Below(Below(20) == 0 ? 100000 : 300), 'v');
    case 4:
      return Score();
    default:
      return "v" + std::to_string(Below(20));
  }
}

std::string CommandGenerator::Number() {
  static const std::string kNumbers[] = {"0",
                                         "1",
                                         "2",
                                         "3",
                                         "-1",
                                         "-2",
                                         "10",
                                         "-100",
                                         "007",
                                         "1.5",
                                         "9223372036854775807",
                                         "-9223372036854775808",
                                         "9223372036854775808",
                                         "abc",
                                         "",
                                         " 1"};
  return kNumbers[Below(8) != 0 ? Below(8) : Below(std::size(kNumbers))];
}

std::string CommandGenerator::Score() {
  static const std::string kScores[] = {"0",    "1",          "2.5",   "-3",  "1e3", "inf",
                                        "-inf", "3.14159265", "1e400", "nan", "x",   "0.1"};
  return kScores[Below(8) != 0 ? Below(8) : Below(std::size(kScores))];
}

std::string CommandGenerator::Choice(std::string_view words) {
  std::vector<std::string> all;
  while (!words.empty()) {
    const size_t end = std::min(words.find('|'), words.size());
    all.emplace_back(words.substr(0, end));
    words.remove_prefix(std::min(words.size(), end + 1));
  }
  return all[Below(all.size())];
}

std::string CommandGenerator::Expand(std::string_view word) {
  const size_t percent = word.find('%');
  if (percent == std::string_view::npos) return std::string(word);
  std::string before(word.substr(0, percent));
  const std::string_view name = word.substr(percent + 1);
  if (name.find('|') != std::string_view::npos) return before + Choice(name);
  std::string rest(name.substr(1));
  if (!rest.empty() && rest[0] == '+') rest.erase(0, 1);
  switch (name[0]) {
    case 'k':
      return before + Key() + rest;
    case 'v':
      return before + Value() + rest;
    case 'f':
      return before + std::string(1, static_cast<char>('a' + Below(6))) + rest;
    case 'n':
      return before + Number() + rest;
    case 's':
      return before + Score() + rest;
    case 'x':
      return before + Choice("1.5|0.1|-2|1e10|3.0e-5|abc|0") + rest;
    case 'i':
      return before + std::to_string(Below(9)) + "-" + std::to_string(1 + Below(9)) + rest;
    case 'o':
      return before + std::to_string(Below(200)) + rest;
    case 't':
      return before + Choice("33177117420|99999999999") + rest;
    default:
      return before + Choice("k*|*|?|[a-z]*|nosuch*|\\*") + rest;
  }
}

// Wrong arity, an argument of another kind, or lower case, now and then.
void CommandGenerator::Spoil(Args* args) {
  const uint64_t how = Below(40);
  if (how == 0 && args->size() > 1) args->pop_back();
  if (how == 1) args->push_back(Value());
  if (how == 2 && !Delicate((*args)[0])) args->resize(1);
  if (how == 3 && args->size() > 2 && !Delicate((*args)[0]))
    (*args)[1 + Below(args->size() - 1)] = Value();
  if (how >= 30) {
    for (char& c : (*args)[0]) c = static_cast<char>(Below(2) == 0 ? tolower(c) : c);
  }
}

std::vector<std::string> CommandGenerator::Next() {
  std::string_view line = kCommands[Below(std::size(kCommands))];
  // Rarely, or nothing would ever grow.
  if (line == "FLUSHDB" && Below(5) != 0) line = "DBSIZE";
  Args args;
  while (!line.empty()) {
    const size_t end = std::min(line.find(' '), line.size());
    const std::string_view word = line.substr(0, end);
    line.remove_prefix(std::min(line.size(), end + 1));
    if (word == "%g") {
      args.push_back(Choice("13.361389|15.087269|-122.4|181"));
      args.push_back(Choice("38.115556|37.502669|86"));
      continue;
    }
    const uint64_t times = word.size() > 2 && word.back() == '+' ? 1 + Below(4) : 1;
    for (uint64_t i = 0; i < times; ++i) args.push_back(Expand(word));
  }
  const Args whole = args;
  Spoil(&args);
  // A spoilt XADD must not ask the server for an id, nor a spoilt XREAD learn to block.
  return std::find(args.begin(), args.end(), "*") != args.end() && args[0][0] == 'X' ? whole : args;
}

std::string CommandGenerator::Encoded(const std::vector<std::string>& args) {
  if (Below(10) != 0) return Encode(args);
  std::string line;
  for (const std::string& arg : args) {
    const bool plain = !arg.empty() && std::all_of(arg.begin(), arg.end(), [](char c) {
      return isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.';
    });
    if (!plain || line.size() + arg.size() > 60000) return Encode(args);
    line += (line.empty() ? "" : " ") + arg;
  }
  return line + (Below(2) == 0 ? "\r\n" : "\n");
}

bool SplitAggregate(const std::string& frame, std::string* header,
                    std::vector<std::string>* elements) {
  if (frame.empty() || std::string_view("*~%").find(frame[0]) == std::string_view::npos) {
    return false;
  }
  size_t at = frame.find("\r\n") + 2;
  *header = frame.substr(0, at);
  while (at < frame.size()) {
    FrameEnd end;
    if (!end.Find(std::string_view(frame).substr(at))) return false;
    elements->push_back(frame.substr(at, end.size()));
    at += end.size();
  }
  return true;
}

std::string Comparable(const std::vector<std::string>& args, const std::string& reply) {
  static constexpr std::string_view kUnordered[] = {"KEYS",  "SMEMBERS", "SINTER", "SUNION",
                                                    "SDIFF", "HKEYS",    "HVALS"};
  const std::string& name = args[0];
  if (Upper(name, "HELLO")) {
    const std::string before = "$2\r\nid\r\n:";
    const size_t id = reply.find(before);
    if (id == reply.npos) return reply;
    const size_t begin = id + before.size();
    return reply.substr(0, begin) + "(id)" + reply.substr(reply.find('\r', begin));
  }
  for (const std::string_view one : kUnordered) {
    if (Upper(name, one)) return Sorted(reply, 1);
  }
  if (Upper(name, "HGETALL") || Upper(name, "CONFIG")) return Sorted(reply, 2);
  if (Upper(name, "SCAN") || Upper(name, "SSCAN")) return ComparableScan(reply, 1);
  if (Upper(name, "HSCAN") || Upper(name, "ZSCAN")) return ComparableScan(reply, 2);
  // Without an order asked for, SORT BY a constant keeps the set's own.
  if (Upper(name, "SORT") || Upper(name, "SORT_RO")) return Sorted(reply, 1);
  const bool time_left = Upper(name, "TTL") || Upper(name, "PTTL");
  if (time_left && reply.size() > 2 && reply[0] == ':' && reply[1] != '-') return ":(time left)";
  const bool expires = Upper(name, "EXPIRETIME") || Upper(name, "PEXPIRETIME");
  if (expires && reply.size() > 2 && reply[0] == ':' && reply[1] != '-') return ":(time)";
  return reply;
}

}  // namespace weir::harness
