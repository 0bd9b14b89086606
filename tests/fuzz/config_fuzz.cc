// Configuration files: any bytes give a Config or a short list of errors; a Config written out
// reads back as the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "plugins/registry.h"
#include "plugins/text.h"
#include "proxy/config_file.h"
#include "proxy/config_text.h"

namespace {

// Ten errors, each with a place, a name and a value that are cut short.
constexpr size_t kErrorBytesMax = 10000;

void Check(bool holds) {
  if (!holds) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = weir::ParseConfig(text, "fuzz.toml", weir::PluginSchemas());
  if (!config.ok()) {
    Check(!weir::Message(config.status()).empty());
    Check(weir::Message(config.status()).size() <= kErrorBytesMax);
    return 0;
  }
  const std::string written = weir::FormatConfig(*config);
  // Users are written without their passwords, which then are missed.
  if (!config->auth.users.empty()) return 0;
  const auto again = weir::ParseConfig(written, "written.toml", weir::PluginSchemas());
  Check(again.ok());
  Check(weir::FormatConfig(*again) == written);
  return 0;
}
