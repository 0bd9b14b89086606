// Facade: what weir says of itself to clients that expect a cluster, or sentinels.
//
// In the facade of a cluster, the weirs that are named serve all slots, dealt evenly in their
// order; each takes requests for any. In that of sentinels, they are the primary: every client is
// told to go to the weir that it asked. Forms are those of Redis 7.0.
#ifndef WEIR_ROUTING_FACADE_H_
#define WEIR_ROUTING_FACADE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "routing/address_map.h"
#include "routing/arg_list.h"

namespace weir {

enum class FacadeKind : uint8_t { kNone, kCluster, kSentinel };

struct Facade {
  FacadeKind kind = FacadeKind::kNone;
  std::string name;             // of the primary, as sentinels call it
  std::vector<HostPort> weirs;  // not empty
  size_t self = 0;              // which of them was asked
};

// 40 hex digits, the same from every weir for the same address.
std::string FacadeId(const HostPort& weir);

// The whole reply to CLUSTER …; empty: the command needs more than is known here (COUNTKEYSINSLOT
// and the like). REQUIRES: args are CLUSTER and a subcommand that Redis has, with arguments enough.
std::string FacadeClusterReply(const Facade& facade, const ArgList& args, int protocol_version);

// The whole reply to SENTINEL ….
std::string FacadeSentinelReply(const Facade& facade, const ArgList& args, int protocol_version);

// INFO's section of a sentinel, with its header.
std::string FacadeSentinelInfo(const Facade& facade);

}  // namespace weir

#endif  // WEIR_ROUTING_FACADE_H_
