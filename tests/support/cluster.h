// A real Redis cluster for a test: its nodes are RedisServers on ports that stay their own.
#ifndef WEIR_TESTS_SUPPORT_CLUSTER_H_
#define WEIR_TESTS_SUPPORT_CLUSTER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/net.h"
#include "tests/support/redis_server.h"
#include "tests/support/weir_server.h"

namespace weir::harness {

class Cluster {
 public:
  struct Options {
    int primaries = 3;
    int replicas_each = 1;
    int node_timeout_ms = 1000;
    std::vector<std::string> args{};  // more of each server's command line
  };

  // Starts it and waits until each node says that all slots are served and each replica is online.
  // Slots are dealt evenly, in order.
  explicit Cluster(Options options);
  Cluster() : Cluster(Options{}) {}

  size_t size() const { return nodes_.size(); }
  // The primaries first, as they were dealt, then their replicas: that of primary i is the node
  // primaries + i.
  RedisServer& node(size_t i) { return *nodes_[i]; }
  std::string id(size_t i) const { return ids_[i]; }
  std::string url() const;  // redis+cluster://, by all nodes
  std::string url(size_t only) const;

  // Which node serves the slot now, in the words of one that answers; size() if none does.
  size_t PrimaryOf(uint16_t slot);
  size_t PrimaryOf(const std::string& key);
  // The primary knows that the other is its replica, whose CLUSTER FAILOVER it would ignore before.
  bool KnowsReplica(size_t primary, size_t replica);
  // A key in a slot of this node (as dealt at the start), different for each number.
  std::string KeyOn(size_t primary, int number) const;

  // All nodes that run agree that every slot is served.
  bool AwaitOk();
  // Moves slots with what is in them, as redis-cli does: from and to agree on each before the next.
  void MoveSlots(size_t from, size_t to, uint16_t first, uint16_t count);
  // Another primary without slots, known to all.
  size_t AddNode();
  // No other node knows it any more. It must not serve slots.
  void RemoveNode(size_t i);

 private:
  void StartNode();
  void Meet(size_t i, size_t whom);

  const Options options_;
  std::vector<std::unique_ptr<PortReservation>> buses_;
  std::vector<std::unique_ptr<RedisServer>> nodes_;
  std::vector<std::string> ids_;
};

// For a weir in front of a cluster; `upstream` and `commands` are lines of those tables.
WeirConfig InFrontOf(const std::string& url, const std::string& upstream = "",
                     const std::string& commands = "");

// The hash slot of a key (CRC16 of it, or of its tag).
uint16_t SlotOf(const std::string& key);

}  // namespace weir::harness

#endif  // WEIR_TESTS_SUPPORT_CLUSTER_H_
