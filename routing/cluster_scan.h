// ClusterScan: SCAN over all nodes of a cluster with one cursor of 64 bits and no memory.
//
// Each node is scanned whole, one after the other, in the order of the first slots that they serve.
// The cursor that the client carries says how far it has come:
//
//   63       50 49 48           36 35                                  0
//   +----------+--+---------------+------------------------------------+
//   | slot     |m | check         | the node's own cursor              |
//   +----------+--+---------------+------------------------------------+
//
// `slot`: what is not yet returned is in this slot and above. The node that serves it is scanned.
// `m` 0, steady: `check` is a hash of the whole slot map. As long as it is the same, each node is
//   scanned once, at its first slot.
// `m` 1, moved: the map was seen to change. `check` is a hash of the scanned node's id. From there
// on
//   the owner of each further run of slots is scanned, even if it was scanned before: after slots
//   have moved nobody knows any more which nodes are done.
//
// What SCAN promises is kept through failovers and resharding: a key that stays where it is from
// the scan's begin to its end is returned, for a node whose cursor can no longer be relied on (a
// promoted replica hashes differently) is scanned again from its start. Some may be returned twice,
// which SCAN allows too. It ends, however long slots move, because `slot` only grows. A change goes
// unseen with a chance of 1 in 8191.
//
// Any weir understands the cursor of any other. A cursor that weir never gave is taken as Redis
// takes one: for whatever it happens to say.
#ifndef WEIR_ROUTING_CLUSTER_SCAN_H_
#define WEIR_ROUTING_CLUSTER_SCAN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "routing/topology.h"

namespace weir {

// As Redis reads one: a decimal of 64 bits without blanks before it. Nothing: "-ERR invalid
// cursor".
std::optional<uint64_t> ParseScanCursor(std::string_view text);

struct ScanPosition {
  NodeIndex node = kNoNode;  // to be asked; kNoNode: no node serves any slot (from there on)
  uint16_t slot = 0;
  bool moved = false;
  uint64_t node_cursor = 0;  // to ask it with
};

// Nodes' own cursors have as many bits as their number of keys; more than these cannot be carried.
inline constexpr uint64_t kNodeCursorMax = (uint64_t{1} << 36) - 1;

// Where a client's cursor goes on. REQUIRES: not topology.is_single().
ScanPosition ResumeScan(uint64_t cursor, const Topology& topology);

// The client's next cursor after the node has answered with `node_cursor`; 0: all is scanned.
// Nothing if node_cursor is above kNodeCursorMax. REQUIRES: the topology of ResumeScan.
std::optional<uint64_t> ContinueScan(const ScanPosition& position, uint64_t node_cursor,
                                     const Topology& topology);

// A node's reply to SCAN with the cursor put right for the client; an error stays as it is. If it
// is no such reply, or its cursor cannot be carried, an error line that says so.
std::string RewriteScanReply(std::string_view reply, const ScanPosition& position,
                             const Topology& topology);

}  // namespace weir

#endif  // WEIR_ROUTING_CLUSTER_SCAN_H_
