// Commands under a claim while connections, clients and weirs break. What their clients hear a
// reply of has run exactly once; where nobody can know, they are told so, and it has run at most
// once.
#include <map>
#include <string>

#include "tests/support/support.h"

namespace weir::harness {
namespace {

class IdempotencyClaimFaultTest : public ::testing::Test {
 protected:
  static WeirConfig Config(const std::string& url, const std::string& plugin = "") {
    WeirConfig config;
    config.url = url;
    config.workers = 1;
    config.upstream =
        "reconnect_min_ms = 1\nreconnect_max_ms = 20\nhealth_check_interval_ms = 0\n"
        "offline_queue_age_max_ms = 5000\n";
    config.rest = "[plugin.idempotency]\nenabled = true\nclaim_ms = 1000\n" + plugin;
    return config;
  }

  // Each token has a key of its own, so that each effect is counted by itself: INCR of a number, or
  // what is missing of a list of three.
  static std::vector<std::string> CommandOf(int i) {
    const std::string n = std::to_string(i);
    if (i % 2 == 0) {
      return {"WEIR.IDEM", "t" + n, "WAIT", "20000", "EVAL", "return redis.call('INCR', KEYS[1])",
              "1",         "n" + n};
    }
    return {"WEIR.IDEM", "t" + n, "WAIT", "20000", "BLPOP", "l" + n, "0"};
  }
  void Prepare(int i) {
    if (i % 2 == 1) direct_.Command({"RPUSH", "l" + std::to_string(i), "a", "b", "c"});
  }
  int EffectsOf(int i) {
    const std::string n = std::to_string(i);
    if (i % 2 == 1) return 3 - std::stoi(direct_.Command({"LLEN", "l" + n}).substr(1));
    const std::string text = direct_.Text({"GET", "n" + n});
    return text == "(nil)" ? 0 : std::stoi(text);
  }
  static std::string ReplyTo(int i) {
    return i % 2 == 0 ? ":1\r\n" : "*2\r\n" + Bulk("l" + std::to_string(i)) + Bulk("a");
  }

