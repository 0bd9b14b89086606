// What one worker counts and measures, for its own bounds, INFO and /metrics.
#ifndef WEIR_PROXY_STATS_H_
#define WEIR_PROXY_STATS_H_

#include "plugins/counter.h"

namespace weir {

// What a worker counts whatever the plugins are: the state that its own bounds are checked against.
struct WorkerStats {
  Gauge clients;                             // connections now
  Counter clients_accepted;                  // connections ever
  Counter clients_idle_closed;               // client_idle_timeout_ms, request_arrival_timeout_ms
  Counter clients_output_closed;             // client_output_buffer_bytes_max
  Counter clients_memory_closed;             // memory_bytes_max
  Counter clients_subscriber_output_closed;  // subscriber_output_buffer_*
  Counter clients_subscriber_lost_closed;    // on_subscriber_loss, or rights taken away
  Counter protocol_errors;                   // requests that broke the protocol
  Counter requests_denied;                   // refused by weir's own policy
  Counter requests_timed_out;                // request_timeout_ms
  Counter requests_unknown;                  // writes whose fate a broken link left unknown
  Counter requests_retried;                  // sent again after a link broke
  Counter requests_redirected;               // refused by a node of a cluster, and sent again
  Counter requests_failed_down;              // answered with an error because the node is down
  Counter requests_streamed;                 // larger than request_buffer_bytes_max
  Gauge requests_in_flight;                  // parsed and not yet answered
  Gauge links;                               // connections to nodes now
  Counter links_opened;                      // connections to nodes ever established
  Counter links_failed;                      // attempts that failed, and connections that broke
  Counter links_protocol_errors;             // links closed for what the node sent
  Counter scripts_sent_again;                // EVALSHA that met NOSCRIPT and was sent with its text
  Counter ejections;                         // circuit breakers that opened
  Counter links_busy;                        // links set aside because of a busy script
  Counter links_fenced;                      // links set aside for one slow reader
  Counter pinned_refused;                    // pinned_connections_max
  Counter client_names_refused;              // client_names_bytes_max
  Gauge client_name_bytes;                   // of the names that clients chose
  Gauge pinned_transaction;  // clients with a connection of their own now, by reason
  Gauge pinned_watch;
  Gauge pinned_blocked;
  Gauge pinned_tracking;
  Gauge pinned_other;
  Gauge monitors;                // clients in MONITOR
  Gauge subscribers;             // clients that subscribe to something
  Gauge subscribed_channels;     // held upstream, shard channels among them
  Gauge subscribed_patterns;     // held upstream
  Counter messages_received;     // from upstream
  Counter messages_delivered;    // to clients
  Counter message_bytes_shared;  // given to clients without a copy
  Counter message_bytes_copied;  // copied on their way, whoever for
  Counter subscriber_gaps;       // breaks in which messages may have been missed
  Gauge buffer_bytes;            // chunks in use
  Counter reads_paused;          // times that reading from a client was paused
  Counter loop_turns;            // event-loop turns
  Counter loop_pauses;           // pauses in which events gathered
  Gauge loop_lag_us;             // lateness of the worker's last timer tick
  Gauge loop_lag_max_us;         // the worst since start
};

}  // namespace weir

#endif  // WEIR_PROXY_STATS_H_
