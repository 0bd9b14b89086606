#include "proxy/backend/replica_lags.h"

#include <uv.h>

#include <algorithm>

#include "routing/read_policy.h"

namespace weir {
namespace {

constexpr Metric kLag = {
    "weir_replica_lag_seconds", MetricType::kGauge,
    "How far a replica is behind its primary at most (max_lag_ms); absent while not known."};

int64_t LagMs(uint64_t fresh_ms, uint64_t now_ms) {
  if (fresh_ms == 0) return kLagUnknown;
  return static_cast<int64_t>(now_ms - std::min(fresh_ms, now_ms));
}

}  // namespace

void ReplicaLags::Set(const std::string& node, uint64_t fresh_ms) {
  const std::lock_guard lock(mutex_);
  fresh_ms_[node] = fresh_ms;
}

void ReplicaLags::Keep(const std::set<std::string>& nodes) {
  const std::lock_guard lock(mutex_);
  std::erase_if(fresh_ms_, [&](const auto& entry) { return !nodes.contains(entry.first); });
}

std::map<std::string, uint64_t> ReplicaLags::FreshMs() const {
  const std::lock_guard lock(mutex_);
  return fresh_ms_;
}

std::map<std::string, int64_t> ReplicaLags::LagsMs(uint64_t now_ms) const {
  std::map<std::string, int64_t> lags_ms;
  for (const auto& [node, fresh_ms] : FreshMs()) lags_ms[node] = LagMs(fresh_ms, now_ms);
  return lags_ms;
}

void ReplicaLags::Collect(MetricsSink& sink) const {
  for (const auto& [node, lag_ms] : LagsMs(uv_hrtime() / 1'000'000)) {
    if (lag_ms == kLagUnknown) continue;
    sink.Add(kLag, {{"upstream", upstream_}, {"node", node}}, static_cast<double>(lag_ms) / 1000);
  }
}

}  // namespace weir
