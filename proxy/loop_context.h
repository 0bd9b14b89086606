// What everything on one worker's loop shares: memory, counters, the clock of the turn, and who has
// bytes to write when the turn ends.
#ifndef WEIR_PROXY_LOOP_CONTEXT_H_
#define WEIR_PROXY_LOOP_CONTEXT_H_

#include <uv.h>

#include <cstdint>
#include <random>
#include <vector>

#include "proxy/backend/request.h"
#include "proxy/coalescing.h"
#include "proxy/net/buffer.h"
#include "proxy/stats.h"

namespace weir {

// Has work to do at the end of a loop turn. REQUIRES of implementers: Unschedule before they die.
class TurnEnd {
 public:
  virtual void OnTurnEnd() = 0;
  bool scheduled = false;

 protected:
  ~TurnEnd() = default;
};

struct LoopContext {
  LoopContext() : chunks(&stats.buffer_bytes), random(std::random_device{}()) {}

  uv_loop_t* loop = nullptr;
  WorkerStats stats;
  ChunkPool chunks;
  RequestPool requests;
  Coalescing coalescing;
  std::minstd_rand random;  // for jitter only
  // Links first, so that nodes work while replies are written to clients.
  std::vector<TurnEnd*> links_to_flush;
  std::vector<TurnEnd*> sessions_to_flush;

  // The clock is read once a turn: what happened in the same turn has the same time.
  uint64_t NowNs() {
    if (turn_ns_ == 0) turn_ns_ = uv_hrtime();
    return turn_ns_;
  }
  uint64_t NowMs() const { return uv_now(loop); }
  void BeginTurn() { turn_ns_ = 0; }

 private:
  uint64_t turn_ns_ = 0;
};

}  // namespace weir

#endif  // WEIR_PROXY_LOOP_CONTEXT_H_
