#include "resp/reply_elements.h"

#include "resp/frame_scanner.h"
#include "resp/wire_text.h"

namespace weir {

std::optional<AggregateHeader> ReadAggregateHeader(std::string_view reply) {
  const size_t line_end = reply.find("\r\n");
  if (line_end == std::string_view::npos) return std::nullopt;
  const char type = reply[0];
  int64_t count = 0;
  if ((type != '*' && type != '~' && type != '%') ||
      !ParseWireNumber(reply.substr(1, line_end - 1), &count) || count < 0) {
    return std::nullopt;
  }
  return AggregateHeader{type, static_cast<uint64_t>(count), line_end + 2};
}

std::optional<std::vector<std::string_view>> CutElements(std::string_view reply,
                                                         int protocol_version) {
  const std::optional<AggregateHeader> header = ReadAggregateHeader(reply);
  if (!header) return std::nullopt;
  std::vector<std::string_view> elements;
  reply.remove_prefix(header->bytes);
  FrameScanner scanner(protocol_version);
  while (!reply.empty()) {
    const FrameScanner::Result result = scanner.Scan(reply);
    if (result.status != ScanStatus::kFrame) return std::nullopt;
    elements.push_back(reply.substr(0, result.consumed));
    reply.remove_prefix(result.consumed);
  }
  return elements;
}

std::string AppendElements(std::string_view reply, const AggregateHeader& header, uint64_t count,
                           std::string_view added) {
  std::string result(1, header.type);
  result += std::to_string(header.count + count);
  result += "\r\n";
  result += reply.substr(header.bytes);
  result += added;
  return result;
}

std::string_view StringOf(std::string_view element) {
  const size_t line_end = element.find("\r\n");
  if (line_end == std::string_view::npos) return {};
  if (element[0] == '+') return element.substr(1, line_end - 1);
  int64_t length = 0;
  if (element[0] != '$' || !ParseWireNumber(element.substr(1, line_end - 1), &length) ||
      length < 0) {
    return {};
  }
  return element.substr(line_end + 2, static_cast<uint64_t>(length));
}

}  // namespace weir
