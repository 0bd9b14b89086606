// Commands that wait for other clients: each on a connection of its own, beside everybody else's.
#include <sys/resource.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

class BlockingTest : public ThroughWeir {
 protected:
  // Until that many of Redis' clients are blocked.
  bool Blocked(const std::string& count) {
    return Eventually([&] { return redis_.Info("clients", "blocked_clients") == count; });
  }
};

TEST_F(BlockingTest, WaitsAndHearsAndDisturbsNobody) {
  RawClient other(weir_.port());
  const std::vector<std::vector<std::string>> kWaits = {
      {"BLPOP", "l1", "0"},
      {"BRPOP", "l2", "0"},
      {"BLMOVE", "l3", "dst", "LEFT", "LEFT", "0"},
      {"BRPOPLPUSH", "l4", "dst", "0"},
      {"BLMPOP", "0", "1", "l5", "LEFT"},
      {"BZPOPMIN", "z1", "0"},
      {"BZPOPMAX", "z2", "0"},
      {"BZMPOP", "0", "1", "z3", "MIN"},
      {"XREAD", "BLOCK", "0", "STREAMS", "s1", "$"},
  };
  std::vector<std::unique_ptr<RawClient>> waiting;
  for (const auto& wait : kWaits) {
    waiting.push_back(std::make_unique<RawClient>(weir_.port()));
    waiting.back()->Send(Encode(wait));
  }
  ASSERT_TRUE(Blocked(std::to_string(kWaits.size())));
  EXPECT_EQ(other.Text({"PING", "free"}), "free");
  EXPECT_EQ(other.Command({"SET", "k", "v"}), "+OK\r\n");
  for (const char* list : {"l1", "l2", "l3", "l4", "l5"}) other.Command({"RPUSH", list, "e"});
  for (const char* zset : {"z1", "z2", "z3"}) other.Command({"ZADD", zset, "1", "m"});
  other.Command({"XADD", "s1", "1-1", "f", "v"});
  const std::vector<std::string> kReplies = {
      "*2\r\n$2\r\nl1\r\n$1\r\ne\r\n",
      "*2\r\n$2\r\nl2\r\n$1\r\ne\r\n",
      Bulk("e"),
      Bulk("e"),
      "*2\r\n$2\r\nl5\r\n*1\r\n$1\r\ne\r\n",
      "*3\r\n$2\r\nz1\r\n$1\r\nm\r\n$1\r\n1\r\n",
      "*3\r\n$2\r\nz2\r\n$1\r\nm\r\n$1\r\n1\r\n",
      "*2\r\n$2\r\nz3\r\n*1\r\n*2\r\n$1\r\nm\r\n$1\r\n1\r\n",
      "*1\r\n*2\r\n$2\r\ns1\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n",
  };
  for (size_t i = 0; i < kWaits.size(); ++i) EXPECT_EQ(waiting[i]->ReadFrame(), kReplies[i]);
}

TEST_F(BlockingTest, HasNoDeadlineButItsOwn) {
  WeirConfig config;
  config.url = redis_.url();
  config.upstream = "request_timeout_ms = 100\n";
  WeirServer weir(config);
  RawClient client(weir.port());
  // What is behind it waits as long, without a deadline either.
  client.Send(Encode({"BLPOP", "none", "0.5"}) + Encode({"GET", "none"}));
  EXPECT_EQ(client.ReadFrame(), "*-1\r\n");
  EXPECT_EQ(client.ReadFrame(), "$-1\r\n");
}

// A list's element that is popped for a client that has left would be lost.
TEST_F(BlockingTest, NoElementIsLostToAClientThatLeaves) {
  WeirConfig config;
  config.url = redis_.url();
  config.workers = 1;
  WeirServer weir(config);
  RawClient pusher(weir.port());
  RawClient direct(redis_.port());
  for (int i = 0; i < 10000; ++i) {
    RawClient client(weir.port());
    client.Send(Encode({"BLPOP", "jobs", "0"}));
    ASSERT_TRUE(Eventually([&] {
      const std::string clients = direct.Text({"INFO", "clients"});
      return clients.find("blocked_clients:1\r\n") != std::string::npos;
    }));
    if (i % 2 == 0) {
      client.Close();
    } else {
      client.Reset();
    }
    const std::string job = std::to_string(i);
    ASSERT_EQ(pusher.Command({"RPUSH", "jobs", job}), ":1\r\n");
    ASSERT_EQ(pusher.Text({"LPOP", "jobs"}), job);
  }
}

