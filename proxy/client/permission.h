// Whether Redis' ACLs let this client run a command that weir answers.
//
// With passthrough authentication each client is a user of Redis, or nobody yet, and CLIENT KILL,
// say, may be forbidden to it. Only Redis knows. It checks the ACL before it looks at the
// arguments, so it is asked with the same command and arguments that make it do nothing: NOPERM or
// NOAUTH is then the client's answer, and any other error, which those arguments are bound to get,
// means yes.
#ifndef WEIR_PROXY_CLIENT_PERMISSION_H_
#define WEIR_PROXY_CLIENT_PERMISSION_H_

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "proxy/client/local_call.h"

namespace weir {

// Whether Redis has to be asked.
bool NeedsPermission(const LocalCall& call);

// A request that Redis answers without doing anything, and only if it lets this client run the
// command; RESP. REQUIRES: `local` concerns other clients or the client itself.
std::string PermissionProbe(LocalCommand local);

// Whether its reply means yes.
bool Permits(std::string_view reply);

// Asks it; if it agrees, the reply is then(Conversation&).
LocalOutcome AskPermission(const LocalCall& call, std::function<std::string(Conversation&)> then);

// Replies with then(Conversation&), at once or when Redis has agreed: so `then` owns what it needs.
template <typename Then>
LocalOutcome WithPermission(const LocalCall& call, Then then) {
  if (NeedsPermission(call)) [[unlikely]]
    return AskPermission(call, std::move(then));
  return SayBytes(then(call.conversation));
}

// The same for what concerns all clients.
LocalOutcome GatherWithPermission(const LocalCall& call, LocalOutcome::Gather gather);

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_PERMISSION_H_
