#include "routing/cluster_scan.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "resp/wire_text.h"
#include "routing/text.h"

namespace weir {
namespace {

constexpr int kNodeCursorBits = 36;
constexpr int kCheckBits = 14;
constexpr int kRankShift = kNodeCursorBits + kCheckBits;
constexpr uint64_t kCheckMax = (uint64_t{1} << kCheckBits) - 1;

// The primaries in the order in which they are scanned.
class ScanOrder {
 public:
  explicit ScanOrder(const Topology& topology) {
    for (const NodeIndex node : topology.primaries()) {
      nodes_.emplace_back(NodeHash(topology.node(node)), node);
    }
    std::sort(nodes_.begin(), nodes_.end());
    uint64_t hash = 0;
    for (const auto& [of_node, node] : nodes_) hash = hash * 31 + of_node;
    // Never 0, so that no cursor is 0 before the end.
    check_ = 1 + hash % kCheckMax;
  }

  size_t size() const { return nodes_.size(); }
  NodeIndex node(size_t rank) const { return nodes_[rank].second; }
  uint64_t check() const { return check_; }
  uint64_t Cursor(uint64_t rank, uint64_t node_cursor) const {
    return rank << kRankShift | check_ << kNodeCursorBits | node_cursor;
  }

 private:
  absl::InlinedVector<std::pair<uint64_t, NodeIndex>, 16> nodes_;
  uint64_t check_ = 0;
};

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
  const ScanOrder order(topology);
  if (order.size() == 0) return {};
  const uint64_t rank = cursor >> kRankShift;
  const uint64_t check = cursor >> kNodeCursorBits & kCheckMax;
  if (check != order.check() || rank >= order.size()) return {.node = order.node(0)};
  return {.node = order.node(rank),
          .rank = static_cast<uint16_t>(rank),
          .node_cursor = cursor & kNodeCursorMax};
}

std::optional<uint64_t> ContinueScan(const ScanPosition& position, uint64_t node_cursor,
                                     const Topology& topology) {
  if (node_cursor > kNodeCursorMax) return std::nullopt;
  const ScanOrder order(topology);
  if (node_cursor != 0) return order.Cursor(position.rank, node_cursor);
  const uint64_t next = position.rank + uint64_t{1};
  return next < order.size() ? order.Cursor(next, 0) : 0;
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
