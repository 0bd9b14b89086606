// Spread: to how many nodes of a cluster a command goes, and how their replies become one.
//
// COMMAND's tips say it for most (https://redis.io/docs/reference/command-tips); a small table says
// it where the tips are wrong (MSETNX is no longer atomic in parts), silent or "special".
#ifndef WEIR_ROUTING_SPREAD_H_
#define WEIR_ROUTING_SPREAD_H_

#include <cstdint>
#include <string_view>

#include "routing/command_spec.h"

namespace weir {

enum class Spread : uint8_t {
  kOne,           // to the node of its keys, or to any
  kKeys,          // split by the slots of its keys
  kAllPrimaries,  // to each primary
  kAllNodes,      // to each primary, and to each replica that weir reads from
  kScan,          // to one node after the other: see cluster_scan.h
};
std::string_view SpreadName(Spread spread);  // "keys"

// How the replies of all parts become the client's one reply; see merge.h.
enum class Merge : uint8_t {
  kFirst,         // all must have succeeded; the first part's
  kOneSucceeded,  // the first that is no error; if all are, the first error that tells most
  kSum,           // integers, or arrays of them element by element
  kMin,
  kMax,
  kAnd,
  kOr,
  kKeyOrder,     // arrays whose elements go back to the places of their keys
  kConcat,       // arrays, sets or maps one behind the other
  kRandomKey,    // one of those that are not null
  kUnion,        // arrays of strings one behind the other, each string once
  kSumCounts,    // arrays of the same strings, each with an integer behind it: their sums
  kInfo,         // the texts of INFO as that of one server; see info_merge.h
  kNewestFirst,  // arrays of arrays with a time in second place, as SLOWLOG has them: by that time
};
std::string_view MergeName(Merge merge);  // "sum"

struct SpreadRule {
  Spread spread = Spread::kOne;
  Merge merge = Merge::kFirst;
};
SpreadRule SpreadRuleOf(const CommandSpec& spec);

}  // namespace weir

#endif  // WEIR_ROUTING_SPREAD_H_
