// What the benchmarks of plugins lend them: a host that keeps what it is given, a client of any
// kind.
#ifndef WEIR_BENCH_BENCH_HOST_H_
#define WEIR_BENCH_BENCH_HOST_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plugins/host.h"
#include "plugins/plugin.h"
#include "routing/command_class.h"

namespace weir {

inline const RoutingTable& Routing() {
  static const auto table = RoutingTable::Make(CommandTable::BuiltIn(), CommandPolicy());
  return *table;
}

class BenchHost final : public Host {
 public:
  int worker() const override { return 0; }
  // A request every 20 ns, so that what is counted by time moves on.
  uint64_t NowNs() override { return now_ns_ += 20; }
  int upstreams() const override { return 1; }
  const std::string& UpstreamName(int) const override { return name_; }
  std::unique_ptr<HostTimer> After(uint64_t, std::function<void()>) override { return nullptr; }
  const RoutingTable& Routing(int) override { return weir::Routing(); }
  std::vector<std::string> KeyOfEachNode(int) override { return {}; }
  void Call(int, std::string_view, std::string, std::function<void(std::string_view)>) override {}
  void Log(std::string_view, std::string_view) override {}
  size_t TakeSessionSlot() override { return 0; }
  void AddMetrics(std::shared_ptr<MetricsSource> source) override {
    sources.push_back(std::move(source));
  }
  std::shared_ptr<void> Share(std::string_view,
                              const std::function<std::shared_ptr<void>()>& make) override {
    return make();
  }

  std::vector<std::shared_ptr<MetricsSource>> sources;

 private:
  const std::string name_ = "default";
  uint64_t now_ns_ = 1'000'000'000;
};

class BenchClient final : public SessionView {
 public:
  uint64_t id() const override { return 1; }
  std::string_view user() const override { return "default"; }
  std::string_view client_name() const override { return ""; }
  std::string address() const override { return "127.0.0.1:50312"; }
  std::string_view listener() const override { return "127.0.0.1:6380"; }
  int db() const override { return 0; }
  int protocol_version() const override { return 2; }
  bool in_transaction() const override { return false; }
  uint64_t& word(size_t) override { return word_; }

 private:
  uint64_t word_ = 0;
};

}  // namespace weir

#endif  // WEIR_BENCH_BENCH_HOST_H_
