// Reads from replicas: where they go, what they must see, and what happens when a replica dies.
#include <string>
#include <vector>

#include "tests/integration/fixture.h"
#include "tests/support/cluster.h"

namespace weir::harness {
namespace {

WeirConfig Config(const std::string& url, const std::string& upstream) {
  WeirConfig config;
  config.url = url;
  config.workers = 1;
  config.upstream = "reconnect_min_ms = 10\nreconnect_max_ms = 100\n" + upstream;
  return config;
}

class ReadFromTest : public ::testing::Test {
 protected:
  // How many GETs each server has run.
  std::vector<int64_t> Gets() {
    std::vector<int64_t> gets;
    for (size_t i = 0; i < servers_.size(); ++i) gets.push_back(servers_.server(i).Calls("get"));
    return gets;
  }
  void ReadMuch(const WeirServer& weir) {
    for (int client = 0; client < 12; ++client) {
      RawClient reader(weir.port());
      for (int i = 0; i < 10; ++i) ASSERT_EQ(reader.Text({"GET", "k"}), "v");
    }
  }
  void Fill() {
    RawClient direct(servers_.server(0).port());
    ASSERT_EQ(direct.Text({"SET", "k", "v"}), "OK");
    ASSERT_EQ(direct.Text({"WAIT", "2", "10000"}), "2");
  }
  ReplicatedServers servers_{2};
};

TEST_F(ReadFromTest, ReplicasShareTheReads) {
  Fill();
  WeirServer weir(Config(servers_.url(), "read_from = \"replica\"\n"));
  ReadMuch(weir);
  const std::vector<int64_t> gets = Gets();
  EXPECT_EQ(gets[0], 0);
  EXPECT_GT(gets[1], 0);
  EXPECT_GT(gets[2], 0);
  EXPECT_EQ(gets[1] + gets[2], 120);
}

TEST_F(ReadFromTest, AnyMeansAllOfThem) {
  Fill();
  WeirServer weir(Config(servers_.url(), "read_from = \"any\"\n"));
  ReadMuch(weir);
  for (const int64_t gets : Gets()) EXPECT_EQ(gets, 40);
}

TEST_F(ReadFromTest, ThePrimaryAloneByDefault) {
  Fill();
  WeirServer weir(Config(servers_.url(), ""));
  ReadMuch(weir);
  EXPECT_EQ(Gets(), (std::vector<int64_t>{120, 0, 0}));
}

// The replicas are paused: what is read behind a write must not wait for them, nor be old.
TEST_F(ReadFromTest, AClientSeesItsOwnWrites) {
  WeirServer weir(
      Config(servers_.url(), "read_from = \"prefer-replica\"\nread_your_writes_ms = 3600000\n"));
  for (const size_t replica : {1U, 2U}) {
    RawClient(servers_.server(replica).port()).Command({"REPLICAOF", "NO", "ONE"});
  }
  RawClient client(weir.port());
  std::string batch;
  for (int i = 0; i < 200; ++i) {
    batch += Encode({"SET", "n", std::to_string(i)}) + Encode({"GET", "n"});
  }
  client.Send(batch);
  for (int i = 0; i < 200; ++i) {
    ASSERT_EQ(client.ReadFrame(), "+OK\r\n");
    ASSERT_EQ(client.ReadFrame(), Bulk(std::to_string(i)));
  }
  EXPECT_EQ(client.Text({"GET", "n"}), "199");
}

// In one pipeline a read must not see a write that stands behind it, wherever the two go.
TEST_F(ReadFromTest, AReadDoesNotSeeALaterWrite) {
  Fill();
  WeirServer weir(Config(servers_.url(), "read_from = \"replica\"\nread_your_writes_ms = 0\n"));
  RawClient client(weir.port());
  ASSERT_EQ(client.Text({"GET", "k"}), "v");
  servers_.server(1).Pause();
  servers_.server(2).Pause();
  client.Send(Encode({"GET", "k"}) + Encode({"SET", "k", "later"}));
  RawClient other(servers_.server(0).port());
  for (int i = 0; i < 20; ++i) EXPECT_EQ(other.Text({"GET", "k"}), "v");
  servers_.server(1).Resume();
  servers_.server(2).Resume();
  EXPECT_EQ(client.ReadFrame(), Bulk("v"));
  EXPECT_EQ(client.ReadFrame(), "+OK\r\n");
  EXPECT_EQ(other.Text({"GET", "k"}), "later");
}

TEST_F(ReadFromTest, ADeadReplicaIsLeftOut) {
  Fill();
  WeirServer weir(Config(servers_.url(), "read_from = \"prefer-replica\"\n"));
  ReadMuch(weir);
  servers_.server(1).Kill();
  ReadMuch(weir);
  servers_.server(2).Kill();
  ReadMuch(weir);
  EXPECT_GT(servers_.server(0).Calls("get"), 0);
}

TEST_F(ReadFromTest, WithoutAReplicaNothingIsRead) {
  Fill();
  WeirServer weir(Config(servers_.url(), "read_from = \"replica\"\nretry_budget_ms = 300\n"));
  RawClient client(weir.port());
  ASSERT_EQ(client.Text({"GET", "k"}), "v");
  servers_.server(1).Kill();
  servers_.server(2).Kill();
  std::string answer;
  ASSERT_TRUE(Eventually([&] {
    answer = client.Command({"GET", "k"});
    return answer.starts_with("-DOWN weir: no replica can be read from");
  })) << answer;
  EXPECT_EQ(client.Text({"SET", "k", "w"}), "OK");
}

TEST(ReadFromClusterTest, ReplicasOfEachShardAnswer) {
  Cluster cluster;
  WeirServer weir(Config(cluster.url(), "read_from = \"replica\"\nread_your_writes_ms = 0\n"));
  RawClient client(weir.port());
  for (int i = 0; i < 90; ++i) {
    const std::string key = "key:" + std::to_string(i);
    ASSERT_EQ(client.Text({"SET", key, key}), "OK");
  }
  for (int i = 0; i < 90; ++i) {
    const std::string key = "key:" + std::to_string(i);
    EXPECT_TRUE(Eventually([&] { return client.Text({"GET", key}) == key; })) << key;
  }
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(cluster.node(i).Calls("get"), 0) << i;
    EXPECT_GT(cluster.node(3 + i).Calls("get"), 0) << i;
  }
}

}  // namespace
}  // namespace weir::harness
