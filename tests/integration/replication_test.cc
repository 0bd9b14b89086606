// SYNC and PSYNC through weir, where the configuration allows them: a whole replica behind it.
#include <string>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

class ReplicationTest : public ::testing::Test {
 protected:
  RedisServer redis_{{"--repl-diskless-sync-delay", "0"}};
  WeirConfig Config() const {
    WeirConfig config;
    config.url = redis_.url();
    config.commands = "allow = [\"@all\"]\n";
    return config;
  }

  WeirServer weir_{Config()};
};

// It said SYNC on a connection whose first reply never came, and hung until its deadline.
TEST_F(ReplicationTest, ARedisReplicatesThroughWeir) {
  const std::string value(3'000'000, 'v');
  EXPECT_EQ(RawClient(redis_.port()).Command({"SET", "big", value}), "+OK\r\n");
  const RedisServer replica(
      {"--replicaof", "127.0.0.1 " + std::to_string(weir_.port()), "--repl-timeout", "60"});
  RawClient of_replica(replica.port());
  EXPECT_TRUE(Eventually([&] { return of_replica.Text({"GET", "big"}) == value; }));
  RawClient client(weir_.port());
  EXPECT_EQ(client.Command({"SET", "later", "1"}), "+OK\r\n");
  EXPECT_EQ(client.Command({"WAIT", "1", "0"}), ":1\r\n") << "its acknowledgements come through";
  EXPECT_EQ(of_replica.Text({"GET", "later"}), "1");
  const std::string list = client.Text({"CLIENT", "LIST", "TYPE", "replica"});
  EXPECT_NE(list.find(" flags=S "), std::string::npos) << list;
}

TEST_F(ReplicationTest, SyncBehindOtherRequestsOfAPipeline) {
  RawClient client(weir_.port());
  client.Send(Encode({"SET", "a", "1"}) + Encode({"CLIENT", "LIST"}) + Encode({"GET", "a"}) +
              "SYNC\r\n");
  EXPECT_EQ(client.ReadFrame(), "+OK\r\n");
  EXPECT_TRUE(client.ReadFrame().starts_with("$"));
  EXPECT_EQ(client.ReadFrame(), "$1\r\n1\r\n");
  std::string stream;
  EXPECT_TRUE(Eventually([&] {
    stream += client.ReadAvailable(10);
    return stream.find("REDIS0") != std::string::npos;
  })) << Printable(stream);
}

TEST_F(ReplicationTest, InATransactionRedisRefusesIt) {
  RawClient client(weir_.port());
  EXPECT_EQ(client.Command({"MULTI"}), "+OK\r\n");
  EXPECT_TRUE(client.Command({"SYNC"}).starts_with("-ERR "));
  EXPECT_TRUE(client.Command({"EXEC"}).starts_with("-EXECABORT "));
  EXPECT_EQ(client.Text({"PING"}), "PONG");
}

TEST_F(ReplicationTest, EndsWithEitherSide) {
  {
    RawClient client(weir_.port());
    client.Send("PSYNC ? -1\r\n");
    EXPECT_TRUE(Eventually([&] { return redis_.Info("replication", "connected_slaves") == "1"; }));
  }
  EXPECT_TRUE(Eventually([&] { return redis_.Info("replication", "connected_slaves") == "0"; }));
  RawClient client(weir_.port());
  client.Send("PSYNC ? -1\r\n");
  EXPECT_TRUE(Eventually([&] { return redis_.Info("replication", "connected_slaves") == "1"; }));
  redis_.Kill();
  EXPECT_EQ(client.ReadUntilClose().find(kTimedOut), std::string::npos);
}

}  // namespace
}  // namespace weir::harness
