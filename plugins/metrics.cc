// The hooks of the metrics plugin: what was answered is added to this worker's counters.
//
// Requests are not looked at on their way in. A run of equal requests is counted once it was
// answered, by one call, so what metrics cost does not grow with the depth of a pipeline.
#include "plugins/metrics.h"

#include <string>
#include <utility>
#include <vector>

#include "plugins/host.h"
#include "plugins/metrics_counters.h"
#include "plugins/plugin.h"

namespace weir {
namespace {

class MetricsPlugin final : public Plugin {
 public:
  explicit MetricsPlugin(std::shared_ptr<MetricsCounters> counters)
      : counters_(std::move(counters)) {}

  std::string_view name() const override { return "metrics"; }
  HookSet hooks() const override { return kHookOpen | kHookDone | kHookError | kHookClose; }

  Verdict OnOpen(SessionView& session) override {
    counters_->Listener(session.listener()).opened.Add();
    return Verdict::kContinue;
  }

  void OnClose(SessionView& session) override {
    counters_->Listener(session.listener()).closed.Add();
  }

  void OnDone(const RequestsDone& done) override {
    CommandCounters& command = counters_->Command(done.upstream, done.entry);
    command.requests.Add(done.count);
    command.request_bytes.Add(done.request_bytes);
    command.reply_bytes.Add(done.reply_bytes);
    command.total.Record(done.total_ns, done.count);
    // The two times are cut at turns of the loop, so the part may exceed the whole by a little.
    const bool asked_node = done.upstream_ns > 0;
    if (asked_node) {
      command.queue.Record(done.queue_ns, done.count);
      command.upstream.Record(done.upstream_ns, done.count);
    }
    command.own.Record(done.total_ns > done.upstream_ns ? done.total_ns - done.upstream_ns : 0,
                       done.count);
  }

  void OnError(SessionView&, const CommandEntry* entry, int upstream,
               std::string_view code) override {
    counters_->CountError(upstream, entry, code);
  }

 private:
  const std::shared_ptr<MetricsCounters> counters_;  // shared with the scrapes
};

}  // namespace

PluginSchema MetricsSchema() {
  return {"metrics", "Counts and times commands, for /metrics.", true, {}, nullptr};
}

absl::StatusOr<std::unique_ptr<Plugin>> MakeMetrics(const PluginConfig& /*config*/, Host& host) {
  std::vector<std::string> upstreams;
  for (int i = 0; i < host.upstreams(); ++i) upstreams.push_back(host.UpstreamName(i));
  auto counters = std::make_shared<MetricsCounters>(std::move(upstreams));
  host.AddMetrics(counters);
  return std::make_unique<MetricsPlugin>(std::move(counters));
}

}  // namespace weir
