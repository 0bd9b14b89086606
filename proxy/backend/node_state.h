// What one worker knows of one node's reachability, shared by all its links to it.
#ifndef WEIR_PROXY_BACKEND_NODE_STATE_H_
#define WEIR_PROXY_BACKEND_NODE_STATE_H_

#include <cstdint>
#include <string>

#include "routing/topology.h"

namespace weir {

struct NodeState {
  std::string address;                // "127.0.0.1:6379", for errors
  std::string cause;                  // why it cannot be reached: "connection refused"
  uint64_t unreachable_since_ms = 0;  // on the loop's clock; 0: reachable, or never tried
  // It did not know EXEC where it knew MULTI (they can be renamed): such a connection is lost.
  bool refuses_exec = false;
  bool down = false;  // unreachable for longer than the offline queue's age: requests fail at once

  // The error for a request that cannot be sent, with its '-'.
  std::string DownError() const { return "-DOWN weir: no connection to " + address + ": " + cause; }
};

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_NODE_STATE_H_
