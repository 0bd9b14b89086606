#include "proxy/slow_log.h"

#include <algorithm>
#include <utility>

#include "plugins/text.h"
#include "proxy/client/secret_args.h"
#include "routing/command_class.h"

namespace weir {
namespace {

constexpr Metric kAdded = {"weir_slowlog_entries_total", MetricType::kCounter,
                           "Requests that took longer than log_slower_than_us."};
constexpr Metric kKept = {"weir_slowlog_entries", MetricType::kGauge,
                          "Entries that WEIR SLOWLOG shows."};

std::string Cut(std::string_view arg) {
  if (arg.size() <= SlowLog::kArgBytesMax) return std::string(arg);
  return Concat(arg.substr(0, SlowLog::kArgBytesMax), "... (", arg.size() - SlowLog::kArgBytesMax,
                " more bytes)");
}

}  // namespace

SlowLog::SlowLog(uint64_t slower_than_ns, size_t entries_max, size_t workers)
    : slower_than_ns_(slower_than_ns), entries_max_(entries_max), rings_(workers) {}

void SlowLog::Add(size_t worker, SlowEntry entry) {
  Ring& ring = rings_[worker];
  const std::lock_guard lock(ring.mutex);
  ++ring.added;
  // Within the lock, so that a ring is in the order of its ids.
  entry.id = next_id_.fetch_add(1, std::memory_order_relaxed);
  if (ring.entries.size() == entries_max_) ring.entries.pop_back();
  ring.entries.push_front(std::move(entry));
}

std::vector<SlowEntry> SlowLog::Newest(size_t n) const {
  n = std::min(n, entries_max_);
  std::vector<SlowEntry> newest;
  for (const Ring& ring : rings_) {
    const std::lock_guard lock(ring.mutex);
    const size_t count = std::min(n, ring.entries.size());
    newest.insert(newest.end(), ring.entries.begin(),
                  ring.entries.begin() + static_cast<std::ptrdiff_t>(count));
  }
  std::sort(newest.begin(), newest.end(),
            [](const SlowEntry& a, const SlowEntry& b) { return a.id > b.id; });
  if (newest.size() > n) newest.resize(n);
  return newest;
}

size_t SlowLog::size() const {
  size_t size = 0;
  for (const Ring& ring : rings_) {
    const std::lock_guard lock(ring.mutex);
    size += ring.entries.size();
  }
  return std::min(size, entries_max_);
}

void SlowLog::Reset() {
  for (Ring& ring : rings_) {
    const std::lock_guard lock(ring.mutex);
    ring.entries.clear();
  }
}

void SlowLog::Collect(MetricsSink& sink) const {
  uint64_t added = 0;
  for (const Ring& ring : rings_) {
    const std::lock_guard lock(ring.mutex);
    added += ring.added;
  }
  sink.Add(kAdded, {}, static_cast<double>(added));
  sink.Add(kKept, {}, static_cast<double>(size()));
}

std::vector<std::string> SlowlogArgs(const CommandEntry* entry, const ArgList& args,
                                     uint32_t argc_declared) {
  // Of Redis' list the last element tells how many arguments it stands for.
  const bool cut = argc_declared > SlowLog::kArgsMax || argc_declared > args.size();
  const uint32_t shown = std::min(
      args.size(), argc_declared > SlowLog::kArgsMax ? SlowLog::kArgsMax - 1 : args.size());
  std::vector<std::string> texts;
  SecretArgs secrets(entry, args);
  for (uint32_t i = 0; i < shown; ++i) {
    texts.push_back(secrets.IsSecret(i) ? std::string(kRedacted) : Cut(args[i]));
  }
  if (cut) texts.push_back(Concat("... (", argc_declared - shown, " more arguments)"));
  return texts;
}

}  // namespace weir
