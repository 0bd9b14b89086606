// Random histories of several clients.
//
// What keeps two servers alike although clients run side by side: what a client has sent behind a
// command that waits runs at a moment that nobody can foresee, so it touches keys of that client's
// own only; and while anybody waits, nobody asks for all keys at once. CLIENT UNBLOCK sets free what
// another client has sent behind, so it is the last of its turn. Commands that wait take from the
// keys that all share, so that clients wake each other.
#include "tests/support/history_generator.h"

#include <algorithm>
#include <cctype>
#include <iterator>

#include "tests/support/resp.h"

namespace weir::harness {
namespace {

bool Is(const std::vector<std::string>& args, std::string_view name) {
  return args[0].size() == name.size() &&
         std::equal(name.begin(), name.end(), args[0].begin(),
                    [](char a, char b) { return a == toupper(static_cast<unsigned char>(b)); });
}

// They look at, or change, all keys, or wake several clients in an order that is left to chance.
bool ConcernsAllKeys(const std::vector<std::string>& args) {
  for (const char* name : {"KEYS", "DBSIZE", "SCAN", "FLUSHDB", "SWAPDB"}) {
    if (Is(args, name)) return true;
  }
  return false;
}

// %k a key that all share.
constexpr std::string_view kBlocking[] = {
    "BLPOP %k 0",
    "BLPOP %k %k 0",
    "BRPOP %k %k %k 0",
    "BLMOVE %k %k LEFT RIGHT 0",
    "BRPOPLPUSH %k %k 0",
    "BLMPOP 0 2 %k %k LEFT COUNT 2",
    "BZPOPMIN %k 0",
    "BZPOPMAX %k %k 0",
    "BZMPOP 0 1 %k MIN",
    "XREAD BLOCK 0 STREAMS %k $",
    "XREAD BLOCK 0 COUNT 2 STREAMS %k %k 5-5 $",
    "XREADGROUP GROUP g a BLOCK 0 STREAMS %k >",
};
// These end by themselves, or are wrong.
constexpr std::string_view kBlockingBriefly[] = {
    "BLPOP %k 0.01",
    "BZPOPMIN %k %k 0.01",
    "BLMOVE %k %k LEFT LEFT 0.01",
    "XREAD BLOCK 10 STREAMS %k $",
    "BLPOP %k -1",
    "BLPOP %k x",
    "BLPOP %k",
    "BLMPOP 0 0 %k LEFT",
    "XREAD BLOCK -1 STREAMS %k $",
    "XREADGROUP GROUP nosuch a BLOCK 0 STREAMS %k >",
    "WAIT 0 0",
    "WAIT 0 100",
    "WAIT x 0",
};
constexpr std::string_view kWaking[] = {
    "LPUSH %k %v",
    "RPUSH %k %v %v",
    "LMOVE %k %k LEFT LEFT",
    "RENAME %k %k",
    "COPY %k %k REPLACE",
    "ZADD %k 1 a 2 b 3 c",
    "XADD %k 8-%n f %v",
    "XGROUP CREATE %k g 0 MKSTREAM",
    "XGROUP DESTROY %k g",
    "DEL %k %k %k",
    "DEL %k",
    "EVAL return(redis.call('rpush',KEYS[1],ARGV[1])) 1 %k %v",
    "EVAL redis.call('del',KEYS[1])redis.call('zadd',KEYS[1],1,'m')return(1) 1 %k",
    "EVAL return(redis.pcall('blpop',KEYS[1],0)) 1 %k",
};
constexpr std::string_view kScripts[] = {
    "EVAL return(redis.call('get',KEYS[1])) 1 %k",
    "EVAL return{redis.call('incr',KEYS[1]),redis.call('type',KEYS[1])} 1 %k",
    "EVALSHA 572625a1039fb30b308c236ab7091a2bd7724d22 0",  // return(2)
    "EVALSHA 572625a1039fb30b308c236ab7091a2bd7724d22 1 %k",
    "SCRIPT LOAD return(2)",
    "SCRIPT EXISTS 572625a1039fb30b308c236ab7091a2bd7724d22",
    "EVAL return(2) 0",
    "SCRIPT FLUSH",
    "EVAL redis.setresp(3)return{map={a=1.5}} 0",
    "EVAL return(redis.call('select',1)) 0",
    "EVAL return(redis.call('set',KEYS[1],'x')) 1 %k",
    "EVAL return(redis.call('multi')) 0",
    "FUNCTION LOAD nosuch",
    "FCALL nosuch 0",
};
constexpr std::string_view kChanges[] = {
    "SELECT 1",
    "SELECT 0",
    "SELECT 0",
    "SELECT 99",
    "HELLO 2",
    "HELLO 3",
    "HELLO 3",
    "HELLO 4",
    "HELLO",
    "HELLO 3 SETNAME %n",
    "HELLO 3 AUTH writer pw SETNAME %n",
    "HELLO 2 AUTH reader pw",
    "HELLO 3 AUTH writer wrong",
    "AUTH writer pw",
    "AUTH reader pw",
    "AUTH reader wrong",
    "AUTH wrong",
    "RESET",
    "CLIENT SETNAME n%n",
    "CLIENT GETNAME",
    "ACL WHOAMI",
    "PING",
    "ECHO %v",
    "COMMAND GETKEYS GET a",
    "CLIENT GETREDIR",
};
// On keys of the client's own, %o.
constexpr std::string_view kOwn[] = {
    "SET %o %v",
    "GET %o",
    "INCR %o",
    "RPUSH %o %v",
    "LRANGE %o 0 -1",
    "LPOP %o",
    "HSET %o f %v",
    "HGETALL %o",
    "STRLEN %o",
    "EXISTS %o",
    "APPEND %o %v",
    "DEL %o",
    "PING",
    "ECHO %v",
    "WATCH %o",
    "UNWATCH",
    "NOSUCH %v",
    "GET",
    "ACL WHOAMI",
    "CLIENT GETNAME",
    "LMPOP 1 %o LEFT",
    "EVAL return(1) 0",
    "TYPE %o",
    "EVAL return(redis.call('incr',KEYS[1])) 1 %o",
};

}  // namespace

std::string HistoryGenerator::Pick(std::string_view words) {
  const auto count = static_cast<uint64_t>(std::count(words.begin(), words.end(), '|')) + 1;
  for (uint64_t n = Below(count); n > 0; --n) words.remove_prefix(words.find('|') + 1);
  return std::string(words.substr(0, words.find('|')));
}

// "%o" is left for Own() to replace.
HistoryGenerator::Args HistoryGenerator::Line(std::string_view words) {
  Args args;
  while (!words.empty()) {
    const size_t end = std::min(words.find(' '), words.size());
    std::string word(words.substr(0, end));
    words.remove_prefix(std::min(words.size(), end + 1));
    if (const size_t at = word.find('%'); at != std::string::npos) {
      if (word[at + 1] == 'k') word.replace(at, 2, Pick("l|l|z|x|k1"));
      if (word[at + 1] == 'v') word.replace(at, 2, "v" + std::to_string(Below(50)));
      if (word[at + 1] == 'n') word.replace(at, 2, std::to_string(1 + Below(20)));
    }
    args.push_back(word);
  }
  return args;
}

HistoryGenerator::Args HistoryGenerator::Blocking(bool* for_ever) {
  *for_ever = Below(4) != 0;
  if (*for_ever) return Line(kBlocking[Below(std::size(kBlocking))]);
  return Line(kBlockingBriefly[Below(std::size(kBlockingBriefly))]);
}

// In a transaction weir refuses two passwords for one user, so there the wrong one is nobody's.
HistoryGenerator::Args HistoryGenerator::ChangeOfState(bool in_transaction) {
  Args args = Line(kChanges[Below(std::size(kChanges))]);
  if (in_transaction && args.size() > 2 && args.back() == "wrong") args[args.size() - 2] = "nobody";
  return args;
}

HistoryGenerator::Args HistoryGenerator::Waking() {
  return Line(kWaking[Below(std::size(kWaking))]);
}

HistoryGenerator::Args HistoryGenerator::InTransaction(size_t client) {
  switch (Below(24)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
      return {"EXEC"};
    case 6:
      return {"DISCARD"};
    case 7:
      return {"WATCH", "k1"};
    case 8:
      return {"MULTI"};
    case 9:
      return {"UNWATCH"};
    case 10:
    case 11:
    case 12:
    case 13:
      return ChangeOfState(true);
    case 14:
    case 15:
    case 16:
      return Line(kScripts[Below(std::size(kScripts))]);
    case 17:
    case 18: {
      bool for_ever = false;  // inside a transaction nothing waits
      return Blocking(&for_ever);
    }
    case 19:
      return Waking();
    default:
      return Shared(client, false);
  }
}

HistoryGenerator::Args HistoryGenerator::Shared(size_t /*client*/, bool alone) {
  Args args = commands_.Next();
  while (!alone && ConcernsAllKeys(args)) args = commands_.Next();
  return args;
}

HistoryGenerator::Args HistoryGenerator::Own(size_t client) {
  Args args;
  switch (Below(12)) {
    case 0:
      return {"MULTI"};
    case 1:
    case 2:
      return {"EXEC"};
    case 3:
      return ChangeOfState(true);
    default:
      args = Line(kOwn[Below(std::size(kOwn))]);
  }
  for (std::string& arg : args) {
    if (arg == "%o") arg = "own" + std::to_string(client) + Pick("a|b");
  }
  return args;
}

void HistoryGenerator::Note(size_t client, const Args& args) {
  if (Is(args, "MULTI")) in_transaction_[client] = true;
  if (Is(args, "EXEC") || Is(args, "DISCARD") || Is(args, "RESET")) in_transaction_[client] = false;
}

Turn HistoryGenerator::Next(const std::vector<bool>& waits) {
  const auto waiting = static_cast<size_t>(std::count(waits.begin(), waits.end(), true));
  Turn turn;
  turn.client = Below(waits.size());
  // Mostly those act who can, and one must be left to wake the others.
  while (waits[turn.client] && waiting != waits.size() && Below(4) != 0) {
    turn.client = Below(waits.size());
  }
  const bool waits_now = waits[turn.client];
  if (Below(waits_now ? 3 : 40) == 0 || waiting == waits.size()) {
    turn.deed = Turn::Deed::kReconnect;
    in_transaction_[turn.client] = false;
    return turn;
  }
  bool behind = waits_now;  // a command that may wait
  turn.may_wait = waits_now;
  for (uint64_t n = pipelined_ ? 1 + Below(1 + Below(12)) : 1; n > 0; --n) {
    const bool alone = waiting == 0 && n == 1 && turn.requests.empty();
    Args args;
    if (behind) {
      args = Own(turn.client);
    } else if (in_transaction_[turn.client]) {
      args = InTransaction(turn.client);
    } else {
      const uint64_t what = Below(100);
      if (what < 14) {
        args = {"MULTI"};
      } else if (what < 22) {
        args = {"WATCH", Pick("l|z|x|k1"), Pick("k1|k2|s")};
      } else if (what < 25) {
        args = {Pick("UNWATCH|EXEC|DISCARD|UNWATCH|EXEC x|WATCH")};
      } else if (what < 38) {
        bool for_ever = false;
        args = Blocking(&for_ever);
        turn.may_wait = for_ever;
        behind = true;
      } else if (what < 52) {
        args = ChangeOfState(false);
      } else if (what < (waiting != 0 ? 75 : 58)) {
        args = Waking();
      } else if (what < 81 && waiting != 0) {
        args = {"CLIENT", "UNBLOCK", kClientIdMark + std::to_string(Below(waits.size()))};
        if (Below(3) == 0) args.push_back(Pick("ERROR|TIMEOUT|error|nonsense"));
        n = 1;
      } else if (what < 88) {
        args = Line(kScripts[Below(std::size(kScripts))]);
      } else {
        args = Shared(turn.client, alone);
      }
    }
    Note(turn.client, args);
    turn.requests.push_back(std::move(args));
  }
  return turn;
}

std::string ComparableReplies::Comparable(const std::vector<std::string>& args,
                                          const std::string& reply) const {
  if (!in_transaction_) return harness::Comparable(args, reply);
  if (!Is(args, "EXEC")) return reply;
  std::string comparable;
  std::vector<std::string> elements;
  if (!SplitAggregate(reply, &comparable, &elements)) return reply;
  if (elements.size() != queued_.size()) return reply;
  for (size_t i = 0; i < elements.size(); ++i) {
    comparable += harness::Comparable(queued_[i], elements[i]);
  }
  return comparable;
}

void ComparableReplies::Note(const std::vector<std::string>& args, const std::string& reply) {
  if (!in_transaction_) {
    in_transaction_ = Is(args, "MULTI") && reply == "+OK\r\n";
    queued_.clear();
  } else if (reply == "+QUEUED\r\n") {
    queued_.push_back(args);
  } else if ((Is(args, "EXEC") && args.size() == 1) || reply == "+RESET\r\n" ||
             (Is(args, "DISCARD") && reply == "+OK\r\n")) {
    in_transaction_ = false;
  }
}

}  // namespace weir::harness
