// weir's log: the only file that includes spdlog.
#include "proxy/log.h"

#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <chrono>
#include <memory>
#include <utility>

#include "plugins/text.h"

namespace weir {
namespace {

constexpr size_t kQueuedLinesMax = 1024;
// The level is spdlog's name for it: debug, info, warning, error.
constexpr char kTextPattern[] = "%Y-%m-%dT%H:%M:%S.%eZ %l %v";
constexpr char kJsonPattern[] = R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})";

// What exists between StartLog and StopLog.
struct Writer {
  LogFormat format;
  std::shared_ptr<spdlog::details::thread_pool> thread;
  std::shared_ptr<spdlog::async_logger> logger;
};

Writer* writer = nullptr;

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      break;
  }
  return spdlog::level::err;
}

spdlog::sink_ptr OpenSink(const LogConfig& config) {
  if (config.target == "stderr") return std::make_shared<spdlog::sinks::stderr_sink_mt>();
  return std::make_shared<spdlog::sinks::basic_file_sink_mt>(config.target);
}

std::string FormatLine(LogFormat format, std::string_view event, LogFields fields) {
  std::string line;
  if (format == LogFormat::kText) {
    line = event;
    for (const LogField& field : fields) {
      line += ' ';
      field.AppendText(&line);
    }
    return line;
  }
  line = Concat("\"event\":", QuoteJson(event));
  for (const LogField& field : fields) {
    line += ',';
    field.AppendJson(&line);
  }
  return line;
}

void Write(LogLevel level, std::string_view line) {
  writer->logger->log(ToSpdlog(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace

absl::Status StartLog(const LogConfig& config) {
  StopLog();
  spdlog::sink_ptr sink;
  try {
    sink = OpenSink(config);
  } catch (const spdlog::spdlog_ex& error) {
    return absl::FailedPreconditionError(
        Concat("[log] target: cannot open the file: ", error.what()));
  }
  auto thread = std::make_shared<spdlog::details::thread_pool>(kQueuedLinesMax, 1);
  auto logger = std::make_shared<spdlog::async_logger>(
      "weir", std::move(sink), thread, spdlog::async_overflow_policy::overrun_oldest);
  logger->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      config.format == LogFormat::kJson ? kJsonPattern : kTextPattern,
      spdlog::pattern_time_type::utc, "\n"));
  logger->set_level(ToSpdlog(config.level));
  logger->flush_on(spdlog::level::trace);
  // A full disk must not make weir write about it to stderr instead.
  logger->set_error_handler([](const std::string&) {});
  writer = new Writer{config.format, std::move(thread), std::move(logger)};
  return absl::OkStatus();
}

void StopLog() {
  // The thread first, which ends when its queue is empty: nobody then shares the logger.
  if (writer != nullptr) writer->thread.reset();
  delete std::exchange(writer, nullptr);
}

void Log(LogLevel level, std::string_view event, LogFields fields) {
  if (writer == nullptr || !writer->logger->should_log(ToSpdlog(level))) return;
  Write(level, FormatLine(writer->format, event, fields));
}

bool LogSampler::Admit(int64_t now_ms, uint64_t* skipped) {
  int64_t next_ms = next_ms_.load(std::memory_order_relaxed);
  if (now_ms < next_ms || !next_ms_.compare_exchange_strong(next_ms, now_ms + interval_ms_,
                                                            std::memory_order_relaxed)) {
    skipped_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  *skipped = skipped_.exchange(0, std::memory_order_relaxed);
  return true;
}

void LogSampled(LogSampler* sampler, LogLevel level, std::string_view event, LogFields fields) {
  if (writer == nullptr || !writer->logger->should_log(ToSpdlog(level))) return;
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  uint64_t skipped = 0;
  if (!sampler->Admit(std::chrono::duration_cast<std::chrono::milliseconds>(now).count(),
                      &skipped)) {
    return;
  }
  std::string line = FormatLine(writer->format, event, fields);
  if (skipped > 0) {
    const LogField field("skipped", skipped);
    line += writer->format == LogFormat::kText ? ' ' : ',';
    writer->format == LogFormat::kText ? field.AppendText(&line) : field.AppendJson(&line);
  }
  Write(level, line);
}

}  // namespace weir
