// ClusterScan: SCAN over all nodes of a cluster with one cursor of 64 bits and no memory.
//
// Each primary is scanned whole, one after the other, in the order of their NodeHash, in which
// nothing but their coming and going makes a change. The cursor that the client carries says how
// far it has come:
//
//   63           50 49           36 35                                   0
//   +--------------+---------------+-------------------------------------+
//   | rank         | check         | the node's own cursor               |
//   +--------------+---------------+-------------------------------------+
//
// `rank`: which of the primaries is being scanned. `check`: a hash of who they are. Should they be
// others when the cursor comes back (a replica was promoted, which hashes its keys differently; a
// node was added or has given its last slot away), the scan starts anew.
//
// What SCAN promises is kept: a key that stays on its node, or in its shard where another node is
// promoted, from the scan's begin to its end is returned, be it more than once. Slots that move
// between nodes are no reason to start anew, so that a scan ends however long they do. A change of
// nodes goes unseen with a chance of 1 in 16383.
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
  NodeIndex node = kNoNode;  // to be asked; kNoNode: no node serves any slot
  uint16_t rank = 0;
  uint64_t node_cursor = 0;  // to ask it with
};

// Nodes' own cursors have as many bits as their number of keys; more than these cannot be carried.
inline constexpr uint64_t kNodeCursorMax = (uint64_t{1} << 36) - 1;

// Where a client's cursor goes on. Linear in the number of nodes. REQUIRES: not
// topology.is_single().
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
