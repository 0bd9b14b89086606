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

// Whether weir must refuse a client that has not authenticated: Conversation::authenticated starts,
// and is after RESET, as the opposite. In passthrough mode Redis refuses it, on links that have no
// credentials; unless the upstream's URL has some, which would then be lent to anybody.
bool AuthRequired(const AuthConfig& config, bool url_has_credentials = true);

// Whether the configuration can name a user, so that CLIENT KILL USER may be given it.
// REQUIRES: the mode is not kPassthrough.
bool IsUser(const AuthConfig& config, std::string_view user);

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_AUTHENTICATOR_H_
