// The end of a request that passes by in pieces.

#include "resp/request_tail.h"

#include <algorithm>

#include "resp/wire_text.h"

namespace weir {
namespace {

// The shortest argument is "$0\r\n\r\n".
constexpr uint64_t kArgBytesMin = 6;

constexpr std::string_view kNoCrlf =
    "weir: arguments of a request too large to be buffered must end in CRLF";

}  // namespace

bool RequestTail::Fail(std::string_view what) {
  error_ = "-ERR Protocol error: ";
  error_ += what;
  error_ += "\r\n";
  phase_ = Phase::kBroken;
  return false;
}

// Takes one byte of the line that announces an argument. False: an error was set.
bool RequestTail::TakeLineByte(char c) {
  if (c == '\r' && !saw_nul_) {
    phase_ = Phase::kLineLf;
    return true;
  }
  saw_nul_ |= c == '\0';
  if (line_bytes_ < kLineBytesKept) line_[line_bytes_] = c;
  return ++line_bytes_ <= line_bytes_max_ || Fail("too big bulk count string");
}

// The line is complete: sets the payload's length. False: an error was set.
bool RequestTail::EndLine() {
  const std::string_view line(line_, std::min<size_t>(line_bytes_, kLineBytesKept));
  if (line.empty() || line[0] != '$') return Fail(ExpectedDollar(line));
  int64_t length = 0;
  if (!ParseWireNumber(line.substr(1), &length) || length < 0 ||
      static_cast<uint64_t>(length) > bulk_bytes_max_) {
    return Fail("invalid bulk length");
  }
  line_bytes_ = 0;
  payload_left_ = static_cast<uint64_t>(length);
  phase_ = Phase::kPayload;
  return true;
}

RequestTail::Result RequestTail::Scan(std::string_view data) {
  size_t i = 0;
  while (i < data.size()) {
    bool ok = true;
    switch (phase_) {
      case Phase::kLine:
        ok = TakeLineByte(data[i++]);
        break;
      case Phase::kLineLf:
        ok = data[i++] == '\n' ? EndLine() : Fail(kNoCrlf);
        break;
      case Phase::kPayload: {
        const uint64_t taken = std::min<uint64_t>(payload_left_, data.size() - i);
        payload_left_ -= taken;
        i += taken;
        if (payload_left_ == 0) phase_ = Phase::kPayloadCr;
        break;
      }
      case Phase::kPayloadCr:
        phase_ = Phase::kPayloadLf;
        if (data[i++] != '\r') ok = Fail(kNoCrlf);
        break;
      case Phase::kPayloadLf:
        phase_ = Phase::kLine;
        if (data[i++] != '\n') {
          ok = Fail(kNoCrlf);
        } else if (--args_left_ == 0) {
          return {Status::kEnd, i};
        }
        break;
      case Phase::kBroken:
        return {Status::kError, 0};
    }
    if (!ok) return {Status::kError, i};
  }
  return {phase_ == Phase::kBroken ? Status::kError : Status::kNeedMore, i};
}

uint64_t RequestTail::bytes_left_min() const {
  if (args_left_ == 0) return 0;
  const uint64_t later_args = (args_left_ - 1) * kArgBytesMin;
  switch (phase_) {
    case Phase::kPayload:
      return later_args + payload_left_ + 2;
    case Phase::kPayloadCr:
      return later_args + 2;
    default:
      return later_args + 1;
  }
}

}  // namespace weir
