#include "routing/split.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "resp/reply_writer.h"

namespace weir {
namespace {

// Where a key is served.
struct Place {
  NodeIndex node;
  uint16_t slot;
  uint16_t upstream;
};

// Which part each unit belongs to; makes the parts, in the order of their first units. `place`
// tells of a unit's number and key.
template <typename PlaceOf>
absl::InlinedVector<uint32_t, 16> AssignToParts(const ArgList& args, KeySplit* split,
                                                uint32_t units, PlaceOf place_of) {
  absl::InlinedVector<uint32_t, 16> part_of;
  absl::flat_hash_map<uint32_t, uint32_t> part_by_place;
  for (uint32_t unit = 0; unit < units; ++unit) {
    const Place at = place_of(unit, args[split->head_args + unit * split->args_per_unit]);
    const uint32_t place = uint32_t{at.upstream} << 16 | at.slot;
    const auto [part, added] =
        part_by_place.try_emplace(place, static_cast<uint32_t>(split->parts.size()));
    if (added) {
      split->parts.push_back({.node = at.node, .slot = at.slot, .upstream = at.upstream});
    }
    ++split->parts[part->second].unit_count;
    part_of.push_back(part->second);
  }
  return part_of;
}

// The order of the parts by node, nodes in the order of their first parts.
std::vector<uint32_t> OrderByNode(const std::vector<SplitPart>& parts) {
  absl::flat_hash_map<uint64_t, uint32_t> first_part;
  std::vector<uint32_t> order;
  const auto node_of = [&](uint32_t i) {
    return uint64_t{parts[i].upstream} << 32 | static_cast<uint32_t>(parts[i].node);
  };
  for (uint32_t i = 0; i < parts.size(); ++i) {
    first_part.try_emplace(node_of(i), i);
    order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return first_part[node_of(a)] < first_part[node_of(b)];
  });
  return order;
}

template <typename PlaceOf>
KeySplit Split(const CommandSpec& spec, const ArgList& args, PlaceOf place) {
  KeySplit split;
  split.head_args = static_cast<uint32_t>(spec.key_specs[0].index);
  split.args_per_unit = static_cast<uint32_t>(spec.key_specs[0].key_step);
  const uint32_t units = (args.size() - split.head_args) / split.args_per_unit;
  const auto part_of = AssignToParts(args, &split, units, place);

  std::vector<SplitPart> ordered;
  std::vector<uint32_t> place_of(split.parts.size());
  uint32_t units_before = 0;
  for (const uint32_t i : OrderByNode(split.parts)) {
    place_of[i] = static_cast<uint32_t>(ordered.size());
    ordered.push_back(split.parts[i]);
    ordered.back().first_unit = units_before;
    units_before += ordered.back().unit_count;
  }
  split.parts = std::move(ordered);

  std::vector<uint32_t> filled(split.parts.size(), 0);
  split.units.resize(units);
  for (uint32_t unit = 0; unit < units; ++unit) {
    const uint32_t part = place_of[part_of[unit]];
    split.units[split.parts[part].first_unit + filled[part]++] = unit;
  }
  return split;
}

}  // namespace

KeySplit MakeSplit(const CommandSpec& spec, const Topology& topology, const ArgList& args) {
  return Split(spec, args, [&](uint32_t, std::string_view key) {
    const uint16_t slot = topology.SlotOf(key);
    return Place{.node = topology.PrimaryOf(slot), .slot = slot, .upstream = 0};
  });
}

KeySplit MakeCrossSplit(const CommandSpec& spec, absl::Span<const Topology* const> topologies,
                        absl::Span<const uint16_t> upstreams, const ArgList& args) {
  return Split(spec, args, [&](uint32_t unit, std::string_view key) {
    const Topology& topology = *topologies[upstreams[unit]];
    if (topology.is_single() || topology.is_replicated()) {
      return Place{.node = 0, .slot = 0, .upstream = upstreams[unit]};
    }
    const uint16_t slot = topology.SlotOf(key);
    return Place{.node = topology.PrimaryOf(slot), .slot = slot, .upstream = upstreams[unit]};
  });
}

void AppendPart(std::string* out, const ArgList& args, const KeySplit& split,
                const SplitPart& part) {
  AppendRequestHeader(out, split.head_args + uint64_t{part.unit_count} * split.args_per_unit);
  for (uint32_t i = 0; i < split.head_args; ++i) AppendRequestArg(out, args[i]);
  for (const uint32_t unit : split.units_of(part)) {
    const uint32_t first = split.head_args + unit * split.args_per_unit;
    for (uint32_t i = 0; i < split.args_per_unit; ++i) AppendRequestArg(out, args[first + i]);
  }
}

}  // namespace weir
