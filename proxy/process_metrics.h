// The process' own numbers for /metrics: what its workers count, memory, CPU, nodes that are up.
#ifndef WEIR_PROXY_PROCESS_METRICS_H_
#define WEIR_PROXY_PROCESS_METRICS_H_

#include <vector>

#include "plugins/metrics_source.h"

namespace weir {

class NodeStates;
struct WorkerStats;

class ProcessMetrics final : public MetricsSource {
 public:
  // `workers` by index, and `nodes`; both outlive it.
  ProcessMetrics(std::vector<const WorkerStats*> workers, const NodeStates* nodes);

  void Collect(MetricsSink& sink) const override;

 private:
  void CollectWorkers(MetricsSink& sink) const;
  void CollectNodes(MetricsSink& sink) const;

  const std::vector<const WorkerStats*> workers_;
  const NodeStates* const nodes_;
};

}  // namespace weir

#endif  // WEIR_PROXY_PROCESS_METRICS_H_
