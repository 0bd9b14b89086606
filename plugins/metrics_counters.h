// What one worker counts for the metrics plugin, by upstream and command.
//
// The worker makes what it needs at its first use and never takes it away, so a scraping thread may
// walk the lists at any time: an entry is complete before the pointer to it is stored (release),
// and is read after that pointer (acquire). Counting itself takes no locked instruction.
//
//   upstreams_[i] -> "get" -> "set" -> ...   each command at most once, kCommandsMax of them,
//                                            then all further ones together as "other"
#ifndef WEIR_PLUGINS_METRICS_COUNTERS_H_
#define WEIR_PLUGINS_METRICS_COUNTERS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "plugins/counter.h"
#include "plugins/error_codes.h"
#include "plugins/histogram.h"
#include "plugins/metrics_source.h"

namespace weir {

struct CommandEntry;

// A list that its one writer only ever puts entries before, and that any thread may walk.
template <typename Entry>
class GrowingList {
 public:
  GrowingList() = default;
  GrowingList(const GrowingList&) = delete;
  GrowingList& operator=(const GrowingList&) = delete;
  ~GrowingList() {
    for (Entry* entry = head_.load(); entry != nullptr;) delete std::exchange(entry, entry->next);
  }

  // The list owns it.
  Entry* Push(std::unique_ptr<Entry> entry) {
    entry->next = head_.load(std::memory_order_relaxed);
    head_.store(entry.get(), std::memory_order_release);
    return entry.release();
  }
  const Entry* first() const { return head_.load(std::memory_order_acquire); }
  Entry* first() { return head_.load(std::memory_order_relaxed); }  // the writer's

 private:
  std::atomic<Entry*> head_{nullptr};
};

// Of one command at one upstream.
struct CommandCounters {
  using ErrorCounters = std::array<Counter, ErrorCodes::kNumbers>;

  explicit CommandCounters(std::string_view name) : command(name) {}
  ~CommandCounters() { delete errors.load(); }
  CommandCounters(const CommandCounters&) = delete;
  CommandCounters& operator=(const CommandCounters&) = delete;

  const std::string command;
  Counter requests;
  Counter request_bytes;
  Counter reply_bytes;
  Histogram total;  // from read to the reply's last byte
  Histogram queue;  // of that, until it was written to its node; only of requests that went there
  Histogram upstream;                           // of that, at the node; likewise
  Histogram own;                                // without that at the node
  std::atomic<ErrorCounters*> errors{nullptr};  // by number of the code; from the first error on
  CommandCounters* next = nullptr;
};

// Of one upstream.
struct UpstreamCounters {
  explicit UpstreamCounters(std::string upstream_name) : name(std::move(upstream_name)) {}

  const std::string name;
  GrowingList<CommandCounters> commands;

  // The counting thread's own ways into the list. `by_id` is a cache: an id may mean another
  // command once the upstream's command table was read again, so names are compared.
  std::vector<CommandCounters*> by_id;
  absl::flat_hash_map<std::string, CommandCounters*> by_name;
  CommandCounters* unknown = nullptr;
  CommandCounters* other = nullptr;
};

// Of one listener.
struct ListenerCounters {
  explicit ListenerCounters(std::string_view listener) : address(listener) {}

  const std::string address;
  Counter opened;
  Counter closed;
  ListenerCounters* next = nullptr;
};

class MetricsCounters final : public MetricsSource {
 public:
  static constexpr size_t kCommandsMax = 512;  // Redis 7.0 has fewer than 400, with subcommands

  // The upstreams' names, by index.
  explicit MetricsCounters(std::vector<std::string> upstreams);

  // The counting thread's. An entry that is null, or has no spec, counts as "unknown"; an upstream
  // that does not exist as "none".
  CommandCounters& Command(int upstream, const CommandEntry* entry);
  void CountError(int upstream, const CommandEntry* entry, std::string_view code);
  ListenerCounters& Listener(std::string_view address);

  // Any thread's.
  void Collect(MetricsSink& sink) const override;

 private:
  void CollectUpstream(const UpstreamCounters& upstream, MetricsSink& sink) const;
  void CollectErrors(const UpstreamCounters& upstream, const CommandCounters& command,
                     MetricsSink& sink) const;

  std::vector<std::unique_ptr<UpstreamCounters>> upstreams_;  // and one more, "none"
  ErrorCodes error_codes_;
  GrowingList<ListenerCounters> listeners_;
};

}  // namespace weir

#endif  // WEIR_PLUGINS_METRICS_COUNTERS_H_
