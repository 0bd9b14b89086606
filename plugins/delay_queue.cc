#include "plugins/delay_queue.h"

#include <algorithm>
#include <utility>

namespace weir {

void DelayQueue::Add(uint64_t delay_ns, Hold hold, std::function<void()> left) {
  heap_.push_back({host_.NowNs() + delay_ns, ++last_order_, std::make_unique<Hold>(std::move(hold)),
                   std::move(left)});
  std::push_heap(heap_.begin(), heap_.end(), IsLater);
  Arm();
}

void DelayQueue::Arm() {
  if (heap_.empty() || heap_.front().due_ns >= armed_for_ns_) return;
  armed_for_ns_ = heap_.front().due_ns;
  const uint64_t now_ns = host_.NowNs();
  const uint64_t left_ns = armed_for_ns_ > now_ns ? armed_for_ns_ - now_ns : 0;
  timer_ = host_.After((left_ns + 999'999) / 1'000'000, [this] { LetGo(); });
}

void DelayQueue::LetGo() {
  armed_for_ns_ = UINT64_MAX;
  const uint64_t now_ns = host_.NowNs();
  while (!heap_.empty() && heap_.front().due_ns <= now_ns) {
    std::pop_heap(heap_.begin(), heap_.end(), IsLater);
    Entry entry = std::move(heap_.back());
    heap_.pop_back();
    entry.left();
    entry.hold->Resume();
  }
  Arm();
}

}  // namespace weir
