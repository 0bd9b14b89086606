// Circuit breakers (consecutive_failures): a node that takes connections and does not answer, or
// breaks them, is left alone, tried by weir itself, and let in again slowly.
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/cluster.h"
#include "tests/support/fake_cluster.h"
#include "tests/support/support.h"

namespace weir::harness {
namespace {

WeirConfig Config(
    const std::string& url, const std::string& more = "",
    const std::string& limits = "consecutive_failures = 3\nrequest_timeout_ms = 1000\n") {
  WeirConfig config;
  config.url = url;
  config.workers = 1;
  config.admin = true;
  // The servers are asked for their roles once, so that nothing but the breaker excludes anybody.
  config.upstream = limits +
                    "base_ejection_time_ms = 20\nmax_ejection_time_ms = 200\n"
                    "connect_timeout_ms = 300\nreconnect_min_ms = 10\nreconnect_max_ms = 50\n"
                    "health_check_interval_ms = 3600000\n" +
                    more;
  return config;
}

// Eight clients, each of whom has been answered before.
class Crowd {
 public:
  explicit Crowd(const WeirServer& weir, const std::string& password = "") {
    for (int i = 0; i < 8; ++i) {
      clients_.push_back(std::make_unique<RawClient>(weir.port()));
      if (!password.empty()) {
        EXPECT_EQ(clients_.back()->Text({"AUTH", password}), "OK");
      }
      EXPECT_EQ(clients_.back()->Text({"SET", "k", "v"}), "OK");
    }
  }
  // The answers to all of them, who ask the same at the same time.
  std::vector<std::string> Ask(const std::vector<std::string>& args) {
    for (const auto& client : clients_) client->Send(Encode(args));
    std::vector<std::string> answers;
    for (const auto& client : clients_) answers.push_back(client->ReadFrame());
    return answers;
  }

 private:
  std::vector<std::unique_ptr<RawClient>> clients_;
};

class EjectionTest : public ::testing::Test {
 protected:
  static std::string Health(const WeirServer& weir) {
    return RawClient(weir.port()).Command({"WEIR", "HEALTH"});
  }
  static std::string Labels(const std::string& address) {
    return "{upstream=\"default\",node=\"" + address + "\"}";
  }
  static bool IsEjected(const WeirServer& weir, const std::string& address) {
    return HasMetric(weir, "weir_upstream_ejected" + Labels(address) + " 1\n");
  }
  // The answers to eight clients who ask the same at the same time.
  static std::vector<std::string> AtOnce(const WeirServer& weir,
                                         const std::vector<std::string>& args) {
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < 8; ++i) {
      clients.push_back(std::make_unique<RawClient>(weir.port()));
      clients.back()->Send(Encode(args));
    }
    std::vector<std::string> answers;
    for (const auto& client : clients) answers.push_back(client->ReadFrame());
    return answers;
  }
  static void AskUntilEjected(const WeirServer& weir, Crowd& crowd, const std::string& address) {
    ASSERT_TRUE(Eventually([&] {
      crowd.Ask({"GET", "k"});
      return IsEjected(weir, address);
    })) << HttpGet(weir.admin_port(), "/metrics").body;
  }
  static void ExpectServed(Crowd& crowd) {
    std::string answer;
    EXPECT_TRUE(Eventually([&] {
      for (const std::string& each : crowd.Ask({"GET", "k"})) {
        answer = each;
        if (each.starts_with('-')) return false;
      }
      return true;
    })) << answer;
  }
  static bool HasMetric(const WeirServer& weir, const std::string& line) {
    return HttpGet(weir.admin_port(), "/metrics").body.find(line) != std::string::npos;
  }
};

// The replica's connections are sound, and bring nothing.
class ReplicaEjectionTest : public EjectionTest {
 protected:
  ReplicaEjectionTest() {
    RawClient primary(servers_.server(0).port());
    EXPECT_EQ(primary.Text({"SET", "k", "v"}), "OK");
    EXPECT_EQ(primary.Text({"WAIT", "2", "10000"}), "2");
  }
  std::string url() const {
    return "redis://" + address_of_primary_ + "," + silent_.address() + "," + address_of_second_;
  }
  RedisServer& replica() { return servers_.server(1); }
  bool IsReadFrom(const WeirServer& weir) {
    const int64_t before = replica().Calls("get");
    for (int i = 0; i < 3; ++i) RawClient(weir.port()).Text({"GET", "k"});
    return replica().Calls("get") > before;
  }
  // Of the reads it has one in eleven; with all of its share it would be every second.
  void ExpectSmallShare(const WeirServer& weir) {
    const int64_t before = replica().Calls("get");
    for (int i = 0; i < 110; ++i) ASSERT_EQ(RawClient(weir.port()).Text({"GET", "k"}), "v") << i;
    const int64_t reads = replica().Calls("get") - before;
    EXPECT_GE(reads, 5);
    EXPECT_LE(reads, 25);
  }
  // Reads until the replica is ejected; until then some are not answered in time.
  void AwaitEjection(const WeirServer& weir) {
    ASSERT_TRUE(Eventually([&] {
      for (const std::string& answer : AtOnce(weir, {"GET", "k"})) {
        EXPECT_TRUE(answer == "$1\r\nv\r\n" || answer.starts_with("-TIMEOUT weir: ")) << answer;
      }
      return IsEjected(weir, silent_.address());
    })) << Health(weir);
  }

