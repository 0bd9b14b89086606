#include "proxy/upstream_report.h"

#include <algorithm>

#include "plugins/text.h"
#include "routing/slot.h"

namespace weir {
namespace {

constexpr size_t kRangesMax = 32;  // of slots in one line

const NodeStates::State* StateOf(const std::vector<NodeStates::State>& states,
                                 std::string_view upstream, std::string_view node) {
  const auto found =
      std::find_if(states.begin(), states.end(), [&](const NodeStates::State& state) {
        return state.upstream == upstream && state.node == node;
      });
  return found == states.end() ? nullptr : &*found;
}

std::string_view StateName(const NodeStates::State* state) {
  if (state == nullptr) return "unused";
  return state->up ? "up" : "down";
}

// "0-5460,6000" of one node.
std::string SlotRanges(const Topology& topology, NodeIndex node) {
  std::string text;
  size_t ranges = 0;
  for (uint32_t first = 0; first < kSlotCount;) {
    uint32_t end = first;
    while (end < kSlotCount && topology.PrimaryOf(static_cast<uint16_t>(end)) == node) ++end;
    if (end == first) {
      ++first;
      continue;
    }
    if (++ranges <= kRangesMax) {
      text += Concat(text.empty() ? "" : ",", first);
      if (end - first > 1) text += Concat("-", end - 1);
    }
    first = end;
  }
  if (ranges > kRangesMax) text += Concat(",…", ranges - kRangesMax, "-more");
  return text;
}

std::string_view KindOf(const ReportedUpstream& upstream) {
  if (upstream.url->kind != UpstreamKind::kSingle) return UpstreamKindName(upstream.url->kind);
  return upstream.topology->is_single() ? "single" : "replicas";
}

// " lag_ms=12" of a replica; "" where it is not measured.
std::string LagWord(const ReportedUpstream& upstream, const Node& node) {
  if (upstream.lags == nullptr || node.role != NodeRole::kReplica) return "";
  const auto lags_ms = upstream.lags->LagsMs(upstream.now_ms);
  const auto found = lags_ms.find(node.Address());
  const bool known = found != lags_ms.end() && found->second != kLagUnknown;
  return Concat(" lag_ms=", known ? std::to_string(found->second) : "unknown");
}

std::string NodeLine(const ReportedUpstream& upstream, NodeIndex index,
                     const NodeStates::State* state) {
  const Topology& topology = *upstream.topology;
  const Node& node = topology.node(index);
  std::string line = Concat("node=", node.Address(), " role=", NodeRoleName(node.role));
  if (node.role == NodeRole::kReplica && node.primary != kNoNode) {
    line += Concat(" primary=", topology.node(node.primary).Address());
  }
  const bool by_slots = !topology.is_single() && !topology.is_replicated();
  if (by_slots && !topology.is_sharded() && node.role == NodeRole::kPrimary) {
    line += Concat(" slots=", SlotRanges(topology, index));
  }
  line += Concat(" health=", NodeHealthName(node.health), " state=", StateName(state),
                 LagWord(upstream, node));
  if (!node.id.empty()) line += Concat(" id=", node.id);
  if (!node.zone.empty()) line += Concat(" zone=", node.zone);
  return line;
}

}  // namespace

std::vector<std::string> ReportUpstreams(const std::vector<ReportedUpstream>& upstreams,
                                         const std::vector<ListenerConfig>& listeners,
                                         const std::vector<NodeStates::State>& states) {
  std::vector<std::string> lines;
  for (const ReportedUpstream& upstream : upstreams) {
    const std::string& name = upstream.config->name;
    const auto up = std::count_if(
        states.begin(), states.end(),
        [&](const NodeStates::State& state) { return state.upstream == name && state.up; });
    std::string from;
    for (const ListenerConfig& listener : listeners) {
      if (listener.upstream == name) from += Concat(from.empty() ? "" : ",", listener.address);
    }
    lines.push_back(
        Concat("name=", name, " kind=", KindOf(upstream), " url=", upstream.url->ToString(),
               " nodes=", upstream.topology->nodes().size(), " up=", up, " listeners=", from));
  }
  return lines;
}

std::vector<std::string> ReportTopology(const ReportedUpstream& upstream,
                                        const std::vector<NodeStates::State>& states) {
  const Topology& topology = *upstream.topology;
  std::vector<std::string> lines = {
      Concat("upstream=", upstream.config->name, " kind=", KindOf(upstream),
             " version=", topology.version(), " nodes=", topology.nodes().size())};
  for (size_t i = 0; i < topology.nodes().size(); ++i) {
    const auto index = static_cast<NodeIndex>(i);
    lines.push_back(NodeLine(
        upstream, index, StateOf(states, upstream.config->name, topology.node(index).Address())));
  }
  return lines;
}

std::vector<std::string> ReportHealth(const std::vector<NodeStates::State>& states) {
  std::vector<std::string> lines;
  for (const NodeStates::State& state : states) {
    lines.push_back(
        Concat("upstream=", state.upstream, " node=", state.node, " state=", StateName(&state)));
    if (!state.up) lines.back() += Concat(" cause=\"", state.cause, "\"");
    if (state.ejected_by == 0) continue;
    lines.back() +=
        Concat(" ejected_by=", state.ejected_by, " ejected_cause=\"", state.ejected_cause, "\"");
  }
  return lines;
}

}  // namespace weir
