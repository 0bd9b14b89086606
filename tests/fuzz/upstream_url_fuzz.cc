// Upstream URLs of any bytes: understood the same again from normal form, and no secret is shown.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "routing/upstream_url.h"
#include "tests/routing/fuzz_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  weir::testing::FuzzUpstreamUrl(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
