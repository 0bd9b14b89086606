// What a local rate limit costs a request: the algorithms, the table, and the whole plugin with the
// choice of the rule. The goal is under 60 ns for a request that a rule is for.
#include <benchmark/benchmark.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "bench/bench_host.h"
#include "plugins/chain.h"
#include "plugins/limit_table.h"
#include "plugins/registry.h"
#include "routing/command_class.h"

namespace weir {
namespace {

class BenchRequest final : public RequestView {
 public:
  BenchRequest(SessionView& session, const ArgList& args, const CommandEntry* entry)
      : RequestView(session, args, entry, 0) {}
  uint64_t bytes() const override { return 40; }
  void KeepUntilDone(std::unique_ptr<Kept>) override {}
  void Answer(std::string) override {}
  void Rewrite(std::vector<std::string>) override {}
  void PutBefore(absl::Span<const uint32_t>, std::string_view) override {}
  void SendScript(std::vector<std::string>, std::string_view, uint64_t) override {}
  Hold MakeHold(uint64_t) override { return {nullptr, 0}; }
};

ConfigNode Text(const std::string& text) {
  ConfigNode node;
  node.type = ConfigNodeType::kString;
  node.string = text;
  return node;
}
ConfigNode Number(int64_t number) {
  ConfigNode node;
  node.type = ConfigNodeType::kInteger;
  node.integer = number;
  return node;
}
ConfigNode List(std::vector<ConfigNode> elements) {
  ConfigNode node;
  node.type = ConfigNodeType::kArray;
  node.elements = std::move(elements);
  return node;
}
ConfigNode Table(std::vector<std::pair<std::string, ConfigNode>> members) {
  ConfigNode node;
  for (auto& [name, value] : members) node.members.push_back({name, {}, std::move(value)});
  return node;
}

// One rule for GET, by `by`.
Chain LimitChain(BenchHost& host, const std::string& by) {
  PluginConfig config{"rate_limit", true, "", {}};
  const ConfigNode limit = Table(
      {{"points", Number(1'000'000'000)}, {"period_ms", Number(1000)}, {"by", List({Text(by)})}});
  const ConfigNode rule =
      Table({{"name", Text("bench")}, {"commands", List({Text("GET")})}, {"limit", List({limit})}});
  config.table = Table({{"rule", List({rule})}});
  return BuildChain({config}, host).value();
}

void PassRequests(benchmark::State& state, const std::string& by,
                  std::vector<std::string_view> args) {
  BenchHost host;
  Chain chain = LimitChain(host, by);
  BenchClient client;
  chain.OnOpen(client);
  const ArgList list(absl::MakeConstSpan(args));
  const CommandEntry* entry = Routing().Resolve(list);
  for (auto _ : state) {
    BenchRequest request(client, list, entry);
    benchmark::DoNotOptimize(chain.OnRequest(request).verdict);
  }
  chain.OnClose(client);
}

void BM_LimitNoRule(benchmark::State& state) {
  PassRequests(state, "client_ip", {"SET", "user:1234567", "v"});
}
BENCHMARK(BM_LimitNoRule);

void BM_LimitByClientIp(benchmark::State& state) {
  PassRequests(state, "client_ip", {"GET", "user:1234567"});
}
BENCHMARK(BM_LimitByClientIp);

void BM_LimitByKey(benchmark::State& state) { PassRequests(state, "key", {"GET", "user:1234567"}); }
BENCHMARK(BM_LimitByKey);

// Many keys: each request finds another bucket, mostly not in the cache.
void BM_LimitTable(benchmark::State& state) {
  const auto keys = static_cast<size_t>(state.range(0));
  LimitTable table(LimitMath({LimitAlgorithm::kGcra, 1'000'000, 1000, 0}), keys);
  std::mt19937_64 random(1);
  std::vector<uint64_t> hashes(keys);
  for (uint64_t& hash : hashes) hash = random();
  uint64_t now_ns = 1'000'000'000;
  size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(table.Take(hashes[i], now_ns += 20, 1).take.allowed);
    i = i + 1 < keys ? i + 1 : 0;
  }
}
BENCHMARK(BM_LimitTable)->Arg(64)->Arg(65536)->Arg(1'000'000);

void BM_LimitAlgorithm(benchmark::State& state) {
  const auto algorithm = static_cast<LimitAlgorithm>(state.range(0));
  const LimitMath math({algorithm, 1'000'000, 1000, 0});
  state.SetLabel(std::string(LimitAlgorithmName(algorithm)));
  uint64_t word = 0, now_ns = 1'000'000'000;
  for (auto _ : state) {
    const LimitTake take = math.Take(word, now_ns += 2000, 1);
    word = take.word;
    benchmark::DoNotOptimize(word);
  }
}
BENCHMARK(BM_LimitAlgorithm)
    ->Arg(static_cast<int>(LimitAlgorithm::kGcra))
    ->Arg(static_cast<int>(LimitAlgorithm::kFixedWindow))
    ->Arg(static_cast<int>(LimitAlgorithm::kSlidingWindow));

}  // namespace
}  // namespace weir
