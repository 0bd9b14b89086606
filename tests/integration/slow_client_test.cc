// A client that does not read delays nobody, costs bounded memory, and is closed at its bound.
#include <poll.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

class SlowClientTest : public ::testing::Test {
 protected:
  static WeirConfig Config(const RedisServer& redis, const std::string& limits) {
    WeirConfig config;
    config.url = redis.url();
    config.workers = 1;  // so that all share one loop and one link
    config.limits = limits;
    return config;
  }
  void SetUp() override {
    RawClient direct(redis_.port());
    ASSERT_EQ(direct.Text({"SET", "large", std::string(kMiB, 'L')}), "OK");
  }
  // Whoever were behind one that does not read would wait for ever.
  static void ExpectServed(RawClient* client, int requests) {
    for (int i = 0; i < requests; ++i) {
      ASSERT_EQ(client->Text({"SET", "k", std::to_string(i)}), "OK");
      ASSERT_EQ(client->Text({"GET", "k"}), std::to_string(i));
    }
  }
  // weir has `count` clients, as `asker`, one of them, is told. A client that does not read does
  // not see either that it was closed.
  static bool Clients(RawClient* asker, const std::string& count) {
    return ParseInfo(asker->Text({"INFO", "weir"}))["weir_clients"] == count;
  }
  static void ExpectPeakBelow(const WeirServer& weir, size_t mebibytes) {
    if (kSanitized) return;
    EXPECT_LT(weir.process().peak_rss_bytes() / kMiB, mebibytes) << "MiB";
  }
  RedisServer redis_;
};

TEST_F(SlowClientTest, DelaysNobodyAndIsClosedAtItsBound) {
  WeirServer weir(Config(redis_,
                         "client_output_buffer_bytes_max = 8388608\n"
                         "client_stall_timeout_ms = 2000\n"));
  RawClient slow(weir.port());
  RawClient quick(weir.port());
  ExpectServed(&quick, 10);
  std::string requests;
  for (int i = 0; i < 400; ++i) requests += Encode({"GET", "large"});
  ASSERT_EQ(slow.SendSome(requests), requests.size());
  ExpectServed(&quick, 300);
  EXPECT_TRUE(Eventually([&] { return Clients(&quick, "1"); })) << "400 MiB of replies unread";
  ExpectServed(&quick, 10);
  ExpectPeakBelow(weir, 96);
}

TEST_F(SlowClientTest, BelowTheBoundItGetsAllWhenItReadsAtLast) {
  WeirServer weir(Config(redis_, ""));
  RawClient slow(weir.port());
  RawClient quick(weir.port());
  std::string requests;
  for (int i = 0; i < 30; ++i) requests += Encode({"GET", "large"}) + Encode({"INCR", "n"});
  slow.Send(requests);
  ExpectServed(&quick, 100);
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(slow.ReadFrame() == Bulk(std::string(kMiB, 'L'))) << i;
    ASSERT_EQ(slow.ReadFrame(), ":" + std::to_string(i + 1) + "\r\n");
  }
}

// One reply alone is larger than the bound: it goes at the client's pace and is never kept whole.
TEST_F(SlowClientTest, OneReplyLargerThanTheBound) {
  WeirServer weir(Config(redis_, "client_output_buffer_bytes_max = 4194304\n"));
  RawClient direct(redis_.port());
  const std::string value(100 * kMiB, 'V');
  ASSERT_EQ(direct.Text({"SET", "huge", value}), "OK");
  RawClient slow(weir.port());
  RawClient quick(weir.port());
  ExpectServed(&quick, 10);
  slow.Send(Encode({"GET", "huge"}));
  // From now on the link waits for the slow client, and nobody else may be put behind it.
  ASSERT_TRUE(Eventually([&] {
    const std::string bytes = ParseInfo(quick.Text({"INFO", "weir"}))["weir_buffer_bytes"];
    return std::stoll(bytes) >= int64_t{4} * static_cast<int64_t>(kMiB);
  }));
  ExpectServed(&quick, 100);
  EXPECT_TRUE(slow.ReadFrame() == Bulk(value));
  ExpectServed(&quick, 10);
  ExpectPeakBelow(weir, 96);
}

TEST_F(SlowClientTest, ManySlowClientsTogetherStayBounded) {
  WeirServer weir(Config(redis_,
                         "client_output_buffer_bytes_max = 4194304\n"
                         "memory_bytes_max = 67108864\n"));
  std::vector<std::unique_ptr<RawClient>> slow;
  std::string requests;
  for (int i = 0; i < 20; ++i) requests += Encode({"GET", "large"});
  for (int i = 0; i < 20; ++i) {
    slow.push_back(std::make_unique<RawClient>(weir.port()));
    slow.back()->SendSome(requests);
  }
  RawClient quick(weir.port());
  ExpectServed(&quick, 100);
  ExpectPeakBelow(weir, 256);
  slow.clear();
  ExpectServed(&quick, 10);
}

TEST_F(SlowClientTest, OneThatStallsIsClosedInTheEnd) {
  WeirServer weir(Config(redis_, "client_stall_timeout_ms = 500\n"));
  RawClient slow(weir.port());
  RawClient quick(weir.port());
  std::string requests;
  for (int i = 0; i < 20; ++i) requests += Encode({"GET", "large"});
  slow.Send(requests);
  EXPECT_TRUE(Eventually([&] { return Clients(&quick, "1"); }));
  ExpectServed(&quick, 10);
}

TEST_F(SlowClientTest, OneThatReadsSlowlyIsNoStall) {
  WeirServer weir(Config(redis_, "client_stall_timeout_ms = 4000\n"));
  RawClient slow(weir.port());
  std::string requests;
  for (int i = 0; i < 10; ++i) requests += Encode({"GET", "large"});
  slow.Send(requests);
  const size_t total = 10 * Bulk(std::string(kMiB, 'L')).size();
  const size_t pieces = 40;
  for (size_t i = 0; i < pieces; ++i) {
    ASSERT_TRUE(slow.Discard(total / pieces)) << i;
    PauseMs(150);  // slower than the time-out in sum, quicker at each step
  }
  ASSERT_TRUE(slow.Discard(total % pieces));
  EXPECT_EQ(slow.Text({"PING"}), "PONG");
}

// Requests are not read without end from a client that reads no replies.
TEST_F(SlowClientTest, ReadingPausesAtThePipelinesDepth) {
  WeirServer weir(Config(redis_, "pipeline_depth_max = 100\n"));
  RawClient slow(weir.port());
  RawClient quick(weir.port());
  ASSERT_EQ(quick.Text({"SET", "k", "v"}), "OK");
  redis_.Pause();
  std::string requests;
  for (int i = 0; i < 1000000; ++i) requests += Encode({"GET", "k"});
  const size_t sent = slow.SendSome(requests);
  EXPECT_EQ(quick.Text({"PING"}), "PONG");
  redis_.Resume();
  const size_t whole = sent / Encode({"GET", "k"}).size();
  EXPECT_EQ(slow.ReadFrames(whole), std::vector<std::string>(whole, Bulk("v")));
  ExpectPeakBelow(weir, 64);
}

}  // namespace
}  // namespace weir::harness
