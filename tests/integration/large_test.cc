// Values of every size, from nothing to Redis' largest, both ways; weir's memory stays bounded.
#include <memory>
#include <string>
#include <vector>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

class LargeTest : public ThroughWeir {
 protected:
  void ExpectPeakBelow(size_t bytes) {
    if (WeirServer::direct() || kSanitized) return;
    EXPECT_LT(weir_.process().peak_rss_bytes() / kMiB, bytes / kMiB) << "MiB";
  }
};

// Differs at each place, so that a piece lost, doubled or swapped is seen.
std::string Pattern(size_t size, uint64_t seed) {
  std::string text(size, '\0');
  Random random(seed);
  uint64_t bits = 0;
  for (size_t i = 0; i < size; ++i) {
    if (i % 8 == 0) bits = random();
    text[i] = static_cast<char>(bits >> (i % 8 * 8));
  }
  return text;
}

void ExpectEqual(const std::string& got, const std::string& expected) {
  EXPECT_TRUE(got == expected) << "got " << Printable(got, 60) << "\nexpected "
                               << Printable(expected, 60);
}

TEST_F(LargeTest, EverySizeAroundABuffersEdge) {
  std::vector<size_t> sizes = {0, 1, 15, 16, 17, 63, 64, 127, 128, 511, 512};
  for (const size_t edge :
       {size_t{1024}, size_t{2048}, size_t{4096}, size_t{8192}, size_t{16384}, size_t{32768},
        size_t{65536}, size_t{131072}, size_t{262144}, size_t{524288}, kMiB, 2 * kMiB, 4 * kMiB}) {
    for (const int off : {-64, -40, -32, -16, -8, -3, -2, -1, 0, 1, 2, 3, 16, 40}) {
      sizes.push_back(edge + static_cast<size_t>(off));
    }
  }
  const uint64_t seed = Seed();
  const std::string text = Pattern(5 * kMiB, seed);
  RawClient client(weir_.port());
  for (const size_t size : sizes) {
    const std::string value = text.substr(0, size);
    ASSERT_EQ(client.Command({"SET", "k", value}), "+OK\r\n") << size;
    const std::string reply = client.Command({"GET", "k"});
    ASSERT_TRUE(reply == Bulk(value)) << size << ": " << Printable(reply, 60);
    ASSERT_EQ(client.Command({"ECHO", "between"}), Bulk("between")) << size;
  }
}

TEST_F(LargeTest, RandomSizesInPipelines) {
  const uint64_t seed = Seed();
  Random random(seed);
  const std::string text = Pattern(kMiB, seed);
  RawClient client(weir_.port());
  for (int round = 0; round < 10; ++round) {
    std::string requests;
    std::string expected;
    size_t replies = 0;
    while (requests.size() < 6 * kMiB) {
      const size_t size = Below(random, uint64_t{1} << Below(random, 21));
      const std::string value = text.substr(0, size);
      const std::string key = "k" + std::to_string(Below(random, 4));
      requests += Encode({"SET", key, value}) + Encode({"GET", key}) + Encode({"PING"}) +
                  Encode({"STRLEN", key});
      expected += "+OK\r\n" + Bulk(value) + "+PONG\r\n:" + std::to_string(size) + "\r\n";
      replies += 4;
    }
    ASSERT_TRUE(client.Send(requests));
    std::string got;
    for (const std::string& frame : client.ReadFrames(replies)) got += frame;
    ASSERT_TRUE(got == expected) << Printable(got, 100);
  }
  ExpectPeakBelow(256 * kMiB);
}

TEST_F(LargeTest, SixtyFourMegabytesBothWays) {
  const std::string value = Pattern(64 * kMiB, Seed());
  RawClient client(weir_.port());
  ASSERT_EQ(client.Command({"SET", "k", value}), "+OK\r\n");
  ExpectEqual(client.Command({"GET", "k"}), Bulk(value));
  EXPECT_EQ(client.Text({"STRLEN", "k"}), std::to_string(value.size()));
  ExpectPeakBelow(128 * kMiB);
}

TEST_F(LargeTest, FiveHundredTwelveMegabytesBothWays) {
  const std::string value = Pattern(512 * kMiB, Seed());
  RawClient client(weir_.port());
  client.set_timeout_ms(4 * kPatience_ms);
  RawClient other(weir_.port());
  ASSERT_EQ(other.Text({"SET", "small", "v"}), "OK");
  client.Send("*3\r\n" + Bulk("SET") + Bulk("k") + "$" + std::to_string(value.size()) + "\r\n");
  client.Send(std::string_view(value).substr(0, 256 * kMiB));
  EXPECT_EQ(other.Text({"GET", "small"}), "v") << "in the middle of another's request";
  client.Send(std::string_view(value).substr(256 * kMiB));
  client.Send("\r\n");
  ASSERT_EQ(client.ReadFrame(), "+OK\r\n");
  ExpectPeakBelow(192 * kMiB);
  ExpectEqual(client.Command({"GET", "k"}), Bulk(value));
  EXPECT_EQ(client.Text({"PING"}), "PONG");
  ExpectPeakBelow(192 * kMiB);
}