TEST_F(BlockingTest, AClientThatLeavesWithMoreInItsPipelineIsNoticed) {
  WeirConfig config;
  config.url = redis_.url();
  config.limits = "pipeline_depth_max = 10\n";
  WeirServer weir(config);
  std::string bytes = Encode({"BLPOP", "none", "0"});
  for (int i = 0; i < 100; ++i) bytes += Encode({"GET", "k"});
  for (const bool reset : {false, true}) {
    RawClient client(weir.port());
    client.Send(bytes);
    ASSERT_TRUE(Blocked("1"));
    if (reset) {
      client.Reset();
    } else {
      client.Close();
    }
    EXPECT_TRUE(Blocked("0"));
  }
}

// Nothing was read from the client while it waited for an earlier reply, and what it had already
// sent then blocked it: that it left was not noticed, and its command went on waiting for elements.
// Found by random histories.
TEST_F(BlockingTest, AClientThatLeavesWasNotBeingReadWhenItBlocked) {
  WeirConfig config;
  config.url = redis_.url();
  config.workers = 1;
  config.admin = true;
  WeirServer weir(config);
  RawClient client(weir.port());
  ASSERT_EQ(client.Text({"PING"}), "PONG");
  redis_.Pause();
  client.Send(Encode({"SELECT", "5"}) + Encode({"BLPOP", "none", "0"}) + Encode({"SELECT", "6"}));
  EXPECT_TRUE(Eventually([&] {
    client.Send(Encode({"PING"}));
    const std::string metrics = HttpGet(weir.admin_port(), "/metrics").body;
    return metrics.find("\nweir_reads_paused_total") != std::string::npos &&
           metrics.find("\nweir_reads_paused_total 0\n") == std::string::npos;
  }));
  redis_.Resume();
  ASSERT_TRUE(Blocked("1"));
  client.Close();
  EXPECT_TRUE(Blocked("0"));
}

TEST_F(BlockingTest, InATransactionNothingBlocks) {
  RawClient client(weir_.port());
  client.Command({"MULTI"});
  EXPECT_EQ(client.Command({"BLPOP", "none", "0"}), "+QUEUED\r\n");
  EXPECT_EQ(client.Command({"XREAD", "BLOCK", "0", "STREAMS", "none", "$"}), "+QUEUED\r\n");
  EXPECT_EQ(client.Command({"EXEC"}), "*2\r\n*-1\r\n*-1\r\n");
}

// CLIENT UNBLOCK overtook what the same client had sent before it, and was overtaken by what it had
// sent behind: whether the blocked client got the element was a matter of luck.
TEST_F(BlockingTest, ClientUnblockKeepsItsPlaceInAPipeline) {
  for (int i = 0; i < 20; ++i) {
    RawClient blocked(weir_.port());
    RawClient other(weir_.port());
    const std::string id = blocked.Text({"CLIENT", "ID"});
    const auto block = [&] {
      blocked.Send(Encode({"BLPOP", "list", "0"}));
      ASSERT_TRUE(Eventually([&] { return redis_.Info("clients", "blocked_clients") == "1"; }));
    };
    block();
    other.Send(Encode({"RPUSH", "list", "v"}) + Encode({"CLIENT", "UNBLOCK", id}));
    EXPECT_EQ(blocked.ReadFrame(), "*2\r\n" + Bulk("list") + Bulk("v"));
    EXPECT_EQ(other.ReadFrame(), ":1\r\n");
    EXPECT_EQ(other.ReadFrame(), ":0\r\n") << "it was blocked no more";
    block();
    other.Send(Encode({"CLIENT", "UNBLOCK", id}) + Encode({"CLIENT", "UNBLOCK", id, "ERROR"}) +
               Encode({"RPUSH", "list", "v"}) + Encode({"DEL", "list"}));
    EXPECT_EQ(blocked.ReadFrame(), "*-1\r\n");
    for (const char* reply : {":1\r\n", ":0\r\n", ":1\r\n", ":1\r\n"}) {
      EXPECT_EQ(other.ReadFrame(), reply);
    }
  }
}

