// A cluster's nodes on the cluster: any bytes give an error or a view that holds together.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "routing/cluster_view.h"
#include "tests/routing/cluster_fuzz_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  weir::testing::FuzzClusterView(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
