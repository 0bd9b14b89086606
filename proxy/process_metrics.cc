#include "proxy/process_metrics.h"

#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "proxy/node_states.h"
#include "proxy/process_usage.h"
#include "proxy/stats.h"

namespace weir {
namespace {

struct WorkerCounter {
  Metric metric;
  Counter WorkerStats::*counter;
  const char* reason = nullptr;  // value of the label "reason", for one of several
};

struct WorkerGauge {
  Metric metric;
  Gauge WorkerStats::*gauge;
  double scale = 1;  // from the gauge's unit to the metric's
};

constexpr Metric C(const char* name, const char* help) {
  return {name, MetricType::kCounter, help};
}
constexpr Metric G(const char* name, const char* help) { return {name, MetricType::kGauge, help}; }

constexpr Metric kClosed =
    C("weir_clients_closed_total", "Clients that weir closed for passing one of its limits.");

constexpr WorkerCounter kCounters[] = {
    {C("weir_clients_accepted_total", "Clients that connected."), &WorkerStats::clients_accepted},
    {kClosed, &WorkerStats::clients_idle_closed, "idle"},
    {kClosed, &WorkerStats::clients_output_closed, "output"},
    {kClosed, &WorkerStats::clients_memory_closed, "memory"},
    {kClosed, &WorkerStats::clients_subscriber_output_closed, "subscriber_output"},
    {kClosed, &WorkerStats::clients_subscriber_lost_closed, "subscriber_lost"},
    {C("weir_protocol_errors_total", "Requests that broke the protocol."),
     &WorkerStats::protocol_errors},
    {C("weir_requests_denied_total", "Requests that weir's own policy refused."),
     &WorkerStats::requests_denied},
    {C("weir_requests_timed_out_total", "Requests without a reply in request_timeout_ms."),
     &WorkerStats::requests_timed_out},
    {C("weir_requests_unknown_total", "Writes of which a broken link left unknown if they ran."),
     &WorkerStats::requests_unknown},
    {C("weir_requests_retried_total", "Requests that were sent again after a link broke."),
     &WorkerStats::requests_retried},
    {C("weir_requests_failed_down_total", "Requests that failed because their node was down."),
     &WorkerStats::requests_failed_down},
    {C("weir_requests_streamed_total", "Requests larger than request_buffer_bytes_max."),
     &WorkerStats::requests_streamed},
    {C("weir_links_opened_total", "Connections to nodes that were established."),
     &WorkerStats::links_opened},
    {C("weir_links_failed_total", "Connections to nodes that broke or could not be established."),
     &WorkerStats::links_failed},
    {C("weir_links_protocol_errors_total", "Links closed for what the node sent."),
     &WorkerStats::links_protocol_errors},
    {C("weir_scripts_sent_again_total",
       "EVALSHAs that Redis had forgotten and got with their text."),
     &WorkerStats::scripts_sent_again},
    {C("weir_requests_redirected_total",
       "Requests that a node of a cluster refused and that were sent again."),
     &WorkerStats::requests_redirected},
    {C("weir_ejections_total", "Times that a node's circuit breaker has opened."),
     &WorkerStats::ejections},
    {C("weir_links_busy_total", "Links set aside because a script kept them waiting."),
     &WorkerStats::links_busy},
    {C("weir_links_fenced_total", "Links set aside because of one slow reader."),
     &WorkerStats::links_fenced},
    {C("weir_pinned_refused_total", "Commands refused at pinned_connections_max."),
     &WorkerStats::pinned_refused},
    {C("weir_client_names_refused_total", "Client names refused at client_names_bytes_max."),
     &WorkerStats::client_names_refused},
    {C("weir_messages_received_total", "Published messages that came from upstream."),
     &WorkerStats::messages_received},
    {C("weir_messages_delivered_total", "Published messages that were handed to clients."),
     &WorkerStats::messages_delivered},
    {C("weir_message_bytes_shared_total", "Bytes of messages given to clients without a copy."),
     &WorkerStats::message_bytes_shared},
    {C("weir_message_bytes_copied_total", "Bytes of messages that were copied on their way."),
     &WorkerStats::message_bytes_copied},
    {C("weir_subscriber_gaps_total", "Breaks in which subscribers may have missed messages."),
     &WorkerStats::subscriber_gaps},
    {C("weir_reads_paused_total", "Times that reading from a client was paused."),
     &WorkerStats::reads_paused},
    {C("weir_loop_turns_total", "Turns of the event loop."), &WorkerStats::loop_turns},
    {C("weir_loop_pauses_total", "Pauses after a turn that let events gather (coalesce_max_us)."),
     &WorkerStats::loop_pauses},
};

constexpr WorkerGauge kGauges[] = {
    {G("weir_clients", "Clients connected now."), &WorkerStats::clients},
    {G("weir_requests_in_flight", "Requests without a reply yet."),
     &WorkerStats::requests_in_flight},
    {G("weir_links", "Connections to nodes now."), &WorkerStats::links},
    {G("weir_pinned_transaction", "Clients with a connection of their own: in MULTI."),
     &WorkerStats::pinned_transaction},
    {G("weir_pinned_watch", "Clients with a connection of their own: WATCH."),
     &WorkerStats::pinned_watch},
    {G("weir_pinned_blocked", "Clients with a connection of their own: in a blocking command."),
     &WorkerStats::pinned_blocked},
    {G("weir_pinned_tracking", "Clients with a connection of their own: CLIENT TRACKING."),
     &WorkerStats::pinned_tracking},
    {G("weir_pinned_other", "Clients with a connection of their own: large requests and the like."),
     &WorkerStats::pinned_other},
    {G("weir_client_name_bytes", "Bytes of the names that clients chose for themselves."),
     &WorkerStats::client_name_bytes},
    {G("weir_monitors", "Clients in MONITOR."), &WorkerStats::monitors},
    {G("weir_subscribers", "Clients that subscribe to something."), &WorkerStats::subscribers},
    {G("weir_subscribed_channels", "Channels and shard channels subscribed to upstream."),
     &WorkerStats::subscribed_channels},
    {G("weir_subscribed_patterns", "Patterns subscribed to upstream."),
     &WorkerStats::subscribed_patterns},
    {G("weir_buffer_bytes", "Memory of buffers in use."), &WorkerStats::buffer_bytes},
    {G("weir_loop_lag_seconds", "How late the event loop's last timer was."),
     &WorkerStats::loop_lag_us, 1e-6},
    {G("weir_loop_lag_max_seconds", "The latest that a timer has been since start."),
     &WorkerStats::loop_lag_max_us, 1e-6},
};

static_assert(sizeof(WorkerStats) == (std::size(kCounters) + std::size(kGauges)) * sizeof(Counter),
              "a member of WorkerStats is missing in these tables");

constexpr Metric kBuildInfo = G("weir_build_info", "1, and which weir this is.");
constexpr Metric kUpstreamEjected =
    G("weir_upstream_ejected", "Workers that send a node nothing: its circuit breaker is open.");
constexpr Metric kUpstreamUp = G("weir_upstream_up", "Whether a node can be reached: 1, else 0.");

constexpr std::pair<Metric, std::optional<double> ProcessUsage::*> kUsage[] = {
    {C("process_cpu_seconds_total", "CPU time of the process, user and system."),
     &ProcessUsage::cpu_s},
    {G("process_start_time_seconds", "When the process started, in seconds since 1970."),
     &ProcessUsage::start_time_s},
    {G("process_resident_memory_bytes", "Memory of the process in RAM."),
     &ProcessUsage::resident_bytes},
    {G("process_virtual_memory_bytes", "Address space of the process."),
     &ProcessUsage::virtual_bytes},
    {G("process_open_fds", "Open file descriptors."), &ProcessUsage::open_fds},
    {G("process_max_fds", "File descriptors that may be open."), &ProcessUsage::max_fds},
    {G("weir_memory_allocated_bytes", "Memory that weir has allocated, by jemalloc."),
     &ProcessUsage::allocated_bytes},
    {G("weir_memory_active_bytes", "Pages that allocations lie on, by jemalloc."),
     &ProcessUsage::active_bytes},
    {G("weir_memory_resident_bytes", "Pages in RAM that jemalloc holds, unused ones among them."),
     &ProcessUsage::allocator_resident_bytes},
    {G("weir_memory_mapped_bytes", "Address space of jemalloc's extents in use."),
     &ProcessUsage::mapped_bytes},
    {G("weir_memory_metadata_bytes", "Memory that jemalloc itself needs."),
     &ProcessUsage::metadata_bytes},
};

}  // namespace

ProcessMetrics::ProcessMetrics(std::vector<const WorkerStats*> workers, const NodeStates* nodes)
    : workers_(std::move(workers)), nodes_(nodes) {}

void ProcessMetrics::Collect(MetricsSink& sink) const {
  CollectWorkers(sink);
  CollectNodes(sink);
  const ProcessUsage usage = MeasureProcess();
  for (const auto& [metric, member] : kUsage) {
    if ((usage.*member).has_value()) sink.Add(metric, {}, *(usage.*member));
  }
  sink.Add(kBuildInfo, {{"version", WEIR_VERSION}}, 1);
}

void ProcessMetrics::CollectWorkers(MetricsSink& sink) const {
  for (size_t i = 0; i < workers_.size(); ++i) {
    const std::string worker = std::to_string(i);
    for (const WorkerCounter& row : kCounters) {
      std::vector<MetricLabel> labels = {{"worker", worker}};
      if (row.reason != nullptr) labels.push_back({"reason", row.reason});
      sink.Add(row.metric, labels, static_cast<double>((workers_[i]->*row.counter).Get()));
    }
    for (const WorkerGauge& row : kGauges) {
      sink.Add(row.metric, {{"worker", worker}},
               static_cast<double>((workers_[i]->*row.gauge).Get()) * row.scale);
    }
  }
}

void ProcessMetrics::CollectNodes(MetricsSink& sink) const {
  for (const NodeStates::State& state : nodes_->All()) {
    const std::vector<MetricLabel> labels = {{"upstream", state.upstream}, {"node", state.node}};
    sink.Add(kUpstreamUp, labels, state.up ? 1 : 0);
    sink.Add(kUpstreamEjected, labels, state.ejected_by);
  }
}

}  // namespace weir
