// Merge: the replies of a command's parts as the one reply that a single server would have given.
//
// Works on the reply's bytes, RESP2 or RESP3 alike, and takes apart no more of them than it must:
// what is an element's is copied as it came.
//
// Partial failure. If a part failed, the client gets one error: that of the first part (in the
// order of its keys, or of the nodes) that failed, word for word, so that its code is one that
// clients know. No part is hidden in an array, none is sent again because another failed. Where
// something was changed by the others, " (weir: 2 of 3 parts were done)" stands behind it. Only
// kOneSucceeded, kRandomKey and kInfo take an error from some parts for no failure.
#ifndef WEIR_ROUTING_MERGE_H_
#define WEIR_ROUTING_MERGE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/types/span.h"
#include "routing/arg_list.h"
#include "routing/split.h"
#include "routing/spread.h"

namespace weir {

struct MergeInput {
  Merge merge = Merge::kFirst;
  // One whole reply of each part, or an error line with its CRLF that weir has instead. Not empty.
  absl::Span<const std::string_view> replies;
  const KeySplit* split = nullptr;  // of a split command: `replies` are in the order of its parts
  bool changes_data = false;        // a write, or what changes nodes: tell what was done
  uint64_t random = 0;              // kRandomKey: any number
  uint64_t elements_max = UINT64_MAX;  // kNewestFirst: the first so many
};

// How many elements the command asks for of a reply that is merged by kNewestFirst: SLOWLOG GET
// [n].
uint64_t NewestWanted(const ArgList& args);

// Always one whole reply. If the parts' replies do not fit together (an array where others say an
// integer, lengths that differ), that is an error which says so: "-ERR weir: …".
std::string MergeReplies(const MergeInput& input);

}  // namespace weir

#endif  // WEIR_ROUTING_MERGE_H_
