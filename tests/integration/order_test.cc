// Replies come in the order of the requests, whoever answers them.
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

class OrderTest : public ThroughWeir {};

// A client's requests with the replies that they must get, made at random. Each value is used once,
// so a reply that comes too early or too late is seen.
class Script {
 public:
  Script(std::string prefix, uint64_t seed) : prefix_(std::move(prefix)), random_(seed) {}

  // One more request: its bytes are appended to *requests, its reply to *replies.
  void Add(std::string* requests, std::string* replies) {
    const std::string value = prefix_ + ":" + std::to_string(++serial_);
    const std::string key = prefix_ + ":key" + std::to_string(Below(random_, 5));
    std::vector<std::string> args;
    switch (Below(random_, 10)) {
      case 0:
        args = {"PING"};
        *replies += "+PONG\r\n";
        break;
      case 1:
        args = {"PING", value};
        *replies += Bulk(value);
        break;
      case 2:
        args = {"ECHO", value};
        *replies += Bulk(value);
        break;
      case 3:
        args = {"SET", key, value};
        values_[key] = value;
        *replies += "+OK\r\n";
        break;
      case 4:
        args = {"GET", key};
        *replies += values_.count(key) > 0 ? Bulk(values_[key]) : "$-1\r\n";
        break;
      case 5:
        args = {"INCR", prefix_ + ":counter"};
        *replies += ":" + std::to_string(++counter_) + "\r\n";
        break;
      case 6:
        args = {"CLIENT", "SETNAME", value};
        name_ = value;
        *replies += "+OK\r\n";
        break;
      case 7:
        args = {"CLIENT", "GETNAME"};
        *replies += name_.empty() ? "$-1\r\n" : Bulk(name_);
        break;
      case 8:
        args = {"GET"};
        *replies += "-ERR wrong number of arguments for 'get' command\r\n";
        break;
      default:
        args = {"NOSUCH", value};
        *replies += "-ERR unknown command 'NOSUCH', with args beginning with: '" + value + "' \r\n";
    }
    *requests += Encode(args);
  }

 private:
  std::string prefix_;
  Random random_;
  std::map<std::string, std::string> values_;
  std::string name_;
  int serial_ = 0;
  int counter_ = 0;
};

std::string ReadAll(RawClient* client, size_t replies) {
  std::string all;
  for (const std::string& frame : client->ReadFrames(replies)) all += frame;
  return all;
}

// Shows the place where two long texts begin to differ.
void ExpectSame(const std::string& got, const std::string& expected) {
  if (got == expected) return;
  size_t i = 0;
  while (i < got.size() && i < expected.size() && got[i] == expected[i]) ++i;
  const size_t from = i < 60 ? 0 : i - 60;
  ADD_FAILURE() << "replies differ at byte " << i << ":\n  got      "
                << Printable(std::string_view(got).substr(from), 160) << "\n  expected "
                << Printable(std::string_view(expected).substr(from), 160);
}

TEST_F(OrderTest, DeepPipelineOfLocalForwardedAndFailingCommands) {
  Script script("deep", Seed());
  std::string requests, replies;
  for (int i = 0; i < 20000; ++i) script.Add(&requests, &replies);
  RawClient client(weir_.port());
  ASSERT_TRUE(client.Send(requests));
  ExpectSame(ReadAll(&client, 20000), replies);
}

TEST_F(OrderTest, PipelineCutAtRandomBytes) {
  const uint64_t seed = Seed();
  Random random(seed);
  Script script("cut", seed);
  std::string requests, replies;
  for (int i = 0; i < 3000; ++i) script.Add(&requests, &replies);
  RawClient client(weir_.port());
  for (size_t sent = 0; sent < requests.size();) {
    const size_t n = 1 + Below(random, Below(random, 4) == 0 ? 3000 : 60);
    ASSERT_TRUE(client.Send(std::string_view(requests).substr(sent, n)));
    sent += n;
  }
  ExpectSame(ReadAll(&client, 3000), replies);
}

