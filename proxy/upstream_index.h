// UpstreamIndex: which of the configuration's upstreams.
#ifndef WEIR_PROXY_UPSTREAM_INDEX_H_
#define WEIR_PROXY_UPSTREAM_INDEX_H_

#include <cstddef>
#include <cstdint>

namespace weir {

// Its place in Config::upstreams. A type of its own, so that no listener's index is taken for one.
enum class UpstreamIndex : uint16_t {};

inline constexpr size_t kUpstreamsMax = 1024;

constexpr size_t Number(UpstreamIndex i) { return static_cast<size_t>(i); }

}  // namespace weir

#endif  // WEIR_PROXY_UPSTREAM_INDEX_H_
