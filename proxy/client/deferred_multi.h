// A transaction that was begun, as far as its client knows, and has no node yet: see
// deferred_multi.cc.
#ifndef WEIR_PROXY_CLIENT_DEFERRED_MULTI_H_
#define WEIR_PROXY_CLIENT_DEFERRED_MULTI_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proxy/client/deferred.h"
#include "routing/command_class.h"

namespace weir {

struct DeferredMulti {
  // Of what is held back. What comes beyond begins the transaction, at any node.
  static constexpr size_t kRequestsMax = 64;
  static constexpr size_t kBytesMax = size_t{64} << 10;
  static constexpr int kBreaksMax = 3;

  // A command that was answered QUEUED.
  struct Held {
    std::string bytes;  // what the node is to queue
    PinEffect effect = PinEffect::kNone;
    bool changes_connection = false;
    std::optional<Credentials> offered;
    std::optional<Deferred::StandIn> stand_in;  // for what only weir can answer
  };

  bool HasRoomFor(size_t more) const {
    return queued.size() < kRequestsMax && bytes + more <= kBytesMax;
  }
  // REQUIRES: HasRoomFor(request_bytes).
  void Hold(Held held, size_t request_bytes);

  struct Queued {
    std::string bytes;
    PinEffect effect = PinEffect::kNone;
    size_t stand_in = Deferred::kNoRoom;  // its number in `deferred`; kNoRoom: it is none
  };
  std::vector<Queued> queued{};
  size_t bytes = 0;                      // of the client's requests
  std::shared_ptr<Deferred> deferred{};  // null: no stand-ins
  std::vector<Credentials> offered{};    // by AUTH and HELLO
  bool changes_connection = false;       // SELECT, HELLO, … are queued
  bool failed = false;                   // an error was answered, so EXEC must fail
  int breaks = 0;                        // of the connection, before the transaction had begun
  bool sent = false;                     // to the node, on the client's own connection
};

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_DEFERRED_MULTI_H_
