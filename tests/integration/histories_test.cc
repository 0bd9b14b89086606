// Random histories of three clients that run transactions, watch each other's keys, wait for each
// other in blocking commands, run scripts and change db, protocol and user in mid-stream: the same
// against Redis and through weir, and each client hears the same bytes.
//
// WEIR_TEST_SEED replays a run (a failure names the seed of its one history), WEIR_TEST_HISTORIES
// says how many.
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "tests/integration/fixture.h"
#include "tests/support/history_generator.h"

namespace weir::harness {
namespace {

using Args = std::vector<std::string>;

constexpr size_t kClients = 3;
constexpr int kTurns = 30;

enum class Manner { kSingly, kPipelined };
enum class Users { kNone, kOfRedis };

size_t Histories() {
  const char* given = getenv("WEIR_TEST_HISTORIES");
  return given != nullptr ? strtoull(given, nullptr, 10) : 100;
}

// A client of both servers.
struct Twin {
  std::unique_ptr<RawClient> direct, through;
  std::string direct_id, through_id;
  std::deque<Args> unanswered;
  ComparableReplies replies;
  bool may_wait = false;
  bool waits = false;
};

class HistoriesTest : public ::testing::Test,
                      public ::testing::WithParamInterface<std::tuple<Manner, Users>> {
 protected:
  static WeirConfig Config(const RedisServer& redis) {
    WeirConfig config;
    config.url = redis.url();
    // Else an EVALSHA that Redis does not know could succeed through weir.
    config.limits = "script_cache_bytes_max = 0\n";
    if (std::get<1>(GetParam()) == Users::kOfRedis) {
      config.rest = "[auth]\nmode = \"passthrough\"\n";
    }
    return config;
  }

  void SetUp() override {
    if (std::get<1>(GetParam()) == Users::kNone) return;
    for (RawClient* control : {&direct_control_, &redis_control_}) {
      for (const char* user : kHistoryUsers) {
        std::string rules(user);
        Args args = {"ACL", "SETUSER"};
        for (size_t end = 0; end != rules.npos; rules.erase(0, end + 1)) {
          end = rules.find(' ');
          args.push_back(rules.substr(0, end));
          if (end == rules.npos) break;
        }
        ASSERT_EQ(control->Command(args), "+OK\r\n");
      }
    }
  }

  void Connect(Twin* twin) {
    *twin = Twin();
    twin->direct = std::make_unique<RawClient>(direct_.port());
    twin->through = std::make_unique<RawClient>(weir_.port());
    twin->direct_id = twin->direct->Text({"CLIENT", "ID"});
    twin->through_id = twin->through->Text({"CLIENT", "ID"});
  }

  // The request's bytes for one of the servers: each knows the clients by numbers of its own.
  std::string Encoded(const Args& args, std::string Twin::*id) const {
    Args own = args;
    for (std::string& arg : own) {
      if (arg.size() == 2 && arg[0] == kClientIdMark) arg = twins_[size_t(arg[1] - '0')].*id;
    }
    return Encode(own);
  }

  void Send(const Turn& turn) {
    Twin& twin = twins_[turn.client];
    std::string direct, through;
    for (const Args& args : turn.requests) {
      direct += Encoded(args, &Twin::direct_id);
      through += Encoded(args, &Twin::through_id);
      twin.unanswered.push_back(args);
    }
    twin.may_wait |= turn.may_wait;
    twin.direct->Send(direct);
    const bool whole = Below(cuts_, 2) == 0;
    for (size_t sent = 0; sent < through.size();) {
      const size_t n = whole ? through.size() : 1 + Below(cuts_, 200);
      twin.through->Send(std::string_view(through).substr(sent, n));
      sent += n;
    }
  }

  // Who is blocked, by Redis' own list. Whatever was said before is in the sockets when this
  // returns.
  std::map<std::string, bool> Blocked() {
    const std::string list = direct_control_.Text({"CLIENT", "LIST"});
    direct_control_.Command({"PING"});
    std::map<std::string, bool> blocked;
    for (size_t at = 0; at < list.size(); at = list.find('\n', at) + 1) {
      const size_t id = list.find("id=", at) + 3;
      const size_t flags = list.find(" flags=", at) + 7;
      const std::string_view letters(list.data() + flags, list.find(' ', flags) - flags);
      blocked[list.substr(id, list.find(' ', id) - id)] = letters.find('b') != letters.npos;
    }
    return blocked;
  }

  // Waits until Redis has said all that it has to say: everyone is answered, or waits.
  std::vector<std::vector<std::string>> HearDirect() {
    std::vector<std::vector<std::string>> heard(kClients);
    const Deadline deadline(kPatience_ms);
    for (bool done = false; !done;) {
      const std::map<std::string, bool> blocked = Blocked();
      done = true;
      for (size_t i = 0; i < kClients; ++i) {
        Twin& twin = twins_[i];
        const std::vector<std::string> frames = twin.direct->TakeFrames();
        heard[i].insert(heard[i].end(), frames.begin(), frames.end());
        if (heard[i].size() >= twin.unanswered.size()) continue;
        twin.waits = twin.may_wait && frames.empty() && blocked.at(twin.direct_id);
        done &= twin.waits;
      }
      if (!done && deadline.over()) {
        ADD_FAILURE() << "Redis itself does not answer";
        break;
      }
    }
    return heard;
  }

  // False after a difference.
  bool Compare(size_t client, const std::vector<std::string>& expected) {
    Twin& twin = twins_[client];
    const std::vector<std::string> got = twin.through->ReadFrames(expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      if (twin.unanswered.empty()) {
        ADD_FAILURE() << "Redis said something unasked: " << Printable(expected[i]);
        return false;
      }
      const Args args = twin.unanswered.front();
      twin.unanswered.pop_front();
      const std::string reply = i < got.size() ? got[i] : "(nothing)";
      if (twin.replies.Comparable(args, reply) != twin.replies.Comparable(args, expected[i])) {
        ADD_FAILURE() << "client " << client << ": " << Printable(Encode(args))
                      << "\n  direct       " << Printable(expected[i], 2000) << "\n  through weir "
                      << Printable(reply, 2000);
        return false;
      }
      twin.replies.Note(args, expected[i]);
    }
    if (twin.unanswered.empty()) twin.waits = twin.may_wait = false;
    return true;
  }

  // The same clients wait in both.
  bool SameWaiting() {
    const auto count = [](RawClient* control) {
      return ParseInfo(control->Text({"INFO", "clients"}))["blocked_clients"];
    };
    const std::string expected = count(&direct_control_);
    const bool same = Eventually([&] { return count(&redis_control_) == expected; });
    EXPECT_TRUE(same) << "blocked: " << expected << " and " << count(&redis_control_);
    return same;
  }

  bool Happen(const Turn& turn) {
    const bool had_waited = twins_[turn.client].waits;
    if (turn.deed == Turn::Deed::kReconnect) {
      Connect(&twins_[turn.client]);
    } else {
      Send(turn);
    }
    const auto heard = HearDirect();
    for (size_t i = 0; i < kClients; ++i) {
      if (!Compare(i, heard[i])) return false;
    }
    bool any_waits = had_waited;
    for (const Twin& twin : twins_) any_waits |= twin.waits;
    return !any_waits || SameWaiting();
  }

  static std::string Shown(const Turn& turn) {
    std::string text = "\n  " + std::to_string(turn.client) + ": ";
    if (turn.deed == Turn::Deed::kReconnect) return text + "(reconnects)";
    for (const Args& args : turn.requests) {
      for (const std::string& arg : args) text += (arg.empty() ? "''" : Printable(arg, 30)) + " ";
      text += "; ";
    }
    return text;
  }

  bool RunHistory(uint64_t seed, bool pipelined) {
    cuts_.seed(seed);
    for (RawClient* control : {&direct_control_, &redis_control_}) {
      control->Command({"FLUSHALL"});
      control->Command({"SCRIPT", "FLUSH"});
    }
    weir_control_.Command({"SCRIPT", "FLUSH"});
    for (Twin& twin : twins_) Connect(&twin);
    if (!SameWaiting()) {
      ADD_FAILURE() << "left by the history of seed " << seed - 1;
      return false;
    }
    HistoryGenerator generator(seed, kClients, pipelined);
    std::string shown;
    for (int i = 0; i < kTurns; ++i) {
      std::vector<bool> waits;
      for (const Twin& twin : twins_) waits.push_back(twin.waits);
      const Turn turn = generator.Next(waits);
      shown += Shown(turn);
      if (Happen(turn)) continue;
      ADD_FAILURE() << "WEIR_TEST_HISTORIES=1 WEIR_TEST_SEED=" << seed << ", turn " << i << shown;
      return false;
    }
    // Nothing is left that nobody asked for.
    for (Twin& twin : twins_) {
      for (const std::string& frame : twin.through->TakeFrames()) {
        ADD_FAILURE() << "WEIR_TEST_HISTORIES=1 WEIR_TEST_SEED=" << seed << ": said unasked "
                      << Printable(frame) << shown;
        return false;
      }
    }
    return true;
  }

  RedisServer direct_;
  RedisServer redis_;
  WeirServer weir_{Config(redis_)};
  RawClient direct_control_{direct_.port()};
  RawClient redis_control_{redis_.port()};
  RawClient weir_control_{weir_.port()};
  std::vector<Twin> twins_ = std::vector<Twin>(kClients);
  Random cuts_;
};

INSTANTIATE_TEST_SUITE_P(Histories, HistoriesTest,
                         ::testing::Combine(::testing::Values(Manner::kSingly, Manner::kPipelined),
                                            ::testing::Values(Users::kNone, Users::kOfRedis)));

TEST_P(HistoriesTest, SameBytesForEachClient) {
  const uint64_t seed = Seed();
  const bool pipelined = std::get<0>(GetParam()) == Manner::kPipelined;
  for (uint64_t i = 0; i < Histories(); ++i) {
    if (!RunHistory(seed + i, pipelined)) return;
  }
}

}  // namespace
}  // namespace weir::harness
