// What one worker knows of one node's reachability, shared by all its links to it.
#ifndef WEIR_PROXY_BACKEND_NODE_STATE_H_
#define WEIR_PROXY_BACKEND_NODE_STATE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "routing/circuit_breaker.h"

namespace weir {

struct NodeState {
  std::string address;                // "127.0.0.1:6379", for errors
  std::string cause;                  // why it cannot be reached: "connection refused"
  uint64_t unreachable_since_ms = 0;  // on the loop's clock; 0: reachable, or never tried
  // It did not know EXEC where it knew MULTI (they can be renamed): such a connection is lost.
  bool refuses_exec = false;
  // Null: nothing is counted.
  std::unique_ptr<CircuitBreaker> breaker;
  bool was_unreachable = false;  // since it was last heard of; only with a breaker
  bool ejected = false;          // by it: nothing new is sent on shared links
  std::string ejected_cause;     // "5 requests in a row failed, the last with: no answer in 100 ms"
  bool down = false;  // unreachable for longer than the offline queue's age: requests fail at once

  // The error for a request that cannot be sent, with its '-'.
  std::string DownError() const { return "-DOWN weir: no connection to " + address + ": " + cause; }
  std::string EjectedError() const {
    return "-DOWN weir: " + address + " is sent nothing for now: " + ejected_cause;
  }
};

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_NODE_STATE_H_
