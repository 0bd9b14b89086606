// KeySplit: one command over keys of several slots, as one command for each slot.
//
// A node of a cluster refuses a command whose keys are in several slots, even if it serves them
// all (CROSSSLOT). So there is one part for each slot; parts of the same node follow each other, so
// that they go out in one write and their replies come in one read:
//
//   MGET a b c d e    slots  a,d: 1 on node X;  b,e: 2 on node Y;  c: 3 on node X
//   parts             X: MGET a d, MGET c;  Y: MGET b e
//
// Within a part the keys stand in their order, so that MSET a 1 a 2 leaves what it leaves in Redis.
#ifndef WEIR_ROUTING_SPLIT_H_
#define WEIR_ROUTING_SPLIT_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "resp/request_parser.h"
#include "routing/arg_list.h"
#include "routing/command_spec.h"
#include "routing/topology.h"

namespace weir {

struct SplitPart {
  NodeIndex node = kNoNode;  // kNoNode: the slot is not served
  uint16_t slot = 0;
  uint16_t upstream = 0;    // of a command over several upstreams
  uint32_t first_unit = 0;  // into KeySplit::units
  uint32_t unit_count = 0;
};

// A unit is a key with what belongs to it: one argument for MGET, two for MSET.
struct KeySplit {
  uint32_t head_args = 1;  // arguments before the first unit, the same for each part
  uint32_t args_per_unit = 1;
  std::vector<uint32_t> units;  // each unit's place among the units of the request, part after part
  std::vector<SplitPart> parts;  // by node, nodes in the order of their first keys

  uint32_t unit_total() const { return static_cast<uint32_t>(units.size()); }
  absl::Span<const uint32_t> units_of(const SplitPart& part) const {
    return absl::MakeConstSpan(units).subspan(part.first_unit, part.unit_count);
  }
};

// REQUIRES: a plan of kind kSplit was made for these arguments and this topology. Linear in the
// number of keys.
KeySplit MakeSplit(const CommandSpec& spec, const Topology& topology, const ArgList& args);

// The same for keys of several upstreams: `topologies` has theirs by number, `upstreams` says of
// each unit which is its. One that has a single node, or a single primary, gets one part. REQUIRES:
// the command is one that is split by its keys, and its arguments are whole units.
KeySplit MakeCrossSplit(const CommandSpec& spec, absl::Span<const Topology* const> topologies,
                        absl::Span<const uint16_t> upstreams, const ArgList& args);

// How long the part's request is in RESP, at most. `request` is what the split was made for.
size_t PartBytesMax(const ParsedRequest& request, const KeySplit& split, const SplitPart& part);

// Writes it at `out`, where there is room for so much; returns where it ends.
char* WritePart(char* out, const ParsedRequest& request, const KeySplit& split,
                const SplitPart& part);

}  // namespace weir

#endif  // WEIR_ROUTING_SPLIT_H_
