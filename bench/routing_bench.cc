// Benchmarks of routing: what each request pays to be looked up and planned.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "resp/request_parser.h"
#include "routing/command_class.h"
#include "routing/keys.h"
#include "routing/plan.h"
#include "routing/slot.h"
#include "routing/upstream_url.h"

namespace weir {
namespace {

using Args = std::vector<std::string_view>;

const RoutingTable& Routing() {
  static const auto table = RoutingTable::Make(CommandTable::BuiltIn(), CommandPolicy());
  return *table;
}

// Names as clients send them, in turns, so that no branch is learnt by heart.
const Args& Names() {
  static const Args names = {"GET",  "SET",   "HSET", "EXPIRE",       "zadd", "MGET",
                             "Incr", "LPUSH", "hget", "DEL",          "PING", "SADD",
                             "XADD", "TTL",   "EVAL", "ZRANGEBYSCORE"};
  return names;
}

void FindName(benchmark::State& state, const Args& names) {
  const RoutingTable& table = Routing();
  size_t i = 0;
  for ([[maybe_unused]] auto _ : state) {
    benchmark::DoNotOptimize(table.Find(names[i++ & (names.size() - 1)]));
  }
}
BENCHMARK_CAPTURE(FindName, get, Args{"GET"});
BENCHMARK_CAPTURE(FindName, mixed, Names());
BENCHMARK_CAPTURE(FindName, longest, Args{"GEORADIUSBYMEMBER_RO"});
BENCHMARK_CAPTURE(FindName, unknown, Args{"JSON.SET"});

// A parsed request, as the session has it.
class Parsed {
 public:
  explicit Parsed(const Args& args) {
    for (const std::string_view arg : args) {
      spans_.push_back({static_cast<uint32_t>(wire_.size()), static_cast<uint32_t>(arg.size())});
      wire_ += arg;
    }
    request_.wire = wire_;
    request_.args = spans_.data();
    request_.argc = static_cast<uint32_t>(spans_.size());
  }
  const ParsedRequest& request() const { return request_; }

 private:
  std::string wire_;
  std::vector<ArgSpan> spans_;
  ParsedRequest request_;
};

void PlanOn(benchmark::State& state, std::shared_ptr<const Topology> (*topology_of)(),
            const Args& args) {
  const std::shared_ptr<const Topology> topology = topology_of();
  const Parsed parsed(args);
  const RoutingTable& table = Routing();
  for ([[maybe_unused]] auto _ : state) {
    benchmark::DoNotOptimize(MakePlan(table, *topology, parsed.request()));
  }
}

std::shared_ptr<const Topology> Single() { return Topology::Single({.host = "h", .port = 1}); }

std::shared_ptr<const Topology> Cluster() {
  std::vector<NodeIndex> slots(kSlotCount);
  for (size_t i = 0; i < slots.size(); ++i) slots[i] = static_cast<NodeIndex>(i % 3);
  return Topology::Cluster(std::vector<Node>(3), slots, 1);
}

constexpr std::string_view kKey = "key:000000000001";

BENCHMARK_CAPTURE(PlanOn, single_get, Single, Args{"GET", kKey});
BENCHMARK_CAPTURE(PlanOn, single_set, Single, Args{"SET", kKey, "value"});
BENCHMARK_CAPTURE(PlanOn, single_config_get, Single, Args{"CONFIG", "GET", "maxmemory"});
BENCHMARK_CAPTURE(PlanOn, single_xread, Single, Args{"XREAD", "COUNT", "1", "STREAMS", kKey, "0"});
BENCHMARK_CAPTURE(PlanOn, single_denied, Single, Args{"DEBUG", "SLEEP", "0"});
BENCHMARK_CAPTURE(PlanOn, cluster_get, Cluster, Args{"GET", kKey});
BENCHMARK_CAPTURE(PlanOn, cluster_set, Cluster, Args{"SET", kKey, "value"});
BENCHMARK_CAPTURE(PlanOn, cluster_mset, Cluster, Args{"MSET", "{t}a", "1", "{t}b", "2"});
BENCHMARK_CAPTURE(PlanOn, cluster_eval, Cluster, Args{"EVAL", "return 1", "1", kKey});

void KeySlotOf(benchmark::State& state, std::string_view key) {
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(KeySlot(key));
}
BENCHMARK_CAPTURE(KeySlotOf, plain, kKey);
BENCHMARK_CAPTURE(KeySlotOf, tagged, "user:{0001}:profile");

// Off the hot path: what connecting to an upstream costs.
void ReadRoutingTable(benchmark::State& state) {
  for ([[maybe_unused]] auto _ : state) {
    benchmark::DoNotOptimize(RoutingTable::Make(CommandTable::BuiltIn(), CommandPolicy()));
  }
}
BENCHMARK(ReadRoutingTable);

void ParseUrl(benchmark::State& state) {
  for ([[maybe_unused]] auto _ : state) {
    benchmark::DoNotOptimize(ParseUpstreamUrl("redis://ann:secret@10.0.0.1:6379/3"));
  }
}
BENCHMARK(ParseUrl);

}  // namespace
}  // namespace weir
