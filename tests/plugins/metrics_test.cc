// Metrics: the arithmetic, what is read while it is written, and bounds on what may be a label.
#include "plugins/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <map>
#include <random>
#include <thread>

#include "plugins/histogram.h"
#include "plugins/metrics_counters.h"
#include "plugins/registry.h"
#include "plugins/text.h"
#include "routing/command_class.h"
#include "tests/plugins/fakes.h"
#include "tests/support/seed.h"

namespace weir {
namespace {

// Adds up samples as a scrape does: "name{label=value,...}" to a number.
class Samples final : public MetricsSink {
 public:
  explicit Samples(const MetricsSource& source) { source.Collect(*this); }

  void Add(const Metric& metric, const std::vector<MetricLabel>& labels, double value) override {
    EXPECT_NE(metric.type, MetricType::kHistogram);
    numbers_[Key(metric, labels)] += value;
  }
  void Add(const Metric& metric, const std::vector<MetricLabel>& labels,
           const HistogramCounts& counts) override {
    EXPECT_EQ(metric.type, MetricType::kHistogram);
    histograms_[Key(metric, labels)].Add(counts);
  }

  double operator[](const std::string& key) const {
    const auto found = numbers_.find(key);
    return found == numbers_.end() ? -1 : found->second;
  }
  HistogramCounts Histogram(const std::string& key) const {
    const auto found = histograms_.find(key);
    return found == histograms_.end() ? HistogramCounts() : found->second;
  }
  bool Has(const std::string& key) const {
    return numbers_.contains(key) || histograms_.contains(key);
  }
  size_t CountOf(std::string_view name) const {
    size_t count = 0;
    for (const auto& [key, value] : numbers_) count += key.starts_with(Concat(name, "{")) ? 1 : 0;
    return count;
  }
  double SumOf(std::string_view name) const {
    double sum = 0;
    for (const auto& [key, value] : numbers_) {
      if (key.starts_with(Concat(name, "{"))) sum += value;
    }
    return sum;
  }

 private:
  static std::string Key(const Metric& metric, const std::vector<MetricLabel>& labels) {
    std::string key = metric.name;
    for (const MetricLabel& label : labels) {
      key += Concat(&label == labels.data() ? "{" : ",", label.name, "=", label.value);
    }
    return labels.empty() ? key : key + "}";
  }

  std::map<std::string, double> numbers_;
  std::map<std::string, HistogramCounts> histograms_;
};

// A command of a table of its own, as another read of COMMAND would give it.
struct FakeCommand {
  FakeCommand(const std::string& name, uint16_t id) {
    spec.name = name;
    spec.id = id;
    entry.spec = &spec;
  }
  FakeCommand(const FakeCommand&) = delete;
  FakeCommand& operator=(const FakeCommand&) = delete;

  CommandSpec spec;
  CommandEntry entry;
};

class MetricsTest : public testing::Test {
 protected:
  MetricsTest() : chain_(BuildChain({{"metrics", true, "", {}}}, host_).value()) {}

  Samples Scrape() const { return Samples(*host_.sources.at(0)); }
  void Done(const CommandEntry* entry, uint32_t count, int upstream = 0) {
    chain_.OnDone({entry, upstream, count, 0, 10 * uint64_t{count}, 20 * uint64_t{count}, 1, 1});
  }

