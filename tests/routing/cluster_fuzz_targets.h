// What is fuzzed in routing/ of what a cluster's nodes say, as functions, like fuzz_targets.h.
#ifndef WEIR_TESTS_ROUTING_CLUSTER_FUZZ_TARGETS_H_
#define WEIR_TESTS_ROUTING_CLUSTER_FUZZ_TARGETS_H_

#include <string>
#include <string_view>
#include <vector>

#include "resp/frame_scanner.h"
#include "resp/reply_tree.h"
#include "routing/agreement.h"
#include "routing/cluster_scan.h"
#include "routing/cluster_view.h"
#include "routing/info_merge.h"
#include "routing/merge.h"
#include "routing/redirect.h"
#include "routing/slot.h"
#include "tests/support/fuzz_check.h"

namespace weir::testing {

inline bool IsOneReply(std::string_view reply) {
  FrameScanner scanner(3);
  const FrameScanner::Result result = scanner.Scan(reply);
  return result.status == ScanStatus::kFrame && result.consumed == reply.size();
}

inline void CheckView(const ClusterView& view) {
  WEIR_FUZZ_CHECK(view.slots.size() == kSlotCount && view.nodes.size() <= kClusterNodesMax);
  for (const NodeIndex owner : view.slots) {
    WEIR_FUZZ_CHECK(owner == kNoNode ||
                    (owner < view.nodes.size() && view.nodes[owner].role == NodeRole::kPrimary));
  }
  const auto topology = Topology::Cluster(view.nodes, view.slots, 1);
  for (size_t i = 0; i < view.nodes.size(); ++i) {
    const Node& node = view.nodes[i];
    WEIR_FUZZ_CHECK(!node.host.empty() && node.port != 0);
    WEIR_FUZZ_CHECK(node.primary == kNoNode || node.primary < view.nodes.size());
    WEIR_FUZZ_CHECK(topology->Find(node.host, node.port) == i);
  }
  WEIR_FUZZ_CHECK(SameTopology(view, *topology));
  const ClusterAnswer answer = {.asked = {"seed", 1}, .view = view};
  const Agreement agreement = Agree({&answer, 1}, {}, nullptr);
  WEIR_FUZZ_CHECK(agreement.result == Agreement::Result::kNone ||
                  SameTopology(agreement.view, *topology));
}

// A node's answers about its cluster: any tree gives an error, or a view that holds together.
inline void FuzzClusterView(std::string_view bytes) {
  const auto reply = ParseReply(bytes);
  if (!reply.ok()) return;
  AddressMap map;
  WEIR_FUZZ_CHECK(map.Add("127.0.0.1", "[::2]").ok());
  const ViewSource source = {.asked = {"seed", 1}, .address_map = &map};
  for (const auto& view : {ParseClusterShards(*reply, source), ParseClusterSlots(*reply, source)}) {
    if (view.ok()) CheckView(*view);
  }
  ParseClusterInfo(*reply);
}

// Error lines: a redirect that is understood names a slot and a port that exist.
inline void FuzzRedirect(std::string_view line) {
  for (const bool from_script : {false, true}) {
    const Redirect redirect = ParseRedirect(line, from_script);
    WEIR_FUZZ_CHECK(redirect.slot < kSlotCount);
    const bool names = redirect.refusal == Refusal::kMoved || redirect.refusal == Refusal::kAsk;
    WEIR_FUZZ_CHECK(names == (redirect.port != 0));
    RedirectHistory history;
    uint32_t steps = 0;
    for (uint64_t now_ms = 7;; ++steps) {
      const RedirectStep step = DecideRedirect(redirect, {}, now_ms, &history);
      if (step.action != RedirectStep::Action::kResend) break;
      now_ms += step.wait_ms;
      WEIR_FUZZ_CHECK(now_ms <= 7 + RedirectLimits().retry_budget_ms);
    }
    WEIR_FUZZ_CHECK(steps <= RedirectLimits().redirects_max);
    if (redirect.refusal != Refusal::kNone) {
      const std::string given_up = GiveUpLine(redirect, line, "node", history, 9);
      WEIR_FUZZ_CHECK(given_up.starts_with('-') && given_up.find('\n') == std::string::npos);
    }
  }
  ParseHostPort(line).IgnoreError();
}

// Replies of several nodes: whatever they are, as long as each is one, so is what they become.
inline void FuzzMerge(std::string_view bytes) {
  std::vector<std::string_view> replies;
  for (std::string_view rest = bytes; !rest.empty();) {
    FrameScanner scanner(3);
    const FrameScanner::Result result = scanner.Scan(rest);
    if (result.status != ScanStatus::kFrame) break;
    replies.push_back(rest.substr(0, result.consumed));
    rest.remove_prefix(result.consumed);
  }
  // Each has what the other has not.
  const std::string_view texts[] = {bytes.substr(0, bytes.size() / 2),
                                    bytes.substr(bytes.size() / 2)};
  WEIR_FUZZ_CHECK(!MergeInfo(texts).empty() || texts[0].empty());
  const auto topology = Topology::Cluster({{.id = "a"}}, std::vector<NodeIndex>(kSlotCount, 0), 1);
  const std::string scanned = RewriteScanReply(bytes, ResumeScan(0, *topology), *topology);
  if (replies.empty()) return;
  for (int merge = 0; merge <= static_cast<int>(Merge::kNewestFirst); ++merge) {
    for (const bool changes_data : {false, true}) {
      WEIR_FUZZ_CHECK(IsOneReply(MergeReplies({.merge = static_cast<Merge>(merge),
                                               .replies = replies,
                                               .changes_data = changes_data,
                                               .random = bytes.size()})));
    }
  }
  if (IsOneReply(bytes)) WEIR_FUZZ_CHECK(IsOneReply(scanned));
}

}  // namespace weir::testing

#endif  // WEIR_TESTS_ROUTING_CLUSTER_FUZZ_TARGETS_H_
