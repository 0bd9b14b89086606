// What has numbers for /metrics, and what takes them.
//
// A scrape asks every source in turn and adds up what they say: samples of one metric with equal
// labels become one. So each worker counts for itself, and nobody shares a counter.
#ifndef WEIR_PLUGINS_METRICS_SOURCE_H_
#define WEIR_PLUGINS_METRICS_SOURCE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

struct HistogramCounts;

enum class MetricType : uint8_t { kCounter, kGauge, kHistogram };

// A metric's name by Prometheus' conventions (https://prometheus.io/docs/practices/naming), and
// what it is. The texts live as long as the process.
struct Metric {
  const char* name;
  MetricType type;
  const char* help;
};

struct MetricLabel {
  std::string_view name;
  std::string_view value;
};

// Copies what it is given. Sources must bound what they use as a label's value: nothing that a
// client can choose freely.
class MetricsSink {
 public:
  virtual void Add(const Metric& metric, const std::vector<MetricLabel>& labels, double value) = 0;
  virtual void Add(const Metric& metric, const std::vector<MetricLabel>& labels,
                   const HistogramCounts& counts) = 0;

 protected:
  ~MetricsSink() = default;
};

class MetricsSource {
 public:
  virtual ~MetricsSource() = default;
  // Called on the scraping thread while other threads count.
  virtual void Collect(MetricsSink& sink) const = 0;
};

}  // namespace weir

#endif  // WEIR_PLUGINS_METRICS_SOURCE_H_