  ReplicatedServers servers_{2};
  std::string address_of_primary_ = servers_.server(0).address();
  std::string address_of_second_ = servers_.server(2).address();
  Saboteur silent_{servers_.server(1).port()};
};

TEST_F(ReplicaEjectionTest, AReplicaThatNeverAnswersIsLeftOutUntilItDoes) {
  WeirServer weir(Config(url(), "read_from = \"replica\"\nslow_start_window_ms = 0\n"));
  ASSERT_TRUE(Eventually([&] { return IsReadFrom(weir); }));
  silent_.Blackhole(Direction::kToClient, true);
  AwaitEjection(weir);
  // Nobody waits for it any more, although it is tried again and again.
  for (int i = 0; i < 60; ++i) ASSERT_EQ(RawClient(weir.port()).Text({"GET", "k"}), "v") << i;
  EXPECT_TRUE(IsEjected(weir, silent_.address()));
  EXPECT_NE(Health(weir).find(" ejected_by=1 "), std::string::npos) << Health(weir);
  EXPECT_TRUE(HasMetric(weir, "weir_ejections_total{worker=\"0\"} 1\n"));
  silent_.Blackhole(Direction::kToClient, false);
  EXPECT_TRUE(Eventually([&] { return !IsEjected(weir, silent_.address()); }));
  EXPECT_TRUE(Eventually([&] { return IsReadFrom(weir); }));
  EXPECT_TRUE(HasMetric(weir, "weir_upstream_ejected" + Labels(silent_.address()) + " 0\n"));
}

TEST_F(ReplicaEjectionTest, ItReturnsWithASmallShare) {
  WeirServer weir(Config(url(), "read_from = \"replica\"\nslow_start_window_ms = 3600000\n"));
  ASSERT_TRUE(Eventually([&] { return IsReadFrom(weir); }));
  silent_.Blackhole(Direction::kToClient, true);
  AwaitEjection(weir);
  silent_.Blackhole(Direction::kToClient, false);
  ASSERT_TRUE(Eventually([&] { return !IsEjected(weir, silent_.address()); }));
  ExpectSmallShare(weir);
}

// With its connections failing, the servers are asked for their roles, and who does not say its own
// leaves. Nobody then said that its ejection had ended, so it counted for ever; and its circuit
// breaker was forgotten, so that it returned with all of its share at once.
TEST_F(ReplicaEjectionTest, WhoLeavesWhileItIsEjectedIsEjectedNoMoreAndReturnsSlowly) {
  WeirServer weir(Config(url(), "read_from = \"replica\"\nslow_start_window_ms = 3600000\n"));
  ASSERT_TRUE(Eventually([&] { return IsReadFrom(weir); }));
  silent_.Blackhole(Direction::kToClient, true);
  AwaitEjection(weir);
  ASSERT_TRUE(Eventually([&] { return !IsEjected(weir, silent_.address()); })) << Health(weir);
  EXPECT_EQ(Health(weir).find("ejected_by="), std::string::npos) << Health(weir);
  silent_.Blackhole(Direction::kToClient, false);
  ASSERT_TRUE(Eventually([&] {
    // A connection that breaks has the servers asked again. Not the other replica's: it could be
    // down for a moment, and return slowly, too.
    RawClient(weir.port()).Command({"SET", "other", "v"});
    RawClient(servers_.server(0).port()).Command({"CLIENT", "KILL", "TYPE", "normal"});
    return IsReadFrom(weir);
  }));
  ExpectSmallShare(weir);
}

TEST_F(EjectionTest, APrimaryThatHangsIsRefusedAtOnceUntilItAnswers) {
  RedisServer redis;
  WeirServer weir(Config(redis.url()));
  RawClient client(weir.port());
  ASSERT_EQ(client.Text({"SET", "n", "0"}), "OK");
  redis.Pause();
  int64_t timeouts = 0, may_have_run = 0;
  std::string answer;
  ASSERT_TRUE(Eventually([&] {
    bool refused = false;
    for (const std::string& each : AtOnce(weir, {"INCR", "n"})) {
      may_have_run += each.starts_with("-DOWN weir: ") ? 0 : 1;
      timeouts += each.starts_with("-TIMEOUT weir: ") ? 1 : 0;
      refused |=
          each.starts_with("-DOWN weir: " + redis.address() + " is sent nothing for now: 3 ");
      answer = each;
    }
    return refused;
  })) << answer;
  EXPECT_GE(timeouts, 3);
  EXPECT_TRUE(IsEjected(weir, redis.address())) << Health(weir);
  // A pipeline of many does not pile up.
  std::string batch;
  for (int i = 0; i < 500; ++i) batch += Encode({"INCR", "n"});
  client.Send(batch);
  for (const std::string& refused : client.ReadFrames(500)) {
    ASSERT_TRUE(refused.starts_with("-DOWN weir: ")) << refused;
  }
  redis.Resume();
  ASSERT_TRUE(Eventually([&] {
    answer = client.Text({"INCR", "n"});
    return !answer.starts_with("-");
  })) << answer;
  // Those that were given up may have run when it went on; none of the refused has.
  EXPECT_LE(std::stoll(answer), may_have_run + 1);
  EXPECT_FALSE(IsEjected(weir, redis.address()));
}

// While a node is down, requests for it fail at once: weir's own probes did, too, before they had
// tried to connect. So a node that could not be reached for a while when it was ejected never came
// back.
TEST_F(EjectionTest, WhoCouldNotBeReachedForLongReturns) {
  RedisServer redis;
  WeirServer weir(Config(redis.url(), "offline_queue_age_max_ms = 0\n"));
  Crowd crowd(weir);
  redis.Pause();
  AskUntilEjected(weir, crowd, redis.address());
  redis.Kill();
  // A probe has failed, and with this queue that is long enough to be down.
  ASSERT_TRUE(Eventually([&] {
    return HasMetric(weir, "weir_upstream_up" + Labels(redis.address()) + " 0\n");
  })) << Health(weir);
  redis.Restart();
  ExpectServed(crowd);
}

// A probe's PING may be answered with an error. That an ACL forbids it, or a password is wanted,
// was taken for no answer, so the node stayed away for ever.
TEST_F(EjectionTest, WhoForbidsPingReturns) {
  RedisServer redis({"--user", "default", "on", "nopass", "~*", "&*", "+@all", "-ping"});
  WeirServer weir(Config(redis.url()));
  Crowd crowd(weir);
  redis.Pause();
  AskUntilEjected(weir, crowd, redis.address());
  redis.Resume();
  ExpectServed(crowd);
}

TEST_F(EjectionTest, WhoWantsAPasswordReturns) {
  RedisServer redis({"--requirepass", "secret"});
  WeirConfig config = Config(redis.url());
  config.rest = "[auth]\nmode = \"passthrough\"\n";
  WeirServer weir(config);
  Crowd crowd(weir, "secret");
  redis.Pause();
  AskUntilEjected(weir, crowd, redis.address());
  redis.Resume();
  ExpectServed(crowd);
}

// Probes had to find room among clients' own connections: as long as clients used all of it, an
// ejected node was not even asked.
TEST_F(EjectionTest, ProbesNeedNoPlaceAmongClientsOwn) {
  RedisServer redis;
  WeirServer weir(Config(redis.url(), "pinned_connections_max = 1\n"));
  Crowd crowd(weir);
  RawClient blocked(weir.port());
  blocked.Send(Encode({"BLPOP", "none", "0"}));
  ASSERT_TRUE(Eventually([&] { return redis.Info("clients", "blocked_clients") == "1"; }));
  redis.Pause();
  AskUntilEjected(weir, crowd, redis.address());
  redis.Resume();
  ExpectServed(crowd);
  EXPECT_EQ(redis.Info("clients", "blocked_clients"), "1");
}

// It accepts, shakes hands, answers PING, and resets the connection on what clients want.
TEST_F(EjectionTest, WhoBreaksConnectionsIsEjectedAgainAndAgain) {
  std::atomic<bool> resets = true;
  FakeBackend fake([&](const std::vector<std::string>&) {
    return resets ? Answer{.bytes = "", .reset = true} : Answer{.bytes = "$1\r\nv\r\n"};
  });
  WeirServer weir(Config(fake.url()));
  RawClient client(weir.port());
  std::string answer;
  for (int times = 1; times <= 3; ++times) {
    // The probe succeeds, the next requests do not.
    ASSERT_TRUE(Eventually([&] {
      answer = client.Text({"GET", "k"});
      return HasMetric(weir, "weir_ejections_total{worker=\"0\"} " + std::to_string(times) + "\n");
    })) << answer;
  }
  resets = false;
  ASSERT_TRUE(Eventually([&] { return client.Text({"GET", "k"}) == "v"; }));
  EXPECT_FALSE(IsEjected(weir, fake.address()));
}

// A restart, or whatever cuts all connections to a node at once, was as many failures in a row as
// there were connections with requests on them.
TEST_F(EjectionTest, ConnectionsThatBreakTogetherAreOneFailure) {
  FakeBackend fake([](const std::vector<std::string>&) { return Answer{}; });
  Saboteur saboteur(fake.port());
  WeirServer weir(Config(saboteur.url(), "connections_per_node = 8\n",
                         "consecutive_failures = 4\nrequest_timeout_ms = 2000\n"));
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 16; ++i) {
    clients.push_back(std::make_unique<RawClient>(weir.port()));
    clients.back()->Send(Encode({"SET", "k", "v"}));
  }
  ASSERT_TRUE(Eventually([&] { return fake.requests().size() == clients.size(); }));
  saboteur.Break(Breakage::kReset);
  for (const auto& client : clients) {
    const std::string answer = client->ReadFrame();
    ASSERT_TRUE(answer.starts_with("-UNKNOWN weir: ")) << answer;
  }
  // While this one waits, weir has time to eject the node.
  EXPECT_TRUE(clients[0]->Text({"GET", "k"}).starts_with("-TIMEOUT weir: "));
  EXPECT_TRUE(HasMetric(weir, "weir_ejections_total{worker=\"0\"} 0\n"));
}

