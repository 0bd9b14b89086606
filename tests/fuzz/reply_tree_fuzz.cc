// Reply trees of any bytes: built of whole frames only, and bounded.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tests/resp/fuzz_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  weir::testing::FuzzReplyTree(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
