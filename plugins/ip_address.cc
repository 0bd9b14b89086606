// Internet addresses as bytes, and networks of them.
#include "plugins/ip_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <string>

#include "resp/wire_text.h"

namespace weir {

IpAddress IpAddress::Prefix(unsigned bits) const {
  IpAddress prefix = *this;
  for (unsigned i = 0; i < size; ++i) {
    const unsigned kept = std::clamp<unsigned>(bits, 8 * i, 8 * i + 8) - 8 * i;
    prefix.bytes[i] = static_cast<uint8_t>(bytes[i] & ~(0xffu >> kept));
  }
  return prefix;
}

std::optional<IpAddress> ParseIpAddress(std::string_view text) {
  const std::string copy(text);  // with a NUL at its end
  if (copy.size() != std::string_view(copy.c_str()).size()) return std::nullopt;
  IpAddress address;
  if (::inet_pton(AF_INET, copy.c_str(), address.bytes.data()) == 1) {
    address.size = 4;
    return address;
  }
  if (::inet_pton(AF_INET6, copy.c_str(), address.bytes.data()) != 1) return std::nullopt;
  address.size = 16;
  constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (!std::equal(kMapped.begin(), kMapped.end(), address.bytes.begin())) return address;
  IpAddress inner;
  std::copy_n(address.bytes.begin() + 12, 4, inner.bytes.begin());
  inner.size = 4;
  return inner;
}

IpAddress IpAddressOfPeer(std::string_view address_and_port) {
  const size_t colon = address_and_port.rfind(':');
  if (colon == std::string_view::npos) return {};
  std::string_view host = address_and_port.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return ParseIpAddress(host).value_or(IpAddress());
}

std::optional<IpNetwork> ParseIpNetwork(std::string_view text) {
  const size_t slash = text.find('/');
  const std::optional<IpAddress> address = ParseIpAddress(text.substr(0, slash));
  if (!address) return std::nullopt;
  IpNetwork network{*address, 8u * address->size};
  if (slash != std::string_view::npos) {
    int64_t bits = 0;
    if (!ParseWireNumber(text.substr(slash + 1), &bits) || bits < 0 || bits > network.bits) {
      return std::nullopt;
    }
    network.bits = static_cast<unsigned>(bits);
  }
  if (network.first.Prefix(network.bits).bytes != network.first.bytes) return std::nullopt;
  return network;
}

}  // namespace weir