// A reply now and then is no failure in a row: slow commands do not eject anybody.
TEST_F(EjectionTest, WhoAnswersInBetweenStays) {
  RedisServer redis;
  WeirServer weir(Config(redis.url(), "", "consecutive_failures = 20\nrequest_timeout_ms = 100\n"));
  RawClient client(weir.port());
  RawClient(redis.port()).Command({"SET", "k", "v"});
  for (int i = 0; i < 25; ++i) {
    redis.Pause();
    EXPECT_TRUE(client.Text({"GET", "k"}).starts_with("-TIMEOUT weir: "));
    redis.Resume();
    ASSERT_TRUE(Eventually([&] { return client.Text({"GET", "k"}) == "v"; }));
  }
  EXPECT_TRUE(HasMetric(weir, "weir_ejections_total{worker=\"0\"} 0\n"));
}

// Nobody waits for the answer to ASKING, which is weir's own: it was taken for one that came too
// late, and with it the read that came in the same piece. So a node of which only slots on their
// way are read had never answered, and a slow command now and then ejected it.
TEST_F(EjectionTest, AReadBehindAskingIsAnAnswer) {
  std::unique_ptr<FakeBackend> nodes[2];
  std::atomic<bool> ready = false;
  const auto says = [&](size_t node, const std::vector<std::string>& args) -> std::string {
    if (!ready) return "";
    if (args[0] == "CLUSTER" && args[1] == "MYID") return Bulk(FakeNodeId(node));
    if (args[0] == "CLUSTER" && args[1] == "INFO") return ClusterInfoReply(5);
    if (args[0] == "CLUSTER") {
      return ClusterShardsReply({{FakeNodeId(0), nodes[0]->port(), 0, 16382},
                                 {FakeNodeId(1), nodes[1]->port(), 16383, 16383}});
    }
    if (args[0] != "GET") return "";
    if (node == 0)
      return "-ASK " + std::to_string(SlotOf(args[1])) + " " + nodes[1]->address() + "\r\n";
    return args[1] == "answered" ? "+OK\r\n" + Bulk("v") : "";
  };
  for (size_t i = 0; i < 2; ++i) {
    nodes[i] = std::make_unique<FakeBackend>(
        [&, i](const std::vector<std::string>& args) { return Answer{.bytes = says(i, args)}; });
  }
  ready = true;
  WeirServer weir(Config("redis+cluster://" + nodes[0]->address(), "connections_per_node = 2\n",
                         "consecutive_failures = 10\nrequest_timeout_ms = 100\n"));
  // One behind the other, so each on its own connection.
  RawClient waits(weir.port());
  RawClient reads(weir.port());
  for (int i = 0; i < 12; ++i) {
    std::string answer;
    ASSERT_TRUE(Eventually([&] {
      answer = reads.Text({"GET", "answered"});
      return answer == "v";
    })) << answer;
    answer = waits.Text({"GET", "k"});
    EXPECT_TRUE(answer.starts_with("-TIMEOUT weir: ")) << answer;
  }
  EXPECT_TRUE(HasMetric(weir, "weir_ejections_total{worker=\"0\"} 0\n"));
}

