// INFO of several nodes as that of one server: what counts is added up, what states is kept.
//
//   Server, Replication, Cluster, Modules, unknown    the first node's
//   Clients, Memory, Stats, CPU                       sums
//   Persistence                                       what is worst: "err" before "ok", 1 before 0
//   Commandstats, Errorstats, Latencystats            by command or error, sums and maxima
//   Keyspace                                          sums (see info_keyspace.h)
//
// A table names the fields that are otherwise; ratios and what is there for people to read are made
// anew from the sums. Fields of newer servers go by their section.
#ifndef WEIR_ROUTING_INFO_MERGE_H_
#define WEIR_ROUTING_INFO_MERGE_H_

#include <string>
#include <string_view>

#include "absl/types/span.h"

namespace weir {

// `parts`, not empty, are what INFO says, without RESP around it. Sections and lines stand as in
// the first; only the statistics of commands and errors that others have are added to theirs.
std::string MergeInfo(absl::Span<const std::string_view> parts);

}  // namespace weir

#endif  // WEIR_ROUTING_INFO_MERGE_H_
