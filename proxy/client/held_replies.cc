// The timer behind replies that wait for each other.
#include "proxy/client/held_replies.h"

#include <utility>

#include "proxy/client/session.h"

namespace weir {

void HeldReplies::Open(uv_loop_t* loop) {
  uv_timer_init(loop, &timer_);
  timer_.data = this;
}

void HeldReplies::Close() {
  sessions_.clear();
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
}

void HeldReplies::Add(Session* session) {
  sessions_.push_back(session);
  if (uv_is_active(reinterpret_cast<uv_handle_t*>(&timer_)) != 0) return;
  uv_timer_start(
      &timer_, [](uv_timer_t* timer) { static_cast<HeldReplies*>(timer->data)->OnTimer(); },
      kHeldMs, 0);
}

void HeldReplies::OnTimer() {
  for (Session* session : std::exchange(sessions_, {})) {
    if (session->SayHeld()) Add(session);
  }
}

}  // namespace weir
