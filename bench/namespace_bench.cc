// What a namespace costs: the putting on of its prefix, which every request of a tenant pays, and
// the taking off, which only replies with names do.
#include <benchmark/benchmark.h>

#include <string>
#include <string_view>
#include <vector>

#include "bench/bench_host.h"
#include "plugins/namespace_reply.h"
#include "plugins/namespace_request.h"
#include "resp/reply_writer.h"
#include "routing/command_class.h"

namespace weir {
namespace {

constexpr std::string_view kPrefix = "acme:";

void PutOnRequest(benchmark::State& state, std::vector<std::string_view> args) {
  const ArgList list(absl::MakeConstSpan(args));
  const CommandEntry* entry = Routing().Resolve(list);
  const NamespaceScope scope = {.prefix = kPrefix};
  NamespaceRules rules;
  for (auto _ : state) {
    NamespacedRequest request =
        PutOn(rules.Of(*entry->spec), entry, list, scope, true, list.size());
    benchmark::DoNotOptimize(request);
  }
}

void BM_NamespaceGet(benchmark::State& state) { PutOnRequest(state, {"GET", "user:1234567"}); }
BENCHMARK(BM_NamespaceGet);

void BM_NamespaceSet64(benchmark::State& state) {
  const std::string value(64, 'v');
  PutOnRequest(state, {"SET", "user:1234567", value});
}
BENCHMARK(BM_NamespaceSet64);

void BM_NamespaceMget10(benchmark::State& state) {
  std::vector<std::string_view> args(11, "user:1234567");
  args[0] = "MGET";
  PutOnRequest(state, std::move(args));
}
BENCHMARK(BM_NamespaceMget10);

void BM_NamespaceKeysReply100(benchmark::State& state) {
  std::string reply;
  ReplyWriter writer(&reply, 2);
  writer.ArrayHeader(100);
  for (int i = 0; i < 100; ++i) writer.Bulk("acme:user:" + std::to_string(1234567 + i));
  for (auto _ : state) {
    benchmark::DoNotOptimize(TakeOff(NamespaceReply::kNames, kPrefix, reply));
  }
}
BENCHMARK(BM_NamespaceKeysReply100);

}  // namespace
}  // namespace weir
