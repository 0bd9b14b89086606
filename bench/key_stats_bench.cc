// What counting a key costs a request, over keys that are used as Zipf's law has it, for sketches
// of several sizes: WEIR HOTKEYS and WEIR BIGKEYS.
#include <benchmark/benchmark.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "plugins/space_saving.h"
#include "proxy/key_stats.h"

namespace weir {
namespace {

// 65,536 draws out of 100,000 keys.
std::vector<std::string> Draws() {
  std::vector<double> weights;
  for (int i = 1; i <= 100000; ++i) weights.push_back(1 / std::pow(i, 1.0));
  std::discrete_distribution<size_t> pick(weights.begin(), weights.end());
  std::mt19937 random(1);
  std::vector<std::string> draws;
  for (int i = 0; i < 1 << 16; ++i) draws.push_back("session:" + std::to_string(pick(random)));
  return draws;
}

void BM_SpaceSavingAdd(benchmark::State& state) {
  const std::vector<std::string> draws = Draws();
  SpaceSaving sketch(static_cast<size_t>(state.range(0)));
  size_t i = 0;
  for (auto _ : state) sketch.Add(draws[i++ & 0xffff], 1);
}
BENCHMARK(BM_SpaceSavingAdd)->Arg(100)->Arg(1000)->Arg(10000);

// Both sketches, the lock and the name.
void BM_KeyStatsCount(benchmark::State& state) {
  const std::vector<std::string> draws = Draws();
  KeyStats stats(static_cast<size_t>(state.range(0)), 3'600'000, 1);
  size_t i = 0;
  for (auto _ : state) stats.Count(0, {}, draws[i++ & 0xffff], 100, 1);
}
BENCHMARK(BM_KeyStatsCount)->Arg(100)->Arg(1000)->Arg(10000);

}  // namespace
}  // namespace weir
