// FLUSHDB and FLUSHALL of one namespace: scripts that delete its keys and no others.
#ifndef WEIR_PLUGINS_NAMESPACE_FLUSH_H_
#define WEIR_PLUGINS_NAMESPACE_FLUSH_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

enum class FlushScope : uint8_t { kDb, kAllDbs };
enum class FlushFrees : uint8_t { kAtOnce, kLater };  // SYNC and ASYNC: DEL and UNLINK

// The arguments of an EVAL that answers OK. Like FLUSHDB it is one step, during which the server
// does nothing else; unlike FLUSHDB, it looks at every key of the db, others' too. For a single
// server: in a cluster it would see one node's keys, and may not touch them undeclared.
std::vector<std::string> FlushRequest(FlushScope scope, FlushFrees frees, std::string_view prefix);

}  // namespace weir

#endif  // WEIR_PLUGINS_NAMESPACE_FLUSH_H_
