// One thread's event loop: libuv's, with the turn's end (write what was queued) and a mailbox.
#ifndef WEIR_PROXY_LOOP_H_
#define WEIR_PROXY_LOOP_H_

#include <uv.h>

#include <functional>
#include <mutex>
#include <vector>

#include "proxy/loop_context.h"

namespace weir {

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  uv_loop_t* uv() { return &loop_; }
  LoopContext& context() { return context_; }

  // Runs `call` on the loop's thread, soon; drops it after Stop(). From any thread.
  void Post(std::function<void()> call);

  // Runs until Stop() was called and all handles that others opened are closed.
  void Run();
  // Closes the loop's own handles, so that Run() ends with the last of the others'. On its thread.
  void Stop();

 private:
  static void OnPrepare(uv_prepare_t* handle);
  static void OnCheck(uv_check_t* handle);
  static void OnAsync(uv_async_t* handle);
  void EndTurn();
  void Coalesce();

  uv_loop_t loop_;
  LoopContext context_;
  uv_prepare_t prepare_;
  uv_check_t check_;
  uv_async_t async_;
  std::mutex mutex_;
  std::vector<std::function<void()>> mail_;  // guarded by mutex_
  bool stopped_ = false;                     // guarded by mutex_
};

}  // namespace weir

#endif  // WEIR_PROXY_LOOP_H_
