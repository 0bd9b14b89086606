// max_lag_ms: a replica that is too far behind its primary is not read from until it has caught up.
#include <string>
#include <vector>

#include "tests/integration/fixture.h"
#include "tests/support/cluster.h"

namespace weir::harness {
namespace {

constexpr int kMaxLagMs = 500;
// Clocks that count milliseconds, and are read once a turn.
constexpr int kClockSlackMs = 50;

// The servers are asked for their roles once, so that nothing but the lag excludes anybody.
WeirConfig Config(const std::string& url, const std::string& read_from) {
  WeirConfig config;
  config.url = url;
  config.workers = 1;
  config.upstream = "read_from = \"" + read_from +
                    "\"\nread_your_writes_ms = 0\nhealth_check_interval_ms = 3600000\n"
                    "topology_refresh_interval_ms = 3600000\nmax_lag_ms = " +
                    std::to_string(kMaxLagMs) + "\n";
  return config;
}

// What WEIR TOPOLOGY says of the node's lag: "12", "unknown"; "" if it says nothing.
std::string LagOf(const WeirServer& weir, const RedisServer& server) {
  const std::string text = RawClient(weir.port()).Command({"WEIR", "TOPOLOGY"});
  const size_t line = text.find("node=" + server.address() + " ");
  if (line == std::string::npos) return "";
  const std::string rest = text.substr(line, text.find("\r\n", line) - line);
  const size_t at = rest.find(" lag_ms=");
  if (at == std::string::npos) return "";
  return rest.substr(at + 8, rest.find(' ', at + 8) - at - 8);
}

bool IsTooFarBehind(const WeirServer& weir, const RedisServer& server) {
  const std::string lag = LagOf(weir, server);
  return lag == "unknown" || (!lag.empty() && std::stoll(lag) > kMaxLagMs);
}

class ReplicaLagTest : public ::testing::Test {
 protected:
  // Reads with many clients, among whom all that can be read from are shared.
  void ExpectAllRead(const WeirServer& weir, const std::string& value) {
    for (int client = 0; client < 12; ++client) {
      ASSERT_EQ(RawClient(weir.port()).Text({"GET", "k"}), value) << client;
    }
  }
  bool IsReadFrom(const WeirServer& weir, RedisServer& server) {
    const int64_t before = server.Calls("get");
    for (int client = 0; client < 12; ++client) RawClient(weir.port()).Text({"GET", "k"});
    return server.Calls("get") > before;
  }
};

TEST_F(ReplicaLagTest, APausedReplicaIsLeftOutUntilItHasCaughtUp) {
  ReplicatedServers servers(2);
  RawClient primary(servers.server(0).port());
  ASSERT_EQ(primary.Text({"SET", "k", "old"}), "OK");
  ASSERT_EQ(primary.Text({"WAIT", "2", "10000"}), "2");
  WeirServer weir(Config(servers.url(), "replica"));
  for (const size_t i : {1U, 2U}) {
    EXPECT_TRUE(Eventually([&] { return IsReadFrom(weir, servers.server(i)); })) << i;
  }
  servers.server(1).Pause();
  ASSERT_EQ(primary.Text({"SET", "k", "new"}), "OK");
  ASSERT_EQ(primary.Text({"WAIT", "1", "10000"}), "1");
  // From then on nobody may be read from who does not have it.
  const Deadline old_enough(kMaxLagMs + kClockSlackMs);
  ASSERT_TRUE(
      Eventually([&] { return old_enough.over() && IsTooFarBehind(weir, servers.server(1)); }));
  // None of these waits for the one that does not answer.
  ExpectAllRead(weir, "new");
  servers.server(1).Resume();
  EXPECT_TRUE(Eventually([&] { return IsReadFrom(weir, servers.server(1)); }));
  ExpectAllRead(weir, "new");
}

// A replica that gets its primary's stream through a middleman, who can keep it back without either
// of the two noticing: INFO then says that all is well.
class KeptBackTest : public ReplicaLagTest {
 protected:
  KeptBackTest() {
    EXPECT_TRUE(
        Eventually([&] { return replica_.Info("replication", "master_link_status") == "up"; }));
    Write("old");
    EXPECT_TRUE(Eventually([&] { return RawClient(replica_.port()).Text({"GET", "k"}) == "old"; }));
  }
  void Write(const std::string& value) {
    EXPECT_EQ(RawClient(primary_.port()).Text({"SET", "k", value}), "OK");
  }
  std::string url() const { return "redis://" + primary_.address() + "," + replica_.address(); }

