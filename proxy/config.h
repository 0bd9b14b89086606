// The configuration as plain structs; the initialisers here are the defaults.
//
// Each field has a line in config_table.cc, which gives its key in the file, its bounds and its
// description; conf/weir.toml documents all of them. Files are read by config_file.h. All numbers
// are int64_t, units are in the names, and 0 means "off" only where a comment says so.
#ifndef WEIR_PROXY_CONFIG_H_
#define WEIR_PROXY_CONFIG_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/plugin_config.h"
#include "routing/facade.h"
#include "routing/read_policy.h"

namespace weir {

// [[listener]]: a socket that clients connect to.
struct ListenerConfig {
  std::string address = "127.0.0.1:6380";  // see proxy/listen_address.h; checked
  std::string upstream = "default";        // the name of an upstream that exists
  std::string unix_mode = "0700";          // octal, of the socket file; Unix sockets only
  int64_t tcp_backlog = 4096;              // the kernel cuts it at net.core.somaxconn
  FacadeKind facade = FacadeKind::kNone;
  std::string facade_name = "mymaster";   // of the primary, as sentinels call it
  std::string facade_address;             // "host:port"; "": where the client connected to
  std::vector<std::string> facade_weirs;  // "host:port" of all of them; none: this one alone
};

// What clients see of a lost connection on which weir subscribes for them.
enum class SubscriberLoss : uint8_t { kResubscribe, kClose };

// [upstream.NAME]: one named Redis deployment. Bounds are for each worker.
struct UpstreamConfig {
  std::string name = "default";
  std::string url = "redis://127.0.0.1:6379";  // checked; may hold a password: never log it
  std::string client_name = "weir";            // CLIENT SETNAME on each link; "" sends none
  int64_t connections_per_node = 1;            // links for each (protocol, db, credentials)
  int64_t links_max = 1024;                    // over all nodes and link keys
  int64_t pinned_connections_max = 4096;       // links for one client at a time
  int64_t in_flight_max = 131072;              // requests on one link without a reply yet
  int64_t connect_timeout_ms = 2000;
  int64_t request_timeout_ms = 5000;  // 0: none; never applies to commands that may block
  int64_t reconnect_min_ms = 50;      // backoff doubles from min to max, with jitter
  int64_t reconnect_max_ms = 2000;
  int64_t offline_queue_bytes_max = 16 << 20;  // requests that wait for a link to connect again
  int64_t offline_queue_age_max_ms = 1000;     // the longest that one of them waits
  int64_t health_check_interval_ms = 1000;     // 0: off
  int64_t idle_link_timeout_ms = 300000;       // 0: idle links stay open
  int64_t batch_round_trip_max_us = 500;       // 0: requests never wait to be batched
  int64_t tcp_keepalive_s = 60;                // 0: off
  int64_t consecutive_failures = 0;            // that eject a node; 0: none is ever ejected
  int64_t base_ejection_time_ms = 1000;        // times the ejections in a row
  int64_t max_ejection_time_ms = 30000;
  int64_t slow_start_window_ms = 10000;  // in which a node's share of reads grows; 0: at once
  SubscriberLoss on_subscriber_loss = SubscriberLoss::kResubscribe;
  std::string sentinel_user;      // "": the sentinels' default user
  std::string sentinel_password;  // "": none; may be secret: never log it
  // Of several nodes:
  std::string hash_tag = "{}";     // of sharded servers: two characters, or "" for none
  bool discover_replicas = false;  // of redis://: not only the servers that the URL names
  ReadFrom read_from = ReadFrom::kPrimary;
  int64_t max_lag_ms = 0;              // of replicas that are read from; 0: any
  int64_t read_your_writes_ms = 1000;  // 0: off
  std::string availability_zone;       // weir's own
  int64_t redirects_max = 16;          // times that one request is sent again, for whatever reason
  int64_t retry_budget_ms = 10000;     // the longest that one request waits to be sent again
  int64_t topology_refresh_interval_ms = 10000;  // 0: only when something is wrong
  std::vector<std::string> address_map;          // "host:port=host:port"; checked
};

// [[route]]: which requests go to another upstream than their listener's. The first that matches.
struct RouteConfig {
  std::string upstream = "default";    // the name of an upstream that exists
  std::vector<std::string> listeners;  // addresses of [[listener]] tables; none: all
  std::vector<std::string> users;      // patterns; none: all
  std::vector<std::string> dbs;        // numbers; none: all
  std::vector<std::string> commands;   // names and @categories; none: all
  std::vector<std::string> keys;       // patterns; none: all, and what has no key
};

enum class AuthMode : uint8_t { kNone, kUsers, kPassthrough };

// [[auth.user]]: who may connect when the mode is kUsers.
struct AuthUser {
  std::string name = "default";
  std::vector<std::string> passwords;  // each '#' and 64 lower-case hex digits: a SHA-256
};

struct AuthConfig {
  AuthMode mode = AuthMode::kNone;
  std::vector<AuthUser> users;
};

// [commands]: patterns for routing/command_policy.h ("DEBUG", "CONFIG|SET", "@all").
struct CommandsConfig {
  std::vector<std::string> allow;
  std::vector<std::string> deny;
};

// [limits]: the bounds of what clients may use.
struct LimitsConfig {
  int64_t clients_max = 10000;                 // of the process
  int64_t client_idle_timeout_ms = 0;          // 0: off
  int64_t request_arrival_timeout_ms = 30000;  // from a request's first byte to its last; 0: off
  int64_t pipeline_depth_max = 4096;           // requests of one client without a reply yet
  int64_t request_buffer_bytes_max = 1 << 20;  // larger requests stream over their own link
  int64_t client_output_buffer_bytes_max = 64 << 20;      // replies that one client has not read
  int64_t client_names_bytes_max = 16 << 20;              // of one worker's clients together
  int64_t client_subscriptions_max = 1000000;             // channels and patterns of one client
  int64_t subscriber_output_buffer_bytes_max = 32 << 20;  // messages that one has not read
  int64_t subscriber_output_buffer_soft_bytes_max = 8 << 20;  // for longer than the next line
  int64_t subscriber_output_buffer_soft_s = 60;
  int64_t client_stall_timeout_ms = 60000;      // replies wait, but it reads none; 0: off
  int64_t script_cache_bytes_max = 16 << 20;    // texts of each upstream's scripts; 0: off
  int64_t memory_bytes_max = int64_t{1} << 30;  // buffers of the process
  int64_t bulk_bytes_max = int64_t{512} << 20;  // one argument; Redis' proto-max-bulk-len
  int64_t inline_bytes_max = 64 << 10;          // one inline request, or one length line
};

// [admin]: HTTP for /metrics, /healthz and /readyz.
struct AdminConfig {
  std::string address = "127.0.0.1:9380";  // TCP only; "off": no admin HTTP
  bool off() const { return address == "off"; }
};

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError };
enum class LogFormat : uint8_t { kText, kJson };

