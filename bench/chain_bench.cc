// What the plugin chain costs a request: with nothing in it, with metrics, and what metrics cost a
// run of requests once it was answered.
//
// A pipeline of 64 equal requests is one run, so BM_MetricsDone is paid once for all of them.

#include <benchmark/benchmark.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/bench_host.h"
#include "plugins/chain.h"
#include "plugins/histogram.h"
#include "plugins/registry.h"
#include "proxy/metrics_page.h"
#include "routing/command_class.h"

namespace weir {
namespace {

Chain MetricsChain(BenchHost& host) {
  return BuildChain({{"metrics", true, "", {}}}, host).value();
}

RequestsDone RunOf64(const CommandEntry* entry) {
  return {entry, 0, 64, 0, 64 * 40, 64 * 5, 310'000, 250'000};
}

// All that the chain asks of a request's way: two questions and a call for the run.
void PassChain(benchmark::State& state, Chain chain) {
  const RequestsDone done = RunOf64(Routing().Find("get"));
  for (auto _ : state) {
    benchmark::DoNotOptimize(chain);
    if (chain.has(kHookRequest | kHookReply))
      return state.SkipWithError("a hook that should not be");
    chain.OnDone(done);
  }
}

void BM_EmptyChain(benchmark::State& state) { PassChain(state, Chain()); }
BENCHMARK(BM_EmptyChain);

void BM_MetricsDone(benchmark::State& state) {
  BenchHost host;
  PassChain(state, MetricsChain(host));
}
BENCHMARK(BM_MetricsDone);

// A different command each time: the counters of each are somewhere else in memory.
void BM_MetricsDoneManyCommands(benchmark::State& state) {
  BenchHost host;
  Chain chain = MetricsChain(host);
  std::vector<RequestsDone> runs;
  for (const auto& spec : Routing().commands().specs()) {
    runs.push_back(RunOf64(&Routing().entry(*spec)));
  }
  size_t i = 0;
  for (auto _ : state) {
    chain.OnDone(runs[i]);
    i = i + 1 < runs.size() ? i + 1 : 0;
  }
}
BENCHMARK(BM_MetricsDoneManyCommands);

void BM_MetricsError(benchmark::State& state) {
  BenchHost host;
  Chain chain = MetricsChain(host);
  const CommandEntry* const entry = Routing().Find("get");
  BenchClient client;
  for (auto _ : state) chain.OnError(client, entry, 0, "WRONGTYPE");
}
BENCHMARK(BM_MetricsError);

void BM_HistogramRecord(benchmark::State& state) {
  Histogram histogram;
  uint64_t ns = 1;
  for (auto _ : state) {
    histogram.Record(ns, 1);
    ns = (ns * 5) & 0xffffff;
  }
  if (histogram.Read().count() != static_cast<uint64_t>(state.iterations())) {
    state.SkipWithError("a count was lost");
  }
}
BENCHMARK(BM_HistogramRecord);

// Not on a request's way: a scrape of one worker that has seen as many commands as `range`.
void BM_Scrape(benchmark::State& state) {
  BenchHost host;
  Chain chain = MetricsChain(host);
  const auto& specs = Routing().commands().specs();
  for (int64_t i = 0; i < state.range(0); ++i) {
    chain.OnDone(RunOf64(&Routing().entry(*specs[static_cast<size_t>(i)])));
  }
  for (auto _ : state) {
    MetricsPage page;
    for (const auto& source : host.sources) source->Collect(page);
    benchmark::DoNotOptimize(page.Text());
  }
}
BENCHMARK(BM_Scrape)->Arg(1)->Arg(20)->Arg(300)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace weir
