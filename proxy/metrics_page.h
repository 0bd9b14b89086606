// One scrape: adds up what the sources say, and writes it as Prometheus reads it.
#ifndef WEIR_PROXY_METRICS_PAGE_H_
#define WEIR_PROXY_METRICS_PAGE_H_

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plugins/histogram.h"
#include "plugins/metrics_source.h"

namespace weir {

class MetricsPage final : public MetricsSink {
 public:
  void Add(const Metric& metric, const std::vector<MetricLabel>& labels, double value) override;
  void Add(const Metric& metric, const std::vector<MetricLabel>& labels,
           const HistogramCounts& counts) override;

  // The text format, version 0.0.4
  // (https://prometheus.io/docs/instrumenting/exposition_formats). Metrics by name, samples by
  // label; bytes of label values that are not printable ASCII become '?'.
  std::string Text() const;

 private:
  using Labels = std::vector<std::pair<std::string, std::string>>;
  struct Sample {
    double value = 0;
    HistogramCounts counts;
  };
  struct Family {
    Metric metric;
    std::map<Labels, Sample> samples;
  };

  Sample& Find(const Metric& metric, const std::vector<MetricLabel>& labels);

  std::map<std::string_view, Family> families_;  // by name
};

}  // namespace weir

#endif  // WEIR_PROXY_METRICS_PAGE_H_
