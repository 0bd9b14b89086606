#include "proxy/metrics_page.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <limits>

namespace weir {
namespace {

std::string Printable(std::string_view value) {
  std::string text(value);
  for (char& c : text) {
    if (c < ' ' || c > '~') c = '?';
  }
  return text;
}

prometheus::MetricType TypeOf(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return prometheus::MetricType::Counter;
    case MetricType::kGauge:
      return prometheus::MetricType::Gauge;
    case MetricType::kHistogram:
      return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

prometheus::ClientMetric::Histogram Cumulate(const HistogramCounts& counts) {
  prometheus::ClientMetric::Histogram histogram;
  uint64_t cumulative_count = 0;
  for (size_t i = 0; i < counts.buckets.size(); ++i) {
    cumulative_count += counts.buckets[i];
    const double bound_s = i < kHistogramBoundsNs.size()
                               ? static_cast<double>(kHistogramBoundsNs[i]) / 1e9
                               : std::numeric_limits<double>::infinity();
    histogram.bucket.push_back({cumulative_count, bound_s});
  }
  histogram.sample_count = cumulative_count;
  histogram.sample_sum = static_cast<double>(counts.sum_ns) / 1e9;
  return histogram;
}

}  // namespace

MetricsPage::Sample& MetricsPage::Find(const Metric& metric,
                                       const std::vector<MetricLabel>& labels) {
  Labels key;
  for (const MetricLabel& label : labels) key.emplace_back(label.name, Printable(label.value));
  Family& family = families_.try_emplace(metric.name, Family{metric, {}}).first->second;
  return family.samples[std::move(key)];
}

void MetricsPage::Add(const Metric& metric, const std::vector<MetricLabel>& labels, double value) {
  Find(metric, labels).value += value;
}

void MetricsPage::Add(const Metric& metric, const std::vector<MetricLabel>& labels,
                      const HistogramCounts& counts) {
  Find(metric, labels).counts.Add(counts);
}

std::string MetricsPage::Text() const {
  std::vector<prometheus::MetricFamily> families;
  for (const auto& [name, family] : families_) {
    prometheus::MetricFamily& out = families.emplace_back();
    out.name = name;
    out.help = family.metric.help;
    out.type = TypeOf(family.metric.type);
    for (const auto& [labels, sample] : family.samples) {
      prometheus::ClientMetric& metric = out.metric.emplace_back();
      for (const auto& [label, value] : labels) metric.label.push_back({label, value});
      metric.counter.value = sample.value;
      metric.gauge.value = sample.value;
      if (family.metric.type == MetricType::kHistogram) metric.histogram = Cumulate(sample.counts);
    }
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace weir
