// The taking off of a namespace's prefix from replies of any bytes: frames stay frames.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "plugins/namespace_reply.h"
#include "tests/plugins/namespace_fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  weir::testing::FuzzNamespaceReply(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