  FakeHost host_{{"default", "cache"}};
  Chain chain_;
  FakeSession session_;
  const FakeCommand get_{"get", 3};
  const FakeCommand set_{"set", 5};
};

TEST_F(MetricsTest, HaveNothingToSayAtFirst) {
  EXPECT_EQ(Scrape().CountOf("weir_requests_total"), 0u);
  EXPECT_EQ(host_.sources.size(), 1u);
}

TEST_F(MetricsTest, AddUpRuns) {
  chain_.OnDone({&get_.entry, 0, 64, 2, 6400, 640, 300'000, 200'000, 60'000});
  chain_.OnDone({&get_.entry, 0, 1, 0, 100, 10, 30'000, 20'000});
  chain_.OnDone({&get_.entry, 1, 1, 0, 1, 1, 1, 1});
  chain_.OnDone({&set_.entry, 0, 1, 0, 7, 5, 1, 1});
  const Samples samples = Scrape();
  EXPECT_EQ(samples["weir_requests_total{command=get,upstream=default}"], 65);
  EXPECT_EQ(samples["weir_requests_total{command=get,upstream=cache}"], 1);
  EXPECT_EQ(samples["weir_requests_total{command=set,upstream=default}"], 1);
  EXPECT_EQ(samples["weir_request_bytes_total{command=get,upstream=default}"], 6500);
  EXPECT_EQ(samples["weir_reply_bytes_total{command=get,upstream=default}"], 650);

  const HistogramCounts total =
      samples.Histogram("weir_request_duration_seconds{command=get,upstream=default}");
  EXPECT_EQ(total.count(), 65u);
  EXPECT_EQ(total.sum_ns, 64 * 300'000u + 30'000u);
  EXPECT_EQ(total.buckets[HistogramBucket(300'000)], 64u);
  EXPECT_EQ(total.buckets[HistogramBucket(30'000)], 1u);
  EXPECT_EQ(
      samples.Histogram("weir_upstream_duration_seconds{command=get,upstream=default}").sum_ns,
      64 * 200'000u + 20'000u);
  const HistogramCounts queue =
      samples.Histogram("weir_queue_duration_seconds{command=get,upstream=default}");
  EXPECT_EQ(queue.sum_ns, 64 * 60'000u);
  EXPECT_EQ(queue.count(), 65u);
  const HistogramCounts own =
      samples.Histogram("weir_proxy_duration_seconds{command=get,upstream=default}");
  EXPECT_EQ(own.sum_ns, 64 * 100'000u + 10'000u);
  EXPECT_EQ(own.count(), 65u);
}

TEST_F(MetricsTest, GiveUpstreamsNoTimeForWhatWeirAnswered) {
  chain_.OnDone({&get_.entry, 0, 3, 0, 3, 3, 5'000, 0});
  // A part that seems longer than the whole: both were cut at turns of the loop.
  chain_.OnDone({&set_.entry, 0, 1, 0, 1, 1, 5'000, 6'000});
  const Samples samples = Scrape();
  EXPECT_EQ(
      samples.Histogram("weir_upstream_duration_seconds{command=get,upstream=default}").count(),
      0u);
  EXPECT_EQ(samples.Histogram("weir_queue_duration_seconds{command=get,upstream=default}").count(),
            0u);
  EXPECT_EQ(samples.Histogram("weir_proxy_duration_seconds{command=get,upstream=default}").sum_ns,
            15'000u);
  EXPECT_EQ(samples.Histogram("weir_proxy_duration_seconds{command=set,upstream=default}").sum_ns,
            0u);
}

TEST_F(MetricsTest, CallWhatHasNoNameUnknown) {
  const CommandEntry without_spec;
  Done(nullptr, 1);
  Done(&without_spec, 2);
  Done(nullptr, 4, 99);
  Done(nullptr, 8, -1);
  const Samples samples = Scrape();
  EXPECT_EQ(samples["weir_requests_total{command=unknown,upstream=default}"], 3);
  EXPECT_EQ(samples["weir_requests_total{command=unknown,upstream=none}"], 12);
}

// An upstream's table is read again, and modules may have come and gone: what was command 3 may be
// command 4, at an address where another stood.
TEST_F(MetricsTest, FollowCommandsWhoseIdsChange) {
  const FakeCommand moved{"get", 4};
  const FakeCommand instead{"json.get", 3};
  Done(&get_.entry, 1);
  for (int i = 0; i < 10; ++i) {
    Done(&moved.entry, 10);
    Done(&instead.entry, 100);
    Done(&get_.entry, 1);
  }
  const Samples samples = Scrape();
  EXPECT_EQ(samples["weir_requests_total{command=get,upstream=default}"], 111);
  EXPECT_EQ(samples["weir_requests_total{command=json.get,upstream=default}"], 1000);
}

TEST_F(MetricsTest, CountErrorsByFirstWord) {
  chain_.OnError(session_, &get_.entry, 0, "WRONGTYPE");
  chain_.OnError(session_, &get_.entry, 0, "WRONGTYPE");
  chain_.OnError(session_, &set_.entry, 0, "OOM");
  chain_.OnError(session_, nullptr, 1, "ERR");
  for (const char* odd : {"", "two words", "\"quoted\"", "\xff", "{a=b}"}) {
    chain_.OnError(session_, &set_.entry, 0, odd);
  }
  chain_.OnError(session_, &set_.entry, 0, std::string(ErrorCodes::kWordBytesMax + 1, 'A'));
  const Samples samples = Scrape();
  EXPECT_EQ(samples["weir_request_errors_total{code=WRONGTYPE,command=get,upstream=default}"], 2);
  EXPECT_EQ(samples["weir_request_errors_total{code=OOM,command=set,upstream=default}"], 1);
  EXPECT_EQ(samples["weir_request_errors_total{code=ERR,command=unknown,upstream=cache}"], 1);
  EXPECT_EQ(samples["weir_request_errors_total{code=other,command=set,upstream=default}"], 6);
  EXPECT_EQ(samples.CountOf("weir_request_errors_total"), 4u);
}

// A script answers a new error each time.
TEST_F(MetricsTest, BoundTheErrorCodes) {
  for (int i = 0; i < 1000; ++i) chain_.OnError(session_, &get_.entry, 0, Concat("E", i));
  for (int i = 0; i < 1000; ++i) chain_.OnError(session_, &get_.entry, 0, "E0");
  const Samples samples = Scrape();
  EXPECT_EQ(samples.CountOf("weir_request_errors_total"), kErrorCodesMax + 1);
  EXPECT_EQ(samples["weir_request_errors_total{code=E0,command=get,upstream=default}"], 1001);
  EXPECT_EQ(samples["weir_request_errors_total{code=other,command=get,upstream=default}"],
            1000 - static_cast<double>(kErrorCodesMax));
}

TEST_F(MetricsTest, BoundTheCommands) {
  constexpr uint16_t kCommands = 1000;
  for (int round = 0; round < 2; ++round) {
    for (uint16_t id = 0; id < kCommands; ++id) {
      const FakeCommand command(Concat("module.c", id), id);
      Done(&command.entry, 1);
    }
  }
  Done(nullptr, 1);
  const Samples samples = Scrape();
  EXPECT_EQ(samples.CountOf("weir_requests_total"), MetricsCounters::kCommandsMax + 2);
  EXPECT_EQ(samples["weir_requests_total{command=module.c0,upstream=default}"], 2);
  EXPECT_EQ(samples["weir_requests_total{command=other,upstream=default}"],
            2 * (kCommands - static_cast<double>(MetricsCounters::kCommandsMax)));
  EXPECT_EQ(samples.SumOf("weir_requests_total"), 2 * kCommands + 1);
}

TEST_F(MetricsTest, KnowEveryCommandOfRedisByName) {
  const auto table = RoutingTable::Make(CommandTable::BuiltIn(), CommandPolicy());
  for (const auto& spec : table->commands().specs()) Done(&table->entry(*spec), 1);
  const Samples samples = Scrape();
  EXPECT_EQ(samples.CountOf("weir_requests_total"), table->commands().size());
  EXPECT_FALSE(samples.Has("weir_requests_total{command=other,upstream=default}"));
  EXPECT_EQ(samples["weir_requests_total{command=config|set,upstream=default}"], 1);
}

TEST_F(MetricsTest, CountClientsByListener) {
  FakeSession other;
  other.listener_address = "unix:/run/weir.sock";
  chain_.OnOpen(session_);
  chain_.OnOpen(session_);
  chain_.OnOpen(other);
  chain_.OnClose(session_);
  const Samples samples = Scrape();
  EXPECT_EQ(samples["weir_listener_clients{listener=127.0.0.1:6380}"], 1);
  EXPECT_EQ(samples["weir_listener_clients_accepted_total{listener=127.0.0.1:6380}"], 2);
  EXPECT_EQ(samples["weir_listener_clients{listener=unix:/run/weir.sock}"], 1);
}

TEST_F(MetricsTest, OutliveTheirPlugin) {
  Done(&get_.entry, 5);
  chain_ = Chain();
  EXPECT_EQ(Scrape()["weir_requests_total{command=get,upstream=default}"], 5);
}

// Under TSan this also proves that what is read was published.
TEST_F(MetricsTest, MayBeReadWhileTheyCount) {
  constexpr int kRuns = 20000;
  std::vector<std::unique_ptr<FakeCommand>> commands;
  for (uint16_t id = 0; id < 100; ++id) {
    commands.push_back(std::make_unique<FakeCommand>(Concat("c", id), id));
  }
  std::atomic<bool> done{false};
  const auto read = [&] {
    double before = 0;
    while (!done.load()) {
      const double now = Scrape().SumOf("weir_requests_total");
      EXPECT_GE(now, before);
      before = now;
    }
  };
  std::thread first_reader(read);
  std::thread second_reader(read);
  for (int i = 0; i < kRuns; ++i) {
    const CommandEntry* entry = &commands[static_cast<size_t>(i) % commands.size()]->entry;
    Done(entry, 64, i % 2);
    chain_.OnError(session_, entry, i % 2, Concat("E", i % 100));
    if (i % 100 == 0) {
      session_.listener_address = Concat("127.0.0.1:", i);
      chain_.OnOpen(session_);
      chain_.OnClose(session_);
    }
  }
  done.store(true);
  first_reader.join();
  second_reader.join();
  const Samples samples = Scrape();
  EXPECT_EQ(samples.SumOf("weir_requests_total"), 64.0 * kRuns);
  EXPECT_EQ(samples.SumOf("weir_request_errors_total"), kRuns);
  EXPECT_EQ(samples.SumOf("weir_listener_clients"), 0);
}

TEST(Histogram, PutsEachValueUnderTheFirstBoundNotBelowIt) {
  const auto slowly = [](uint64_t ns) {
    size_t bucket = 0;
    while (bucket < kHistogramBoundsNs.size() && ns > kHistogramBoundsNs[bucket]) ++bucket;
    return bucket;
  };
  for (size_t i = 0; i < kHistogramBoundsNs.size(); ++i) {
    EXPECT_EQ(HistogramBucket(kHistogramBoundsNs[i]), i);
    EXPECT_EQ(HistogramBucket(kHistogramBoundsNs[i] + 1), i + 1);
    EXPECT_EQ(HistogramBucket(kHistogramBoundsNs[i] - 1), slowly(kHistogramBoundsNs[i] - 1));
  }
  EXPECT_EQ(HistogramBucket(0), 0u);
  EXPECT_EQ(HistogramBucket(std::numeric_limits<uint64_t>::max()), kHistogramBuckets - 1);
  std::mt19937_64 random(harness::Seed());
  for (int i = 0; i < 100000; ++i) {
    const uint64_t ns = random() >> (random() % 64);
    ASSERT_EQ(HistogramBucket(ns), slowly(ns)) << ns;
  }
}

TEST(ErrorCodes, AreNumberedAsTheyAppear) {
  ErrorCodes codes;
  EXPECT_EQ(codes.Number("ERR"), 0u);
  EXPECT_EQ(codes.Number("WRONGTYPE"), 1u);
  EXPECT_EQ(codes.Number("ERR"), 0u);
  EXPECT_EQ(codes.Number("no code"), ErrorCodes::kOther);
  EXPECT_EQ(codes.size(), 2u);
  EXPECT_EQ(codes.Name(1), "WRONGTYPE");
  EXPECT_EQ(codes.Name(ErrorCodes::kOther), "other");
}

}  // namespace
}  // namespace weir