TEST_F(OrderTest, ManyClientsAtOnce) {
  constexpr int kClients = 100;
  const uint64_t seed = Seed();
  std::vector<std::unique_ptr<RawClient>> clients;
  std::vector<Script> scripts;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<RawClient>(weir_.port()));
    scripts.emplace_back("client" + std::to_string(i), seed + static_cast<uint64_t>(i));
  }
  for (int round = 0; round < 5; ++round) {
    std::vector<std::string> expected(kClients);
    for (size_t i = 0; i < kClients; ++i) {
      std::string requests;
      for (int n = 0; n < 40; ++n) scripts[i].Add(&requests, &expected[i]);
      ASSERT_TRUE(clients[i]->Send(requests));
    }
    for (size_t i = 0; i < kClients; ++i) ExpectSame(ReadAll(clients[i].get(), 40), expected[i]);
  }
}

TEST_F(OrderTest, SplitInTwoAtEveryByte) {
  Script script("split", Seed());
  RawClient client(weir_.port());
  std::string some;
  std::string ignored;
  for (int i = 0; i < 12; ++i) script.Add(&some, &ignored);
  ASSERT_TRUE(client.Send(some));
  ExpectSame(ReadAll(&client, 12), ignored);
  for (size_t cut = 1; cut < 300; ++cut) {
    std::string requests, replies;
    for (int i = 0; i < 12; ++i) script.Add(&requests, &replies);
    const size_t at = std::min(cut, requests.size());
    ASSERT_TRUE(client.Send(std::string_view(requests).substr(0, at)));
    ASSERT_TRUE(client.Send(std::string_view(requests).substr(at)));
    ExpectSame(ReadAll(&client, 12), replies);
  }
}

TEST_F(OrderTest, ByteByByte) {
  Script script("bytes", Seed());
  std::string requests, replies;
  for (int i = 0; i < 100; ++i) script.Add(&requests, &replies);
  RawClient client(weir_.port());
  ASSERT_TRUE(client.SendByteByByte(requests));
  ExpectSame(ReadAll(&client, 100), replies);
}

TEST_F(OrderTest, LocalReplyWaitsForTheForwardedOneBeforeIt) {
  RawClient client(weir_.port());
  ASSERT_EQ(client.Text({"SET", "k", "v"}), "OK");
  redis_.Pause();
  ASSERT_TRUE(client.Send(Encode({"GET", "k"}) + Encode({"PING"}) + Encode({"CLIENT", "GETNAME"})));
  EXPECT_EQ(client.ReadAvailable(100), "");
  redis_.Resume();
  EXPECT_EQ(ReadAll(&client, 3), Bulk("v") + "+PONG\r\n$-1\r\n");
}

TEST_F(OrderTest, ProtocolErrorComesAfterTheRepliesBeforeIt) {
  RawClient client(weir_.port());
  client.Send(Encode({"SET", "k", "v"}) + Encode({"GET", "k"}) + Encode({"PING"}) + "*1\r\n!\r\n");
  EXPECT_EQ(client.ReadUntilClose(),
            "+OK\r\n" + Bulk("v") + "+PONG\r\n-ERR Protocol error: expected '$', got '!'\r\n");
}

TEST_F(OrderTest, QuitComesLastAndClosesAfterAllBeforeIt) {
  RawClient client(weir_.port());
  client.Send(Encode({"SET", "k", "v"}) + Encode({"GET", "k"}) + Encode({"QUIT"}) +
              Encode({"SET", "k", "too late"}));
  EXPECT_EQ(client.ReadUntilClose(), "+OK\r\n" + Bulk("v") + "+OK\r\n");
  RawClient other(redis_.port());
  EXPECT_EQ(other.Text({"GET", "k"}), "v");
}

}  // namespace
}  // namespace weir::harness
