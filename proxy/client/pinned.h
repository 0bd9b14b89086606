// What a session keeps while it has, or has lost, a connection of its own to the node.
#ifndef WEIR_PROXY_CLIENT_PINNED_H_
#define WEIR_PROXY_CLIENT_PINNED_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "proxy/backend/link_key.h"
#include "proxy/client/local_commands.h"
#include "proxy/client/pin.h"

namespace weir {

class Deferred;

struct Pinned {
  Pin state;
  LinkKey at;           // what the connection is now: it follows SELECT, HELLO and AUTH
  PinHolds lost;        // what was held when the connection was lost
  std::string failure;  // the error line of that; empty: it was not lost
  bool served = false;  // a request on it was answered, if only by the error of its loss
  // CLIENT TRACKING REDIRECT: the other client, and its connection as the node knows it.
  struct Redirect {
    int64_t client_id = 0;  // 0: none
    int64_t node_id = 0;
    bool fresh = false;  // just found, not used yet
  } redirect;
  // Others redirect their invalidations here; whom to tell by which number the node knows it.
  bool is_target = false;
  std::vector<std::function<void(int64_t)>> to_tell;
  bool listens = false;                // the client itself subscribes to __redis__:invalidate on it
  bool plays_subscriber = false;       // weir does, because the client subscribes elsewhere
  bool broadcast = false;              // CLIENT TRACKING BCAST
  bool redirect_broken = false;        // the node has said that the other client is gone
  std::shared_ptr<Deferred> deferred;  // of the transaction; null: none
  // For MONITOR: the commands of transactions whose EXEC is not answered yet, and the EXEC's;
  // empty: it was not sent.
  struct Unshown {
    std::vector<std::string> words;
    std::string exec;
  };
  std::deque<Unshown> unshown;
  size_t unshown_bytes = 0;
  bool exec_sent = false;  // what was last sent was an EXEC
  // Of AUTH and HELLO AUTH in the transaction: whose they are is known when it was executed.
  static constexpr size_t kOfferedMax = 100;
  std::vector<Credentials> offered;
  // What the transaction does to the server's scripts, in order, if EXEC runs it: a text that is
  // then known, or all forgotten. Beyond the bound nothing is kept, so no EVALSHA is rescued by it.
  struct ScriptChange {
    bool flush = false;
    std::string text;
  };
  static constexpr size_t kScriptBytesMax = size_t{1} << 20;
  std::vector<ScriptChange> script_changes;
  size_t script_bytes = 0;
  PinReason shown = PinReason::kNone;  // as it is counted
};

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_PINNED_H_
