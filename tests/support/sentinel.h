// A sentinel deployment of real processes: a primary, its replicas, and sentinels that watch them.
#ifndef WEIR_TESTS_SUPPORT_SENTINEL_H_
#define WEIR_TESTS_SUPPORT_SENTINEL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/net.h"
#include "tests/support/process.h"
#include "tests/support/redis_server.h"

namespace weir::harness {

// A primary and replicas of it, without anybody who would fail it over.
class ReplicatedServers {
 public:
  // Waits until each replica has its copy. `args` are added to each server's command line.
  explicit ReplicatedServers(size_t replicas, const std::vector<std::string>& args = {});

  // server(0) is the primary at first.
  RedisServer& server(size_t i) { return *servers_[i]; }
  size_t size() const { return servers_.size(); }
  // "redis://127.0.0.1:1,127.0.0.1:2"
  std::string url() const;
  // Makes that one the primary and the others its replicas, as an operator does by hand.
  void Promote(size_t i);
  // Waits until all but `primary` follow it, with their links up.
  void AwaitReplication(size_t primary);

 private:
  std::vector<std::unique_ptr<RedisServer>> servers_;
};

class SentinelDeployment {
 public:
  static constexpr const char* kName = "mymaster";

  // Waits until the sentinels know of each other and of all replicas.
  explicit SentinelDeployment(size_t replicas = 2, size_t sentinels = 3,
                              const std::vector<std::string>& args = {});

  ReplicatedServers& servers() { return servers_; }
  RedisServer& server(size_t i) { return servers_.server(i); }
  size_t sentinels() const { return sentinels_.size(); }
  uint16_t sentinel_port(size_t i) const { return sentinels_[i]->reservation.port(); }
  Process& sentinel(size_t i) { return *sentinels_[i]->process; }
  void RestartSentinel(size_t i);
  // "redis+sentinel://127.0.0.1:1,127.0.0.1:2/mymaster"
  std::string url() const;

  // Whom sentinel `by` calls the primary; servers().size(): none of them.
  size_t Primary(size_t by = 0);
  // SENTINEL FAILOVER, and waits until another is the primary. Answers which.
  size_t FailOver();
  // Waits until another than `old` is the primary for all sentinels that run. Answers which.
  size_t AwaitSwitch(size_t old);

 private:
  struct Sentinel {
    TempDir dir;
    PortReservation reservation;
    std::unique_ptr<Process> process;
  };
  void Start(Sentinel& sentinel);
  bool Knows(size_t sentinel, size_t replicas, size_t others);

  ReplicatedServers servers_;
  std::vector<std::unique_ptr<Sentinel>> sentinels_;
};

}  // namespace weir::harness

#endif  // WEIR_TESTS_SUPPORT_SENTINEL_H_