TEST_F(BlockingTest, ClientUnblockById) {
  RawClient client(weir_.port());
  RawClient other(weir_.port());
  const std::string id = client.Text({"CLIENT", "ID"});
  EXPECT_EQ(other.Command({"CLIENT", "UNBLOCK", id}), ":0\r\n");
  client.Send(Encode({"BLPOP", "none", "0"}));
  ASSERT_TRUE(Blocked("1"));
  EXPECT_NE(other.Text({"CLIENT", "LIST", "ID", id}).find("flags=b "), std::string::npos);
  EXPECT_EQ(other.Command({"CLIENT", "UNBLOCK", id}), ":1\r\n");
  EXPECT_EQ(client.ReadFrame(), "*-1\r\n");
  client.Send(Encode({"BLPOP", "none", "0"}));
  ASSERT_TRUE(Blocked("1"));
  EXPECT_EQ(other.Command({"CLIENT", "UNBLOCK", id, "ERROR"}), ":1\r\n");
  EXPECT_EQ(client.ReadFrame(), "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
  EXPECT_EQ(other.Command({"CLIENT", "UNBLOCK", id, "maybe"}),
            "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR\r\n");
  EXPECT_EQ(other.Command({"CLIENT", "UNBLOCK", "x"}),
            "-ERR value is not an integer or out of range\r\n");
  EXPECT_EQ(other.Command({"CLIENT", "UNBLOCK", "999999"}), ":0\r\n");
}

TEST_F(BlockingTest, AtTheBoundThereIsAClearError) {
  WeirConfig config;
  config.url = redis_.url();
  config.workers = 1;
  config.upstream = "pinned_connections_max = 2\n";
  WeirServer weir(config);
  RawClient first(weir.port());
  RawClient second(weir.port());
  RawClient third(weir.port());
  first.Command({"MULTI"});
  second.Send(Encode({"BLPOP", "none", "0"}));
  ASSERT_TRUE(Blocked("1"));
  EXPECT_TRUE(third.Command({"MULTI"}).starts_with(
      "-DOWN weir: upstream 'default' has pinned_connections_max = 2 connections"));
  EXPECT_EQ(third.Command({"SET", "k", "v"}), "+OK\r\n");
  first.Command({"DISCARD"});
  EXPECT_EQ(third.Command({"MULTI"}), "+OK\r\n");
  EXPECT_EQ(third.Command({"DISCARD"}), "+OK\r\n");
}

// WAIT asks about the last write of its connection. On one of its own there is none, and it would
// say yes at once.
TEST_F(BlockingTest, WaitMeansTheClientsOwnWrites) {
  const RedisServer replica({"--replicaof", "127.0.0.1 " + std::to_string(redis_.port())});
  // Redis starts the first copy only seconds after the replica has come; until then WAIT counts
  // none.
  ASSERT_TRUE(Eventually([&] {
    return redis_.Info("replication", "slave0").find("state=online") != std::string::npos;
  }));
  RawClient client(weir_.port());
  client.Command({"SET", "k", "v"});
  EXPECT_EQ(client.Command({"WAIT", "1", "5000"}), ":1\r\n");
  RedisServer& paused = const_cast<RedisServer&>(replica);
  paused.Pause();
  client.Command({"SET", "k", "w"});
  EXPECT_EQ(client.Command({"WAIT", "1", "100"}), ":0\r\n");
  paused.Resume();
  EXPECT_EQ(client.Command({"WAIT", "1", "5000"}), ":1\r\n");
}

TEST_F(BlockingTest, FiveThousandBlockedClientsDisturbNobody) {
  rlimit files = {};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  files.rlim_cur = files.rlim_max;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
  ASSERT_GE(files.rlim_cur, 12000u) << "raise the hard limit of open files";
  WeirConfig config;
  config.url = redis_.url();
  config.upstream = "pinned_connections_max = 6000\n";
  WeirServer weir(config);
  constexpr int kClients = 5000;
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<RawClient>(weir.port()));
    clients.back()->Send(Encode({"BLPOP", "q" + std::to_string(i), "0"}));
  }
  ASSERT_TRUE(Blocked(std::to_string(kClients)));
  RawClient other(weir.port());
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(other.Command({"INCR", "n"}), ":" + std::to_string(i + 1) + "\r\n");
  }
  std::string bytes;
  for (int i = 0; i < kClients; ++i) bytes += Encode({"RPUSH", "q" + std::to_string(i), "x"});
  other.Send(bytes);
  for (int i = 0; i < kClients; ++i) {
    const std::string queue = "q" + std::to_string(i);
    ASSERT_EQ(clients[static_cast<size_t>(i)]->ReadFrame(), "*2\r\n" + Bulk(queue) + Bulk("x"));
  }
}

}  // namespace
}  // namespace weir::harness
