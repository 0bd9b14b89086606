#include "routing/address_map.h"

#include <charconv>
#include <utility>

#include "routing/text.h"
#include "routing/topology.h"

namespace weir {
namespace {

bool ParsePort(std::string_view text, uint16_t* port) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, *port);
  return result.ec == std::errc() && result.ptr == end && *port != 0;
}

std::string_view WithoutBrackets(std::string_view host) {
  const bool in_brackets = host.starts_with('[') && host.ends_with(']');
  return in_brackets ? host.substr(1, host.size() - 2) : host;
}

// A host alone is in brackets if it has colons, so that "::1:6379" means what Redis means by it.
bool IsHostAlone(std::string_view text) {
  return text.ends_with(']') || text.find(':') == std::string_view::npos;
}

// What `map_` holds it under.
std::string Key(std::string_view host, uint16_t port) {
  return port == 0 ? Concat(host, ":*") : AddressText(host, port);
}

}  // namespace

absl::StatusOr<HostPort> ParseHostPort(std::string_view text) {
  const size_t colon = text.rfind(':');
  HostPort address;
  if (colon == std::string_view::npos || colon == 0 ||
      !ParsePort(text.substr(colon + 1), &address.port)) {
    return absl::InvalidArgumentError(
        "expected host:port with a port from 1 to 65535, such as 10.0.0.1:6379");
  }
  address.host = WithoutBrackets(text.substr(0, colon));
  if (address.host.empty()) return absl::InvalidArgumentError("expected a host before the port");
  return address;
}

absl::Status AddressMap::Add(std::string_view from, std::string_view to) {
  HostPort key;
  HostPort target;
  if (from.empty() || to.empty() || IsHostAlone(from) != IsHostAlone(to)) {
    return absl::InvalidArgumentError("expected two of the form host:port, or two hosts alone");
  }
  if (IsHostAlone(from)) {
    key.host = WithoutBrackets(from);
    target.host = WithoutBrackets(to);
  } else {
    for (const auto& [text, into] : {std::pair{from, &key}, std::pair{to, &target}}) {
      absl::StatusOr<HostPort> parsed = ParseHostPort(text);
      if (!parsed.ok()) return parsed.status();
      *into = *std::move(parsed);
    }
  }
  if (!map_.emplace(Key(key.host, key.port), std::move(target)).second) {
    return absl::InvalidArgumentError("this address stands in the map already");
  }
  return absl::OkStatus();
}

HostPort AddressMap::Apply(HostPort address) const {
  if (map_.empty()) return address;
  if (const auto exact = map_.find(Key(address.host, address.port)); exact != map_.end()) {
    return exact->second;
  }
  if (const auto host = map_.find(Key(address.host, 0)); host != map_.end()) {
    address.host = host->second.host;
  }
  return address;
}

}  // namespace weir
