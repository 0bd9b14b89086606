// AddressMap: where weir really finds what a cluster or sentinel calls by another address.
//
// Behind NAT, in containers and through tunnels, nodes announce addresses that weir cannot reach.
// The configuration's `address_map` says for each "host:port" (or a host with all its ports) which
// one to use instead; it is applied to all that servers say: nodes, MOVED and ASK.
#ifndef WEIR_ROUTING_ADDRESS_MAP_H_
#define WEIR_ROUTING_ADDRESS_MAP_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace weir {

struct HostPort {
  std::string host{};  // name or IP address without brackets
  uint16_t port = 0;
  friend bool operator==(const HostPort&, const HostPort&) = default;
};

// "h:1", "[::1]:1"; also "::1:1", as Redis writes it in MOVED: the last colon parts the port.
// INVALID_ARGUMENT for anything else, and for a port of 0.
absl::StatusOr<HostPort> ParseHostPort(std::string_view text);

class AddressMap {
 public:
  // Both are "host:port", or both a host alone, for all its ports. INVALID_ARGUMENT for other forms
  // and for a `from` that is there already.
  absl::Status Add(std::string_view from, std::string_view to);

  bool empty() const { return map_.empty(); }
  // What stands for this address: itself, if nothing is said about it. Not applied twice.
  HostPort Apply(HostPort address) const;

 private:
  // By AddressText of what servers say; port 0: of a host alone.
  absl::flat_hash_map<std::string, HostPort> map_;
};

}  // namespace weir

#endif  // WEIR_ROUTING_ADDRESS_MAP_H_
