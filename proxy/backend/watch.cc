#include "proxy/backend/watch.h"

#include <utility>

#include "proxy/loop_context.h"

namespace weir {

Watch::Watch(LoopContext* context, Upstream* upstream, OnTopology on_topology, OnNode on_node,
             OnRound on_round)
    : context_(context),
      upstream_(upstream),
      on_topology_(std::move(on_topology)),
      on_node_(std::move(on_node)),
      on_round_(std::move(on_round)) {
  uv_timer_init(context->loop, &timer_);
  timer_.data = this;
}

void Watch::Stop() {
  stopped_ = true;
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
}

void Watch::Arm(uint64_t delay_ms, uint64_t period_ms) {
  uv_timer_start(
      &timer_, [](uv_timer_t* timer) { static_cast<Watch*>(timer->data)->OnTimer(); }, delay_ms,
      period_ms);
}

}  // namespace weir
