// discover_replicas: one server is named, its replicas are found and followed.
#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

using testing::HasSubstr;
using testing::Not;

WeirConfig Config(const std::string& url, const std::string& more = "") {
  WeirConfig config;
  config.url = url;
  config.workers = 1;
  config.upstream =
      "discover_replicas = true\nread_from = \"replica\"\nread_your_writes_ms = 0\n"
      "health_check_interval_ms = 50\nreconnect_min_ms = 10\nreconnect_max_ms = 100\n"
      "retry_budget_ms = 60000\n" +
      more;
  return config;
}

std::string Topology(const WeirServer& weir) {
  return RawClient(weir.port()).Command({"WEIR", "TOPOLOGY"});
}

class DiscoverReplicasTest : public ::testing::Test {
 protected:
  static constexpr const char* kAtOnce = "--repl-diskless-sync-delay";

  static std::string Line(const RedisServer& server, const std::string& role) {
    return "node=" + server.address() + " role=" + role;
  }
  void AwaitOnline(const WeirServer& weir, const RedisServer& replica) {
    EXPECT_TRUE(Eventually([&] {
      const std::string text = Topology(weir);
      const size_t at = text.find(Line(replica, "replica"));
      return at != std::string::npos &&
             text.substr(at, text.find("\r\n", at) - at).find("health=online") != std::string::npos;
    })) << Topology(weir);
  }
  static void Follow(const RedisServer& replica, const RedisServer& primary) {
    EXPECT_EQ(
        RawClient(replica.port()).Text({"REPLICAOF", "127.0.0.1", std::to_string(primary.port())}),
        "OK");
  }
  // It was written through weir, and reads end up at that server.
  void ExpectReadAt(const WeirServer& weir, RedisServer& server) {
    const int64_t before = server.Calls("get");
    EXPECT_TRUE(Eventually([&] {
      for (int client = 0; client < 6; ++client) RawClient(weir.port()).Text({"GET", "k"});
      return server.Calls("get") > before;
    }));
  }

  RedisServer first_{{kAtOnce, "0"}};
};

TEST_F(DiscoverReplicasTest, OneThatComesIsFoundAndOneThatLeavesIsForgotten) {
  WeirServer weir(Config(first_.url()));
  RawClient client(weir.port());
  ASSERT_EQ(client.Text({"SET", "k", "v"}), "OK");
  EXPECT_THAT(Topology(weir), HasSubstr("nodes=1"));
  RedisServer later({kAtOnce, "0", "--replicaof", "127.0.0.1", std::to_string(first_.port())});
  AwaitOnline(weir, later);
  ExpectReadAt(weir, later);
  RedisServer another({kAtOnce, "0", "--replicaof", "127.0.0.1", std::to_string(first_.port())});
  AwaitOnline(weir, another);
  EXPECT_EQ(RawClient(later.port()).Text({"REPLICAOF", "NO", "ONE"}), "OK");
  EXPECT_TRUE(
      Eventually([&] { return Topology(weir).find(later.address()) == std::string::npos; }));
  another.Kill();
  EXPECT_TRUE(
      Eventually([&] { return Topology(weir).find(another.address()) == std::string::npos; }));
  EXPECT_THAT(Topology(weir), HasSubstr(Line(first_, "primary")));
}

TEST_F(DiscoverReplicasTest, AFailoverByHandIsFollowed) {
  RedisServer second({kAtOnce, "0", "--replicaof", "127.0.0.1", std::to_string(first_.port())});
  RedisServer third({kAtOnce, "0", "--replicaof", "127.0.0.1", std::to_string(first_.port())});
  WeirServer weir(Config(first_.url()));
  AwaitOnline(weir, second);
  AwaitOnline(weir, third);
  RawClient client(weir.port());
  client.set_timeout_ms(60000);
  ASSERT_EQ(client.Text({"SET", "k", "0"}), "OK");
  EXPECT_EQ(RawClient(second.port()).Text({"REPLICAOF", "NO", "ONE"}), "OK");
  Follow(third, second);
  Follow(first_, second);
  // What the old primary takes before it is told is lost by the operator.
  EXPECT_TRUE(Eventually([&] {
    return client.Text({"SET", "k", "1"}) == "OK" &&
           RawClient(second.port()).Text({"GET", "k"}) == "1";
  }));
  EXPECT_TRUE(Eventually(
      [&] { return Topology(weir).find(Line(second, "primary")) != std::string::npos; }));
  AwaitOnline(weir, first_);
  AwaitOnline(weir, third);
  ExpectReadAt(weir, first_);
  EXPECT_THAT(Topology(weir), HasSubstr("nodes=3"));
}

