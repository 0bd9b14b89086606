// weir's log: an event a line with its fields, as text or JSON, written by a thread of its own.
//
//   Log(LogLevel::kWarning, "node down", {{"node", "127.0.0.1:6379"}, {"cause", "refused"}});
//   2025-01-31T12:00:00.123Z warning node down node=127.0.0.1:6379 cause=refused
//
// Events of the process are logged each: start, stop, a change of an upstream's state. What single
// clients cause goes through a LogSampler, so that no traffic makes more than a line a second of
// it. Never log keys, values, passwords or URLs as they were configured.
#ifndef WEIR_PROXY_LOG_H_
#define WEIR_PROXY_LOG_H_

#include <atomic>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "proxy/config.h"

namespace weir {

// A named value of a line. Views into what it was made from, so lives within one statement.
class LogField {
 public:
  LogField(std::string_view key, std::string_view text) : key_(key), text_(text) {}
  template <std::integral Number>
  LogField(std::string_view key, Number number)
      : key_(key), number_(static_cast<int64_t>(number)), is_number_(true) {}

  void AppendText(std::string* line) const;  // key=value, the value quoted where need be
  void AppendJson(std::string* line) const;  // "key":value

 private:
  std::string_view key_;
  std::string_view text_;
  int64_t number_ = 0;
  bool is_number_ = false;
};

using LogFields = std::initializer_list<LogField>;

// Opens the target and starts the writing thread; FailedPrecondition if the file cannot be opened.
// REQUIRES: no other thread logs yet. Until then, lines are dropped.
absl::Status StartLog(const LogConfig& config);

// Writes what is queued and ends the thread. REQUIRES: no other thread logs any more.
void StopLog();

// Queues a line; never blocks. When the writer is 1,024 lines behind, the oldest are lost.
void Log(LogLevel level, std::string_view event, LogFields fields = {});

// Lets one line of a kind through in each interval, and counts the others. Any thread may use it.
class LogSampler {
 public:
  explicit constexpr LogSampler(int64_t interval_ms = 1000) : interval_ms_(interval_ms) {}
  LogSampler(const LogSampler&) = delete;
  LogSampler& operator=(const LogSampler&) = delete;

  // Whether this one may be written; `skipped` is then how many since the last were not.
  [[nodiscard]] bool Admit(int64_t now_ms, uint64_t* skipped);

 private:
  const int64_t interval_ms_;
  std::atomic<int64_t> next_ms_{0};
  std::atomic<uint64_t> skipped_{0};
};

// Log, if the sampler admits it; the line then says how many were skipped before it. The sampler is
// a static of the calling place, one for each kind of line.
void LogSampled(LogSampler* sampler, LogLevel level, std::string_view event, LogFields fields = {});

// `text` as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD.
std::string QuoteJson(std::string_view text);

}  // namespace weir

#endif  // WEIR_PROXY_LOG_H_
