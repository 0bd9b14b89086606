// What the process tells about itself: INFO's section, readiness, metrics.
#include <unistd.h>

#include "plugins/text.h"
#include "proxy/server.h"

namespace weir {

std::string Server::InfoText(int worker) {
  uint64_t clients = 0, accepted = 0, in_flight = 0, links = 0, buffers = 0;
  uint64_t pinned[] = {0, 0, 0, 0, 0, 0};
  uint64_t timed_out = 0, unknown = 0, retried = 0, denied = 0, redirected = 0;
  uint64_t subscribers = 0, channels = 0, patterns = 0, delivered = 0, gaps = 0;
  uint64_t bytes_shared = 0, bytes_copied = 0;
  std::string by_worker;
  for (const auto& w : workers_) {
    const WorkerStats& stats = w->stats();
    clients += stats.clients.Get();
    accepted += stats.clients_accepted.Get();
    in_flight += stats.requests_in_flight.Get();
    links += stats.links.Get();
    const Gauge* const gauges[] = {&stats.pinned_transaction, &stats.pinned_watch,
                                   &stats.pinned_blocked,     &stats.pinned_tracking,
                                   &stats.pinned_monitor,     &stats.pinned_other};
    for (size_t i = 0; i < std::size(gauges); ++i) pinned[i] += gauges[i]->Get();
    buffers += stats.buffer_bytes.Get();
    timed_out += stats.requests_timed_out.Get();
    unknown += stats.requests_unknown.Get();
    retried += stats.requests_retried.Get();
    denied += stats.requests_denied.Get();
    redirected += stats.requests_redirected.Get();
    subscribers += stats.subscribers.Get();
    channels += stats.subscribed_channels.Get();
    patterns += stats.subscribed_patterns.Get();
    delivered += stats.messages_delivered.Get();
    gaps += stats.subscriber_gaps.Get();
    bytes_shared += stats.message_bytes_shared.Get();
    bytes_copied += stats.message_bytes_copied.Get();
    if (!by_worker.empty()) by_worker += ",";
    by_worker += std::to_string(stats.clients.Get());
  }
  std::string text =
      Concat("# Weir\r\nweir_version:", WEIR_VERSION, "\r\nweir_process_id:", ::getpid(),
             "\r\nweir_uptime_in_seconds:", (uv_hrtime() - started_ns_) / 1'000'000'000,
             "\r\nweir_workers:", workers_.size(), "\r\nweir_worker:", worker, "\r\n");
  text += Concat("weir_clients:", clients, "\r\nweir_clients_by_worker:", by_worker,
                 "\r\nweir_clients_max:", config_.limits.clients_max,
                 "\r\nweir_clients_accepted:", accepted, "\r\nweir_requests_in_flight:", in_flight,
                 "\r\nweir_requests_timed_out:", timed_out, "\r\nweir_requests_unknown:", unknown,
                 "\r\nweir_requests_redirected:", redirected, "\r\nweir_requests_retried:", retried,
                 "\r\nweir_requests_denied:", denied, "\r\n");
  text +=
      Concat("weir_pinned:transaction=", pinned[0], ",watch=", pinned[1], ",blocked=", pinned[2],
             ",tracking=", pinned[3], ",monitor=", pinned[4], ",other=", pinned[5], "\r\n");
  text += Concat("weir_links:", links, "\r\nweir_buffer_bytes:", buffers,
                 "\r\nweir_memory_bytes_max:", config_.limits.memory_bytes_max, "\r\n");
  text +=
      Concat("weir_subscribers:", subscribers, "\r\nweir_subscribed_channels:", channels,
             "\r\nweir_subscribed_patterns:", patterns, "\r\nweir_messages_delivered:", delivered,
             "\r\nweir_subscriber_gaps:", gaps, "\r\nweir_message_bytes_shared:", bytes_shared,
             "\r\nweir_message_bytes_copied:", bytes_copied, "\r\n");
  for (const NodeStates::State& node : nodes_.All()) {
    text += Concat("weir_node:upstream=", node.upstream, ",node=", node.node,
                   ",state=", node.up ? "up" : "down", "\r\n");
  }
  return text;
}

void Server::AddMetrics(std::shared_ptr<const MetricsSource> source) {
  const std::lock_guard lock(metrics_mutex_);
  metrics_.push_back(std::move(source));
}

std::vector<std::shared_ptr<const MetricsSource>> Server::MetricsSources() {
  const std::lock_guard lock(metrics_mutex_);
  return metrics_;
}

std::vector<uint64_t> Server::HeartbeatAgesMs() {
  std::vector<uint64_t> ages;
  const uint64_t now_ns = uv_hrtime();
  for (const auto& worker : workers_) {
    const uint64_t beat_ns = worker->beat_ns();
    ages.push_back(now_ns > beat_ns ? (now_ns - beat_ns) / 1'000'000 : 0);
  }
  return ages;
}

std::vector<std::string> Server::NotReady() {
  if (draining_) return {"draining"};
  if (!serving_) return {"starting"};
  std::vector<std::string> names;
  for (const UpstreamConfig& upstream : config_.upstreams) names.push_back(upstream.name);
  return nodes_.NotReady(names);
}

}  // namespace weir