// The request in front of the read had no deadline, and by the oldest request's a link was judged:
// so it never broke, and all that came behind waited out its time on it.
TEST_F(EjectionTest, ALinkWhoseOldestRequestIsAskingBreaksAsAny) {
  std::unique_ptr<FakeBackend> nodes[2];
  std::atomic<bool> ready = false;
  const auto says = [&](size_t node, const std::vector<std::string>& args) -> std::string {
    if (!ready) return "";
    if (args[0] == "CLUSTER" && args[1] == "MYID") return Bulk(FakeNodeId(node));
    if (args[0] == "CLUSTER" && args[1] == "INFO") return ClusterInfoReply(5);
    if (args[0] == "CLUSTER") {
      return ClusterShardsReply({{FakeNodeId(0), nodes[0]->port(), 0, 16382},
                                 {FakeNodeId(1), nodes[1]->port(), 16383, 16383}});
    }
    if (args[0] != "GET" || node != 0) return "";
    return "-ASK " + std::to_string(SlotOf(args[1])) + " " + nodes[1]->address() + "\r\n";
  };
  for (size_t i = 0; i < 2; ++i) {
    nodes[i] = std::make_unique<FakeBackend>(
        [&, i](const std::vector<std::string>& args) { return Answer{.bytes = says(i, args)}; });
  }
  ready = true;
  WeirServer weir(
      Config("redis+cluster://" + nodes[0]->address(), "", "request_timeout_ms = 100\n"));
  RawClient client(weir.port());
  std::string answer;
  ASSERT_TRUE(Eventually([&] {
    answer = client.Text({"GET", "k"});
    return answer.starts_with("-TIMEOUT weir: ");
  })) << answer;
  EXPECT_TRUE(
      Eventually([&] { return !HasMetric(weir, "weir_links_failed_total{worker=\"0\"} 0\n"); }));
}

