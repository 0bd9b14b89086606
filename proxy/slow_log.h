// The slow log of WEIR SLOWLOG: the last requests that took long, and where their time went.
//
// Redis' own (SLOWLOG) knows how long a command ran; a client also waits for the network, for those
// before it, and for weir. Each worker writes to a ring of its own; who asks merges them by id. The
// locks are taken when a request was slow, and when somebody asks: never on the way of others.
#ifndef WEIR_PROXY_SLOW_LOG_H_
#define WEIR_PROXY_SLOW_LOG_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "plugins/counter.h"
#include "plugins/metrics_source.h"
#include "routing/arg_list.h"

namespace weir {

struct CommandEntry;
struct SlowlogConfig;

// Times in microseconds; total is the sum of the other three.
struct SlowEntry {
  uint64_t id = 0;     // given by SlowLog::Add, rising
  int64_t unix_s = 0;  // when it was answered
  uint64_t total_us = 0;
  uint64_t queue_us = 0;     // from taken to written to its node: behind others, or held
  uint64_t upstream_us = 0;  // from there until its reply was read
  uint64_t weir_us = 0;      // the rest: until its reply could be said, or weir's own answer
  uint64_t requests = 1;  // it, and those like it behind it in its pipeline, which are late with it
  std::string upstream;
  std::string address;  // of the client
  std::string client_name;
  std::vector<std::string> args;
};

class SlowLog final : public MetricsSource {
 public:
  // As Redis cuts them: SLOWLOG_ENTRY_MAX_ARGC and SLOWLOG_ENTRY_MAX_STRING in its slowlog.h.
  static constexpr uint32_t kArgsMax = 32;
  static constexpr size_t kArgBytesMax = 128;

  SlowLog(uint64_t slower_than_ns, size_t entries_max, size_t workers);

  uint64_t slower_than_ns() const { return slower_than_ns_; }

  // Any thread. The oldest entry of that worker goes if there are entries_max.
  void Add(size_t worker, SlowEntry entry);
  // The `n` newest, newest first; no more than entries_max in any case.
  std::vector<SlowEntry> Newest(size_t n) const;
  size_t size() const;
  void Reset();  // ids go on

  void Collect(MetricsSink& sink) const override;

 private:
  struct Ring {
    mutable std::mutex mutex;
    std::deque<SlowEntry> entries;  // newest first
    uint64_t added = 0;
  };

  const uint64_t slower_than_ns_;
  const size_t entries_max_;
  std::atomic<uint64_t> next_id_{0};
  std::deque<Ring> rings_;  // by worker
};

// The arguments as an entry shows them: cut as Redis cuts them, and with "(redacted)" for what
// nobody may read. `argc_declared` is above args.size() for what is too large for weir to hold.
std::vector<std::string> SlowlogArgs(const CommandEntry* entry, const ArgList& args,
                                     uint32_t argc_declared);

}  // namespace weir

#endif  // WEIR_PROXY_SLOW_LOG_H_
