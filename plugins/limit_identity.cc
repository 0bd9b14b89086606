#include "plugins/limit_identity.h"

#include <array>
#include <cstring>

#include "absl/hash/hash.h"
#include "plugins/plugin.h"
#include "plugins/text.h"
#include "resp/wire_text.h"

namespace weir {
namespace {

using Kind = IdentityPart::Kind;

constexpr std::pair<std::string_view, Kind> kPlain[] = {
    {"client_ip", Kind::kClientIp},     {"user", Kind::kUser},
    {"client_name", Kind::kClientName}, {"db", Kind::kDb},
    {"listener", Kind::kListener},      {"key", Kind::kKey},
    {"constant", Kind::kConstant},
};
constexpr unsigned kPartsMax = 64;

// The number between `before` and `after`; nothing if there is none within the bounds.
std::optional<unsigned> NumberIn(std::string_view text, std::string_view before,
                                 std::string_view after, unsigned min, unsigned max) {
  if (!text.starts_with(before) || !text.ends_with(after)) return std::nullopt;
  text = text.substr(before.size(), text.size() - before.size() - after.size());
  int64_t number = 0;
  if (!ParseWireNumber(text, &number) || number < min || number > max) return std::nullopt;
  return static_cast<unsigned>(number);
}

std::string_view KeyPart(std::string_view key, unsigned n) {
  for (; n > 1; --n) {
    const size_t colon = key.find(':');
    if (colon == std::string_view::npos) return {};
    key.remove_prefix(colon + 1);
  }
  return key.substr(0, key.find(':'));
}

// Calls visit(bytes) with the part of the source.
template <typename Visit>
void VisitPart(const IdentityPart& part, const IdentitySource& source, const Visit& visit) {
  switch (part.kind) {
    case Kind::kClientIp:
      return visit(source.address.view());
    case Kind::kCidr: {
      const IpAddress network = source.address.Prefix(PrefixBits(source.address, part.n));
      return visit(network.view());
    }
    case Kind::kUser:
      return visit(source.session.user());
    case Kind::kClientName:
      return visit(source.session.client_name());
    case Kind::kDb: {
      std::array<char, sizeof(int)> bytes;
      const int db = source.session.db();
      std::memcpy(bytes.data(), &db, sizeof(db));
      return visit(std::string_view(bytes.data(), bytes.size()));
    }
    case Kind::kListener:
      return visit(source.session.listener());
    case Kind::kKey:
      return visit(source.key);
    case Kind::kKeyPart:
      return visit(KeyPart(source.key, part.n));
    case Kind::kConstant:
      return;
  }
}

}  // namespace

std::optional<IdentityPart> ParseIdentityPart(std::string_view text) {
  for (const auto& [name, kind] : kPlain) {
    if (text == name) return IdentityPart{kind, 0};
  }
  if (const auto bits = NumberIn(text, "cidr/", "", 1, 128))
    return IdentityPart{Kind::kCidr, *bits};
  if (const auto n = NumberIn(text, "key_part(", ")", 1, kPartsMax)) {
    return IdentityPart{Kind::kKeyPart, *n};
  }
  return std::nullopt;
}

std::string KnownIdentityParts() {
  return "\"client_ip\", \"cidr/N\", \"user\", \"client_name\", \"db\", \"listener\", \"key\", "
         "\"key_part(N)\", \"constant\"";
}

unsigned PrefixBits(const IpAddress& address, unsigned n) {
  if (address.size == 4) return n > 32 ? 32 : n;
  return address.size == 16 && n <= 32 ? 2 * n : n;
}

uint64_t IdentityHash(const std::vector<IdentityPart>& parts, const IdentitySource& source,
                      uint64_t seed) {
  uint64_t hash = seed;
  for (const IdentityPart& part : parts) {
    VisitPart(part, source, [&hash](std::string_view bytes) { hash = absl::HashOf(hash, bytes); });
  }
  // Also of what has no parts, or one: both halves choose a place.
  return hash ^ (hash >> 29);
}

std::string IdentityText(const std::vector<IdentityPart>& parts, const IdentitySource& source) {
  std::string text;
  for (const IdentityPart& part : parts) {
    VisitPart(part, source,
              [&text](std::string_view bytes) { text += Concat(bytes.size(), ":", bytes); });
  }
  return text;
}

}  // namespace weir
