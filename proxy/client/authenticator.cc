#include "proxy/client/authenticator.h"

#include <nettle/base16.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "proxy/config.h"

namespace weir {
namespace {

constexpr std::string_view kDefaultUser = "default";
constexpr size_t kHashHexBytes = BASE16_ENCODE_LENGTH(SHA256_DIGEST_SIZE);
using HashHex = std::array<char, kHashHexBytes>;

HashHex Sha256Hex(std::string_view text) {
  sha256_ctx context;
  sha256_init(&context);
  sha256_update(&context, text.size(), reinterpret_cast<const uint8_t*>(text.data()));
  std::array<uint8_t, SHA256_DIGEST_SIZE> digest;
  sha256_digest(&context, digest.size(), digest.data());
  HashHex hex;
  base16_encode_update(hex.data(), digest.size(), digest.data());
  return hex;
}

// `stored` is '#' and 64 hex digits, which the configuration has checked.
bool IsHashOf(std::string_view stored, const HashHex& hash) {
  return stored.size() == 1 + hash.size() &&
         memeql_sec(stored.data() + 1, hash.data(), hash.size()) != 0;
}

bool CheckUsers(const AuthConfig& config, std::string_view user, std::string_view password) {
  const HashHex hash = Sha256Hex(password);
  bool accepted = false;
  for (const AuthUser& known : config.users) {
    // All of them are compared, so that the time taken does not depend on who is asked for.
    bool right = false;
    for (const std::string& stored : known.passwords) right |= IsHashOf(stored, hash);
    accepted |= right && known.name == user;
  }
  return accepted;
}

}  // namespace

AuthVerdict Authenticate(const AuthConfig& config, std::string_view user,
                         std::string_view password) {
  bool accepted = false;
  switch (config.mode) {
    case AuthMode::kNone:
      accepted = user == kDefaultUser;
      break;
    case AuthMode::kUsers:
      accepted = CheckUsers(config, user, password);
      break;
    case AuthMode::kPassthrough:
      return AuthVerdict::kAskRedis;
  }
  return accepted ? AuthVerdict::kAccepted : AuthVerdict::kRefused;
}

bool AuthRequired(const AuthConfig& config, bool url_has_credentials) {
  return config.mode == AuthMode::kUsers ||
         (config.mode == AuthMode::kPassthrough && url_has_credentials);
}

bool IsUser(const AuthConfig& config, std::string_view user) {
  // Redis always has a default user, if only a disabled one.
  return user == kDefaultUser ||
         std::any_of(config.users.begin(), config.users.end(),
                     [user](const AuthUser& known) { return known.name == user; });
}

}  // namespace weir
