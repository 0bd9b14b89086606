// The keyspace section of INFO, of all nodes of a cluster together.
#ifndef WEIR_ROUTING_INFO_KEYSPACE_H_
#define WEIR_ROUTING_INFO_KEYSPACE_H_

#include <string>
#include <string_view>

#include "absl/types/span.h"

namespace weir {

// The first text, in which each number of a db's line is the sum of all texts' numbers; avg_ttl is
// the mean, weighted by how many keys expire. A db that only others have gets a line. Without a
// "# Keyspace" section in the first text, that text. `parts`, not empty, are what INFO says,
// without RESP around it.
std::string MergeInfoKeyspace(absl::Span<const std::string_view> parts);

}  // namespace weir

#endif  // WEIR_ROUTING_INFO_KEYSPACE_H_
