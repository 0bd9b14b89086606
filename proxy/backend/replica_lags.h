// How fresh each replica of one upstream is, as last measured: for the workers' reads, reports and
// metrics.
#ifndef WEIR_PROXY_BACKEND_REPLICA_LAGS_H_
#define WEIR_PROXY_BACKEND_REPLICA_LAGS_H_

#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "plugins/metrics_source.h"

namespace weir {

// LagWatch writes it; any thread may read. Workers do a few times a second, and when a replica's
// time is over, so the lock is not on a read's way.
class ReplicaLags final : public MetricsSource {
 public:
  explicit ReplicaLags(std::string upstream) : upstream_(std::move(upstream)) {}

  // This node ("127.0.0.1:6379") has all that its primary had then, on uv_hrtime's clock; 0: nobody
  // can say. See routing/replica_lag.h.
  void Set(const std::string& node, uint64_t fresh_ms);
  // Forgets all other nodes.
  void Keep(const std::set<std::string>& nodes);

  // As Set, by node.
  std::map<std::string, uint64_t> FreshMs() const;
  // Milliseconds behind by node, kLagUnknown for those of whom nobody can say.
  std::map<std::string, int64_t> LagsMs(uint64_t now_ms) const;

  void Collect(MetricsSink& sink) const override;

 private:
  const std::string upstream_;
  mutable std::mutex mutex_;
  std::map<std::string, uint64_t> fresh_ms_;  // guarded by mutex_
};

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_REPLICA_LAGS_H_
