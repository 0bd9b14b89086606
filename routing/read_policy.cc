#include "routing/read_policy.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace weir {
namespace {

constexpr std::string_view kNames[] = {"primary", "replica", "prefer-replica",
                                       "any",     "nearest", "zone"};

bool IsReadable(const Topology& topology, NodeIndex node, const ReadPolicy& policy,
                const NodeFigures& figures) {
  const Node& said = topology.node(node);
  if (said.health != NodeHealth::kOnline || !figures.up || figures.ejected) return false;
  if (said.role == NodeRole::kPrimary || policy.max_lag_ms == 0) return true;
  return figures.lag_ms != kLagUnknown && figures.lag_ms <= int64_t{policy.max_lag_ms};
}

void KeepNearest(absl::Span<const NodeFigures> figures, std::vector<NodeIndex>* candidates) {
  uint32_t shortest_us = 0;
  for (const NodeIndex node : *candidates) {
    const uint32_t round_trip_us = figures[node].round_trip_us;
    if (round_trip_us == 0) continue;
    if (shortest_us == 0 || round_trip_us < shortest_us) shortest_us = round_trip_us;
  }
  const double bound_us =
      std::max(shortest_us * kNearestFactor, static_cast<double>(shortest_us) + kNearestSlackUs);
  // What was never measured is near enough: it will be measured by that.
  const auto too_far = [&](NodeIndex node) { return figures[node].round_trip_us > bound_us; };
  candidates->erase(std::remove_if(candidates->begin(), candidates->end(), too_far),
                    candidates->end());
}

void PreferZone(const Topology& topology, std::string_view zone,
                std::vector<NodeIndex>* candidates) {
  if (zone.empty()) return;
  std::vector<NodeIndex> here;
  for (const NodeIndex node : *candidates) {
    if (topology.node(node).zone == zone) here.push_back(node);
  }
  if (!here.empty()) *candidates = std::move(here);
}

}  // namespace

std::string_view ReadFromName(ReadFrom read_from) { return kNames[static_cast<size_t>(read_from)]; }

std::optional<ReadFrom> ParseReadFrom(std::string_view name) {
  const auto* found = std::find(std::begin(kNames), std::end(kNames), name);
  if (found == std::end(kNames)) return std::nullopt;
  return static_cast<ReadFrom>(found - std::begin(kNames));
}

std::vector<NodeIndex> Readers(const Topology& topology, NodeIndex primary,
                               const ReadPolicy& policy, absl::Span<const NodeFigures> figures) {
  if (policy.read_from == ReadFrom::kPrimary) return {primary};
  const bool replicas_only =
      policy.read_from == ReadFrom::kReplica || policy.read_from == ReadFrom::kPreferReplica;
  std::vector<NodeIndex> candidates;
  if (!replicas_only && IsReadable(topology, primary, policy, figures[primary])) {
    candidates.push_back(primary);
  }
  for (const NodeIndex replica : topology.replicas(primary)) {
    if (IsReadable(topology, replica, policy, figures[replica])) candidates.push_back(replica);
  }
  if (policy.read_from == ReadFrom::kNearest) KeepNearest(figures, &candidates);
  if (policy.read_from == ReadFrom::kZone) PreferZone(topology, policy.zone, &candidates);
  if (candidates.empty() && policy.read_from != ReadFrom::kReplica) candidates.push_back(primary);
  return candidates;
}

uint64_t ReadableUntilMs(const Node& node, const ReadPolicy& policy, const NodeFigures& figures,
                         uint64_t now_ms) {
  if (node.role == NodeRole::kPrimary || policy.max_lag_ms == 0) return UINT64_MAX;
  return now_ms + policy.max_lag_ms - static_cast<uint64_t>(figures.lag_ms) + 1;
}

}  // namespace weir
