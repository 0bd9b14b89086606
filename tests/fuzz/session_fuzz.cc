// Whole sessions: any bytes from a client or from a backend, through a weir that serves others too.
#include "tests/proxy/session_fuzz.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "proxy/server.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  weir::testing::FuzzSession(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
