// Held requests that go on at a time that is known for each, soonest first.
#ifndef WEIR_PLUGINS_DELAY_QUEUE_H_
#define WEIR_PLUGINS_DELAY_QUEUE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "plugins/host.h"
#include "plugins/plugin.h"

namespace weir {

// Of one worker. The caller bounds what waits; if the queue goes first, each hold answers an error.
class DelayQueue {
 public:
  explicit DelayQueue(Host* host) : host_(*host) {}

  // Resumes the hold in `delay_ns`, and calls `left` then. A client that has gone meanwhile is no
  // error.
  void Add(uint64_t delay_ns, Hold hold, std::function<void()> left);
  size_t size() const { return heap_.size(); }

 private:
  struct Entry {
    uint64_t due_ns;
    uint64_t order;  // of those due together, the first to come goes first
    std::unique_ptr<Hold> hold;
    std::function<void()> left;
  };
  static bool IsLater(const Entry& a, const Entry& b) {
    return a.due_ns != b.due_ns ? a.due_ns > b.due_ns : a.order > b.order;
  }
  void LetGo();
  void Arm();

  Host& host_;
  std::vector<Entry> heap_;
  uint64_t last_order_ = 0;
  uint64_t armed_for_ns_ = UINT64_MAX;
  std::unique_ptr<HostTimer> timer_;
};

}  // namespace weir

#endif  // WEIR_PLUGINS_DELAY_QUEUE_H_
