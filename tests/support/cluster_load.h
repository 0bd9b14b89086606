// Clients that count in a cluster while something happens to it, and know what must be there after.
#ifndef WEIR_TESTS_SUPPORT_CLUSTER_LOAD_H_
#define WEIR_TESTS_SUPPORT_CLUSTER_LOAD_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/cluster.h"

namespace weir::harness {

// Each client is a thread with a connection of its own. It writes its own name into a key, and then
// sends pipelines of INCRs of its own counters, each behind a GET of its name.
class ClusterLoad {
 public:
  struct Tally {
    std::string counter;       // the key
    int64_t acknowledged = 0;  // INCRs answered with a number
    int64_t unknown = 0;       // answered -UNKNOWN or -TIMEOUT
    int64_t refused = 0;       // any other error: did not run
    int64_t highest = 0;       // the highest number answered
    std::vector<std::string>
        wrong{};  // replies that cannot be this client's; errors that are not expected
    std::string last_refusal{};
    std::atomic<int64_t> answers{0};
  };

  // `clients` of each of the nodes, whose keys are all on that node as it was at the start.
  ClusterLoad(uint16_t port, const Cluster& cluster, size_t nodes, int clients);
  ~ClusterLoad();
  ClusterLoad(const ClusterLoad&) = delete;
  ClusterLoad& operator=(const ClusterLoad&) = delete;

  void Stop();
  // Those of this node have each had `more` answers from now on.
  bool AwaitProgress(size_t node, int64_t more);
  // After Stop, with the counters as `port` now says them. `may_lose`: a primary died, so that what
  // it had acknowledged may be lost with it.
  void Check(uint16_t port, bool may_lose, size_t refused_max = 0) const;
  const std::vector<std::unique_ptr<Tally>>& tallies() const { return tallies_; }

 private:
  void Run(uint16_t port, size_t index);

  const size_t nodes_;
  std::vector<std::unique_ptr<Tally>> tallies_;  // client i is of node i % nodes_
  std::vector<std::thread> threads_;
  std::atomic<bool> stop_{false};
};

}  // namespace weir::harness

#endif  // WEIR_TESTS_SUPPORT_CLUSTER_LOAD_H_
