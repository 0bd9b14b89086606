// Who a client says it is, checked against the configuration.
#ifndef WEIR_PROXY_CLIENT_AUTHENTICATOR_H_
#define WEIR_PROXY_CLIENT_AUTHENTICATOR_H_

#include <string_view>

namespace weir {

struct AuthConfig;

enum class AuthVerdict {
  kAccepted,
  kRefused,
  kAskRedis,  // passthrough: only Redis knows
};

// What Redis' ACLs would say of this user and password if the configuration were its list of users.
// AuthMode::kNone: a Redis whose only user is "default", for whom any password is right.
// kUsers: a password is right if its SHA-256 is one of the user's, as `#hash` in Redis' ACL rules.
// How long it takes tells neither how much of a hash was right nor whether there is such a user.
[[nodiscard]] AuthVerdict Authenticate(const AuthConfig& config, std::string_view user,
                                       std::string_view password);

// Whether a new client must authenticate before anything else: Conversation::authenticated starts
// as the opposite. In passthrough mode it must, because weir lends nobody the credentials of its
// own configuration.
bool AuthRequired(const AuthConfig& config);

// Whether the configuration can name a user, so that CLIENT KILL USER may be given it.
// REQUIRES: the mode is not kPassthrough.
bool IsUser(const AuthConfig& config, std::string_view user);

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_AUTHENTICATOR_H_
