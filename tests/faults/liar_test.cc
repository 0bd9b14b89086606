// Backends that say what no Redis would: garbage, more replies than requests, pushes, half replies.
// The client never gets another's reply, never waits for ever, and weir goes on.
#include <string>
#include <vector>

#include "tests/faults/fault_fixture.h"

namespace weir::harness {
namespace {

class LiarTest : public FaultTest {
 protected:
  // Says it on all links while nothing is in flight on them. weir must close them then: would it
  // send a request first, these bytes would stand in the reply's place.
  void ExpectSurvives(RawClient* client, const std::string& bytes, bool closes = true) {
    ExpectExact(client);
    // One number: of two, asked one after the other, both could count a connection that just closed.
    const size_t made = saboteur_.connections_total();
    saboteur_.Inject(Direction::kToClient, bytes);
    if (closes) {
      ASSERT_TRUE(Eventually([&] { return saboteur_.connections_closed() >= made; }))
          << "a link stays open after " << Printable(bytes);
    }
    for (int i = 0; i < 5; ++i) {
      ASSERT_EQ(client->Command({"GET", "fixed"}), Bulk(kFixed)) << Printable(bytes);
      ASSERT_EQ(client->Command({"STRLEN", "fixed"}), ":15\r\n") << Printable(bytes);
    }
    ExpectExact(client);
  }
};

TEST_F(LiarTest, WordsNobodyAskedFor) {
  RawClient client(weir_.port());
  RawClient resp3(weir_.port());
  ASSERT_EQ(resp3.Command({"HELLO", "3"})[0], '%');
  const std::string kCases[] = {
      "garbage",
      "garbage\r\n",
      std::string("\0\0\0\0", 4),
      "HTTP/1.1 400 Bad Request\r\n\r\n",
      "+OK\r\n",
      "+OK\r\n+OK\r\n+OK\r\n",
      "-ERR out of the blue\r\n",
      ":1\r\n",
      "$3\r\nabc\r\n",
      "*2\r\n$1\r\na\r\n$1\r\nb\r\n",
      "$-2\r\n",
      "$99999999999999999999\r\n",
      "*99999999999999999999\r\n",
      "*-7\r\n",
      "*1\r\n$",
      "$100\r\nabc",
      "$3\r\nabcdef\r\n",
      "*1000000000\r\n",
      "_\r\n",
      "%1\r\n",
      "?\r\n",
      "\r\n",
      "+",
  };
  for (const std::string& bytes : kCases) {
    ExpectSurvives(&client, bytes);
    if (HasFatalFailure()) return;
    ExpectSurvives(&resp3, bytes);
    if (HasFatalFailure()) return;
  }
}

TEST_F(LiarTest, PushOnAResp2Link) {
  RawClient client(weir_.port());
  ExpectSurvives(&client, ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n");
}

TEST_F(LiarTest, PushOnAResp3Link) {
  RawClient client(weir_.port());
  ASSERT_EQ(client.Command({"HELLO", "3"})[0], '%');
  const bool kPushesAreLegal = false;
  ExpectSurvives(&client, ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n", kPushesAreLegal);
}

TEST_F(LiarTest, RandomNoiseInTheStream) {
  Random random(Seed());
  RawClient client(weir_.port());
  for (int round = 0; round < 100; ++round) {
    std::string noise;
    const size_t size = 1 + Below(random, 30);
    static constexpr char kAlphabet[] = "+-:$*_,#!=(~%|>0123456789\r\nab";
    for (size_t i = 0; i < size; ++i) noise += kAlphabet[Below(random, sizeof kAlphabet - 1)];
    ExpectSurvives(&client, noise);
    if (HasFatalFailure()) return;
  }
}

// The scripted backends below answer requests themselves.
class FakeTest : public ::testing::Test {
 protected:
  static WeirConfig Config(const FakeBackend& backend) {
    WeirConfig config;
    config.url = backend.url();
    config.workers = 1;
    config.upstream =
        "reconnect_min_ms = 1\nreconnect_max_ms = 20\nrequest_timeout_ms = 1000\n"
        "health_check_interval_ms = 0\n";
    return config;
  }
};

TEST_F(FakeTest, OneReplyMoreThanRequests) {
  FakeBackend backend([](const std::vector<std::string>& args) {
    return Answer{Bulk(args[1]) + (args[1] == "twice" ? Bulk("stray") : "")};
  });
  WeirServer weir(Config(backend));
  RawClient client(weir.port());
  for (int i = 0; i < 20; ++i) {
    const std::string key = i % 4 == 0 ? "twice" : "k" + std::to_string(i);
    ASSERT_EQ(client.Command({"GET", key}), Bulk(key)) << i;
  }
}

TEST_F(FakeTest, NeverAnswers) {
  FakeBackend backend([](const std::vector<std::string>&) { return Answer{}; });
  WeirServer weir(Config(backend));
  RawClient client(weir.port());
  client.Send(Encode({"GET", "a"}) + Encode({"SET", "b", "c"}) + Encode({"PING"}));
  EXPECT_TRUE(client.ReadFrame().starts_with("-TIMEOUT weir: "));
  EXPECT_TRUE(client.ReadFrame().starts_with("-TIMEOUT weir: "));
  EXPECT_EQ(client.ReadFrame(), "+PONG\r\n");
}

TEST_F(FakeTest, ClosesInTheMiddleOfEachReply) {
  FakeBackend backend([](const std::vector<std::string>&) {
    return Answer{"$100\r\nonly this", true};
  });
  WeirServer weir(Config(backend));
  RawClient client(weir.port());
  EXPECT_EQ(client.Command({"SET", "a", "b"}).compare(0, 15, "-UNKNOWN weir: "), 0);
  const std::string read = client.Command({"GET", "a"});
  EXPECT_EQ(read[0], '-') << Printable(read);
  EXPECT_EQ(client.Text({"PING"}), "PONG");
}

TEST_F(FakeTest, ClosesAtEachRequest) {
  FakeBackend backend([](const std::vector<std::string>&) { return Answer{"", true}; });
  WeirServer weir(Config(backend));
  RawClient client(weir.port());
  EXPECT_EQ(client.Command({"SET", "a", "b"}).compare(0, 15, "-UNKNOWN weir: "), 0);
  const int64_t start_ms = NowMs();
  EXPECT_EQ(client.Command({"GET", "a"})[0], '-');
  EXPECT_LT(NowMs() - start_ms, kPatience_ms / 2) << "retried for ever";
  EXPECT_LT(backend.requests().size(), 2000u) << "retried in a storm";
}

TEST_F(FakeTest, AnswersWithGarbageToEachRequest) {
  FakeBackend backend([](const std::vector<std::string>&) { return Answer{"@#!?\r\n"}; });
  WeirServer weir(Config(backend));
  RawClient client(weir.port());
  EXPECT_EQ(client.Command({"GET", "a"})[0], '-');
  EXPECT_EQ(client.Command({"SET", "a", "b"})[0], '-');
  EXPECT_EQ(client.Text({"PING"}), "PONG");
}

TEST_F(FakeTest, Resp3TypesOnAResp2Link) {
  FakeBackend backend([](const std::vector<std::string>&) { return Answer{"%1\r\n+a\r\n+b\r\n"}; });
  WeirServer weir(Config(backend));
  RawClient client(weir.port());
  EXPECT_EQ(client.Command({"GET", "a"})[0], '-');
  RawClient resp3(weir.port());
  ASSERT_EQ(resp3.Command({"HELLO", "3"})[0], '%');
  EXPECT_EQ(resp3.Command({"GET", "a"}), "%1\r\n+a\r\n+b\r\n");
}

TEST_F(FakeTest, DeeplyNestedReply) {
  std::string nested;
  for (int i = 0; i < 100000; ++i) nested += "*1\r\n";
  nested += ":1\r\n";
  FakeBackend backend([&nested](const std::vector<std::string>&) { return Answer{nested}; });
  WeirServer weir(Config(backend));
  RawClient client(weir.port());
  const size_t expected = nested.size();
  client.Send(Encode({"GET", "a"}) + Encode({"PING"}));
  EXPECT_TRUE(client.Discard(expected));
  EXPECT_EQ(client.ReadFrame(), "+PONG\r\n");
}

TEST_F(FakeTest, EndlessLine) {
  FakeBackend backend(
      [](const std::vector<std::string>&) { return Answer{"+" + std::string(1 << 20, 'x')}; });
  WeirServer weir(Config(backend));
  RawClient client(weir.port());
  // What was passed on before it got too long cannot be taken back: then closing is honest.
  const std::string reply = client.Command({"GET", "a"});
  EXPECT_TRUE(reply[0] == '-' || reply.ends_with(kClosed)) << Printable(reply);
  RawClient other(weir.port());
  EXPECT_EQ(other.Text({"PING"}), "PONG");
}

}  // namespace
}  // namespace weir::harness
