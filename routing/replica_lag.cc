#include "routing/replica_lag.h"

#include <algorithm>
#include <charconv>

#include "routing/text.h"

namespace weir {
namespace {

// "role:master\r\n" -> "master"; nothing if there is no such line.
std::optional<std::string_view> Field(std::string_view info, std::string_view name) {
  while (!info.empty()) {
    const size_t end = std::min(info.find('\n'), info.size());
    std::string_view line = info.substr(0, end);
    info.remove_prefix(std::min(end + 1, info.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == ':') {
      return line.substr(name.size() + 1);
    }
  }
  return std::nullopt;
}

bool ReadOffset(std::optional<std::string_view> text, int64_t* offset_bytes) {
  if (!text.has_value()) return false;
  const char* end = text->data() + text->size();
  const auto result = std::from_chars(text->data(), end, *offset_bytes);
  return result.ec == std::errc() && result.ptr == end && *offset_bytes >= 0;
}

}  // namespace

std::optional<StreamPosition> ParseStreamPosition(std::string_view info) {
  const auto role = Field(info, "role");
  const auto stream_id = Field(info, "master_replid");
  if (!role.has_value() || !stream_id.has_value() || stream_id->empty()) return std::nullopt;
  StreamPosition position;
  position.is_primary = *role == "master" || *role == "primary";
  position.stream_id = *stream_id;
  if (!position.is_primary) position.link_up = Field(info, "master_link_status") == "up";
  // A replica's master_repl_offset counts what it has read, not what it has applied.
  const std::string_view name = position.is_primary ? "master_repl_offset" : "slave_repl_offset";
  if (!ReadOffset(Field(info, name), &position.offset_bytes)) return std::nullopt;
  return position;
}

void StreamHistory::Add(uint64_t asked_ms, const StreamPosition& primary) {
  const bool goes_back = !answers_.empty() && primary.offset_bytes < answers_.back().offset_bytes;
  if (!primary.is_primary || primary.stream_id != stream_id_ || goes_back) answers_.clear();
  if (!primary.is_primary) return;
  stream_id_ = primary.stream_id;
  // Whoever has reached an offset is fresh as of the last time that it was the primary's.
  if (!answers_.empty() && answers_.back().offset_bytes == primary.offset_bytes) {
    answers_.back().asked_ms = asked_ms;
    return;
  }
  if (answers_.size() == kAnswersMax) answers_.pop_front();
  answers_.push_back({asked_ms, primary.offset_bytes});
}

uint64_t StreamHistory::FreshAsOf(const StreamPosition& replica) const {
  if (replica.is_primary || !replica.link_up || replica.stream_id != stream_id_) return 0;
  const auto reached = std::find_if(answers_.rbegin(), answers_.rend(), [&](const Answer& answer) {
    return answer.offset_bytes <= replica.offset_bytes;
  });
  return reached == answers_.rend() ? 0 : reached->asked_ms;
}

uint64_t LagIntervalMs(uint64_t max_lag_ms) {
  return std::clamp(max_lag_ms / 4, kLagIntervalMinMs, kLagIntervalMaxMs);
}

}  // namespace weir
