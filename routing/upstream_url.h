// UpstreamUrl: an upstream's address and credentials, written as Redis clients write them.
//
//   redis://[user[:password]@]host[:port][/db][?db=N]         one server; rediss:// for TLS
//   redis://host[:port],host[:port]…[/db]                     a primary and its replicas
//   unix://path[?db=N], unix:///path, redis+unix://…          one server on a unix socket
//   redis+cluster://host[:port][,host[:port]…]                a cluster, by some of its nodes
//   redis+sentinel://host[:port][,…]/primary-name[/db]        what sentinels say is the primary
//   redis+sharded://host[:port][,…]                           independent servers, keys spread by
//   slot
// rediss+cluster, rediss+sentinel and rediss+sharded add TLS. "redis://:secret@h" and
// "redis://secret@h" differ: the first is a password, the second a user without one, as in redis-py
// and RFC 3986. User, password, host, path and name are percent-decoded; IPv6 addresses stand in
// brackets.
#ifndef WEIR_ROUTING_UPSTREAM_URL_H_
#define WEIR_ROUTING_UPSTREAM_URL_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace weir {

enum class UpstreamKind : uint8_t { kSingle, kCluster, kSentinel, kSharded };
std::string_view UpstreamKindName(UpstreamKind kind);  // "single"

struct UpstreamUrl {
  struct Endpoint {
    std::string host;   // name or IP address without brackets; for a unix socket its path
    uint16_t port = 0;  // 0: a unix socket
    friend bool operator==(const Endpoint&, const Endpoint&) = default;
  };

  UpstreamKind kind = UpstreamKind::kSingle;
  bool tls = false;
  std::vector<Endpoint> endpoints{};  // never empty; several of kSingle: a primary and replicas
  std::string user{};                 // "": Redis' default user
  std::string password{};             // "": none
  int db = 0;
  std::string primary_name{};  // kSentinel: the name that sentinels know the primary by

  bool is_unix() const { return endpoints.front().port == 0; }
  bool has_credentials() const { return !user.empty() || !password.empty(); }
  // The URL again in normal form, with *** for the password (or a user without one): for logs, INFO
  // and errors.
  std::string ToString() const;
};

// INVALID_ARGUMENT says what was expected and where (by position and text around it), never quoting
// a user or password.
absl::StatusOr<UpstreamUrl> ParseUpstreamUrl(std::string_view url);

}  // namespace weir

#endif  // WEIR_ROUTING_UPSTREAM_URL_H_
