// What makes requests wait at a node for something that others do, and so would hold up everybody
// who shares their link. Known to all workers, one for each upstream.
//
//   CLIENT PAUSE     until it is over or taken back, each client that sends something has a
//                    connection of its own, as it would have with Redis: who writes waits, who
//                    reads does not.
//   a busy script    its link is set aside (see Upstream::RelieveBusyLinks), so that others get
//                    Redis' BUSY, and can say SCRIPT KILL, instead of waiting behind it. As long as
//                    there is one, PING goes to Redis, too.
#ifndef WEIR_PROXY_BACKEND_STANDSTILL_H_
#define WEIR_PROXY_BACKEND_STANDSTILL_H_

#include <atomic>
#include <cstdint>

namespace weir {

struct Standstill {
  std::atomic<uint64_t> paused_until_ms{0};  // on the loops' clock, which is the same for all
  std::atomic<int> busy_links{0};

  // How long CLIENT PAUSE still holds at `now_ms`. HOT.
  uint64_t PauseLeftMs(uint64_t now_ms) const {
    const uint64_t until_ms = paused_until_ms.load(std::memory_order_relaxed);
    return until_ms > now_ms ? until_ms - now_ms : 0;
  }
  bool busy() const { return busy_links.load(std::memory_order_relaxed) != 0; }

  // CLIENT PAUSE never shortens an earlier one.
  void Pause(uint64_t until_ms) {
    if (until_ms > paused_until_ms.load()) paused_until_ms.store(until_ms);
  }
  void Unpause() { paused_until_ms.store(0); }
};

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_STANDSTILL_H_
