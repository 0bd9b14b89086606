// The event loop of a thread.
//
// A turn: timers, [prepare: end of turn], wait for events, their callbacks, [check: end of turn],
// and under load a pause (see proxy/coalescing.h). Both ends write what callbacks have queued, so
// that one turn's requests for a link and one turn's replies to a client go out in one write each.
#include "proxy/loop.h"

#include <sys/prctl.h>

#include <ctime>
#include <utility>

namespace weir {

Loop::Loop() {
  uv_loop_init(&loop_);
  context_.loop = &loop_;
  prepare_.data = check_.data = async_.data = this;
  uv_prepare_init(&loop_, &prepare_);
  uv_check_init(&loop_, &check_);
  uv_async_init(&loop_, &async_, OnAsync);
  uv_prepare_start(&prepare_, OnPrepare);
  uv_check_start(&check_, OnCheck);
}

Loop::~Loop() {
  Stop();
  uv_run(&loop_, UV_RUN_DEFAULT);
  uv_loop_close(&loop_);
}

void Loop::Post(std::function<void()> call) {
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    mail_.push_back(std::move(call));
    uv_async_send(&async_);
  }
}

void Loop::Run() {
  // A pause of 100 us shall not take 150 (the default slack of timers).
  ::prctl(PR_SET_TIMERSLACK, 1000UL);
  uv_run(&loop_, UV_RUN_DEFAULT);
}

void Loop::Stop() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(stopped_, true)) return;
  }
  EndTurn();
  uv_close(reinterpret_cast<uv_handle_t*>(&prepare_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&check_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&async_), nullptr);
}

void Loop::OnPrepare(uv_prepare_t* handle) { static_cast<Loop*>(handle->data)->EndTurn(); }

void Loop::OnCheck(uv_check_t* handle) {
  auto* loop = static_cast<Loop*>(handle->data);
  loop->context_.stats.loop_turns.Add();
  loop->EndTurn();
  loop->Coalesce();
}

// Lets events gather when the load says so. Nothing is left to be written meanwhile.
void Loop::Coalesce() {
  const uint64_t pause_us = context_.coalescing.OnTurnEnd(context_.NowMs());
  if (pause_us == 0) return;
  context_.stats.loop_pauses.Add();
  const timespec pause = {.tv_sec = 0, .tv_nsec = static_cast<long>(pause_us * 1000)};
  ::nanosleep(&pause, nullptr);
}

void Loop::OnAsync(uv_async_t* handle) {
  auto* loop = static_cast<Loop*>(handle->data);
  std::vector<std::function<void()>> mail;
  {
    const std::lock_guard lock(loop->mutex_);
    mail.swap(loop->mail_);
  }
  for (const auto& call : mail) call();
}

void Loop::EndTurn() {
  // Writing replies may let a client's next requests through, so go on until both are empty.
  std::vector<TurnEnd*> batch;
  while (!context_.links_to_flush.empty() || !context_.sessions_to_flush.empty()) {
    batch.swap(context_.links_to_flush);
    for (size_t i = 0; i < batch.size(); ++i) batch[i]->OnTurnEnd();
    batch.clear();
    batch.swap(context_.sessions_to_flush);
    for (size_t i = 0; i < batch.size(); ++i) batch[i]->OnTurnEnd();
    batch.clear();
  }
  context_.BeginTurn();
}

}  // namespace weir
