// Replies of several nodes, of any bytes: what they become is one reply.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "routing/merge.h"
#include "tests/routing/cluster_fuzz_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  weir::testing::FuzzMerge(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
