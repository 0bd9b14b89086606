// Requests of any bytes: the same however they are cut, canonical, and the same when streamed.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tests/resp/fuzz_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  weir::testing::FuzzRequestParser(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
