// What the nodes of a cluster say of it, for backends that only pretend to be one.
#ifndef WEIR_TESTS_SUPPORT_FAKE_CLUSTER_H_
#define WEIR_TESTS_SUPPORT_FAKE_CLUSTER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/resp.h"

namespace weir::harness {

// A primary on 127.0.0.1 without replicas.
struct FakeShard {
  std::string id;
  uint16_t port = 0;
  int first_slot = 0;
  int last_slot = 0;
};

// CLUSTER SHARDS in RESP2, as Redis 7.0 writes it.
inline std::string ClusterShardsReply(const std::vector<FakeShard>& shards) {
  std::string all = "*" + std::to_string(shards.size()) + "\r\n";
  for (const FakeShard& shard : shards) {
    all += "*4\r\n" + Bulk("slots") + "*2\r\n:" + std::to_string(shard.first_slot) +
           "\r\n:" + std::to_string(shard.last_slot) + "\r\n" + Bulk("nodes") + "*1\r\n*14\r\n" +
           Bulk("id") + Bulk(shard.id) + Bulk("port") + ":" + std::to_string(shard.port) + "\r\n" +
           Bulk("ip") + Bulk("127.0.0.1") + Bulk("endpoint") + Bulk("127.0.0.1") + Bulk("role") +
           Bulk("master") + Bulk("replication-offset") + ":0\r\n" + Bulk("health") + Bulk("online");
  }
  return all;
}

// Those lines of CLUSTER INFO that anybody reads.
inline std::string ClusterInfoReply(int epoch) {
  const std::string number = std::to_string(epoch);
  return Bulk(
      "cluster_enabled:1\r\ncluster_state:ok\r\ncluster_slots_assigned:16384\r\n"
      "cluster_known_nodes:7\r\ncluster_size:5\r\ncluster_current_epoch:" +
      number + "\r\ncluster_my_epoch:" + number + "\r\n");
}

// "aaaa…": the id of node 0, and so on.
inline std::string FakeNodeId(size_t i) { return std::string(40, static_cast<char>('a' + i)); }

}  // namespace weir::harness

#endif  // WEIR_TESTS_SUPPORT_FAKE_CLUSTER_H_
