// The connection on which weir subscribes breaks, at each byte of each phase: nothing hangs,
// nothing is delivered twice, and what was missed is counted.
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/faults/fault_fixture.h"

namespace weir::harness {
namespace {

std::string Message(const std::string& channel, const std::string& text) {
  return "*3\r\n" + Bulk("message") + Bulk(channel) + Bulk(text);
}
std::string Ack(const std::string& word, const std::string& name, int count) {
  return "*3\r\n" + Bulk(word) + Bulk(name) + ":" + std::to_string(count) + "\r\n";
}

class SubscriberTest : public FaultTest,
                       public ::testing::WithParamInterface<std::tuple<Direction, Breakage>> {
 protected:
  // Published straight to Redis until the client hears it, however long weir is away. Nothing may
  // come twice, or out of order.
  void ExpectWorks(RawClient* client, const std::string& channel) {
    RawClient direct(redis_.port());
    client->set_timeout_ms(kAgain_ms);
    const Deadline deadline(kPatience_ms);
    int64_t last = last_heard_;
    bool publish = true;
    while (publish || last != published_) {
      ASSERT_FALSE(deadline.over()) << "nothing is delivered";
      if (std::exchange(publish, false)) {
        direct.Command({"PUBLISH", channel, std::to_string(++published_)});
      }
      const std::string frame = client->ReadFrame();
      if (frame == kTimedOut) {
        publish = true;  // what was published may have been lost, to the last message
        continue;
      }
      const Reply reply = ParseReply(frame);
      ASSERT_EQ(reply.elements.size(), 3u) << Printable(frame);
      const int64_t number = std::stoll(reply.elements[2].text);
      ASSERT_GT(number, last) << "twice, or out of order";
      last = number;
    }
    last_heard_ = last;
    client->set_timeout_ms(kPatience_ms);
  }

  // How many of the channels, or patterns, "one" and "two" Redis has; `kind` is "", "P" or "S".
  int Subscribed(const std::string& kind) {
    RawClient direct(redis_.port());
    if (kind == "P") return std::stoi(direct.Text({"PUBSUB", "NUMPAT"}));
    const Reply counts = ParseReply(
        direct.Command({"PUBSUB", kind == "S" ? "SHARDNUMSUB" : "NUMSUB", "one", "two"}));
    return std::stoi(counts.at("one").text) + std::stoi(counts.at("two").text);
  }

  static std::string Lower(const std::string& kind) {
    return kind.empty() ? "" : kind == "P" ? "p" : "s";
  }

  // Messages that were lost are published again after so long; no test depends on it.
  static constexpr int kAgain_ms = 5;
  int64_t published_ = 0;
  int64_t last_heard_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Cut, SubscriberTest,
                         ::testing::Combine(::testing::Values(Direction::kToServer,
                                                              Direction::kToClient),
                                            ::testing::Values(Breakage::kClose, Breakage::kReset)));

// Commands and acknowledgements on an open connection.
TEST_P(SubscriberTest, AtEachByteOfSubscribing) {
  const auto [direction, how] = GetParam();
  for (const std::string kind : {"", "P", "S"}) {
    bool reached = true;
    for (size_t n = 0; reached; ++n) {
      SCOPED_TRACE(kind + "SUBSCRIBE, cut after byte " + std::to_string(n));
      RawClient client(weir_.port());
      saboteur_.CutAfter(direction, n, how);
      client.Send(Encode({kind + "SUBSCRIBE", "one", "two"}));
      ASSERT_EQ(client.ReadFrame(), Ack(Lower(kind) + "subscribe", "one", 1));
      ASSERT_EQ(client.ReadFrame(), Ack(Lower(kind) + "subscribe", "two", 2));
      reached = saboteur_.cut_done();
      saboteur_.CutAfter(direction, Saboteur::kNever);
      if (kind.empty()) {
        published_ = last_heard_ = 0;
        ASSERT_NO_FATAL_FAILURE(ExpectWorks(&client, "one"));
        ASSERT_NO_FATAL_FAILURE(ExpectWorks(&client, "two"));
      } else {
        EXPECT_TRUE(Eventually([&] { return Subscribed(kind) == 2; }));
      }
      client.Close();
      EXPECT_TRUE(Eventually([&] { return Subscribed(kind) == 0; }));
    }
  }
}

TEST_P(SubscriberTest, AtEachByteOfLeaving) {
  const auto [direction, how] = GetParam();
  for (const std::string kind : {"", "P", "S"}) {
    bool reached = true;
    for (size_t n = 0; reached; ++n) {
      SCOPED_TRACE(kind + "UNSUBSCRIBE, cut after byte " + std::to_string(n));
      RawClient client(weir_.port());
      client.Send(Encode({kind + "SUBSCRIBE", "one", "two"}));
      ASSERT_EQ(client.ReadFrames(2).back(), Ack(Lower(kind) + "subscribe", "two", 2));
      saboteur_.CutAfter(direction, n, how);
      client.Send(Encode({kind + "UNSUBSCRIBE", "one", "two"}));
      ASSERT_EQ(client.ReadFrame(), Ack(Lower(kind) + "unsubscribe", "one", 1));
      ASSERT_EQ(client.ReadFrame(), Ack(Lower(kind) + "unsubscribe", "two", 0));
      EXPECT_EQ(client.Command({"PING"}), "+PONG\r\n");
      EXPECT_TRUE(Eventually([&] { return Subscribed(kind) == 0; }));
      reached = saboteur_.cut_done();
      saboteur_.CutAfter(direction, Saboteur::kNever);
    }
  }
}

// A new connection: first words, and the subscriptions that are made again.
TEST_P(SubscriberTest, AtEachByteOfComingBack) {
  const auto [direction, how] = GetParam();
  RawClient client(weir_.port());
  client.Send(Encode({"SUBSCRIBE", "one", "two"}));
  client.ReadFrames(2);
  const auto lose = [&, how = how] {
    saboteur_.Refuse(true);
    saboteur_.Break(how);
  };
  lose();
  const size_t before = saboteur_.bytes(direction);
  saboteur_.Refuse(false);
  ASSERT_TRUE(Eventually([&] { return Subscribed("") == 2; }));
  ASSERT_NO_FATAL_FAILURE(ExpectWorks(&client, "two"));
  const size_t bytes = saboteur_.bytes(direction) - before;
  // Every other byte with FIN, the rest with RST: each costs a pause before the next attempt.
  for (size_t n = how == Breakage::kReset ? 1 : 0; n <= bytes; n += 2) {
    SCOPED_TRACE("cut after byte " + std::to_string(n) + " of " + std::to_string(bytes));
    lose();
    saboteur_.CutAfter(direction, n, how);
    saboteur_.Refuse(false);
    ASSERT_NO_FATAL_FAILURE(ExpectWorks(&client, "one"));
    ASSERT_NO_FATAL_FAILURE(ExpectWorks(&client, "two"));
    saboteur_.CutAfter(direction, Saboteur::kNever);
  }
}

TEST_P(SubscriberTest, AtEachByteOfMessages) {
  const auto [direction, how] = GetParam();
  if (direction == Direction::kToServer) return;  // nothing goes there meanwhile
  RawClient client(weir_.port());
  client.Command({"SUBSCRIBE", "c"});
  RawClient direct(redis_.port());
  std::set<std::string> heard;
  const size_t bytes = 5 * Message("c", "100.0").size();
  for (size_t n = 0; n <= bytes; ++n) {
    saboteur_.CutAfter(direction, n, how);
    for (int i = 0; i < 5; ++i) {
      direct.Command({"PUBLISH", "c", std::to_string(100 + n) + "." + std::to_string(i)});
    }
    ASSERT_TRUE(Eventually([&] { return saboteur_.cut_done(); })) << n;
    client.set_timeout_ms(kAgain_ms);
    const Deadline deadline(kPatience_ms);
    const std::string end = "end " + std::to_string(n);
    for (std::string frame = std::string(kTimedOut);;) {
      ASSERT_FALSE(deadline.over()) << n;
      // It is lost, too, if it still went to the connection that is breaking.
      if (frame == kTimedOut) direct.Command({"PUBLISH", "c", end});
      frame = client.ReadFrame();
      if (frame == kTimedOut) continue;
      const Reply reply = ParseReply(frame);
      ASSERT_EQ(reply.elements.size(), 3u) << Printable(frame);
      const std::string& text = reply.elements[2].text;
      if (text == end) break;
      if (text.starts_with("end ")) continue;
      ASSERT_TRUE(heard.insert(text).second) << "twice: " << frame;
    }
  }
  // Not one each: what breaks before it was ready again is the same gap.
  EXPECT_GE(std::stoul(weir_.Info("weir_subscriber_gaps")), bytes * 9 / 10);
}

class SubscriberLossTest : public ::testing::Test {
 protected:
  static WeirConfig Config(const std::string& url, const std::string& more) {
    WeirConfig config;
    config.url = url;
    config.upstream = "reconnect_min_ms = 1\nreconnect_max_ms = 20\n" + more;
    return config;
  }
  RedisServer redis_;
  Saboteur saboteur_{redis_.port()};
};

TEST_F(SubscriberLossTest, ClosesTheClientsIfToldSo) {
  WeirServer weir(Config(saboteur_.url(), "on_subscriber_loss = \"close\"\n"));
  RawClient client(weir.port());
  RawClient bystander(weir.port());
  client.Command({"SUBSCRIBE", "c"});
  saboteur_.Break(Breakage::kReset);
  EXPECT_EQ(client.ReadUntilClose(), "");
  EXPECT_EQ(bystander.Text({"PING"}), "PONG");
  RawClient again(weir.port());
  EXPECT_EQ(again.Command({"SUBSCRIBE", "c"}), Ack("subscribe", "c", 1));
  EXPECT_EQ(bystander.Command({"PUBLISH", "c", "m"}), ":1\r\n");
  EXPECT_EQ(again.ReadFrame(), Message("c", "m"));
}

// Redis goes, and comes again: the clients stay, and SUBSCRIBE says why it cannot.
TEST_F(SubscriberLossTest, AServerThatIsAwayForLong) {
  WeirServer weir(Config(redis_.url(), "offline_queue_age_max_ms = 300\n"));
  RawClient client(weir.port());
  client.Send(Encode({"SUBSCRIBE", "a", "b"}) + Encode({"PSUBSCRIBE", "p*"}));
  client.ReadFrames(3);
  redis_.Kill();
  RawClient other(weir.port());
  const std::string refusal = other.Command({"SUBSCRIBE", "c"});
  EXPECT_TRUE(refusal.starts_with("-DOWN weir: no connection to " + redis_.address()))
      << Printable(refusal);
  EXPECT_EQ(other.Command({"PING"}), "+PONG\r\n");
  // Leaving needs no server.
  client.Send(Encode({"UNSUBSCRIBE", "b"}));
  std::string frame = client.ReadFrame();
  while (frame.find("unsubscribe") == frame.npos) frame = client.ReadFrame();
  EXPECT_EQ(frame, Ack("unsubscribe", "b", 2));
  redis_.Restart();
  RawClient direct(redis_.port());
  EXPECT_TRUE(Eventually([&] { return direct.Command({"PUBLISH", "a", "again"}) == ":1\r\n"; }));
  EXPECT_EQ(direct.Command({"PUBLISH", "b", "no"}), ":0\r\n");
  frame = client.ReadFrame();
  while (frame.find("subscribe") != frame.npos) frame = client.ReadFrame();
  EXPECT_EQ(frame, Message("a", "again"));
  EXPECT_EQ(weir.Info("weir_subscriber_gaps"), "1");
}

// Nothing comes any more and nothing breaks: the health check finds out.
TEST_F(SubscriberLossTest, ASilentServer) {
  WeirServer weir(Config(saboteur_.url(),
                         "request_timeout_ms = 300\nhealth_check_interval_ms = 100\n"
                         "connect_timeout_ms = 300\n"));
  RawClient client(weir.port());
  client.Command({"SUBSCRIBE", "c"});
  saboteur_.Blackhole(Direction::kToClient, true);
  EXPECT_TRUE(Eventually([&] { return weir.Info("weir_subscriber_gaps") == "1"; }));
  RawClient other(weir.port());
  const std::string refusal = other.Command({"SUBSCRIBE", "d"});
  EXPECT_TRUE(refusal.starts_with("-TIMEOUT weir: ") || refusal.starts_with("-DOWN weir: "))
      << Printable(refusal);
  saboteur_.Break(Breakage::kClose);
  saboteur_.Blackhole(Direction::kToClient, false);
  RawClient direct(redis_.port());
  EXPECT_TRUE(Eventually([&] {
    direct.Command({"PUBLISH", "c", "m"});
    return !client.ReadAvailable(20).empty();
  }));
}

}  // namespace
}  // namespace weir::harness
