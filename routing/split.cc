#include "routing/split.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"

namespace weir {
namespace {

constexpr uint32_t kPartsExpected = 16;

// Where a key is served.
struct Place {
  NodeIndex node;
  uint16_t slot;
  uint16_t upstream;
};

// Numbers keys from 0 in the order in which they are first seen. Most commands have few, for which
// looking along a row costs less than a table.
class FirstSeen {
 public:
  uint32_t NumberOf(uint64_t key) {
    if (!table_.empty()) return NumberInTable(key);
    for (uint32_t i = 0; i < size_; ++i) {
      if (row_[i] == key) return i;
    }
    if (size_ == kRowMax) {
      for (const uint64_t seen : row_) NumberInTable(seen);
      return NumberInTable(key);
    }
    row_[size_] = key;
    return size_++;
  }

 private:
  static constexpr uint32_t kRowMax = 16;

  uint32_t NumberInTable(uint64_t key) {
    return table_.try_emplace(key, static_cast<uint32_t>(table_.size())).first->second;
  }

  std::array<uint64_t, kRowMax> row_;
  uint32_t size_ = 0;
  absl::flat_hash_map<uint64_t, uint32_t> table_;  // once the row is full
};

// Which part each unit belongs to; makes the parts, in the order of their first units. `place`
// tells of a unit's number and key.
template <typename PlaceOf>
absl::InlinedVector<uint32_t, 16> AssignToParts(const ArgList& args, KeySplit* split,
                                                uint32_t units, PlaceOf place_of) {
  absl::InlinedVector<uint32_t, 16> part_of(units);
  split->parts.reserve(std::min(units, kPartsExpected));
  FirstSeen places;
  for (uint32_t unit = 0; unit < units; ++unit) {
    const Place at = place_of(unit, args[split->head_args + unit * split->args_per_unit]);
    const uint32_t part = places.NumberOf(uint64_t{at.upstream} << 16 | at.slot);
    if (part == split->parts.size()) {
      split->parts.push_back({.node = at.node, .slot = at.slot, .upstream = at.upstream});
    }
    ++split->parts[part].unit_count;
    part_of[unit] = part;
  }
  return part_of;
}

// The place of each part once they stand by node, nodes in the order of their first parts.
absl::InlinedVector<uint32_t, 16> PlacesByNode(const std::vector<SplitPart>& parts) {
  FirstSeen nodes;
  absl::InlinedVector<uint32_t, 16> places(parts.size());  // at first each part's node
  absl::InlinedVector<uint32_t, 16> parts_of_node;
  for (size_t i = 0; i < parts.size(); ++i) {
    places[i] = nodes.NumberOf(uint64_t{parts[i].upstream} << 32 | parts[i].node);
    if (places[i] == parts_of_node.size()) parts_of_node.push_back(0);
    ++parts_of_node[places[i]];
  }
  uint32_t before = 0;  // parts_of_node becomes where the node's next part goes
  for (uint32_t& count : parts_of_node) before += std::exchange(count, before);
  for (uint32_t& place : places) place = parts_of_node[place]++;
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

// The arguments stand in `wire` one behind the other, each with its length before it, as weir
// itself would write them: a parser saw to that. So a part's are copied from there.
size_t EndOfArg(const ParsedRequest& request, uint32_t i) {
  return size_t{request.args[i].offset} + request.args[i].length + 2;
}

std::string_view BytesOfUnit(const ParsedRequest& request, const KeySplit& split, uint32_t unit) {
  const uint32_t first = split.head_args + unit * split.args_per_unit;
  const size_t begin = EndOfArg(request, first - 1);
  return request.wire.substr(begin, EndOfArg(request, first + split.args_per_unit - 1) - begin);
}

char* Copy(char* out, std::string_view bytes) {
  std::memcpy(out, bytes.data(), bytes.size());
  return out + bytes.size();
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

size_t PartBytesMax(const ParsedRequest& request, const KeySplit& split, const SplitPart& part) {
  // Its header says no larger a number than the request's.
  size_t bytes = EndOfArg(request, split.head_args - 1);
  for (const uint32_t unit : split.units_of(part))
    bytes += BytesOfUnit(request, split, unit).size();
  return bytes;
}

char* WritePart(char* out, const ParsedRequest& request, const KeySplit& split,
                const SplitPart& part) {
  *out++ = '*';
  const uint32_t argc = split.head_args + part.unit_count * split.args_per_unit;
  out = std::to_chars(out, out + std::numeric_limits<uint32_t>::digits10 + 1, argc).ptr;
  const size_t head_begin = request.wire.find('\r');
  const size_t head_end = EndOfArg(request, split.head_args - 1);
  out = Copy(out, request.wire.substr(head_begin, head_end - head_begin));
  for (const uint32_t unit : split.units_of(part)) {
    out = Copy(out, BytesOfUnit(request, split, unit));
  }
  return out;
}

}  // namespace weir
