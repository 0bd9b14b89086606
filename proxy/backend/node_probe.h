// Finds out whether a node can be connected to and answers: a new connection, its handshake, a
// PING.
#ifndef WEIR_PROXY_BACKEND_NODE_PROBE_H_
#define WEIR_PROXY_BACKEND_NODE_PROBE_H_

#include <functional>

namespace weir {

class LinkGroup;
class Upstream;
struct LoopContext;

// `done` is called exactly once, from the loop and never before this returns: at the latest when
// connect_timeout_ms and request_timeout_ms (or twice the former, if that is off) have passed, or
// the upstream is closed. `group`, of the node, is held meanwhile. A node that is loading, or has
// lost its primary, does not count as answering; one that refuses PING for any other reason does: a
// script keeps it busy, or it wants a password. So does one that refuses the handshake, by an
// error.
void ProbeNode(LoopContext* context, Upstream* upstream, LinkGroup* group,
               std::function<void(bool succeeded)> done);

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_NODE_PROBE_H_
