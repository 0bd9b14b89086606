// AUTH, in its three modes.
#include "proxy/client/authenticator.h"
#include "proxy/client/local_call.h"
#include "proxy/client/server_version.h"
#include "proxy/config.h"

namespace weir {
namespace {

constexpr std::string_view kDefaultUser = "default";

// `AUTH password` is about the user "default", whom servers before 6.0 do not know by name.
Credentials CredentialsOf(const LocalCall& call) {
  if (call.argc() == 3) return {std::string(call.arg(1)), std::string(call.arg(2))};
  const bool has_users = ParseVersion(call.context.server->version) >= MakeVersion(6, 0);
  return {has_users ? std::string(kDefaultUser) : std::string(), std::string(call.arg(1))};
}

// Asks Redis with the client's own bytes, on a link that has these credentials itself. It answers
// the same there, and if it agrees that link is the first of the client's.
LocalOutcome AskRedis(Credentials credentials) {
  LocalOutcome outcome;
  outcome.kind = LocalOutcome::Kind::kAsk;
  outcome.ask.credentials = credentials;
  // In db 0, since a user who may not SELECT must still be able to say who it is.
  outcome.ask.db = 0;
  outcome.ask.serial = true;
  outcome.ask.finish = [credentials = std::move(credentials)](Conversation& conversation,
                                                              std::string_view reply) {
    if (reply == kOkReply) conversation.Become(credentials.user, credentials.password);
    return std::string(reply);
  };
  return outcome;
}

}  // namespace

LocalOutcome AnswerAuth(const LocalCall& call) {
  if (call.argc() > 3) return SayError(RedisError::kSyntax);
  const AuthConfig& config = *call.context.auth;
  if (config.mode == AuthMode::kPassthrough) return AskRedis(CredentialsOf(call));
  if (call.argc() == 2 && config.mode == AuthMode::kNone) {
    return SayError(RedisError::kAuthWithoutPassword);
  }
  const std::string_view user = call.argc() == 2 ? kDefaultUser : call.arg(1);
  const std::string_view password = call.arg(call.argc() - 1);
  if (Authenticate(config, user, password) != AuthVerdict::kAccepted) {
    return SayError(RedisError::kWrongPass);
  }
  call.conversation.Become(user);
  return SayOk();
}

}  // namespace weir
