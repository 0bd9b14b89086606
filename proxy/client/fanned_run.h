// A pipeline of like requests for several nodes: one run for its client, and one for each node.
//
//   client's queue   SET a  SET b  SET c  SET d  SET e      one Request, `fanned`
//   node 1's queue   SET a         SET c                    a branch: a Request of two
//   node 2's queue          SET b         SET d  SET e      a branch of three
//
// So what is decided, a deadline, metrics and places in queues are paid once a run, as with a
// single node (run.cc); only the slot is found for each key. The requests' bytes are copied, those
// for one node behind each other, so that what many clients say to it in a turn is one piece of
// memory. Replies wait in their branch until they are said in the client's order, mostly all at
// once.
//
// One that is refused by its node leaves its branch and becomes a branch of its own, of one
// request, which is then sent again like any other (reroute.cc); the others are not touched by it.
#ifndef WEIR_PROXY_CLIENT_FANNED_RUN_H_
#define WEIR_PROXY_CLIENT_FANNED_RUN_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/container/inlined_vector.h"
#include "proxy/backend/request.h"
#include "proxy/net/slice_queue.h"
#include "resp/frame_scanner.h"

namespace weir {

struct FannedRun final : RequestExtra {
  static constexpr uint32_t kRequestsMax = 64;
  static constexpr size_t kRequestBytesMax = 2048;      // a larger one is better not copied
  static constexpr size_t kSaidEarlyBytes = 16 * 1024;  // replies before the last one is there
  static constexpr size_t kCopiedReplyBytesMax = 512;   // a larger one is passed on as a slice

  struct Position {
    uint16_t slot;
    uint8_t branch;  // of the run's requests and of those that left it: at most 2 x kRequestsMax
  };
  struct Branch {
    Request* request = nullptr;  // null: all its replies are here
    uint32_t left = 0;           // requests that are branches of their own now
    SliceQueue replies;          // not yet said
  };

  std::array<Position, kRequestsMax> positions;
  NodeIndex last_node = kNoNode;        // of its last request
  uint32_t count = 0;                   // of positions
  uint32_t said = 0;                    // of them, whole
  uint32_t missing = 0;                 // replies that are not here
  size_t waiting_bytes = 0;             // of replies not yet said
  bool cut = false;                     // the rest of a reply that was begun will never come
  std::optional<FrameScanner> scanner;  // of the reply that is partly said
  absl::InlinedVector<Branch, 4> branches;
};

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_FANNED_RUN_H_