// The one that the URL names is dead when another is promoted.
TEST_F(DiscoverReplicasTest, AFailoverIsFollowedWithoutTheNamedOne) {
  RedisServer second({kAtOnce, "0", "--replicaof", "127.0.0.1", std::to_string(first_.port())});
  RedisServer third({kAtOnce, "0", "--replicaof", "127.0.0.1", std::to_string(first_.port())});
  WeirServer weir(Config(first_.url()));
  AwaitOnline(weir, second);
  AwaitOnline(weir, third);
  RawClient client(weir.port());
  client.set_timeout_ms(60000);
  ASSERT_EQ(client.Text({"SET", "k", "before"}), "OK");
  EXPECT_TRUE(Eventually([&] { return RawClient(second.port()).Text({"GET", "k"}) == "before"; }));
  first_.Kill();
  EXPECT_EQ(RawClient(second.port()).Text({"REPLICAOF", "NO", "ONE"}), "OK");
  Follow(third, second);
  std::string answer = client.Text({"SET", "k2", "after"});
  if (answer.starts_with("-UNKNOWN weir:")) answer = client.Text({"SET", "k2", "after"});
  EXPECT_EQ(answer, "OK");
  AwaitOnline(weir, third);
  EXPECT_EQ(client.Text({"GET", "k"}), "before");
}

TEST_F(DiscoverReplicasTest, ANamedReplicaLeadsToItsPrimary) {
  RedisServer second({kAtOnce, "0", "--replicaof", "127.0.0.1", std::to_string(first_.port())});
  WeirServer weir(Config(second.url()));
  RawClient client(weir.port());
  EXPECT_EQ(client.Text({"SET", "k", "v"}), "OK");
  EXPECT_EQ(RawClient(first_.port()).Text({"GET", "k"}), "v");
}

// The URL has a name, ROLE has numbers: after a failover the named one would have been there twice.
TEST_F(DiscoverReplicasTest, OneServerWithTwoAddressesIsThereOnce) {
  RedisServer second({kAtOnce, "0", "--replicaof", "127.0.0.1", std::to_string(first_.port())});
  const std::string named = "localhost:" + std::to_string(first_.port());
  WeirServer weir(Config("redis://" + named));
  AwaitOnline(weir, second);
  EXPECT_EQ(RawClient(second.port()).Text({"REPLICAOF", "NO", "ONE"}), "OK");
  Follow(first_, second);
  EXPECT_TRUE(Eventually([&] {
    const std::string text = Topology(weir);
    return text.find(Line(second, "primary")) != std::string::npos &&
           text.find("node=" + named + " role=replica") != std::string::npos &&
           text.find("health=online state=up", text.find("node=" + named)) != std::string::npos;
  })) << Topology(weir);
  RawClient client(weir.port());
  EXPECT_EQ(client.Text({"SET", "k", "v"}), "OK");
  EXPECT_EQ(client.Text({"GET", "k"}), "v");
  EXPECT_THAT(Topology(weir), HasSubstr("nodes=2"));
  EXPECT_THAT(client.Command({"WEIR", "HEALTH"}), Not(HasSubstr(first_.address())));
}

TEST_F(DiscoverReplicasTest, AddressesAreMapped) {
  // What the replica calls itself, nobody can resolve.
  RedisServer second({kAtOnce, "0", "--replica-announce-ip", "replica.invalid", "--replicaof",
                      "127.0.0.1", std::to_string(first_.port())});
  WeirServer weir(Config(first_.url(), "address_map = [\"replica.invalid=127.0.0.1\"]\n"));
  AwaitOnline(weir, second);
  RawClient client(weir.port());
  ASSERT_EQ(client.Text({"SET", "k", "v"}), "OK");
  ExpectReadAt(weir, second);
}

TEST_F(DiscoverReplicasTest, WithoutItTheServerStaysAlone) {
  RedisServer second({kAtOnce, "0", "--replicaof", "127.0.0.1", std::to_string(first_.port())});
  WeirConfig config = Config(first_.url());
  config.upstream.erase(0, config.upstream.find('\n') + 1);
  WeirServer weir(config);
  RawClient client(weir.port());
  EXPECT_EQ(client.Text({"SET", "k", "v"}), "OK");
  EXPECT_THAT(Topology(weir), HasSubstr("kind=single version=0 nodes=1"));
}

}  // namespace
}  // namespace weir::harness
