// The addresses that weir listens on, as text.
#include "proxy/listen_address.h"

#include <charconv>
#include <optional>
#include <string>

#include "plugins/config_errors.h"
#include "plugins/text.h"

namespace weir {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";

absl::Status Unexpected(std::string_view text, std::string_view expected) {
  return InvalidArgument(Concat("expected ", expected, ", found \"", Printable(text), "\""));
}

std::optional<int> ParsePort(std::string_view text) {
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port < 0 || port > 65535) {
    return std::nullopt;
  }
  return port;
}

}  // namespace

absl::StatusOr<Address> ParseTcpAddress(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return Unexpected(text, "HOST:PORT, as in 127.0.0.1:6380");
  const std::optional<int> port = ParsePort(text.substr(colon + 1));
  if (!port.has_value()) return Unexpected(text, "a port from 0 to 65535 after the last colon");
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (!bracketed && host.find(':') != std::string_view::npos) {
    return Unexpected(text, "brackets around an IPv6 address, as in [::1]:6380");
  }
  const std::optional<Address> address = Address::FromNumeric(host, *port);
  if (!address.has_value() || bracketed != (address->family() == AF_INET6)) {
    return Unexpected(text,
                      "an address in numbers, as in 127.0.0.1:6380, 0.0.0.0:6380 or [::]:6380");
  }
  return *address;
}

bool ListensOnAnyPort(std::string_view text) {
  return text.substr(0, kUnixPrefix.size()) != kUnixPrefix && text.size() > 2 &&
         text.substr(text.size() - 2) == ":0";
}

absl::StatusOr<Address> ParseListenAddress(std::string_view text) {
  if (text.substr(0, kUnixPrefix.size()) != kUnixPrefix) return ParseTcpAddress(text);
  const std::optional<Address> address = Address::FromUnixPath(text.substr(kUnixPrefix.size()));
  if (!address.has_value()) return Unexpected(text, "unix: and a path of 1 to 107 bytes");
  return *address;
}

}  // namespace weir
