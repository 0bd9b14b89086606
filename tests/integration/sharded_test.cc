// Independent servers behind weir: keys are dealt, what can be split is split, the rest is refused.
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

class ShardedTest : public ::testing::Test {
 protected:
  static WeirConfig Config(const std::vector<std::unique_ptr<RedisServer>>& servers) {
    WeirConfig config;
    config.url = "redis+sharded://";
    for (const auto& server : servers) {
      config.url += (server == servers[0] ? "" : ",") + server->address();
    }
    config.upstream = "reconnect_min_ms = 10\nreconnect_max_ms = 100\nretry_budget_ms = 300\n";
    return config;
  }
  static std::vector<std::unique_ptr<RedisServer>> Three() {
    std::vector<std::unique_ptr<RedisServer>> servers;
    for (int i = 0; i < 3; ++i) servers.push_back(std::make_unique<RedisServer>());
    return servers;
  }
  // Where a key is; 3: nowhere.
  size_t Where(const std::string& key) {
    for (size_t i = 0; i < 3; ++i) {
      if (RawClient(servers_[i]->port()).Text({"EXISTS", key}) == "1") return i;
    }
    return 3;
  }
  std::vector<std::unique_ptr<RedisServer>> servers_ = Three();
  WeirServer weir_{Config(servers_)};
};

TEST_F(ShardedTest, KeysAreDealtAndTagsKeepThemTogether) {
  RawClient client(weir_.port());
  std::set<size_t> used;
  for (int i = 0; i < 60; ++i) {
    // What differs at the end only, this hash of twemproxy's leaves together.
    const std::string key = std::to_string(i * 7919) + ":key";
    ASSERT_EQ(client.Text({"SET", key, key}), "OK");
    ASSERT_EQ(client.Text({"GET", key}), key);
    used.insert(Where(key));
  }
  EXPECT_EQ(used, (std::set<size_t>{0, 1, 2}));
  EXPECT_EQ(client.Text({"DBSIZE"}), "60");
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(client.Text({"SADD", "{tag}" + std::to_string(i), "m"}), "1");
    EXPECT_EQ(Where("{tag}" + std::to_string(i)), Where("{tag}0"));
  }
  EXPECT_EQ(client.Command({"SINTER", "{tag}0", "{tag}1"}), "*1\r\n$1\r\nm\r\n");
  EXPECT_EQ(client.Text({"SELECT", "2"}), "OK");
  EXPECT_EQ(client.Text({"DBSIZE"}), "0");
}

TEST_F(ShardedTest, WhatCanBeSplitIsSplitAndTheRestRefused) {
  RawClient client(weir_.port());
  std::vector<std::string> mset = {"MSET"}, mget = {"MGET"}, del = {"DEL"};
  std::string expected = "*30\r\n";
  for (int i = 0; i < 30; ++i) {
    const std::string key = "key:" + std::to_string(i);
    mset.insert(mset.end(), {key, key});
    mget.push_back(key);
    del.push_back(key);
    expected += Bulk(key);
  }
  EXPECT_EQ(client.Text(mset), "OK");
  EXPECT_EQ(client.Command(mget), expected);
  std::set<std::string> scanned;
  std::string cursor = "0";
  do {
    const Reply reply = ParseReply(client.Command({"SCAN", cursor, "COUNT", "4"}));
    cursor = reply.elements.at(0).text;
    for (const Reply& key : reply.elements.at(1).elements) scanned.insert(key.text);
  } while (cursor != "0");
  EXPECT_EQ(scanned.size(), 30U);
  std::string other = "x";
  ASSERT_EQ(client.Text({"SET", other, "1"}), "OK");
  while (Where(other) == Where("key:0")) {
    other += "x";
    ASSERT_EQ(client.Text({"SET", other, "1"}), "OK");
  }
  EXPECT_EQ(client.Text({"RENAME", "key:0", other}),
            "-CROSSSLOT weir: the keys are on different servers, and this command cannot be split");
  EXPECT_EQ(client.Text(del), "30");
}

TEST_F(ShardedTest, PublishFindsWhoSubscribes) {
  RawClient subscriber(weir_.port());
  ASSERT_EQ(subscriber.Command({"SUBSCRIBE", "c"}), "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
  for (int i = 0; i < 8; ++i) {
    RawClient publisher(weir_.port());
    EXPECT_EQ(publisher.Text({"PUBLISH", "c", "m"}), "1");
    EXPECT_EQ(subscriber.ReadFrame(), "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n");
  }
}

// A shard channel is at the server that a key of its name would be at.
TEST_F(ShardedTest, ShardChannelsAreDealtLikeKeys) {
  RawClient subscriber(weir_.port()), publisher(weir_.port());
  std::vector<std::string> request = {"SSUBSCRIBE"};
  for (int i = 0; i < 30; ++i) request.push_back(std::to_string(i * 7919) + ":channel");
  subscriber.Send(Encode(request));
  for (size_t i = 1; i < request.size(); ++i) {
    ASSERT_EQ(subscriber.ReadFrame(),
              "*3\r\n$10\r\nssubscribe\r\n" + Bulk(request[i]) + ":" + std::to_string(i) + "\r\n");
  }
  for (size_t i = 1; i < request.size(); ++i) {
    ASSERT_EQ(publisher.Text({"SPUBLISH", request[i], "m"}), "1");
    ASSERT_EQ(ParseReply(subscriber.ReadFrame()).elements[1].text, request[i]);
  }
  for (const auto& server : servers_) {
    RawClient direct(server->port());
    EXPECT_NE(direct.Command({"PUBSUB", "SHARDCHANNELS"}), "*0\r\n");
  }
}

TEST_F(ShardedTest, ADeadServerTakesOnlyItsOwnKeysAlong) {
  RawClient client(weir_.port());
  std::string dead, alive;
  for (int i = 0; dead.empty() || alive.empty(); ++i) {
    const std::string key = "key:" + std::to_string(i);
    ASSERT_EQ(client.Text({"SET", key, "v"}), "OK");
    (Where(key) == 0 ? dead : alive) = key;
  }
  servers_[0]->Kill();
  EXPECT_TRUE(Eventually([&] { return client.Text({"GET", dead}).starts_with("-DOWN weir:"); }));
  EXPECT_EQ(client.Text({"GET", alive}), "v");
  EXPECT_EQ(client.Text({"MGET", alive, dead})[0], '-');
  servers_[0]->Restart();
  EXPECT_TRUE(Eventually([&] { return client.Text({"SET", dead, "w"}) == "OK"; }));
}

}  // namespace
}  // namespace weir::harness
