// A client's database and protocol version are its own, though it shares links with others.
#include <memory>
#include <string>
#include <vector>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

class DbTest : public ThroughWeir {};

TEST_F(DbTest, SelectDoesNotLeakToOthers) {
  RawClient zero(weir_.port());
  RawClient five(weir_.port());
  ASSERT_EQ(five.Text({"SELECT", "5"}), "OK");
  for (int i = 0; i < 100; ++i) {
    const std::string key = "k" + std::to_string(i);
    ASSERT_EQ(five.Text({"SET", key, "in 5"}), "OK");
    ASSERT_EQ(zero.Text({"GET", key}), "(nil)");
    ASSERT_EQ(zero.Text({"SET", key, "in 0"}), "OK");
    ASSERT_EQ(five.Text({"GET", key}), "in 5");
  }
  RawClient fresh(weir_.port());
  EXPECT_EQ(fresh.Text({"GET", "k1"}), "in 0");
}

// Requests of two databases travel on two links, yet replies keep the client's order.
TEST_F(DbTest, SelectInsidePipelines) {
  std::string requests;
  std::string expected;
  for (int i = 0; i < 2000; ++i) {
    const int db = i % 16;
    requests += Encode({"SELECT", std::to_string(db)}) + Encode({"INCR", "counter"}) +
                Encode({"ECHO", std::to_string(i)});
    expected += "+OK\r\n:" + std::to_string(i / 16 + 1) + "\r\n" + Bulk(std::to_string(i));
  }
  RawClient client(weir_.port());
  ASSERT_TRUE(client.Send(requests));
  std::string replies;
  for (const std::string& frame : client.ReadFrames(6000)) replies += frame;
  EXPECT_EQ(replies == expected, true) << Printable(replies);
}

TEST_F(DbTest, FailedSelectKeepsTheDatabase) {
  RawClient client(weir_.port());
  client.Text({"SELECT", "3"});
  client.Text({"SET", "k", "in 3"});
  EXPECT_EQ(client.Text({"SELECT", "16"}), "-ERR DB index is out of range");
  EXPECT_EQ(client.Text({"GET", "k"}), "in 3");
  EXPECT_EQ(client.Text({"SELECT", "x"}), "-ERR value is not an integer or out of range");
  EXPECT_EQ(client.Text({"GET", "k"}), "in 3");
}

TEST_F(DbTest, TwoProtocolVersionsSideBySide) {
  RawClient old(weir_.port());
  RawClient fresh(weir_.port());
  ASSERT_EQ(fresh.Command({"HELLO", "3"})[0], '%');
  ASSERT_EQ(old.Text({"HSET", "h", "f", "v"}), "1");
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(old.Command({"HGETALL", "h"}), "*2\r\n$1\r\nf\r\n$1\r\nv\r\n");
    ASSERT_EQ(fresh.Command({"HGETALL", "h"}), "%1\r\n$1\r\nf\r\n$1\r\nv\r\n");
    ASSERT_EQ(old.Command({"GET", "no"}), "$-1\r\n");
    ASSERT_EQ(fresh.Command({"GET", "no"}), "_\r\n");
  }
  ASSERT_EQ(fresh.Command({"HELLO", "2"})[0], '*');
  EXPECT_EQ(fresh.Command({"GET", "no"}), "$-1\r\n");
}

TEST_F(DbTest, NamesDoNotLeak) {
  RawClient one(weir_.port());
  RawClient two(weir_.port());
  ASSERT_EQ(one.Text({"CLIENT", "SETNAME", "one"}), "OK");
  EXPECT_EQ(two.Text({"CLIENT", "GETNAME"}), "(nil)");
  EXPECT_EQ(one.Text({"CLIENT", "GETNAME"}), "one");
}

TEST(DbOfTheUrlTest, IsWhereClientsStart) {
  RedisServer redis;
  WeirConfig config;
  config.url = redis.url() + "/7";
  WeirServer weir(config);
  RawClient client(weir.port());
  ASSERT_EQ(client.Text({"SET", "k", "in 7"}), "OK");
  RawClient direct(redis.port());
  direct.Text({"SELECT", "7"});
  EXPECT_EQ(direct.Text({"GET", "k"}), "in 7");
}

// 200 clients do not need 200 connections to Redis.
TEST_F(DbTest, LinksAreShared) {
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 200; ++i) {
    clients.push_back(std::make_unique<RawClient>(weir_.port()));
    ASSERT_EQ(clients.back()->Text({"INCR", "n"}), std::to_string(i + 1));
  }
  // Two workers with a link each, what discovery needs, and the connection that asks.
  EXPECT_LT(std::stoi(redis_.Info("clients", "connected_clients")), 10);
}

}  // namespace
}  // namespace weir::harness
