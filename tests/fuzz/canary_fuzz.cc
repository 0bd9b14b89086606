// A planted bug that fuzzing must find; if it does not, the other fuzzers prove nothing.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tests/resp/fuzz_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  weir::testing::FuzzCanary(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