TEST_F(LargeTest, ManySmallElementsInOneReply) {
  RawClient client(weir_.port());
  std::vector<std::string> args = {"RPUSH", "l"};
  for (int i = 0; i < 200000; ++i) args.push_back("element:" + std::to_string(i));
  ASSERT_EQ(client.Command(args), ":200000\r\n");
  std::string expected = "*200000\r\n";
  for (int i = 0; i < 200000; ++i) expected += Bulk("element:" + std::to_string(i));
  for (int i = 0; i < 5; ++i) ExpectEqual(client.Command({"LRANGE", "l", "0", "-1"}), expected);
}

TEST_F(LargeTest, ALargeRequestDoesNotDelayOthers) {
  RawClient large(weir_.port());
  RawClient small(weir_.port());
  large.Send("*3\r\n" + Bulk("SET") + Bulk("k") + "$" + std::to_string(8 * kMiB) + "\r\n");
  const std::string piece(kMiB, 'x');
  for (int i = 0; i < 8; ++i) {
    large.Send(piece);
    for (int n = 0; n < 20; ++n) {
      ASSERT_EQ(small.Text({"SET", "small", std::to_string(n)}), "OK");
      ASSERT_EQ(small.Text({"GET", "small"}), std::to_string(n));
    }
  }
  large.Send("\r\n");
  EXPECT_EQ(large.ReadFrame(), "+OK\r\n");
  EXPECT_EQ(small.Text({"STRLEN", "k"}), std::to_string(8 * kMiB));
}

TEST_F(LargeTest, ALargeRequestThatEndsEarlyHarmsNobody) {
  RawClient other(weir_.port());
  for (int i = 0; i < 10; ++i) {
    RawClient large(weir_.port());
    large.Send("*3\r\n" + Bulk("SET") + Bulk("k") + "$" + std::to_string(32 * kMiB) + "\r\n");
    large.Send(std::string(4 * kMiB, 'x'));
    if (i % 2 == 0) large.Reset();
    large.Close();
    ASSERT_EQ(other.Text({"SET", "small", "v"}), "OK");
  }
  EXPECT_EQ(other.Text({"EXISTS", "k"}), "0");
  EXPECT_TRUE(Eventually([&] { return redis_.Info("clients", "connected_clients") < "9"; }));
}

TEST_F(LargeTest, LargeRequestsInAPipelineKeepTheirOrder) {
  const std::string value = Pattern(3 * kMiB, Seed());
  RawClient client(weir_.port());
  std::string requests;
  for (int i = 0; i < 10; ++i) {
    requests += Encode({"INCR", "n"}) + Encode({"SET", "k", value}) + Encode({"STRLEN", "k"}) +
                Encode({"DEL", "k"}) + Encode({"PING"}) + Encode({"ECHO", value.substr(0, 100)});
  }
  ASSERT_TRUE(client.Send(requests));
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(client.ReadFrame(), ":" + std::to_string(i + 1) + "\r\n");
    EXPECT_EQ(client.ReadFrame(), "+OK\r\n");
    EXPECT_EQ(client.ReadFrame(), ":" + std::to_string(value.size()) + "\r\n");
    EXPECT_EQ(client.ReadFrame(), ":1\r\n");
    EXPECT_EQ(client.ReadFrame(), "+PONG\r\n");
    EXPECT_EQ(client.ReadFrame(), Bulk(value.substr(0, 100)));
  }
}

// The link of its own that a large request gets has a database, a version and a handshake too.
TEST_F(LargeTest, InAnotherDatabaseAndVersion) {
  const std::string value = Pattern(3 * kMiB, Seed());
  RawClient client(weir_.port());
  ASSERT_EQ(client.Text({"SELECT", "3"}), "OK");
  ASSERT_EQ(client.Command({"SET", "k", value}), "+OK\r\n");
  ASSERT_EQ(client.Command({"HELLO", "3"})[0], '%');
  ASSERT_EQ(client.Command({"SET", "k3", value}), "+OK\r\n");
  ExpectEqual(client.Command({"GET", "k"}), Bulk(value));
  ExpectEqual(client.Command({"GET", "k3"}), Bulk(value));
  RawClient direct(redis_.port());
  EXPECT_EQ(direct.Text({"DBSIZE"}), "0");
  direct.Text({"SELECT", "3"});
  EXPECT_EQ(direct.Text({"STRLEN", "k3"}), std::to_string(value.size()));
}

TEST_F(LargeTest, BrokenLengthsInsideALargeRequest) {
  const std::string start = "*4\r\n" + Bulk("SET") + Bulk("k") + Bulk(std::string(2 * kMiB, 'x'));
  RawClient direct(redis_.port());
  for (const std::string tail : {"$-1\r\n", "!\r\n", "$536870913\r\n", "$abc\r\n"}) {
    RawClient one(redis_.port());
    RawClient two(weir_.port());
    one.Send(start + tail);
    two.Send(start + tail);
    EXPECT_EQ(two.ReadUntilClose(), one.ReadUntilClose()) << tail;
  }
  RawClient after(weir_.port());
  EXPECT_EQ(after.Text({"EXISTS", "k"}), "0");
}

}  // namespace
}  // namespace weir::harness
