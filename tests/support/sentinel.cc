// Sentinel deployments of real processes.
#include "tests/support/sentinel.h"

#include <gtest/gtest.h>

#include "tests/support/raw_client.h"
#include "tests/support/resp.h"

namespace weir::harness {
namespace {

std::string Port(const RedisServer& server) { return std::to_string(server.port()); }

// What no reply has, so that a sentinel that does not answer is no reason to wait for long.
constexpr int kAskTimeout_ms = 1000;

}  // namespace

ReplicatedServers::ReplicatedServers(size_t replicas, const std::vector<std::string>& args) {
  // Copies over a socket, at once.
  std::vector<std::string> all = {"--repl-diskless-sync",       "yes",
                                  "--repl-diskless-sync-delay", "0",
                                  "--repl-diskless-load",       "swapdb"};
  all.insert(all.end(), args.begin(), args.end());
  servers_.push_back(std::make_unique<RedisServer>(all));
  for (size_t i = 0; i < replicas; ++i) {
    std::vector<std::string> of_replica = all;
    of_replica.insert(of_replica.end(), {"--replicaof", "127.0.0.1", Port(*servers_[0])});
    servers_.push_back(std::make_unique<RedisServer>(of_replica));
  }
  AwaitReplication(0);
}

std::string ReplicatedServers::url() const {
  std::string url = "redis://";
  for (const auto& server : servers_) {
    url += (server == servers_[0] ? "" : ",") + server->address();
  }
  return url;
}

void ReplicatedServers::Promote(size_t i) {
  RawClient(server(i).port()).Command({"REPLICAOF", "NO", "ONE"});
  for (size_t other = 0; other < size(); ++other) {
    if (other == i) continue;
    RawClient(server(other).port()).Command({"REPLICAOF", "127.0.0.1", Port(server(i))});
  }
}

void ReplicatedServers::AwaitReplication(size_t primary) {
  EXPECT_TRUE(Eventually([&] {
    for (size_t i = 0; i < size(); ++i) {
      if (i == primary) continue;
      if (server(i).Info("replication", "master_port") != Port(server(primary)) ||
          server(i).Info("replication", "master_link_status") != "up") {
        return false;
      }
    }
    return true;
  })) << "the replicas do not follow";
}

SentinelDeployment::SentinelDeployment(size_t replicas, size_t sentinels,
                                       const std::vector<std::string>& args)
    : servers_(replicas, args) {
  for (size_t i = 0; i < sentinels; ++i) {
    sentinels_.push_back(std::make_unique<Sentinel>());
    Sentinel& sentinel = *sentinels_.back();
    sentinel.dir.Write(
        "sentinel.conf",
        "port " + std::to_string(sentinel.reservation.port()) + "\nbind 127.0.0.1\ndir " +
            sentinel.dir.path() + "\nsentinel monitor " + kName + " 127.0.0.1 " +
            std::to_string(server(0).port()) + " " + std::to_string(sentinels / 2 + 1) +
            "\nsentinel down-after-milliseconds " + kName + " 1000\nsentinel failover-timeout " +
            kName + " 10000\nsentinel parallel-syncs " + kName + " 8\n");
    Start(sentinel);
  }
  EXPECT_TRUE(Eventually(
      [&] {
        for (size_t i = 0; i < sentinels; ++i) {
          if (!Knows(i, replicas, sentinels - 1)) return false;
        }
        return true;
      },
      2 * kPatience_ms))
      << "the sentinels do not know all";
}

void SentinelDeployment::Start(Sentinel& sentinel) {
  sentinel.process = std::make_unique<Process>(
      std::vector<std::string>{RedisServer::binary(), sentinel.dir.path() + "/sentinel.conf",
                               "--sentinel"},
      sentinel.dir.path() + "/sentinel.log");
  EXPECT_TRUE(Eventually([&] { return bool{ConnectTo(sentinel.reservation.port())}; }))
      << sentinel.process->output();
}

void SentinelDeployment::RestartSentinel(size_t i) {
  sentinels_[i]->process->Kill();
  Start(*sentinels_[i]);
}

bool SentinelDeployment::Knows(size_t sentinel, size_t replicas, size_t others) {
  RawClient client(sentinel_port(sentinel));
  client.set_timeout_ms(kAskTimeout_ms);
  const auto count = [&](const char* what) {
    return ParseReply(client.Command({"SENTINEL", what, kName})).elements.size();
  };
  return count("REPLICAS") == replicas && count("SENTINELS") == others;
}

std::string SentinelDeployment::url() const {
  std::string url = "redis+sentinel://";
  for (const auto& sentinel : sentinels_) {
    url += (sentinel == sentinels_[0] ? "" : ",") + sentinel->reservation.address();
  }
  return url + "/" + kName;
}

size_t SentinelDeployment::Primary(size_t by) {
  RawClient client(sentinel_port(by));
  client.set_timeout_ms(kAskTimeout_ms);
  const Reply reply = ParseReply(client.Command({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", kName}));
  for (size_t i = 0; i < servers_.size(); ++i) {
    if (reply.elements.size() == 2 && reply.elements[1].text == Port(server(i))) return i;
  }
  return servers_.size();
}

size_t SentinelDeployment::FailOver() {
  const size_t old = Primary();
  EXPECT_TRUE(Eventually([&] {
    return RawClient(sentinel_port(0)).Command({"SENTINEL", "FAILOVER", kName}) == "+OK\r\n";
  }));
  return AwaitSwitch(old);
}

size_t SentinelDeployment::AwaitSwitch(size_t old) {
  size_t primary = old;
  EXPECT_TRUE(Eventually(
      [&] {
        for (size_t i = 0; i < sentinels(); ++i) {
          if (!sentinel(i).Running()) continue;
          primary = Primary(i);
          if (primary == old || primary == servers_.size()) return false;
        }
        return server(primary).Info("replication", "role") == "master";
      },
      3 * kPatience_ms))
      << "the sentinels do not fail over";
  return primary;
}

}  // namespace weir::harness
