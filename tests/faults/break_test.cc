// The link breaks, stalls, slows down or refuses: what was never sent is sent again, reads too, and
// of a write whose fate is unknown weir says so.
#include <memory>
#include <string>
#include <vector>

#include "tests/faults/fault_fixture.h"

namespace weir::harness {
namespace {

class BreakTest : public FaultTest {};

TEST_F(BreakTest, WritesInFlightAreUnknownAndReadsAreRetried) {
  // Nothing is held back for a batch, so that all of it is in flight.
  WeirConfig config = Config(saboteur_.url());
  config.upstream += "batch_round_trip_max_us = 0\n";
  WeirServer weir(config);
  RawClient client(weir.port());
  ExpectExact(&client);
  for (const Breakage how : {Breakage::kClose, Breakage::kReset}) {
    saboteur_.Blackhole(Direction::kToClient, true);
    // A client that only reads, and one whose first read has a write behind it.
    RawClient reader(weir.port());
    reader.Send(Encode({"GET", "fixed"}) + Encode({"EXISTS", "fixed"}));
    client.Send(Encode({"GET", "fixed"}) + Encode({"INCR", "n"}) + Encode({"STRLEN", "fixed"}) +
                Encode({"PING"}));
    // Redis has run them, but its answers never come back.
    ASSERT_TRUE(
        Eventually([&] { return redis_.Calls("strlen") > 0 && redis_.Calls("exists") > 0; }));
    saboteur_.Break(how);
    saboteur_.Blackhole(Direction::kToClient, false);
    EXPECT_EQ(reader.ReadFrame(), Bulk(kFixed));
    EXPECT_EQ(reader.ReadFrame(), ":1\r\n");
    ExpectRightOrUnknown(client.ReadFrame(), Bulk(kFixed));
    const std::string write = client.ReadFrame();
    EXPECT_TRUE(IsUnknown(write)) << Printable(write);
    EXPECT_EQ(client.ReadFrame(), ":15\r\n");
    EXPECT_EQ(client.ReadFrame(), "+PONG\r\n");
    RawClient direct(redis_.port());
    direct.Text({"CONFIG", "RESETSTAT"});
  }
  RawClient direct(redis_.port());
  EXPECT_EQ(direct.Text({"GET", "n"}), "2") << "each ran once";
}

TEST_F(BreakTest, NeverSentWritesRunExactlyOnce) {
  RawClient client(weir_.port());
  ExpectExact(&client);
  for (int i = 1; i <= 20; ++i) {
    saboteur_.Refuse(true);
    saboteur_.Break(i % 2 == 0 ? Breakage::kClose : Breakage::kReset);
    // Only once weir has seen the break are these certain to be unsent.
    ASSERT_TRUE(Eventually([&] { return weir_.Info("weir_links") == "0"; }))
        << weir_.Info("weir_links");
    client.Send(Encode({"INCR", "n"}) + Encode({"INCR", "n"}));
    saboteur_.Refuse(false);
    EXPECT_EQ(client.ReadFrame(), ":" + std::to_string(2 * i - 1) + "\r\n");
    EXPECT_EQ(client.ReadFrame(), ":" + std::to_string(2 * i) + "\r\n");
  }
}

TEST_F(BreakTest, OverAndOverUnderLoad) {
  constexpr size_t kClients = 10;
  Random random(Seed());
  std::vector<std::unique_ptr<RawClient>> clients;
  for (size_t i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<RawClient>(weir_.port()));
  }
  std::vector<int64_t> counted(kClients), unknown(kClients);
  for (int round = 0; round < 100; ++round) {
    for (size_t i = 0; i < kClients; ++i) {
      const std::string tag = std::to_string(round) + "-" + std::to_string(i);
      clients[i]->Send(Encode({"INCR", "n" + std::to_string(i)}) + Encode({"ECHO", tag}) +
                       Encode({"GET", "fixed"}));
      if (Below(random, 20) == 0) {
        saboteur_.Break(Below(random, 2) == 0 ? Breakage::kClose : Breakage::kReset);
      }
    }
    if (Below(random, 3) == 0) {
      saboteur_.CutAfter(Below(random, 2) == 0 ? Direction::kToServer : Direction::kToClient,
                         1 + Below(random, 300),
                         Below(random, 2) == 0 ? Breakage::kClose : Breakage::kReset);
    }
    for (size_t i = 0; i < kClients; ++i) {
      const std::string tag = std::to_string(round) + "-" + std::to_string(i);
      const std::string count = clients[i]->ReadFrame();
      if (IsUnknown(count)) {
        ++unknown[i];
      } else {
        ASSERT_EQ(count[0], ':') << Printable(count);
        ++counted[i];
        const int64_t n = std::stoll(count.substr(1));
        ASSERT_GE(n, counted[i]);
        ASSERT_LE(n, counted[i] + unknown[i]);
      }
      ASSERT_EQ(clients[i]->ReadFrame(), Bulk(tag));
      ASSERT_EQ(clients[i]->ReadFrame(), Bulk(kFixed));
    }
  }
}

TEST_F(BreakTest, BlackholeEndsInTheDeadline) {
  WeirConfig config = Config(saboteur_.url());
  config.upstream += "request_timeout_ms = 300\n";
  WeirServer weir(config);
  RawClient client(weir.port());
  ExpectExact(&client);
  for (const Direction direction : {Direction::kToServer, Direction::kToClient}) {
    saboteur_.Blackhole(direction, true);
    const int64_t start_ms = NowMs();
    client.Send(Encode({"GET", "fixed"}) + Encode({"ECHO", "x"}) + Encode({"INCR", "n"}));
    EXPECT_TRUE(client.ReadFrame().starts_with("-TIMEOUT weir: "));
    EXPECT_EQ(client.ReadFrame(), Bulk("x"));
    EXPECT_TRUE(client.ReadFrame().starts_with("-TIMEOUT weir: "));
    EXPECT_GE(NowMs() - start_ms, 290);
    saboteur_.Blackhole(direction, false);
    ASSERT_TRUE(Eventually([&] { return client.Command({"GET", "fixed"}) == Bulk(kFixed); }));
    ExpectExact(&client);
  }
  RawClient direct(redis_.port());
  EXPECT_LE(std::stoi(direct.Text({"GET", "n"})), 2);
}

TEST_F(BreakTest, ConnectingIntoABlackholeTimesOut) {
  WeirConfig config = Config(saboteur_.url());
  config.upstream += "connect_timeout_ms = 200\nrequest_timeout_ms = 2000\n";
  WeirServer weir(config);
  saboteur_.Blackhole(Direction::kToServer, true);
  RawClient client(weir.port());
  const std::string answer = client.Command({"GET", "fixed"});
  EXPECT_EQ(answer[0], '-') << Printable(answer);
  EXPECT_EQ(client.Text({"PING"}), "PONG");
  saboteur_.Blackhole(Direction::kToServer, false);
  EXPECT_TRUE(Eventually([&] { return client.Command({"GET", "fixed"}) == Bulk(kFixed); }));
}

TEST_F(BreakTest, DelayKeepsAllExact) {
  RawClient client(weir_.port());
  ExpectExact(&client);
  saboteur_.Delay(Direction::kToClient, 30);
  saboteur_.Delay(Direction::kToServer, 20);
  for (int i = 0; i < 10; ++i) Exchange(&client);
  EXPECT_EQ(unknown_, 0);
}

TEST_F(BreakTest, ThrottleKeepsAllExact) {
  RawClient client(weir_.port());
  ExpectExact(&client);
  saboteur_.Throttle(Direction::kToClient, 400);
  saboteur_.Throttle(Direction::kToServer, 1500);
  for (int i = 0; i < 4; ++i) Exchange(&client);
  EXPECT_EQ(unknown_, 0);
}

TEST_F(BreakTest, CutInTheMiddleOfALargeReply) {
  const std::string value(8 << 20, 'L');
  RawClient direct(redis_.port());
  ASSERT_EQ(direct.Text({"SET", "large", value}), "OK");
  RawClient other(weir_.port());
  for (const size_t at : {size_t{1000}, size_t{100000}, size_t{4} << 20}) {
    RawClient client(weir_.port());
    ExpectExact(&client);
    saboteur_.CutAfter(Direction::kToClient, at, Breakage::kReset);
    const std::string reply = client.Command({"GET", "large"});
    // While nothing of it was passed on it is asked again; after that only closing is honest.
    if (reply != Bulk(value)) {
      EXPECT_TRUE(reply.ends_with(kClosed)) << Printable(reply.substr(reply.size() - 50));
      EXPECT_EQ(reply.compare(0, 1000, Bulk(value), 0, 1000), 0);
    } else {
      ExpectExact(&client);
    }
    ExpectExact(&other);
  }
}

// A client that read slowly had part of a large reply still before it when the connection broke in
// its middle; what was asked again on the next one came behind it, and looked like its end.
TEST_F(BreakTest, NothingFollowsAReplyThatWasCut) {
  RawClient direct(redis_.port());
  const std::string first(size_t{5} << 20, 'B'), second(size_t{5} << 20, 'C');
  direct.Command({"SET", "b", first});
  direct.Command({"SET", "c", second});
  int cut = 0;
  for (int round = 0; round < 6; ++round) {
    RawClient client(weir_.port());
    ExpectExact(&client);
    saboteur_.CutAfter(Direction::kToClient, size_t{4} << 20, Breakage::kReset);
    std::string requests;
    // Not a run, whose requests share one fate.
    for (int i = 0; i < 4; ++i) {
      requests += Encode({"GETRANGE", "b", "0", "-1"}) + Encode({"GET", "c"});
    }
    client.Send(requests);
    // It does not read before weir has a connection again and has asked for the others.
    RawClient other(weir_.port());
    EXPECT_TRUE(Eventually([&] { return other.Text({"GET", "fixed"}) == kFixed; }));
    const std::string all = client.ReadUntilClose();
    std::string expected;
    for (int i = 0; i < 4; ++i) expected += Bulk(first) + Bulk(second);
    const std::string heard = all.substr(0, all.find('('));
    EXPECT_TRUE(expected.starts_with(heard)) << "of " << heard.size() << " bytes";
    cut += heard.size() < expected.size() ? 1 : 0;
  }
  EXPECT_GT(cut, 0) << "no reply was cut: the test shows nothing";
}

TEST_F(BreakTest, CutInTheMiddleOfALargeRequest) {
  RawClient other(weir_.port());
  ExpectExact(&other);
  const std::string value(8 << 20, 'L');
  RawClient client(weir_.port());
  saboteur_.CutAfter(Direction::kToServer, 3 << 20);
  const std::string reply = client.Command({"SET", "large", value});
  EXPECT_EQ(reply[0], '-') << Printable(reply);
  EXPECT_FALSE(reply.ends_with(kTimedOut)) << Printable(reply);
  ExpectExact(&other);
  RawClient direct(redis_.port());
  EXPECT_EQ(direct.Text({"EXISTS", "large"}), "0");
}

}  // namespace
}  // namespace weir::harness
