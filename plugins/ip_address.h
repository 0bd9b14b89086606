// Internet addresses as bytes, and networks of them ("10.0.0.0/8").
#ifndef WEIR_PLUGINS_IP_ADDRESS_H_
#define WEIR_PLUGINS_IP_ADDRESS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace weir {

// IPv4 (4 bytes), IPv6 (16), or none (0): a client of a Unix socket. An IPv4 address that came in
// IPv6's form (::ffff:10.0.0.7) is IPv4.
struct IpAddress {
  std::array<uint8_t, 16> bytes{};
  uint8_t size = 0;

  std::string_view view() const { return {reinterpret_cast<const char*>(bytes.data()), size}; }
  // The first `bits` of it, the others cleared. REQUIRES: bits <= 8 * size.
  IpAddress Prefix(unsigned bits) const;
};

// "10.0.0.7", "2001:db8::1".
std::optional<IpAddress> ParseIpAddress(std::string_view text);
// Of "10.0.0.7:50312" or "[2001:db8::1]:50312"; none if it is neither.
IpAddress IpAddressOfPeer(std::string_view address_and_port);

struct IpNetwork {
  IpAddress first;
  unsigned bits = 0;

  bool Contains(const IpAddress& address) const {
    return address.size == first.size && address.Prefix(bits).bytes == first.bytes;
  }
};
// "10.0.0.0/8", or an address for itself alone. Nothing if bits are set behind the prefix.
std::optional<IpNetwork> ParseIpNetwork(std::string_view text);

}  // namespace weir

#endif  // WEIR_PLUGINS_IP_ADDRESS_H_
