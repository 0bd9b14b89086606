// Replies to COMMAND of any bytes: a table or an error, and no key where there is no argument.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "routing/command_table.h"
#include "tests/routing/fuzz_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  weir::testing::FuzzCommandTable(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
