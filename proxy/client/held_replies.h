// Sessions whose next replies wait for those behind them, so that all are said in one write.
//
// The requests of a pipeline that was fanned out (fanned_run.h) are answered by several nodes, a
// little after each other. Their replies are said together when the last is there, but none waits
// for another longer than kHeldMs: a node that is slow, or hangs, holds up only what is its own.
#ifndef WEIR_PROXY_CLIENT_HELD_REPLIES_H_
#define WEIR_PROXY_CLIENT_HELD_REPLIES_H_

#include <uv.h>

#include <cstdint>
#include <vector>

namespace weir {

class Session;

// One worker's; single-threaded.
class HeldReplies {
 public:
  static constexpr uint64_t kHeldMs = 1;

  void Open(uv_loop_t* loop);
  // Nothing is held any more. After Open.
  void Close();
  // Calls session->SayHeld() after kHeldMs, and again as long as it says that it holds more.
  void Add(Session* session);
  void Forget(Session* session) { std::erase(sessions_, session); }

 private:
  void OnTimer();

  uv_timer_t timer_;
  std::vector<Session*> sessions_;  // each once: they see to that
};

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_HELD_REPLIES_H_