  RedisServer primary_{{"--repl-diskless-sync-delay", "0"}};
  Saboteur between_{primary_.port()};
  RedisServer replica_{
      {"--replicaof", "127.0.0.1", std::to_string(between_.port()), "--repl-timeout", "3600"}};
};

TEST_F(KeptBackTest, NoReadIsOlderThanTheBound) {
  WeirServer weir(Config(url(), "prefer-replica"));
  ASSERT_TRUE(Eventually([&] { return IsReadFrom(weir, replica_); }));
  between_.Blackhole(Direction::kToClient, true);
  Write("new");
  const Deadline old_enough(kMaxLagMs + kClockSlackMs);
  RawClient client(weir.port());
  std::string value;
  for (bool must_be_new = false; !must_be_new || value != "new";) {
    must_be_new = old_enough.over();
    value = client.Text({"GET", "k"});
    ASSERT_TRUE(value == "new" || (value == "old" && !must_be_new)) << value;
  }
  EXPECT_EQ(replica_.Info("replication", "master_link_status"), "up");
  ExpectAllRead(weir, "new");
  EXPECT_EQ(RawClient(replica_.port()).Text({"GET", "k"}), "old") << "nobody was behind";
  between_.Blackhole(Direction::kToClient, false);
  EXPECT_TRUE(Eventually([&] { return IsReadFrom(weir, replica_); }));
  ExpectAllRead(weir, "new");
}

TEST_F(KeptBackTest, WhereOnlyReplicasMayBeReadNothingIs) {
  WeirConfig config = Config(url(), "replica");
  config.upstream += "retry_budget_ms = 300\n";
  WeirServer weir(config);
  ASSERT_TRUE(Eventually([&] { return IsReadFrom(weir, replica_); }));
  between_.Blackhole(Direction::kToClient, true);
  Write("new");
  ASSERT_TRUE(Eventually([&] { return IsTooFarBehind(weir, replica_); }));
  RawClient client(weir.port());
  const std::string answer = client.Command({"GET", "k"});
  EXPECT_TRUE(answer.starts_with("-DOWN weir: no replica can be read from")) << answer;
  EXPECT_EQ(client.Text({"SET", "other", "v"}), "OK");
  between_.Blackhole(Direction::kToClient, false);
  EXPECT_TRUE(Eventually([&] { return client.Text({"GET", "k"}) == "new"; }));
}

// Nobody writes, so it has everything, however long nothing has come.
TEST_F(KeptBackTest, WhoMissesNothingIsNotBehind) {
  RawClient(primary_.port()).Command({"CONFIG", "SET", "repl-ping-replica-period", "3600"});
  WeirServer weir(Config(url(), "replica"));
  ASSERT_TRUE(Eventually([&] { return IsReadFrom(weir, replica_); }));
  // What is on its way by now has come when this has.
  Write("last");
  ASSERT_TRUE(Eventually([&] { return RawClient(replica_.port()).Text({"GET", "k"}) == "last"; }));
  between_.Blackhole(Direction::kToClient, true);
  const Deadline long_enough(2 * kMaxLagMs);
  while (!long_enough.over()) ExpectAllRead(weir, "last");
}

TEST_F(ReplicaLagTest, WithoutABoundNothingIsMeasured) {
  ReplicatedServers servers(1);
  WeirConfig config = Config(servers.url(), "replica");
  config.upstream.erase(config.upstream.find("max_lag_ms"));
  WeirServer weir(config);
  RawClient client(weir.port());
  EXPECT_EQ(client.Text({"GET", "k"}), "(nil)");
  const std::string topology = client.Command({"WEIR", "TOPOLOGY"});
  EXPECT_NE(topology.find("role=replica"), std::string::npos) << topology;
  EXPECT_EQ(topology.find("lag_ms"), std::string::npos) << topology;
}

TEST_F(ReplicaLagTest, SentinelsReplicasAreMeasured) {
  SentinelDeployment deployment(2, 1);
  WeirConfig config = Config(deployment.url(), "replica");
  config.admin = true;
  WeirServer weir(config);
  for (const size_t i : {1U, 2U}) {
    EXPECT_TRUE(Eventually([&] {
      const std::string lag = LagOf(weir, deployment.server(i));
      return !lag.empty() && lag != "unknown";
    }));
    EXPECT_TRUE(Eventually([&] { return IsReadFrom(weir, deployment.server(i)); })) << i;
  }
  EXPECT_EQ(LagOf(weir, deployment.server(0)), "");
  const std::string metrics = HttpGet(weir.admin_port(), "/metrics").body;
  EXPECT_NE(metrics.find("weir_replica_lag_seconds{upstream=\"default\",node=\"" +
                         deployment.server(1).address() + "\"} "),
            std::string::npos);
}

TEST_F(ReplicaLagTest, EachShardOfAClusterHasItsOwn) {
  // Its nodes are to be patient: only the lag excludes one that is paused.
  Cluster cluster({.node_timeout_ms = 60000});
  WeirConfig config = Config(cluster.url(), "prefer-replica");
  // To see when they say that their replicas are online.
  const std::string seldom = "topology_refresh_interval_ms = 3600000";
  config.upstream.replace(config.upstream.find(seldom), seldom.size(),
                          "topology_refresh_interval_ms = 200");
  WeirServer weir(config);
  RawClient client(weir.port());
  for (size_t i = 0; i < 3; ++i) {
    ASSERT_EQ(client.Text({"SET", cluster.KeyOn(i, 1), "v"}), "OK");
    EXPECT_TRUE(Eventually([&] {
      return client.Text({"GET", cluster.KeyOn(i, 1)}) == "v" &&
             cluster.node(3 + i).Calls("get") > 0;
    })) << i;
  }
  cluster.node(3).Pause();
  ASSERT_TRUE(Eventually([&] { return IsTooFarBehind(weir, cluster.node(3)); }));
  const int64_t primarys = cluster.node(0).Calls("get");
  EXPECT_EQ(client.Text({"GET", cluster.KeyOn(0, 1)}), "v");
  EXPECT_EQ(cluster.node(0).Calls("get"), primarys + 1);
  cluster.node(3).Resume();
  const int64_t before = cluster.node(3).Calls("get");
  EXPECT_TRUE(Eventually([&] {
    client.Text({"GET", cluster.KeyOn(0, 1)});
    return cluster.node(3).Calls("get") > before;
  }));
}

}  // namespace
}  // namespace weir::harness
