// How a worker's counts are called in /metrics.
#include "plugins/metrics_counters.h"

namespace weir {
namespace {

constexpr Metric kRequests = {"weir_requests_total", MetricType::kCounter,
                              "Requests that were answered, by weir or an upstream."};
constexpr Metric kErrors = {"weir_request_errors_total", MetricType::kCounter,
                            "Error replies, by their first word."};
constexpr Metric kRequestBytes = {"weir_request_bytes_total", MetricType::kCounter,
                                  "Bytes of the requests that were answered."};
constexpr Metric kReplyBytes = {"weir_reply_bytes_total", MetricType::kCounter,
                                "Bytes of replies."};
constexpr Metric kTotal = {"weir_request_duration_seconds", MetricType::kHistogram,
                           "From a request read to the last byte of its reply."};
constexpr Metric kQueue = {"weir_queue_duration_seconds", MetricType::kHistogram,
                           "Of weir_proxy_duration_seconds, until a request was written to its "
                           "node: behind others, or held."};
constexpr Metric kUpstream = {"weir_upstream_duration_seconds", MetricType::kHistogram,
                              "From a request written to its node to its reply read."};
constexpr Metric kOwn = {"weir_proxy_duration_seconds", MetricType::kHistogram,
                         "Of weir_request_duration_seconds, what was spent in weir."};
constexpr Metric kListenerClients = {"weir_listener_clients", MetricType::kGauge,
                                     "Clients connected now, by listener."};
constexpr Metric kListenerAccepted = {"weir_listener_clients_accepted_total", MetricType::kCounter,
                                      "Clients that connected, by listener."};

double AsDouble(const Counter& counter) { return static_cast<double>(counter.Get()); }

}  // namespace

void MetricsCounters::Collect(MetricsSink& sink) const {
  for (const auto& upstream : upstreams_) CollectUpstream(*upstream, sink);
  for (const ListenerCounters* listener = listeners_.first(); listener != nullptr;
       listener = listener->next) {
    const std::vector<MetricLabel> labels = {{"listener", listener->address}};
    // Read in this order, a client that leaves just now cannot make the gauge negative.
    const double closed = AsDouble(listener->closed);
    const double opened = AsDouble(listener->opened);
    sink.Add(kListenerAccepted, labels, opened);
    sink.Add(kListenerClients, labels, opened > closed ? opened - closed : 0);
  }
}

void MetricsCounters::CollectUpstream(const UpstreamCounters& upstream, MetricsSink& sink) const {
  for (const CommandCounters* command = upstream.commands.first(); command != nullptr;
       command = command->next) {
    const std::vector<MetricLabel> labels = {{"command", command->command},
                                             {"upstream", upstream.name}};
    sink.Add(kRequests, labels, AsDouble(command->requests));
    sink.Add(kRequestBytes, labels, AsDouble(command->request_bytes));
    sink.Add(kReplyBytes, labels, AsDouble(command->reply_bytes));
    sink.Add(kTotal, labels, command->total.Read());
    sink.Add(kQueue, labels, command->queue.Read());
    sink.Add(kUpstream, labels, command->upstream.Read());
    sink.Add(kOwn, labels, command->own.Read());
    CollectErrors(upstream, *command, sink);
  }
}

void MetricsCounters::CollectErrors(const UpstreamCounters& upstream,
                                    const CommandCounters& command, MetricsSink& sink) const {
  const CommandCounters::ErrorCounters* errors = command.errors.load(std::memory_order_acquire);
  if (errors == nullptr) return;
  const size_t known = error_codes_.size();
  for (size_t number = 0; number < errors->size(); ++number) {
    if (number >= known && number != ErrorCodes::kOther) continue;
    const double count = AsDouble((*errors)[number]);
    if (count == 0) continue;
    sink.Add(kErrors,
             {{"code", error_codes_.Name(number)},
              {"command", command.command},
              {"upstream", upstream.name}},
             count);
  }
}

}  // namespace weir
