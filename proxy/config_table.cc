// The one table of all that can be configured, by section of the file.
#include "proxy/config_table.h"

#include <cstdlib>

#include "plugins/rule.h"
#include "proxy/config_checks.h"

namespace weir {
namespace {

constexpr int64_t kMinuteMs = 60 * 1000;
constexpr int64_t kHourMs = 60 * kMinuteMs;
constexpr int64_t kDayMs = 24 * kHourMs;
constexpr int64_t kMiB = 1 << 20;
constexpr int64_t kGiB = 1 << 30;
constexpr int64_t kTiB = kGiB << 10;

constexpr ConfigKey kTop[] = {
    {"workers", FieldOf<&Config::workers>(), "Threads that serve clients; 0 is one for each core.",
     0, 1024},
    {"drain_timeout_ms", FieldOf<&Config::drain_timeout_ms>(),
     "How long requests in flight may take to end after SIGTERM.", 0, kHourMs},
    {"coalesce_max_us", FieldOf<&Config::coalesce_max_us>(),
     "The longest pause in which a worker under load lets requests gather, to handle them "
     "together; 0 is none.",
     0, 10000},
};

constexpr ConfigKey kListener[] = {
    {"address", FieldOf<&ListenerConfig::address>(),
     "Where clients connect: \"127.0.0.1:6380\", \"[::1]:6380\" or \"unix:/run/weir.sock\".", 0, 0,
     nullptr, CheckListenAddress},
    {"upstream", FieldOf<&ListenerConfig::upstream>(),
     "The name of the upstream that requests from here go to."},
    {"unix_mode", FieldOf<&ListenerConfig::unix_mode>(),
     "Permissions of a Unix socket's file, in octal.", 0, 0, nullptr, CheckUnixMode},
    {"tcp_backlog", FieldOf<&ListenerConfig::tcp_backlog>(),
     "Connections that may wait to be accepted; the kernel cuts it at net.core.somaxconn.", 1,
     65535},
    {"facade", FieldOf<&ListenerConfig::facade>(),
     "What clients see: one server; a cluster, of weirs that serve all slots; or sentinels, that "
     "name weir as the primary.",
     0, 0, "none|cluster|sentinel"},
    {"facade_name", FieldOf<&ListenerConfig::facade_name>(),
     "Of sentinels: what they call the primary.", 0, 0},
    {"facade_address", FieldOf<&ListenerConfig::facade_address>(),
     "Of a facade: how clients reach this weir, \"host:port\"; \"\" is the address that they "
     "connected to.",
     0, 0, nullptr, CheckFacadeAddress},
    {"facade_weirs", FieldOf<&ListenerConfig::facade_weirs>(),
     "Of a facade: the facade_address of each weir, in the same order everywhere; none: this one "
     "alone.",
     0, 0, nullptr, CheckFacadeAddress},
};

constexpr ConfigKey kUpstream[] = {
    {"url", FieldOf<&UpstreamConfig::url>(),
     "redis://[user[:password]@]host[:port][/db], unix://path?db=N, redis://primary,replica,…, "
     "redis+cluster://node,node,…, redis+sentinel://sentinel,sentinel,…/primary-name[/db] or "
     "redis+sharded://server,server,…[/db].",
     0, 0, nullptr, CheckUpstreamUrl},
    {"client_name", FieldOf<&UpstreamConfig::client_name>(),
     "The name that each link gives itself with CLIENT SETNAME; \"\" gives none.", 0, 0, nullptr,
     CheckClientName},
    {"connections_per_node", FieldOf<&UpstreamConfig::connections_per_node>(),
     "Links of one worker to a node, for each protocol version, db and credentials.", 1, 1024},
    {"links_max", FieldOf<&UpstreamConfig::links_max>(),
     "Links of one worker to all nodes together.", 1, 1000000},
    {"pinned_connections_max", FieldOf<&UpstreamConfig::pinned_connections_max>(),
     "Connections of one worker that belong to one client at a time (MULTI, blocking commands, …).",
     1, 1000000},
    {"in_flight_max", FieldOf<&UpstreamConfig::in_flight_max>(),
     "Requests on one link without a reply yet; more wait with their clients.", 1, 100000000},
    {"connect_timeout_ms", FieldOf<&UpstreamConfig::connect_timeout_ms>(),
     "How long a link may take to connect and shake hands.", 1, kHourMs},
    {"request_timeout_ms", FieldOf<&UpstreamConfig::request_timeout_ms>(),
     "How long a reply may take before the client gets -TIMEOUT; 0 is for ever. Commands that "
     "may block have no deadline.",
     0, kDayMs},
    {"reconnect_min_ms", FieldOf<&UpstreamConfig::reconnect_min_ms>(),
     "The first pause before connecting again; each further one is twice as long, with jitter.", 1,
     kHourMs},
    {"reconnect_max_ms", FieldOf<&UpstreamConfig::reconnect_max_ms>(),
     "The longest pause before connecting again.", 1, kHourMs},
    {"offline_queue_bytes_max", FieldOf<&UpstreamConfig::offline_queue_bytes_max>(),
     "Requests of one link that may wait for it to connect again, in bytes; 0 lets none wait.", 0,
     kTiB},
    {"offline_queue_age_max_ms", FieldOf<&UpstreamConfig::offline_queue_age_max_ms>(),
     "How long one of them may wait before it gets -DOWN.", 0, kHourMs},
    {"health_check_interval_ms", FieldOf<&UpstreamConfig::health_check_interval_ms>(),
     "The time between two PINGs of a node; 0 sends none.", 0, kHourMs},
    {"idle_link_timeout_ms", FieldOf<&UpstreamConfig::idle_link_timeout_ms>(),
     "When a link that nobody used is closed; 0 is never.", 0, kDayMs},
    {"batch_round_trip_max_us", FieldOf<&UpstreamConfig::batch_round_trip_max_us>(),
     "While replies are on their way on a link whose round trip is at best shorter than this, "
     "further requests wait for them, to go out in one write; 0 never lets them wait.",
     0, 1000000},
    {"tcp_keepalive_s", FieldOf<&UpstreamConfig::tcp_keepalive_s>(),
     "Idle time before TCP probes whether the peer still is there; 0 is never.", 0, 86400},
    {"consecutive_failures", FieldOf<&UpstreamConfig::consecutive_failures>(),
     "So many requests in a row without an answer in time, or whose connection broke, eject a "
     "node: "
     "it is sent nothing for a while; 0 never ejects.",
     0, 1000},
    {"base_ejection_time_ms", FieldOf<&UpstreamConfig::base_ejection_time_ms>(),
     "How long an ejection lasts, times the number of ejections in a row; then weir tries the node "
     "itself.",
     1, kHourMs},
    {"max_ejection_time_ms", FieldOf<&UpstreamConfig::max_ejection_time_ms>(),
     "The longest that an ejection lasts.", 1, kHourMs},
    {"slow_start_window_ms", FieldOf<&UpstreamConfig::slow_start_window_ms>(),
     "With consecutive_failures and read_from: how long it takes until a node that comes back has "
     "all of its share of the reads again; 0 is at once.",
     0, kHourMs},
    {"on_subscriber_loss", FieldOf<&UpstreamConfig::on_subscriber_loss>(),
     "When the connection breaks on which weir subscribes: subscribe again and count the gap, or "
     "close the clients.",
     0, 0, "resubscribe|close"},
    {"hash_tag", FieldOf<&UpstreamConfig::hash_tag>(),
     "Of sharded servers: what stands between these two characters in a key places it; \"\" is the "
     "whole key always.",
     0, 0, nullptr, CheckHashTag},
    {"discover_replicas", FieldOf<&UpstreamConfig::discover_replicas>(),
     "Of redis://: replicas of the primary that the URL does not name are found by its ROLE, and "
     "followed."},
    {"read_from", FieldOf<&UpstreamConfig::read_from>(),
     "Of several nodes: where reads go. \"nearest\" is by round trip, \"zone\" by "
     "availability_zone.",
     0, 0, "primary|replica|prefer-replica|any|nearest|zone"},
    {"max_lag_ms", FieldOf<&UpstreamConfig::max_lag_ms>(),
     "With read_from: a replica that is further behind its primary, or of which that is not known, "
     "is not read from; 0 lets any lag do.",
     0, kHourMs},
    {"read_your_writes_ms", FieldOf<&UpstreamConfig::read_your_writes_ms>(),
     "With read_from: for how long after a client has written its reads go to the primary; 0 is "
     "not at all.",
     0, kHourMs},
    {"availability_zone", FieldOf<&UpstreamConfig::availability_zone>(),
     "With read_from = \"zone\": the zone that weir is in.", 0, 0},
    {"sentinel_user", FieldOf<&UpstreamConfig::sentinel_user>(),
     "Who weir is to the sentinels; \"\" is their default user. The URL's user is the data nodes'.",
     0, 0},
    {"sentinel_password", FieldOf<&UpstreamConfig::sentinel_password>(),
     "The password for the sentinels; \"\" sends none.", 0, 0},
    {"redirects_max", FieldOf<&UpstreamConfig::redirects_max>(),
     "Of several nodes: how often one request is sent again, for all causes together (MOVED, ASK, "
     "TRYAGAIN, CLUSTERDOWN, …).",
     1, 1000},
    {"retry_budget_ms", FieldOf<&UpstreamConfig::retry_budget_ms>(),
     "Of several nodes: how long one request may wait to be sent again, as during a failover; 0 "
     "lets "
     "none wait.",
     0, kHourMs},
    {"topology_refresh_interval_ms", FieldOf<&UpstreamConfig::topology_refresh_interval_ms>(),
     "Of a cluster or sentinels: how often they are asked who serves what, besides at once when "
     "something is wrong; 0 is only then.",
     0, kDayMs},
    {"address_map", FieldOf<&UpstreamConfig::address_map>(),
     "Of a cluster, of sentinels, with discover_replicas: where weir finds what nodes call by "
     "another address, behind NAT "
     "for example: "
     "\"10.0.0.1:6379=192.0.2.1:7000\", or a host alone for all its ports.",
     0, 0, nullptr, CheckAddressMapping},
};

constexpr ConfigKey kRoute[] = {
    {"upstream", FieldOf<&RouteConfig::upstream>(), "The upstream that these requests go to."},
    {"listeners", FieldOf<&RouteConfig::listeners>(),
     "Addresses of [[listener]] tables; none: all of them."},
    {"users", FieldOf<&RouteConfig::users>(),
     "Patterns of who the client authenticated as; none: everybody."},
    {"dbs", FieldOf<&RouteConfig::dbs>(), "Numbers of dbs, as strings; none: all.", 0, 0, nullptr,
     CheckRuleDb},
    {"commands", FieldOf<&RouteConfig::commands>(),
     "Commands, subcommands (\"CONFIG|SET\") or categories (\"@read\"); none: all.", 0, 0, nullptr,
     CheckRuleCommand},
    {"keys", FieldOf<&RouteConfig::keys>(),
     "Patterns of keys and channels, as KEYS takes them; none: all, and what has no key."},
};

constexpr ConfigKey kAuth[] = {
    {"mode", FieldOf<&AuthConfig::mode>(),
     "Who checks passwords: nobody, weir by [[auth.user]], or Redis itself for each client.", 0, 0,
     "none|users|passthrough"},
};

constexpr ConfigKey kAuthUser[] = {
    {"name", FieldOf<&AuthUser::name>(),
     "The user; \"default\" is who sends AUTH with a password alone.", 0, 0, nullptr,
     CheckUserName},
    {"passwords", FieldOf<&AuthUser::passwords>(),
     "Any of them will do, each \"#\" and its SHA-256 in hex: printf %s 'PASSWORD' | sha256sum", 0,
     0, nullptr, CheckPasswordHash},
};

constexpr ConfigKey kCommands[] = {
    {"allow", FieldOf<&CommandsConfig::allow>(),
     "Commands to permit that weir denies: \"DEBUG\", \"CONFIG|SET\", \"@dangerous\", \"@all\".", 0,
     0, nullptr, CheckCommandPattern},
    {"deny", FieldOf<&CommandsConfig::deny>(),
     "Commands to deny; the more specific pattern wins over the less, then deny over allow.", 0, 0,
     nullptr, CheckCommandPattern},
};

constexpr ConfigKey kLimits[] = {
    {"clients_max", FieldOf<&LimitsConfig::clients_max>(),
     "Connections of clients; one more gets Redis' own error and is closed.", 1, 10000000},
    {"client_idle_timeout_ms", FieldOf<&LimitsConfig::client_idle_timeout_ms>(),
     "When a client that sends nothing is closed; 0 is never.", 0, 365 * kDayMs},
    {"request_arrival_timeout_ms", FieldOf<&LimitsConfig::request_arrival_timeout_ms>(),
     "How long one request may take to arrive from its first byte to its last; 0 is for ever.", 0,
     kDayMs},
    {"pipeline_depth_max", FieldOf<&LimitsConfig::pipeline_depth_max>(),
     "Requests of one client without a reply yet; weir then reads no more from it for a while.", 1,
     10000000},
    {"request_buffer_bytes_max", FieldOf<&LimitsConfig::request_buffer_bytes_max>(),
     "A larger request is not collected but streamed over a link of its own.", 4096, kGiB},
    {"client_output_buffer_bytes_max", FieldOf<&LimitsConfig::client_output_buffer_bytes_max>(),
     "Replies that one client has not read yet; beyond, it is closed.", 65536, kTiB},
    {"client_names_bytes_max", FieldOf<&LimitsConfig::client_names_bytes_max>(),
     "What the names of one worker's clients may take together (CLIENT SETNAME, CLIENT SETINFO); "
     "one "
     "more gets an error.",
     64, kTiB},
    {"client_subscriptions_max", FieldOf<&LimitsConfig::client_subscriptions_max>(),
     "Channels and patterns that one client may subscribe to; one more gets an error.", 1,
     100000000},
    {"subscriber_output_buffer_bytes_max",
     FieldOf<&LimitsConfig::subscriber_output_buffer_bytes_max>(),
     "Messages a subscriber has not read yet; exceeding it closes the subscriber, as with Redis' "
     "client-output-buffer-limit pubsub.",
     4096, kGiB},
    {"subscriber_output_buffer_soft_bytes_max",
     FieldOf<&LimitsConfig::subscriber_output_buffer_soft_bytes_max>(),
     "The same, but only once it has been so for subscriber_output_buffer_soft_s.", 4096, kGiB},
    {"subscriber_output_buffer_soft_s", FieldOf<&LimitsConfig::subscriber_output_buffer_soft_s>(),
     "How long a subscriber may be beyond subscriber_output_buffer_soft_bytes_max.", 0, 86400},
    {"client_stall_timeout_ms", FieldOf<&LimitsConfig::client_stall_timeout_ms>(),
     "When a client that reads nothing though replies wait for it is closed; 0 is never.", 0,
     kDayMs},
    {"script_cache_bytes_max", FieldOf<&LimitsConfig::script_cache_bytes_max>(),
     "Texts of scripts that are remembered for each upstream, so that EVALSHA works on after Redis "
     "was restarted; 0 remembers none.",
     0, kTiB},
    {"memory_bytes_max", FieldOf<&LimitsConfig::memory_bytes_max>(),
     "Buffers of the whole process; near it weir reads less, at it the largest client is closed.",
     16 * kMiB, kTiB},
    {"bulk_bytes_max", FieldOf<&LimitsConfig::bulk_bytes_max>(),
     "The longest argument of a request; Redis calls it proto-max-bulk-len.", 1024, kTiB},
    {"inline_bytes_max", FieldOf<&LimitsConfig::inline_bytes_max>(),
     "The longest inline request or length line.", 64, kMiB},
};

constexpr ConfigKey kAdmin[] = {
    {"address", FieldOf<&AdminConfig::address>(),
     "Where /metrics, /healthz and /readyz are served: HOST:PORT, or \"off\".", 0, 0, nullptr,
     CheckAdminAddress},
};

constexpr ConfigKey kLog[] = {
    {"level", FieldOf<&LogConfig::level>(), "The least that is worth a line.", 0, 0,
     "debug|info|warning|error"},
    {"format", FieldOf<&LogConfig::format>(), "For people, or one JSON object a line.", 0, 0,
     "text|json"},
    {"target", FieldOf<&LogConfig::target>(), "\"stderr\", or the path of a file to append to.", 0,
     0, nullptr, CheckLogTarget},
};

constexpr ConfigKey kSlowlog[] = {
    {"log_slower_than_us", FieldOf<&SlowlogConfig::log_slower_than_us>(),
     "How long a request takes that WEIR SLOWLOG is to show, from weir having read it to its "
     "reply; "
     "-1 is off, 0 shows all.",
     -1, kHourMs * 1000},
    {"max_len", FieldOf<&SlowlogConfig::max_len>(),
     "How many of them are kept, at most so many for each worker.", 1, 100000},
};

constexpr ConfigKey kHotkeys[] = {
    {"tracked_max", FieldOf<&HotkeysConfig::tracked_max>(),
     "How many keys each worker keeps a counter for, in about 1.5 kB each; 0 is off. Of N "
     "requests, a "
     "key's number is at most N / tracked_max too high.",
     0, 10000},
    {"window_s", FieldOf<&HotkeysConfig::window_s>(),
     "What is told is of the last window_s to twice that.", 1, 86400},
};

const Config kTopDefaults;
const ListenerConfig kListenerDefaults;
const UpstreamConfig kUpstreamDefaults;
const RouteConfig kRouteDefaults;
const AuthUser kAuthUserDefaults;

const ConfigSection kSections[] = {
    {"", "", "The process.", ConfigSectionKind::kTop, kTop, &kTopDefaults},
    {"listener", "[[listener]]", "A socket that clients connect to.", ConfigSectionKind::kArray,
     kListener, &kListenerDefaults},
    {"upstream", "[upstream.NAME]",
     "A Redis deployment under a name of your choice, one of them \"default\".",
     ConfigSectionKind::kNamed, kUpstream, &kUpstreamDefaults},
    {"route", "[[route]]", "Which requests go to another upstream than their listener's.",
     ConfigSectionKind::kArray, kRoute, &kRouteDefaults},
    {"auth", "[auth]", "How clients prove who they are.", ConfigSectionKind::kTable, kAuth,
     &kTopDefaults.auth},
    {"auth.user", "[[auth.user]]", "A user of mode \"users\".", ConfigSectionKind::kArray,
     kAuthUser, &kAuthUserDefaults},
    {"commands", "[commands]", "Which commands clients may use.", ConfigSectionKind::kTable,
     kCommands, &kTopDefaults.commands},
    {"limits", "[limits]", "The bounds of what clients may use.", ConfigSectionKind::kTable,
     kLimits, &kTopDefaults.limits},
    {"admin", "[admin]", "HTTP for those who run weir.", ConfigSectionKind::kTable, kAdmin,
     &kTopDefaults.admin},
    {"log", "[log]", "What weir says about itself.", ConfigSectionKind::kTable, kLog,
     &kTopDefaults.log},
    {"slowlog", "[slowlog]", "The requests that took long: WEIR SLOWLOG.",
     ConfigSectionKind::kTable, kSlowlog, &kTopDefaults.slowlog},
    {"hotkeys", "[hotkeys]", "Which keys are used most: WEIR HOTKEYS and WEIR BIGKEYS.",
     ConfigSectionKind::kTable, kHotkeys, &kTopDefaults.hotkeys},
};

}  // namespace

std::span<const ConfigSection> ConfigSections() { return kSections; }

const ConfigSection& FindConfigSection(std::string_view path) {
  for (const ConfigSection& section : kSections) {
    if (section.path == path) return section;
  }
  std::abort();
}

}  // namespace weir