// [log]
struct LogConfig {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kText;
  std::string target = "stderr";  // or the path of a file, which is appended to
};

// [slowlog]: what WEIR SLOWLOG keeps.
struct SlowlogConfig {
  int64_t log_slower_than_us = -1;  // negative: off
  int64_t max_len = 128;
  bool off() const { return log_slower_than_us < 0; }
};

// [hotkeys]: what WEIR HOTKEYS and WEIR BIGKEYS count.
struct HotkeysConfig {
  int64_t tracked_max = 0;  // counters of one worker; 0: off
  int64_t window_s = 60;
  bool off() const { return tracked_max == 0; }
};

struct Config {
  int64_t workers = 0;  // threads that serve clients; 0: one for each core
  int64_t drain_timeout_ms = 10000;
  int64_t coalesce_max_us = 100;          // 0: a worker never waits for more events
  std::vector<ListenerConfig> listeners;  // never empty after reading: one with its defaults
  std::vector<UpstreamConfig> upstreams;  // never without one called "default"
  std::vector<RouteConfig> routes;        // none: each listener's upstream
  AuthConfig auth;
  CommandsConfig commands;
  LimitsConfig limits;
  AdminConfig admin;
  LogConfig log;
  SlowlogConfig slowlog;
  HotkeysConfig hotkeys;
  std::vector<PluginConfig> plugins;  // one for each plugin known, in the order of their schemas

  // The upstream of that name, or nullptr. Valid while `upstreams` is not changed.
  const UpstreamConfig* FindUpstream(std::string_view name) const {
    for (const UpstreamConfig& upstream : upstreams) {
      if (upstream.name == name) return &upstream;
    }
    return nullptr;
  }
};

}  // namespace weir

#endif  // WEIR_PROXY_CONFIG_H_
