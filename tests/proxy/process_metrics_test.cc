// What a scrape adds up and writes, and what the process says of itself.
#include "proxy/process_metrics.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>

#include "proxy/metrics_page.h"
#include "proxy/node_states.h"
#include "proxy/process_usage.h"
#include "proxy/stats.h"
#include "tests/proxy/promtool.h"
#include "tests/support/net.h"

namespace weir {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr Metric kCounter = {"weir_things_total", MetricType::kCounter, "Things."};
constexpr Metric kGauge = {"weir_width", MetricType::kGauge, "Width."};
constexpr Metric kHistogram = {"weir_wait_seconds", MetricType::kHistogram, "Wait."};

TEST(MetricsPage, AddsUpEqualLabels) {
  MetricsPage page;
  page.Add(kCounter, {{"a", "x"}, {"b", "y"}}, 2);
  page.Add(kCounter, {{"a", "x"}, {"b", "y"}}, 3);
  page.Add(kCounter, {{"a", "x"}, {"b", "z"}}, 1);
  page.Add(kGauge, {}, 0.5);
  EXPECT_EQ(page.Text(),
            "# HELP weir_things_total Things.\n"
            "# TYPE weir_things_total counter\n"
            "weir_things_total{a=\"x\",b=\"y\"} 5\n"
            "weir_things_total{a=\"x\",b=\"z\"} 1\n"
            "# HELP weir_width Width.\n"
            "# TYPE weir_width gauge\n"
            "weir_width 0.5\n");
}

TEST(MetricsPage, WritesHistogramsCumulatively) {
  Histogram first;
  first.Record(10'000, 2);
  first.Record(30'000'000'000, 1);
  Histogram second;
  second.Record(20'000, 4);
  MetricsPage page;
  page.Add(kHistogram, {{"a", "x"}}, first.Read());
  page.Add(kHistogram, {{"a", "x"}}, second.Read());
  const std::string text = page.Text();
  EXPECT_THAT(text, HasSubstr("# TYPE weir_wait_seconds histogram\n"));
  EXPECT_THAT(text, HasSubstr("weir_wait_seconds_count{a=\"x\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("weir_wait_seconds_sum{a=\"x\"} 30.0001\n"));
  EXPECT_THAT(text, HasSubstr("weir_wait_seconds_bucket{a=\"x\",le=\"1e-05\"} 2\n"
                              "weir_wait_seconds_bucket{a=\"x\",le=\"2.5e-05\"} 6\n"));
  EXPECT_THAT(text, HasSubstr("weir_wait_seconds_bucket{a=\"x\",le=\"10\"} 6\n"
                              "weir_wait_seconds_bucket{a=\"x\",le=\"+Inf\"} 7\n"));
  EXPECT_EQ(harness::CheckWithPromtool(text), "");
}

TEST(MetricsPage, LetsNoLabelBreakThePage) {
  MetricsPage page;
  page.Add(kCounter, {{"a", "quote\" slash\\ line\n high\xff nul"}}, 1);
  page.Add(kCounter, {{"a", std::string_view("\0", 1)}}, 1);
  const std::string text = page.Text();
  EXPECT_THAT(text, HasSubstr("{a=\"quote\\\" slash\\\\ line? high? nul\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("{a=\"?\"} 1\n"));
  EXPECT_EQ(harness::CheckWithPromtool(text), "");
}

// The checker itself must be one that finds something.
TEST(MetricsPage, IsCheckedByWhatCanComplain) {
  MetricsPage page;
  page.Add({"weir_things", MetricType::kCounter, "Things."}, {}, 1);
  EXPECT_THAT(harness::CheckWithPromtool(page.Text()), HasSubstr("_total"));
}

TEST(ProcessMetrics, TellEachWorkerApart) {
  WorkerStats stats[2];
  stats[0].clients.Set(3);
  stats[1].clients.Set(4);
  stats[1].clients_memory_closed.Add(5);
  stats[1].loop_lag_max_us.Set(1500);
  NodeStates nodes;
  MetricsPage page;
  ProcessMetrics({&stats[0], &stats[1]}, &nodes).Collect(page);
  const std::string text = page.Text();
  EXPECT_THAT(text, HasSubstr("\nweir_clients{worker=\"0\"} 3\nweir_clients{worker=\"1\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("\nweir_clients_closed_total{worker=\"1\",reason=\"memory\"} 5\n"));
  EXPECT_THAT(text, HasSubstr("\nweir_loop_lag_max_seconds{worker=\"1\"} 0.0015"));
  EXPECT_THAT(text, HasSubstr("\nweir_build_info{version=\"" WEIR_VERSION "\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nprocess_open_fds "));
  EXPECT_THAT(text, Not(HasSubstr("weir_upstream_up")));
  EXPECT_EQ(harness::CheckWithPromtool(text), "");
}

TEST(ProcessMetrics, SayWhichNodesAreUp) {
  NodeStates nodes;
  nodes.Report("default", "127.0.0.1:1", true, "");
  nodes.Report("cache", "127.0.0.1:2", false, "connection refused");
  MetricsPage page;
  ProcessMetrics({}, &nodes).Collect(page);
  EXPECT_THAT(page.Text(),
              HasSubstr("\nweir_upstream_up{upstream=\"cache\",node=\"127.0.0.1:2\"} 0\n"
                        "weir_upstream_up{upstream=\"default\",node=\"127.0.0.1:1\"} 1\n"));
}

TEST(ProcessMetrics, SayHowManyWorkersEjectANode) {
  NodeStates nodes;
  nodes.Report("default", "127.0.0.1:1", true, "");
  const auto ejected = [&] {
    MetricsPage page;
    ProcessMetrics({}, &nodes).Collect(page);
    return page.Text();
  };
  const std::string sample = "\nweir_upstream_ejected{upstream=\"default\",node=\"127.0.0.1:1\"} ";
  nodes.ReportEjection("default", "127.0.0.1:1", true, "no answer");
  nodes.ReportEjection("default", "127.0.0.1:1", true, "no answer");
  nodes.ReportEjection("default", "127.0.0.1:2", true, "it has left");
  EXPECT_THAT(ejected(), HasSubstr(sample + "2\n"));
  EXPECT_EQ(nodes.All()[0].ejected_cause, "no answer");
  nodes.ReportEjection("default", "127.0.0.1:1", false, "");
  EXPECT_THAT(ejected(), HasSubstr(sample + "1\n"));
  nodes.ReportEjection("default", "127.0.0.1:1", false, "");
  nodes.ReportEjection("default", "127.0.0.1:1", false, "");
  EXPECT_THAT(ejected(), HasSubstr(sample + "0\n"));
  EXPECT_EQ(nodes.All()[0].ejected_cause, "");
}

TEST(ProcessUsage, IsPlausible) {
  const ProcessUsage usage = MeasureProcess();
  EXPECT_GT(usage.cpu_s.value(), 0);
  const auto now_s = static_cast<double>(time(nullptr));
  EXPECT_GT(usage.start_time_s.value(), now_s - 3600);
  EXPECT_LE(usage.start_time_s.value(), now_s + 2);
  EXPECT_GT(usage.resident_bytes.value(), 1 << 20);
  EXPECT_GE(usage.virtual_bytes.value(), usage.resident_bytes.value());
  EXPECT_GT(usage.max_fds.value(), usage.open_fds.value());
#ifdef WEIR_JEMALLOC
  EXPECT_GT(usage.allocated_bytes.value(), 0);
  EXPECT_GE(usage.active_bytes.value(), usage.allocated_bytes.value());
  EXPECT_GE(usage.mapped_bytes.value(), usage.active_bytes.value());
  EXPECT_GT(usage.metadata_bytes.value(), 0);
#else
  EXPECT_FALSE(usage.allocated_bytes.has_value());
#endif
  const harness::Fd opened(open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(MeasureProcess().open_fds.value(), usage.open_fds.value() + 1);
}

TEST(NodeStates, KeepNewsApartFromRepetition) {
  NodeStates nodes;
  EXPECT_TRUE(nodes.Report("default", "n1", false, "connection refused"));
  EXPECT_FALSE(nodes.Report("default", "n1", false, "timed out"));
  EXPECT_EQ(nodes.All().at(0).cause, "timed out");
  EXPECT_TRUE(nodes.Report("default", "n1", true, "ignored"));
  EXPECT_FALSE(nodes.Report("default", "n1", true, ""));
  EXPECT_EQ(nodes.All().at(0).cause, "");
  EXPECT_TRUE(nodes.Report("cache", "n1", true, ""));
  EXPECT_EQ(nodes.All().size(), 2u);
  nodes.Forget("cache", "n1");
  nodes.Forget("cache", "n1");
  EXPECT_EQ(nodes.All().size(), 1u);
  EXPECT_TRUE(nodes.Report("cache", "n1", true, ""));
}

TEST(NodeStates, NameUpstreamsWithoutANode) {
  NodeStates nodes;
  EXPECT_THAT(nodes.NotReady({"default", "cache"}),
              ElementsAre("upstream default: no node has answered yet",
                          "upstream cache: no node has answered yet"));
  nodes.Report("default", "n1", false, "connection refused");
  nodes.Report("default", "n2", false, "timed out");
  nodes.Report("cache", "n1", true, "");
  nodes.Report("cache", "n2", false, "timed out");
  EXPECT_THAT(nodes.NotReady({"default", "cache"}),
              ElementsAre("upstream default: no node is up (n1: connection refused; n2: timed "
                          "out)"));
  nodes.Report("default", "n2", true, "");
  EXPECT_THAT(nodes.NotReady({"default", "cache"}), IsEmpty());
}

}  // namespace
}  // namespace weir
