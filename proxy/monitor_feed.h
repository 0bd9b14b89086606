// MONITOR: brings what each client of this process does to those who monitor it.
//
// weir shows its own clients' commands with their own addresses, not Redis' MONITOR, which would
// show weir's links, what weir itself says, and the commands of everybody else. Each worker has a
// feed and knows who monitors which upstream, here and on the other workers: a monitor has its "OK"
// only once all workers know of it, so it misses nothing that comes later. Lines for a monitor here
// go straight into its output; those for other workers are collected and posted once a turn.
//
//   bound                                      at it
//   client_output_buffer_bytes_max of lines    the monitors there have missed something: they are
//   on their way to one worker                 closed
//   the same, unread by one monitor            it is closed
#ifndef WEIR_PROXY_MONITOR_FEED_H_
#define WEIR_PROXY_MONITOR_FEED_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/loop_context.h"

namespace weir {

class Session;
class Worker;

class MonitorFeed final : private TurnEnd {
 public:
  // `worker` outlives it. `bytes_max`: see above.
  MonitorFeed(Worker* worker, size_t upstreams, size_t workers, size_t bytes_max);

  // HOT. Nobody monitors anything. Else what clients do is shown with Show().
  bool off() const { return watchers_ == 0; }

  // A monitor of this worker's, until Remove. The caller tells the other workers' feeds.
  void Add(size_t upstream, Session* session);
  void Remove(size_t upstream, Session* session);
  // There is one more on another worker, or `change` -1: one less.
  void CountElsewhere(size_t upstream, size_t worker, int change);

  // `line` with its CRLF: to all who monitor this upstream.
  void Show(size_t upstream, std::string_view line);

 private:
  struct Batch {
    std::string lines;
    bool lost = false;
  };
  struct Watched {
    std::vector<Session*> here;
    std::vector<uint32_t> elsewhere;  // by worker
    std::vector<Batch> batches;       // by worker, for the end of the turn
  };

  void OnTurnEnd() override;
  void Send(size_t upstream, size_t worker, Batch batch);
  void ShowHere(size_t upstream, std::string_view lines, bool lost);

  Worker* const worker_;
  const size_t bytes_max_;
  std::vector<Watched> watched_;         // by upstream
  uint64_t watchers_ = 0;                // on all workers
  std::atomic<size_t> coming_bytes_{0};  // posted by others and not yet shown here
};

}  // namespace weir

#endif  // WEIR_PROXY_MONITOR_FEED_H_
