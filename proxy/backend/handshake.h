// What a new link says first: who it is, which protocol it speaks, which db it means.
#ifndef WEIR_PROXY_BACKEND_HANDSHAKE_H_
#define WEIR_PROXY_BACKEND_HANDSHAKE_H_

#include <string>
#include <string_view>
#include <vector>

#include "proxy/backend/link_key.h"

namespace weir {

struct HandshakeStep {
  std::string_view
      what;  // for errors: "AUTH", "HELLO 3", "CLIENT SETNAME", "CLIENT ID", "SELECT", …
  std::string request;  // RESP
  bool required;        // the link is useless if the node refuses it
};

// In the order of sending; empty if there is nothing to say. `client_name` empty: none is set.
// `ask_id`: the node is asked by which CLIENT ID it knows the connection.
std::vector<HandshakeStep> MakeHandshake(const LinkKey& key, std::string_view client_name,
                                         bool ask_id);

// A last step, of links that must lead to a primary: see IsPrimarysRole. An ACL may forbid it; then
// what other nodes say has to do.
inline constexpr std::string_view kAskRole = "ROLE";
HandshakeStep AskRole();
// Of a reply to ROLE, in either protocol version.
bool IsPrimarysRole(std::string_view reply);

// Of links on which a cluster's replica is read.
HandshakeStep SayReadonly();

// Of the links of a client that tracks keys; `request` in RESP.
HandshakeStep TellTracking(std::string request);

// Whether requests must wait for the handshake's replies. Usually they travel in the same write.
// But had a SELECT or the AUTH of a named user failed, the requests behind it would run in db 0 or
// as the default user: a wrong reply is worse than one round trip when a link is opened. Nor may
// anything be read before the node has agreed to track it.
bool HandshakeGates(const LinkKey& key);

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_HANDSHAKE_H_
