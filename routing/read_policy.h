// ReadPolicy: which of a shard's nodes serves a read.
//
// Pure choice: what is known of the nodes is given as figures, measured elsewhere. A read goes to
// a replica only if the policy says so and the replica is up, is not ejected and, where a bound is
// set, lags behind by no more than that.
#ifndef WEIR_ROUTING_READ_POLICY_H_
#define WEIR_ROUTING_READ_POLICY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "routing/topology.h"

namespace weir {

enum class ReadFrom : uint8_t {
  kPrimary,        // the primary only (the default)
  kReplica,        // replicas only; if none can be read, the primary refuses in their name
  kPreferReplica,  // a replica, else the primary
  kAny,            // all of them evenly
  kNearest,        // among all, those whose round trip is within kNearestFactor of the shortest
  kZone,           // one of weir's own availability zone, else as kAny
};
std::string_view ReadFromName(ReadFrom read_from);  // "prefer-replica"
std::optional<ReadFrom> ParseReadFrom(std::string_view name);

inline constexpr int64_t kLagUnknown = -1;

struct NodeFigures {
  bool up = true;                // connected, or never tried
  bool ejected = false;          // by its circuit breaker
  uint32_t round_trip_us = 0;    // smoothed; 0: not measured yet
  int64_t lag_ms = kLagUnknown;  // of a replica, behind its primary
};

struct ReadPolicy {
  ReadFrom read_from = ReadFrom::kPrimary;
  uint32_t max_lag_ms = 0;  // 0: any lag will do. A lag that is not known is too much.
  std::string zone{};       // weir's own
};

// Round trips within this factor, or within kNearestSlackUs, are equally near.
inline constexpr double kNearestFactor = 1.2;
inline constexpr uint32_t kNearestSlackUs = 50;

// All of `primary`'s shard that may be read from under the policy, each as well as the other;
// empty: none (kReplica only). `figures` is by node.
std::vector<NodeIndex> Readers(const Topology& topology, NodeIndex primary,
                               const ReadPolicy& policy, absl::Span<const NodeFigures> figures);

// When this node, one of Readers() now, would be too far behind if it were not measured again.
// UINT64_MAX: never.
uint64_t ReadableUntilMs(const Node& node, const ReadPolicy& policy, const NodeFigures& figures,
                         uint64_t now_ms);

}  // namespace weir

#endif  // WEIR_ROUTING_READ_POLICY_H_
