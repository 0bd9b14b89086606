// A client's own connection that breaks: what it held is lost, and the client learns of it.
#include <string>
#include <vector>

#include "tests/faults/fault_fixture.h"

namespace weir::harness {
namespace {

class PinnedFaultTest : public FaultTest {
 protected:
  // Until INFO says so of the clients that are pinned.
  bool PinnedIs(const std::string& what) {
    return Eventually([&] { return weir_.Info("weir_pinned").find(what) != std::string::npos; });
  }
};

TEST_F(PinnedFaultTest, ATransactionThatIsLostIsNeverHalfRun) {
  RawClient client(weir_.port());
  EXPECT_EQ(client.Command({"MULTI"}), "+OK\r\n");
  EXPECT_EQ(client.Command({"INCR", "n"}), "+QUEUED\r\n");
  saboteur_.Break(Breakage::kReset);
  std::string reply;
  ASSERT_TRUE(Eventually([&] {
    reply = client.Command({"INCR", "n"});
    return reply != "+QUEUED\r\n";
  }));
  EXPECT_TRUE(reply.starts_with("-")) << reply;
  reply = client.Command({"EXEC"});
  EXPECT_TRUE(reply.starts_with("-EXECABORT weir: the transaction was discarded because "))
      << reply;
  EXPECT_EQ(client.Text({"GET", "n"}), "(nil)");
  EXPECT_EQ(client.Command({"MULTI"}), "+OK\r\n");
  EXPECT_EQ(client.Command({"INCR", "n"}), "+QUEUED\r\n");
  EXPECT_EQ(client.Command({"EXEC"}), "*1\r\n:1\r\n");
}

TEST_F(PinnedFaultTest, DiscardAndResetEndALostTransaction) {
  for (const char* end : {"DISCARD", "RESET"}) {
    RawClient client(weir_.port());
    client.Command({"MULTI"});
    ASSERT_TRUE(PinnedIs("transaction=1"));
    saboteur_.Break(Breakage::kClose);
    ASSERT_TRUE(PinnedIs("transaction=0"));
    const std::string reply = client.Command({"GET", "n"});
    EXPECT_TRUE(reply.starts_with("-")) << reply;
    EXPECT_EQ(client.Command({end})[0], '+');
    ExpectExact(&client);
  }
}

// Keys may have changed while nobody watched them.
TEST_F(PinnedFaultTest, AfterALostWatchExecIsNull) {
  for (const bool resp3 : {false, true}) {
    RawClient client(weir_.port());
    if (resp3) client.Command({"HELLO", "3"});
    EXPECT_EQ(client.Command({"WATCH", "w"}), "+OK\r\n");
    ASSERT_TRUE(PinnedIs("watch=1"));
    saboteur_.Break(Breakage::kReset);
    ASSERT_TRUE(PinnedIs("watch=0"));
    EXPECT_EQ(client.Command({"MULTI"}), "+OK\r\n");
    EXPECT_EQ(client.Command({"SET", "w", "never"}), "+QUEUED\r\n");
    EXPECT_EQ(client.Command({"EXEC"}), resp3 ? "_\r\n" : "*-1\r\n");
    EXPECT_EQ(client.Command({"EXISTS", "w"}), ":0\r\n");
    client.Command({"MULTI"});
    client.Command({"PING"});
    EXPECT_EQ(client.Command({"EXEC"}), "*1\r\n+PONG\r\n");
  }
}

// It cannot know whether it is in a transaction, and what it sends next must not run outside of
// one.
TEST_F(PinnedFaultTest, AMultiWithoutAReplyEndsTheConnectionAsRedisWould) {
  RawClient client(weir_.port());
  client.Command({"MULTI"});
  client.Command({"DISCARD"});
  saboteur_.Blackhole(Direction::kToClient, true);
  const size_t before = saboteur_.bytes(Direction::kToServer);
  client.Send(Encode({"MULTI"}));
  ASSERT_TRUE(Eventually([&] { return saboteur_.bytes(Direction::kToServer) > before; }));
  saboteur_.Break(Breakage::kReset);
  saboteur_.Blackhole(Direction::kToClient, false);
  client.Send(Encode({"INCR", "n"}));
  const std::string rest = client.ReadUntilClose();
  EXPECT_TRUE(IsUnknown(rest)) << rest;
  RawClient direct(redis_.port());
  EXPECT_EQ(direct.Command({"EXISTS", "n"}), ":0\r\n");
}

TEST_F(PinnedFaultTest, AClientThatTracksIsClosedAsRedisWould) {
  RawClient client(weir_.port());
  client.Command({"HELLO", "3"});
  EXPECT_EQ(client.Command({"CLIENT", "TRACKING", "ON"}), "+OK\r\n");
  saboteur_.Break(Breakage::kClose);
  EXPECT_EQ(client.ReadUntilClose(), "");
}

TEST_F(PinnedFaultTest, ABlockedClientLearnsThatItsFateIsUnknown) {
  RawClient client(weir_.port());
  client.Send(Encode({"BLPOP", "none", "0"}));
  ASSERT_TRUE(Eventually([&] { return redis_.Info("clients", "blocked_clients") == "1"; }));
  saboteur_.Break(Breakage::kReset);
  const std::string reply = client.ReadFrame();
  EXPECT_TRUE(IsUnknown(reply)) << reply;
  ExpectExact(&client);
}

// The connection is cut at each byte of a transaction, in either direction. Whatever the client
// heard, the transaction ran as a whole or not at all, and once at most.
TEST_F(PinnedFaultTest, CutAtEachByteATransactionRunsWholeOrNotAtAll) {
  // With a script in it, it goes over a connection of the client's own.
  const std::string transaction = Encode({"MULTI"}) + Encode({"INCR", "a"}) +
                                  Encode({"INCR", "b"}) + Encode({"EVAL", "return 1", "0"}) +
                                  Encode({"EXEC"});
  const std::string replies =
      "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n:100\r\n:100\r\n:1\r\n";
  for (const Direction direction : {Direction::kToServer, Direction::kToClient}) {
    const size_t bytes = direction == Direction::kToServer ? transaction.size() : replies.size();
    for (size_t at = 0; at <= bytes; ++at) {
      RawClient client(weir_.port());
      // The link is open and its handshake over.
      ASSERT_EQ(client.Command({"MULTI"}), "+OK\r\n");
      ASSERT_EQ(client.Command({"DISCARD"}), "+OK\r\n");
      RawClient direct(redis_.port());
      const std::string before = direct.Text({"GET", "a"});
      saboteur_.CutAfter(direction, at, at % 2 == 0 ? Breakage::kClose : Breakage::kReset);
      client.Send(transaction);
      std::vector<std::string> heard;
      while (heard.size() < 5) {
        heard.push_back(client.ReadFrame());
        // If MULTI itself had no reply, weir closes the connection after it.
        if (heard.back() == kClosed) break;
        ASSERT_NE(heard.back().find("\r\n"), std::string::npos) << at << ": " << heard.back();
      }
      saboteur_.CutAfter(direction, Saboteur::kNever, Breakage::kClose);
      // Asked for at once: Redis may run the transaction between two questions.
      const std::string a_and_b = direct.Command({"MGET", "a", "b"});
      const size_t half = (a_and_b.size() - 4) / 2;
      ASSERT_EQ(a_and_b.substr(4, half), a_and_b.substr(4 + half)) << "cut at " << at;
      const std::string a = direct.Text({"GET", "a"});
      if (heard.back()[0] == '*') {
        ASSERT_NE(a, before) << "cut at " << at;
      } else if (!IsUnknown(heard.back()) && heard.back() != kClosed) {
        ASSERT_EQ(a, before) << "cut at " << at << ": " << heard.back();
      }
      if (heard.back() == kClosed) continue;
      client.Command({"DISCARD"});
      ExpectExact(&client);
    }
  }
}

// The same with one that is sent whole and goes over the shared link. It is answered in any case,
// others' requests beside it are not touched by it, and all that comes behind it is exact.
TEST_F(PinnedFaultTest, CutAtEachByteAWholeTransactionRunsAsOne) {
  const std::string transaction = Encode({"MULTI"}) + Encode({"INCR", "a"}) + Encode({"GET", "a"}) +
                                  Encode({"INCR", "b"}) + Encode({"EXEC"});
  const std::string replies =
      "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n:100\r\n$3\r\n100\r\n:100\r\n";
  RawClient direct(redis_.port());
  for (const Direction direction : {Direction::kToServer, Direction::kToClient}) {
    const size_t bytes = direction == Direction::kToServer ? transaction.size() : replies.size();
    for (size_t at = 0; at <= bytes; ++at) {
      RawClient client(weir_.port());
      ExpectExact(&client);  // the link is open and its handshake over
      const std::string before = direct.Text({"GET", "a"});
      saboteur_.CutAfter(direction, at, at % 2 == 0 ? Breakage::kClose : Breakage::kReset);
      client.Send(transaction);
      const std::vector<std::string> heard = client.ReadFrames(5);
      ASSERT_EQ(heard.size(), 5U) << "cut at " << at;
      saboteur_.CutAfter(direction, Saboteur::kNever, Breakage::kClose);
      const std::string a_and_b = direct.Command({"MGET", "a", "b"});
      const size_t half = (a_and_b.size() - 4) / 2;
      ASSERT_EQ(a_and_b.substr(4, half), a_and_b.substr(4 + half)) << "cut at " << at;
      if (heard[4][0] == '*') {
        ASSERT_NE(direct.Text({"GET", "a"}), before) << "cut at " << at;
      } else {
        ASSERT_TRUE(IsUnknown(heard[4])) << "cut at " << at << ": " << heard[4];
      }
      ExpectExact(&client);
    }
  }
}

}  // namespace
}  // namespace weir::harness