  RedisServer redis_;
  Saboteur saboteur_{redis_.port()};
  RawClient direct_{redis_.port()};
};

// Steps at random: links break at any byte of any step, clients die, scripts are forgotten; whoever
// did not hear an end repeats, through either weir.
TEST_F(IdempotencyClaimFaultTest, AtRandomStepsNothingRunsTwice) {
  WeirServer one(Config(saboteur_.url()));
  WeirServer two(Config(saboteur_.url()));
  Random random(Seed());
  constexpr int kTokens = 2000;
  std::unique_ptr<RawClient> client;
  std::map<std::string, int> ends;
  for (int i = 0; i < kTokens && !HasFailure(); ++i) {
    Prepare(i);
    const std::vector<std::string> command = CommandOf(i);
    std::string end;  // what is final: a reply, or that nobody knows
    for (int attempt = 0; attempt < 50 && end.empty(); ++attempt) {
      if (client == nullptr || Below(random, 8) == 0) {
        client = std::make_unique<RawClient>((Below(random, 2) == 0 ? one : two).port());
      }
      const uint64_t fault = Below(random, 8);
      const Breakage how = Below(random, 2) == 0 ? Breakage::kClose : Breakage::kReset;
      if (fault == 0) saboteur_.CutAfter(Direction::kToServer, Below(random, 700), how);
      if (fault == 1) saboteur_.CutAfter(Direction::kToClient, Below(random, 60), how);
      if (fault == 2) direct_.Command({"SCRIPT", "FLUSH"});
      client->Send(Encode(command));
      if (fault == 3) {
        if (Below(random, 2) == 0) client->Reset();
        client.reset();
        continue;
      }
      if (fault == 4) saboteur_.Break(how);
      const std::string reply = client->ReadFrame();
      const bool again = reply.starts_with("-DOWN ") || reply.starts_with("-IDEMTIMEOUT ");
      if (!again) end = reply;
    }
    saboteur_.CutAfter(Direction::kToServer, Saboteur::kNever);
    saboteur_.CutAfter(Direction::kToClient, Saboteur::kNever);
    const int effects = EffectsOf(i);
    if (end.starts_with("-IDEMUNKNOWN ")) {
      EXPECT_LE(effects, 1) << i;
      ++ends["unknown"];
    } else {
      EXPECT_EQ(Printable(end), Printable(ReplyTo(i))) << i;
      EXPECT_EQ(effects, 1) << i;
      ++ends["answered"];
      // Whoever asks from now on hears the same.
      if (Below(random, 4) == 0) {
        RawClient other((Below(random, 2) == 0 ? one : two).port());
        EXPECT_EQ(Printable(other.Command(command)), Printable(end)) << i;
        EXPECT_EQ(EffectsOf(i), 1) << i;
      }
    }
  }
  printf("answered %d, unknown %d\n", ends["answered"], ends["unknown"]);
  EXPECT_GT(ends["answered"], kTokens / 2) << "not knowing is rare";
}

// The same, where not knowing means to run it again: everybody hears a reply, always the same one.
TEST_F(IdempotencyClaimFaultTest, RunAgainEveryTokenHasOneReply) {
  const std::string again = "on_unknown = \"run_again\"\n";
  WeirServer one(Config(saboteur_.url(), again));
  WeirServer two(Config(saboteur_.url(), again));
  Random random(Seed());
  constexpr int kTokens = 600;
  int more_than_one = 0;
  for (int i = 0; i < kTokens && !HasFailure(); ++i) {
    Prepare(i);
    const std::vector<std::string> command = CommandOf(i);
    std::string end;
    for (int attempt = 0; attempt < 50 && end.empty(); ++attempt) {
      RawClient client((Below(random, 2) == 0 ? one : two).port());
      const uint64_t fault = Below(random, 4);
      const Breakage how = Below(random, 2) == 0 ? Breakage::kClose : Breakage::kReset;
      if (fault == 0) saboteur_.CutAfter(Direction::kToServer, Below(random, 700), how);
      if (fault == 1) saboteur_.CutAfter(Direction::kToClient, Below(random, 60), how);
      client.Send(Encode(command));
      if (fault == 2) continue;
      const std::string reply = client.ReadFrame();
      if (!reply.starts_with("-")) end = reply;
    }
    saboteur_.CutAfter(Direction::kToServer, Saboteur::kNever);
    saboteur_.CutAfter(Direction::kToClient, Saboteur::kNever);
    ASSERT_FALSE(end.empty()) << i;
    if (EffectsOf(i) != 1) ++more_than_one;
    for (WeirServer* weir : {&one, &two}) {
      RawClient client(weir->port());
      EXPECT_EQ(Printable(client.Command(command)), Printable(end)) << i;
    }
  }
  printf("%d of %d ran more than once\n", more_than_one, kTokens);
}

// weir is killed with requests on their way, at any point; the clients repeat through another.
TEST_F(IdempotencyClaimFaultTest, AWeirThatIsKilledDoublesNothing) {
  Random random(Seed());
  WeirServer next(Config(redis_.url()));
  constexpr int kRounds = 12;
  constexpr int kEach = 20;
  int unknown = 0;
  for (int round = 0; round < kRounds && !HasFailure(); ++round) {
    const int first = round * kEach;
    for (int i = first; i < first + kEach; ++i) Prepare(i);
    {
      // WeirServer wants to see its weir end in peace.
      const TempDir dir;
      const PortReservation place;
      const std::string file =
          dir.Write("weir.toml", "workers = 1\n[[listener]]\naddress = \"" + place.address() +
                                     "\"\n[upstream.default]\nurl = \"" + redis_.url() +
                                     "\"\n[admin]\naddress = \"off\"\n" + Config("").rest);
      Process weir({WeirServer::binary(), "--config", file}, dir.path() + "/weir.log");
      ASSERT_TRUE(Eventually([&] { return static_cast<bool>(ConnectTo(place.port())); }));
      std::vector<std::unique_ptr<RawClient>> clients;
      for (int i = first; i < first + kEach; ++i) {
        clients.push_back(std::make_unique<RawClient>(place.port()));
        clients.back()->Send(Encode(CommandOf(i)));
      }
      const uint64_t replies = Below(random, kEach);
      for (uint64_t i = 0; i < replies; ++i) {
        EXPECT_EQ(Printable(clients[i]->ReadFrame()),
                  Printable(ReplyTo(first + static_cast<int>(i))));
      }
      weir.Kill();
    }
    RawClient client(next.port());
    for (int i = first; i < first + kEach; ++i) {
      const std::string reply = client.Command(CommandOf(i));
      if (reply.starts_with("-IDEMUNKNOWN ")) {
        ++unknown;
        EXPECT_LE(EffectsOf(i), 1) << i;
      } else {
        EXPECT_EQ(Printable(reply), Printable(ReplyTo(i)));
        EXPECT_EQ(EffectsOf(i), 1) << i;
      }
    }
  }
  printf("unknown %d of %d\n", unknown, kRounds * kEach);
}

// The reply is there, and Redis is not any more when it is to be recorded: it is recorded when
// Redis is back, and the client hears it then.
TEST_F(IdempotencyClaimFaultTest, TheRecordIsWrittenAsSoonAsItCanBe) {
  WeirServer weir(Config(saboteur_.url()));
  RawClient client(weir.port());
  direct_.Command({"RPUSH", "l1", "a", "b", "c"});
  // Scripts and their texts are known from here on, so that all steps have their usual bytes.
  EXPECT_EQ(client.Command(CommandOf(0)), ReplyTo(0));
  for (const size_t bytes : {1u, 10u, 100u, 200u, 300u}) {
    const std::string n = std::to_string(bytes);
    direct_.Command({"DEL", "l"});
    client.Send(Encode({"WEIR.IDEM", "t" + n, "BLPOP", "l", "0"}));
    ASSERT_TRUE(Eventually([&] { return redis_.Info("clients", "blocked_clients") == "1"; }));
    saboteur_.CutAfter(Direction::kToServer, bytes);
    direct_.Command({"RPUSH", "l", "x" + n, "y"});
    EXPECT_EQ(client.ReadFrame(), "*2\r\n" + Bulk("l") + Bulk("x" + n));
    EXPECT_EQ(client.Command({"WEIR.IDEM", "t" + n, "BLPOP", "l", "0"}),
              "*2\r\n" + Bulk("l") + Bulk("x" + n));
    saboteur_.CutAfter(Direction::kToServer, Saboteur::kNever);
    EXPECT_EQ(direct_.Command({"LLEN", "l"}), ":1\r\n");
  }
}

}  // namespace
}  // namespace weir::harness
