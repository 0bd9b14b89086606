// The process: listeners, workers, discovery, admin HTTP, signals; and the thread that controls
// them all.
//
// The control thread accepts connections and deals them to the workers, each to the one with the
// fewest, because hashing them by SO_REUSEPORT alone leaves cores idle when there are few
// long-lived ones (envoyproxy/envoy issue 19436). It is idle otherwise.
#ifndef WEIR_PROXY_SERVER_H_
#define WEIR_PROXY_SERVER_H_

#include <uv.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "plugins/registry.h"
#include "proxy/admin.h"
#include "proxy/backend/discovery.h"
#include "proxy/backend/replica_lags.h"
#include "proxy/backend/standstill.h"
#include "proxy/backend/subscription_counts.h"
#include "proxy/client/script_cache.h"
#include "proxy/config.h"
#include "proxy/loop.h"
#include "proxy/node_states.h"
#include "proxy/worker.h"
#include "routing/command_policy.h"
#include "routing/upstream_url.h"

namespace weir {

class Listener;

class Server final : public AdminSource {
 public:
  // `plugin_kinds` (which outlive it) are those that the configuration may enable.
  explicit Server(Config config, std::span<const PluginKind> plugin_kinds = PluginKinds());
  ~Server();

  // Sets everything up and serves until a signal. An error, if it could not start; the message is
  // for people.
  absl::Status Run();
  // What SIGTERM does: Run() returns once what is in flight has ended. From any thread.
  void RequestStop();

  // ---- for workers, from any thread
  const Config& config() const { return config_; }
  std::span<const PluginKind> plugin_kinds() const { return plugin_kinds_; }
  size_t worker_count() const { return worker_count_; }
  const std::vector<std::unique_ptr<Worker>>& workers() const { return workers_; }
  const UpstreamUrl& url(size_t upstream) const { return urls_[upstream]; }
  ScriptCache& scripts(size_t upstream) { return scripts_[upstream]; }
  Standstill& standstill(size_t upstream) { return standstills_[upstream]; }
  // Null: they are not measured.
  const ReplicaLags* replica_lags(size_t upstream) const { return replica_lags_[upstream].get(); }
  SubscriptionCounts& subscription_counts(size_t upstream) { return *counts_[upstream]; }
  void ReportNode(const std::string& upstream, const std::string& node, bool up,
                  const std::string& cause);
  void ReportEjection(const std::string& upstream, const std::string& node, bool ejected,
                      const std::string& cause);
  // The upstream's server may not be what it was: `reconnected` to, or it says so itself.
  void LookAgain(size_t upstream, bool reconnected);
  std::vector<NodeStates::State> node_states() const { return nodes_.All(); }
  // A worker has reason to think that another node serves a slot than it knew.
  void RefreshTopology(size_t upstream);
  void AddMetrics(std::shared_ptr<const MetricsSource> source);
  SlowLog* slow_log() { return slow_log_.get(); }     // null: it is off
  KeyStats* key_stats() { return key_stats_.get(); }  // likewise
  // See Host::Share; on the control thread, before the workers run.
  std::shared_ptr<void> Share(std::string_view name,
                              const std::function<std::shared_ptr<void>()>& make);
  void OnWorkerDrained();
  // The "# Weir" section of INFO, for a client of this worker.
  std::string InfoText(int worker);

  // ---- AdminSource, from admin's threads
  std::vector<uint64_t> HeartbeatAgesMs() override;
  std::vector<std::string> NotReady() override;
  std::vector<std::shared_ptr<const MetricsSource>> MetricsSources() override;

 private:
  friend class Listener;

  absl::Status Prepare();
  absl::Status OpenListeners();
  void StartDiscovery();
  void Begin();
  void Deal(int fd, int listener);
  void ForgetNodes(size_t upstream, const Topology& topology);
  void WatchSignals();
  void CloseSignals();
  void OnSignal(int number);
  void StartWatchdog();
  void Drain();
  void Finish();

  const Config config_;
  const std::span<const PluginKind> plugin_kinds_;
  const size_t worker_count_;
  std::vector<UpstreamUrl> urls_;
  std::deque<Standstill> standstills_;                      // by upstream
  std::deque<ScriptCache> scripts_;                         // likewise
  std::vector<std::shared_ptr<ReplicaLags>> replica_lags_;  // likewise
  CommandPolicy policy_;
  Loop loop_;
  NodeStates nodes_;
  std::vector<std::unique_ptr<SubscriptionCounts>> counts_;           // one for each upstream
  std::map<std::string, std::shared_ptr<void>, std::less<>> shares_;  // by plugins' names for them
  std::shared_ptr<SlowLog> slow_log_;                                 // shared with scrapes
  std::unique_ptr<KeyStats> key_stats_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<std::unique_ptr<Discovery>> discoveries_;
  std::unique_ptr<Admin> admin_;
  uv_signal_t signals_[3];
  uv_timer_t timer_;  // first for the start, then for the watchdog
  uint64_t started_ns_ = 0;
  uint64_t last_client_id_ = 0;
  Counter clients_refused_;
  std::atomic<bool> serving_{false};
  bool finished_ = false;
  std::atomic<bool> draining_{false};
  std::mutex metrics_mutex_;
  std::vector<std::shared_ptr<const MetricsSource>> metrics_;  // guarded by metrics_mutex_
};

}  // namespace weir

#endif  // WEIR_PROXY_SERVER_H_
