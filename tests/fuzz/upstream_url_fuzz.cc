// Upstream URLs: any bytes give an answer; normal form is read back as the same; a password that is
// understood stands in no text that may be logged.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "routing/upstream_url.h"

namespace {

void Check(bool holds) {
  if (!holds) abort();
}

// A password that weir's own words or the rest of the URL cannot contain by chance.
constexpr std::string_view kSecret = "Hunter2~";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view url(reinterpret_cast<const char*>(data), size);
  const auto parsed = weir::ParseUpstreamUrl(url);
  if (!parsed.ok()) {
    // Wherever a secret stood: an error quotes no part of a URL.
    Check(std::string(parsed.status().message()).find(kSecret) == std::string::npos);
    return 0;
  }
  Check(!parsed->endpoints.empty());
  const std::string normal = parsed->ToString();
  if (parsed->password.find(kSecret) != std::string::npos) {
    weir::UpstreamUrl elsewhere = *parsed;
    elsewhere.password = "***";
    Check(elsewhere.ToString() == normal);
  }
  const auto again = weir::ParseUpstreamUrl(normal);
  Check(again.ok());
  Check(again->ToString() == normal);
  Check(again->endpoints == parsed->endpoints && again->db == parsed->db);
  return 0;
}
