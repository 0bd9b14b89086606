#include "routing/cluster_scan.h"

#include <charconv>
#include <vector>

#include "resp/wire_text.h"
#include "routing/slot.h"
#include "routing/text.h"

namespace weir {
namespace {

constexpr int kNodeCursorBits = 36;
constexpr int kCheckBits = 13;
constexpr int kMovedShift = kNodeCursorBits + kCheckBits;
constexpr int kSlotShift = kMovedShift + 1;
static_assert(kSlotShift + 14 == 64);

// 1 to 8191: never 0, so that no cursor is 0 before the end.
uint64_t CheckOf(uint64_t hash) { return 1 + hash % ((1 << kCheckBits) - 1); }

uint64_t CheckOf(const Topology& topology, uint16_t slot, bool moved) {
  return CheckOf(moved ? NodeHash(topology.node(topology.PrimaryOf(slot)))
                       : topology.fingerprint());
}

uint64_t Encode(const Topology& topology, uint16_t slot, bool moved, uint64_t node_cursor) {
  return uint64_t{slot} << kSlotShift | uint64_t{moved} << kMovedShift |
         CheckOf(topology, slot, moved) << kNodeCursorBits | node_cursor;
}

// The first slot from `slot` on that a node serves; kSlotCount: none.
uint32_t NextServed(const Topology& topology, uint32_t slot) {
  while (slot < kSlotCount && topology.PrimaryOf(static_cast<uint16_t>(slot)) == kNoNode) ++slot;
  return slot;
}

// Where the scan goes on once the node of this position is done; kSlotCount: nowhere.
uint32_t NextNode(const Topology& topology, const ScanPosition& position) {
  // Steady: nodes that serve a slot up to here were scanned. Moved: that is known of this one only.
  std::vector<bool> done(topology.nodes().size(), false);
  done[position.node] = true;
  for (uint32_t slot = 0; !position.moved && slot <= position.slot; ++slot) {
    const NodeIndex owner = topology.PrimaryOf(static_cast<uint16_t>(slot));
    if (owner != kNoNode) done[owner] = true;
  }
  for (uint32_t slot = position.slot + 1U; slot < kSlotCount; ++slot) {
    const NodeIndex owner = topology.PrimaryOf(static_cast<uint16_t>(slot));
    if (owner != kNoNode && !done[owner]) return slot;
  }
  return kSlotCount;
}

constexpr std::string_view kTooLarge =
    "-ERR weir: a node's SCAN cursor has more than 36 bits, which cannot be carried through a "
    "cluster\r\n";
constexpr std::string_view kNoScanReply = "-ERR weir: a node's reply to SCAN is none\r\n";

}  // namespace

std::optional<uint64_t> ParseScanCursor(std::string_view text) {
  // Redis reads it with strtoul(), up to a NUL: nothing is 0, a sign is taken, a blank is not.
  text = text.substr(0, text.find('\0'));
  if (text.empty()) return 0;
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  uint64_t cursor = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, cursor);
  if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return negative ? ~cursor + 1 : cursor;
}

ScanPosition ResumeScan(uint64_t cursor, const Topology& topology) {
  ScanPosition position;
  const auto said = static_cast<uint32_t>(cursor >> kSlotShift);
  const uint32_t slot = NextServed(topology, said);
  if (slot == kSlotCount) return position;
  position.slot = static_cast<uint16_t>(slot);
  position.node = topology.PrimaryOf(position.slot);
  if (cursor == 0) return position;
  position.moved = (cursor >> kMovedShift & 1) != 0;
  const uint64_t check = cursor >> kNodeCursorBits & ((1 << kCheckBits) - 1);
  if (slot == said && check == CheckOf(topology, position.slot, position.moved)) {
    position.node_cursor = cursor & kNodeCursorMax;
  } else {
    position.moved = true;
  }
  return position;
}

std::optional<uint64_t> ContinueScan(const ScanPosition& position, uint64_t node_cursor,
                                     const Topology& topology) {
  if (node_cursor > kNodeCursorMax) return std::nullopt;
  if (node_cursor != 0) return Encode(topology, position.slot, position.moved, node_cursor);
  const uint32_t next = NextNode(topology, position);
  if (next == kSlotCount) return 0;
  return Encode(topology, static_cast<uint16_t>(next), position.moved, 0);
}

std::string RewriteScanReply(std::string_view reply, const ScanPosition& position,
                             const Topology& topology) {
  constexpr std::string_view kHead = "*2\r\n$";
  if (reply.starts_with('-')) return std::string(reply);
  if (!reply.starts_with(kHead)) return std::string(kNoScanReply);
  const std::string_view rest = reply.substr(kHead.size());
  const size_t line_end = rest.find("\r\n");
  int64_t length = 0;
  if (line_end == std::string_view::npos || !ParseWireNumber(rest.substr(0, line_end), &length) ||
      length < 0 || rest.size() < line_end + static_cast<size_t>(length) + 4) {
    return std::string(kNoScanReply);
  }
  const auto bytes = static_cast<size_t>(length);
  const auto node_cursor = ParseScanCursor(rest.substr(line_end + 2, bytes));
  if (!node_cursor) return std::string(kNoScanReply);
  const auto cursor = ContinueScan(position, *node_cursor, topology);
  if (!cursor) return std::string(kTooLarge);
  const std::string text = std::to_string(*cursor);
  return Concat(kHead, text.size(), "\r\n", text, rest.substr(line_end + 2 + bytes));
}

}  // namespace weir
