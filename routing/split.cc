#include "routing/split.h"

#include <algorithm>
#include <utility>

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

// Numbers keys from 0 in the order in which they are first seen. Most commands have few, for which
// looking along the row costs less than a table.
class FirstSeen {
 public:
  uint32_t NumberOf(uint64_t key) {
    if (keys_.size() <= kRowMax) {
      const auto at =
          static_cast<uint32_t>(std::find(keys_.begin(), keys_.end(), key) - keys_.begin());
      if (at == keys_.size()) Add(key);
      return at;
    }
    const auto [at, added] = numbers_.try_emplace(key, static_cast<uint32_t>(keys_.size()));
    if (added) keys_.push_back(key);
    return at->second;
  }
  uint32_t size() const { return static_cast<uint32_t>(keys_.size()); }

 private:
  static constexpr size_t kRowMax = 16;

  void Add(uint64_t key) {
    keys_.push_back(key);
    if (keys_.size() <= kRowMax) return;
    for (uint32_t i = 0; i < keys_.size(); ++i) numbers_.emplace(keys_[i], i);
  }

  absl::InlinedVector<uint64_t, kRowMax + 1> keys_;
  absl::flat_hash_map<uint64_t, uint32_t> numbers_;  // once there are more
};

// Which part each unit belongs to; makes the parts, in the order of their first units. `place`
// tells of a unit's number and key.
template <typename PlaceOf>
absl::InlinedVector<uint32_t, 16> AssignToParts(const ArgList& args, KeySplit* split,
                                                uint32_t units, PlaceOf place_of) {
  absl::InlinedVector<uint32_t, 16> part_of;
  FirstSeen places;
  for (uint32_t unit = 0; unit < units; ++unit) {
    const Place at = place_of(unit, args[split->head_args + unit * split->args_per_unit]);
    const uint32_t part = places.NumberOf(uint64_t{at.upstream} << 16 | at.slot);
    if (part == split->parts.size()) {
      split->parts.push_back({.node = at.node, .slot = at.slot, .upstream = at.upstream});
    }
    ++split->parts[part].unit_count;
    part_of.push_back(part);
  }
  return part_of;
}

// The place of each part once they stand by node, nodes in the order of their first parts.
absl::InlinedVector<uint32_t, 16> PlacesByNode(const std::vector<SplitPart>& parts) {
  FirstSeen nodes;
  absl::InlinedVector<uint32_t, 16> node_of, parts_of_node, places;
  for (const SplitPart& part : parts) {
    const uint64_t node = uint64_t{part.upstream} << 32 | static_cast<uint32_t>(part.node);
    node_of.push_back(nodes.NumberOf(node));
    parts_of_node.resize(nodes.size());
    ++parts_of_node[node_of.back()];
  }
  uint32_t before = 0;  // parts_of_node becomes where the node's next part goes
  for (uint32_t& count : parts_of_node) before += std::exchange(count, before);
  for (const uint32_t node : node_of) places.push_back(parts_of_node[node]++);
  return places;
}

template <typename PlaceOf>
KeySplit Split(const CommandSpec& spec, const ArgList& args, PlaceOf place) {
  KeySplit split;
  split.head_args = static_cast<uint32_t>(spec.key_specs[0].index);
  split.args_per_unit = static_cast<uint32_t>(spec.key_specs[0].key_step);
  const uint32_t units = (args.size() - split.head_args) / split.args_per_unit;
  const auto part_of = AssignToParts(args, &split, units, place);

  const auto place_of = PlacesByNode(split.parts);
  std::vector<SplitPart> ordered(split.parts.size());
  for (uint32_t i = 0; i < place_of.size(); ++i) ordered[place_of[i]] = split.parts[i];
  uint32_t units_before = 0;
  for (SplitPart& part : ordered) {
    part.first_unit = units_before;
    units_before += part.unit_count;
  }
  split.parts = std::move(ordered);

  absl::InlinedVector<uint32_t, 16> filled(split.parts.size(), 0);
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