// Its probes were refused, which was taken for no answer: so it stayed ejected, and clients heard
// that it does not answer, not what it says.
TEST_F(EjectionTest, ANodeThatWantsAnotherPasswordAnswers) {
  RedisServer redis({"--requirepass", "old"});
  WeirServer weir(Config("redis://:old@" + redis.address(), "",
                         "consecutive_failures = 3\nrequest_timeout_ms = 100\n"));
  Crowd crowd(weir);
  RawClient direct(redis.port());
  EXPECT_EQ(direct.Text({"AUTH", "old"}), "OK");
  EXPECT_EQ(direct.Text({"CONFIG", "SET", "requirepass", "new"}), "OK");
  redis.Pause();
  AskUntilEjected(weir, crowd, redis.address());
  redis.Resume();
  EXPECT_TRUE(Eventually([&] { return !IsEjected(weir, redis.address()); })) << Health(weir);
  std::string answer;
  EXPECT_TRUE(Eventually([&] {
    answer = RawClient(weir.port()).Text({"GET", "k"});
    return answer.find("WRONGPASS") != std::string::npos;
  })) << answer;
  EXPECT_EQ(direct.Text({"CONFIG", "SET", "requirepass", "old"}), "OK");
  ExpectServed(crowd);
}

}  // namespace
}  // namespace weir::harness
