// Writes with tokens while connections, clients and weirs break: each runs exactly once.
#include <string>
#include <tuple>

#include "tests/support/support.h"

namespace weir::harness {
namespace {

class IdempotencyFaultTest : public ::testing::Test {
 protected:
  static WeirConfig Config(const std::string& url) {
    WeirConfig config;
    config.url = url;
    config.workers = 1;
    config.upstream =
        "reconnect_min_ms = 1\nreconnect_max_ms = 20\nhealth_check_interval_ms = 0\n"
        "offline_queue_age_max_ms = 5000\n";
    config.rest =
        "[plugin.idempotency]\nenabled = true\n[[plugin.idempotency.rule]]\nname = \"r\"\n"
        "commands = [\"XADD\"]\ntoken = \"field(id)\"\n";
    return config;
  }

  RedisServer redis_;
  Saboteur saboteur_{redis_.port()};
};

class IdempotencyCutTest
    : public IdempotencyFaultTest,
      public ::testing::WithParamInterface<std::tuple<int, Direction, Breakage>> {};

INSTANTIATE_TEST_SUITE_P(Resp, IdempotencyCutTest,
                         ::testing::Combine(::testing::Values(2, 3),
                                            ::testing::Values(Direction::kToServer,
                                                              Direction::kToClient),
                                            ::testing::Values(Breakage::kClose, Breakage::kReset)));

// The link breaks at every byte of an exchange: the client, which repeats nothing, hears one
// success each time.
TEST_P(IdempotencyCutTest, AtEachByteTheClientHearsOneSuccess) {
  const auto [version, direction, how] = GetParam();
  WeirServer weir(Config(saboteur_.url()));
  RawClient client(weir.port());
  if (version == 3) {
    ASSERT_EQ(client.Command({"HELLO", "3"})[0], '%');
  }
  int64_t ran = 0;
  const auto exchange = [&] {
    ++ran;
    const std::string token = "t" + std::to_string(ran);
    client.Send(Encode({"WEIR.IDEM", token, "INCR", "n"}) +
                Encode({"WEIR.IDEM", token, "LPUSH", "{n}l", token}) +
                Encode({"XADD", "x", "*", "id", token}) + Encode({"LLEN", "{n}l"}));
    const std::vector<std::string> replies = client.ReadFrames(4);
    ASSERT_EQ(replies.size(), 4u) << Printable(replies.empty() ? "" : replies.back());
    const std::string count = ":" + std::to_string(ran) + "\r\n";
    EXPECT_EQ(replies[0], count);
    EXPECT_TRUE(replies[1].starts_with("-IDEMMISMATCH")) << Printable(replies[1]);
    EXPECT_EQ(replies[2][0], '$') << Printable(replies[2]);
    EXPECT_EQ(replies[3], ":0\r\n");
  };
  exchange();
  exchange();
  const size_t before = saboteur_.bytes(direction);
  exchange();
  const size_t exchange_bytes = saboteur_.bytes(direction) - before;
  ASSERT_GT(exchange_bytes, 20u);
  for (size_t n = 1; n <= exchange_bytes && !HasFailure(); ++n) {
    saboteur_.CutAfter(direction, n, how);
    exchange();
    EXPECT_TRUE(saboteur_.cut_done()) << n;
    if (HasFailure()) ADD_FAILURE() << "cut after byte " << n;
  }
  saboteur_.CutAfter(direction, Saboteur::kNever);
  RawClient direct(redis_.port());
  EXPECT_EQ(direct.Text({"GET", "n"}), std::to_string(ran));
  EXPECT_EQ(direct.Command({"XLEN", "x"}), ":" + std::to_string(ran) + "\r\n");
}

// A reply of which a part has come is not lost with the rest.
TEST_F(IdempotencyFaultTest, InTheMiddleOfALongReply) {
  WeirConfig config = Config(saboteur_.url());
  config.rest = "[plugin.idempotency]\nenabled = true\nreply_bytes_max = 1000000\n";
  WeirServer weir(config);
  RawClient client(weir.port());
  RawClient direct(redis_.port());
  const std::string value(500'000, 'v');
  for (const size_t n : {5u, 1000u, 65536u, 200'000u, 499'990u}) {
    direct.Command({"RPUSH", "l", value});
    saboteur_.CutAfter(Direction::kToClient, n);
    EXPECT_EQ(client.Command({"WEIR.IDEM", "t" + std::to_string(n), "LPOP", "l"}), Bulk(value))
        << n;
  }
  EXPECT_EQ(direct.Command({"EXISTS", "l"}), ":0\r\n");
}

// Redis is away for good: nobody may be told that the write did not run.
TEST_F(IdempotencyFaultTest, WhatCannotBeFoundOutIsUnknown) {
  WeirConfig config = Config(saboteur_.url());
  config.upstream += "connect_timeout_ms = 200\n";
  const size_t age = config.upstream.find("offline_queue_age_max_ms = 5000");
  config.upstream.replace(age, std::string("offline_queue_age_max_ms = 5000").size(),
                          "offline_queue_age_max_ms = 200");
  WeirServer weir(config);
  RawClient client(weir.port());
  EXPECT_EQ(client.Command({"WEIR.IDEM", "a", "INCR", "n"}), ":1\r\n");
  saboteur_.Blackhole(Direction::kToClient, true);
  client.Send(Encode({"WEIR.IDEM", "b", "INCR", "n"}));
  RawClient direct(redis_.port());
  ASSERT_TRUE(Eventually([&] { return direct.Text({"GET", "n"}) == "2"; }));
  saboteur_.Refuse(true);
  saboteur_.Break(Breakage::kReset);
  EXPECT_TRUE(client.ReadFrame().starts_with("-UNKNOWN weir: the connection to "));
  saboteur_.Blackhole(Direction::kToClient, false);
  saboteur_.Refuse(false);
  std::string reply;
  ASSERT_TRUE(Eventually([&] {
    reply = client.Command({"WEIR.IDEM", "b", "INCR", "n"});
    return !reply.starts_with("-");
  }));
  EXPECT_EQ(reply, ":2\r\n");
}

// weir itself sent it again when its record was gone: one request, two effects.
TEST_F(IdempotencyFaultTest, ARecordThatMayBeGoneIsNotReliedOn) {
  WeirServer weir(Config(saboteur_.url()));
  RawClient client(weir.port());
  RawClient direct(redis_.port());
  EXPECT_EQ(client.Command({"WEIR.IDEM", "a", "TTL", "100", "INCR", "n"}), ":1\r\n");
  saboteur_.Blackhole(Direction::kToClient, true);
  client.Send(Encode({"WEIR.IDEM", "b", "TTL", "100", "INCR", "n"}));
  ASSERT_TRUE(Eventually([&] { return direct.Text({"GET", "n"}) == "2"; }));
  ASSERT_TRUE(Eventually([&] { return direct.Command({"DBSIZE"}) == ":1\r\n"; }));
  saboteur_.Break(Breakage::kReset);
  saboteur_.Blackhole(Direction::kToClient, false);
  EXPECT_TRUE(client.ReadFrame().starts_with("-UNKNOWN weir: the connection to "));
  EXPECT_EQ(client.Text({"GET", "n"}), "2");
}

// Steps at random: the link, the client or the script's text goes at any point; whoever did not
// hear a success repeats. In the end each token has had one effect.
TEST_F(IdempotencyFaultTest, AtRandomStepsEachTokenHasOneEffect) {
  WeirServer one(Config(saboteur_.url()));
  WeirServer two(Config(saboteur_.url()));
  Random random(Seed());
  RawClient direct(redis_.port());
  constexpr int kTokens = 3000;
  std::unique_ptr<RawClient> client;
  for (int i = 0; i < kTokens && !HasFailure(); ++i) {
    const std::string token = "t" + std::to_string(i);
    const std::vector<std::vector<std::string>> commands = {
        {"WEIR.IDEM", token, "INCR", "n"},
        {"WEIR.IDEM", token, "LPUSH", "l", token},
        {"XADD", "x", "*", "id", token},
    };
    const std::vector<std::string>& command = commands[static_cast<size_t>(i) % 3];
    std::string first;
    for (int attempt = 0; attempt < 50; ++attempt) {
      if (client == nullptr || Below(random, 8) == 0) {
        client = std::make_unique<RawClient>((Below(random, 2) == 0 ? one : two).port());
      }
      const uint64_t fault = Below(random, 6);
      const Breakage how = Below(random, 2) == 0 ? Breakage::kClose : Breakage::kReset;
      if (fault == 0) saboteur_.CutAfter(Direction::kToServer, Below(random, 400), how);
      if (fault == 1) saboteur_.CutAfter(Direction::kToClient, Below(random, 40), how);
      if (fault == 2) direct.Command({"SCRIPT", "FLUSH"});
      client->Send(Encode(command));
      if (fault == 3) {
        // The client dies without its answer.
        if (Below(random, 2) == 0) client->Reset();
        client.reset();
        continue;
      }
      if (fault == 4) saboteur_.Break(how);
      const std::string reply = client->ReadFrame();
      if (reply.starts_with("-UNKNOWN ") || reply.starts_with("-DOWN ")) continue;
      ASSERT_TRUE(reply[0] == ':' || reply[0] == '$') << Printable(reply) << " for " << token;
      if (first.empty()) first = reply;
      EXPECT_EQ(reply, first);
      if (Below(random, 3) != 0) break;  // else it is repeated though it was answered
    }
    ASSERT_FALSE(first.empty()) << token;
  }
  saboteur_.CutAfter(Direction::kToServer, Saboteur::kNever);
  saboteur_.CutAfter(Direction::kToClient, Saboteur::kNever);
  EXPECT_EQ(direct.Text({"GET", "n"}), std::to_string(kTokens / 3));
  EXPECT_EQ(direct.Command({"LLEN", "l"}), ":" + std::to_string(kTokens / 3) + "\r\n");
  EXPECT_EQ(direct.Command({"XLEN", "x"}), ":" + std::to_string(kTokens / 3) + "\r\n");
}

// weir itself is killed with requests on their way, at any point; the client repeats through the
// next one.
TEST_F(IdempotencyFaultTest, AWeirThatIsKilledLosesAndDoublesNothing) {
  Random random(Seed());
  RawClient direct(redis_.port());
  constexpr int kRounds = 12;
  constexpr int kEach = 20;
  for (int round = 0; round < kRounds && !HasFailure(); ++round) {
    std::vector<std::string> tokens;
    for (int i = 0; i < kEach; ++i)
      tokens.push_back(std::to_string(round) + "-" + std::to_string(i));
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
      RawClient client(place.port());
      std::string requests;
      for (const std::string& token : tokens) {
        requests +=
            Encode({"WEIR.IDEM", token, "INCR", "n"}) + Encode({"XADD", "x", "*", "id", token});
      }
      client.Send(requests);
      const uint64_t replies = Below(random, 2 * kEach);
      for (uint64_t i = 0; i < replies; ++i) EXPECT_NE(client.ReadFrame()[0], '-');
      weir.Kill();
    }
    WeirServer next(Config(redis_.url()));
    RawClient client(next.port());
    for (const std::string& token : tokens) {
      EXPECT_EQ(client.Command({"WEIR.IDEM", token, "INCR", "n"})[0], ':');
      EXPECT_EQ(client.Command({"XADD", "x", "*", "id", token})[0], '$');
    }
    const std::string expected = std::to_string((round + 1) * kEach);
    EXPECT_EQ(direct.Text({"GET", "n"}), expected);
    EXPECT_EQ(direct.Command({"XLEN", "x"}), ":" + expected + "\r\n");
  }
}

}  // namespace
}  // namespace weir::harness
