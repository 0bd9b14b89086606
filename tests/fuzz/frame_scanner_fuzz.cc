// Replies of any bytes: the scanners agree with each other and with hiredis, however they are cut.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tests/resp/fuzz_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  weir::testing::FuzzFrameScanner(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
