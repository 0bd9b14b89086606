// By what a limit counts: the parts of a request that make up the key of its counter.
#ifndef WEIR_PLUGINS_LIMIT_IDENTITY_H_
#define WEIR_PLUGINS_LIMIT_IDENTITY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/ip_address.h"

namespace weir {

class SessionView;

struct IdentityPart {
  enum class Kind : uint8_t {
    kClientIp,
    kCidr,  // the client's network, see PrefixBits
    kUser,
    kClientName,
    kDb,
    kListener,
    kKey,
    kKeyPart,   // the `n`-th part of the key between ':', from 1; empty if it has fewer
    kConstant,  // nothing: all together
  };
  Kind kind = Kind::kConstant;
  unsigned n = 0;

  bool of_key() const { return kind == Kind::kKey || kind == Kind::kKeyPart; }
  friend bool operator==(IdentityPart, IdentityPart) = default;
};

// "client_ip", "cidr/24", "key_part(2)", …; nothing if it is none of them.
std::optional<IdentityPart> ParseIdentityPart(std::string_view text);
// The list of what there is, for error texts.
std::string KnownIdentityParts();

// Bits of the networks that "cidr/N" counts together: N of IPv4, and twice as many of IPv6
// ("cidr/24" is its /48, "cidr/32" its /64, what one customer usually has). Above 32 they are
// IPv6's, and an IPv4 address is meant whole.
unsigned PrefixBits(const IpAddress& address, unsigned n);

// What an identity is made from. Valid during the request.
struct IdentitySource {
  SessionView& session;
  const IpAddress& address;
  std::string_view key;
};

// HOT. `seed` is secret, so that clients cannot choose keys that collide.
uint64_t IdentityHash(const std::vector<IdentityPart>& parts, const IdentitySource& source,
                      uint64_t seed);

// The parts in one text, each with its length before it, so that no two sources have the same.
std::string IdentityText(const std::vector<IdentityPart>& parts, const IdentitySource& source);

}  // namespace weir

#endif  // WEIR_PLUGINS_LIMIT_IDENTITY_H_
