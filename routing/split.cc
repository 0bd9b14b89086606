#include "routing/split.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "resp/reply_writer.h"

namespace weir {
namespace {

// Which part each unit belongs to; makes the parts, in the order of their first units.
absl::InlinedVector<uint32_t, 16> AssignToParts(const Topology& topology, const ArgList& args,
                                                KeySplit* split, uint32_t units) {
  absl::InlinedVector<uint32_t, 16> part_of;
  absl::flat_hash_map<uint16_t, uint32_t> part_by_slot;
  for (uint32_t unit = 0; unit < units; ++unit) {
    const uint16_t slot = topology.SlotOf(args[split->head_args + unit * split->args_per_unit]);
    const auto [part, added] =
        part_by_slot.try_emplace(slot, static_cast<uint32_t>(split->parts.size()));
    if (added) split->parts.push_back({.node = topology.PrimaryOf(slot), .slot = slot});
    ++split->parts[part->second].unit_count;
    part_of.push_back(part->second);
  }
  return part_of;
}

// The order of the parts by node, nodes in the order of their first parts.
std::vector<uint32_t> OrderByNode(const std::vector<SplitPart>& parts) {
  absl::flat_hash_map<NodeIndex, uint32_t> first_part;
  std::vector<uint32_t> order;
  for (uint32_t i = 0; i < parts.size(); ++i) {
    first_part.try_emplace(parts[i].node, i);
    order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return first_part[parts[a].node] < first_part[parts[b].node];
  });
  return order;
}

}  // namespace

KeySplit MakeSplit(const CommandSpec& spec, const Topology& topology, const ArgList& args) {
  KeySplit split;
  split.head_args = static_cast<uint32_t>(spec.key_specs[0].index);
  split.args_per_unit = static_cast<uint32_t>(spec.key_specs[0].key_step);
  const uint32_t units = (args.size() - split.head_args) / split.args_per_unit;
  const auto part_of = AssignToParts(topology, args, &split, units);

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
