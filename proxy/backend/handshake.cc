// The first words of a link.
#include "proxy/backend/handshake.h"

#include <algorithm>
#include <utility>

#include "resp/reply_writer.h"

namespace weir {
namespace {

HandshakeStep Step(std::string_view what, std::initializer_list<std::string_view> args,
                   bool required) {
  HandshakeStep step{what, {}, required};
  AppendRequest(&step.request, args);
  return step;
}

}  // namespace

std::vector<HandshakeStep> MakeHandshake(const LinkKey& key, std::string_view client_name,
                                         bool ask_id) {
  std::vector<HandshakeStep> steps;
  const bool credentials = !key.user.empty() || !key.password.empty();
  const std::string_view user = key.user.empty() ? std::string_view("default") : key.user;
  if (key.protocol_version == 3) {
    steps.push_back(credentials ? Step("HELLO 3", {"HELLO", "3", "AUTH", user, key.password}, true)
                                : Step("HELLO 3", {"HELLO", "3"}, true));
  } else if (credentials) {
    steps.push_back(key.user.empty() ? Step("AUTH", {"AUTH", key.password}, true)
                                     : Step("AUTH", {"AUTH", key.user, key.password}, true));
  }
  // An ACL may forbid it, and nothing depends on it.
  if (!client_name.empty()) {
    steps.push_back(Step("CLIENT SETNAME", {"CLIENT", "SETNAME", client_name}, false));
  }
  if (ask_id) steps.push_back(Step("CLIENT ID", {"CLIENT", "ID"}, false));
  // Only where the server is known to have it, or a client could not have said it.
  if (key.no_touch) steps.push_back(Step("CLIENT NO-TOUCH", {"CLIENT", "NO-TOUCH", "ON"}, false));
  if (key.db != 0) steps.push_back(Step("SELECT", {"SELECT", std::to_string(key.db)}, true));
  return steps;
}

HandshakeStep SayReadonly() { return Step("READONLY", {"READONLY"}, false); }

HandshakeStep AskRole() { return Step(kAskRole, {"ROLE"}, false); }

bool IsPrimarysRole(std::string_view reply) {
  const std::string_view role = reply.substr(std::min(reply.find('\n'), reply.size()));
  return role.starts_with("\n$6\r\nmaster\r\n") || role.starts_with("\n$7\r\nprimary\r\n");
}

HandshakeStep TellTracking(std::string request) {
  return {.what = "CLIENT TRACKING", .request = std::move(request), .required = true};
}

bool HandshakeGates(const LinkKey& key) {
  return key.db != 0 || !key.user.empty() || key.tracker != 0;
}

}  // namespace weir
