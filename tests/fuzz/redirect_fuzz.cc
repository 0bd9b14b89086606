// Error lines of any bytes: nothing is followed to where nothing can be, or for ever.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "routing/redirect.h"
#include "tests/routing/cluster_fuzz_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  weir::testing::FuzzRedirect(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
