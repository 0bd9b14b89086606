// The two scanners of reply frames: over one buffer (ScanRun), and byte by byte (FrameScanner).
// They must accept the same language; tests/fuzz/frame_scanner_fuzz.cc holds them to it.

#include "resp/frame_scanner.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "resp/short_number.h"

namespace weir {
namespace {

// 19 digits always fit 64 bits, and neither a length nor an integer of Redis has more.
constexpr ptrdiff_t kDigitsMax = 19;

// A count this high was never sent by Redis; below it no sum of an element count can overflow.
constexpr uint64_t kElementsLeftMax = uint64_t{1} << 62;

bool IsInteger(uint64_t magnitude, bool negative) {
  constexpr uint64_t max = std::numeric_limits<int64_t>::max();
  return magnitude <= (negative ? max + 1 : max);
}

// Whether elements of this type carry a length and that many bytes.
bool IsBulk(char type) { return type == '$' || type == '!' || type == '='; }

bool IsResp2Type(char type) {
  return type == '+' || type == '-' || type == ':' || type == '$' || type == '*';
}

bool IsResp3Type(char type) {
  switch (type) {
    case '_':
    case ',':
    case '#':
    case '!':
    case '=':
    case '(':
    case '~':
    case '%':
    case '|':
    case '>':
      return true;
    default:
      return IsResp2Type(type);
  }
}

bool IsNumberType(char type) {
  return type != '+' && type != '-' && type != '_' && type != '#' && type != ',' && type != '(';
}

// The functions below look at one buffer only. Each takes the bytes [p, end), returns where the
// thing that it skips ends, and nullptr when it is incomplete or malformed.

const char* SkipCrlf(const char* p, const char* end) {
  return end - p >= 2 && IsCrlf(p) ? p + 2 : nullptr;
}

// An unsigned number as Redis writes it (no sign, no leading zeros), with its CRLF.
inline const char* ReadNumber(const char* p, const char* end, uint64_t* number) {
  const char* const start = p;
  uint64_t value = 0;
  for (; p != end; ++p) {
    const uint32_t digit = DigitAt(p);
    if (digit > 9) break;
    value = value * 10 + digit;
  }
  const ptrdiff_t digits = p - start;
  if (digits == 0 || digits > kDigitsMax || (digits > 1 && *start == '0')) return nullptr;
  *number = value;
  return SkipCrlf(p, end);
}

// An integer's value, from after its ':'. What it is matters only where it might not fit 64 bits.
inline const char* SkipInteger(const char* p, const char* end) {
  const bool negative = p != end && *p == '-';
  const char* const start = p + negative;
  for (p = start; p != end && DigitAt(p) <= 9;) ++p;
  const ptrdiff_t digits = p - start;
  if (digits == 0 || (*start == '0' && (digits > 1 || negative))) return nullptr;
  if (digits < kDigitsMax) return SkipCrlf(p, end);
  uint64_t magnitude = 0;
  p = ReadNumber(start, end, &magnitude);
  return p != nullptr && IsInteger(magnitude, negative) ? p : nullptr;
}

const char* SkipLine(const char* p, const char* end) {
  while (p != end) {
    const void* const cr = std::memchr(p, '\r', static_cast<size_t>(end - p));
    if (cr == nullptr) return nullptr;
    p = static_cast<const char*>(cr) + 1;
    if (p != end && *p == '\n') return p + 1;
  }
  return nullptr;
}

inline const char* SkipPayload(const char* p, const char* end, uint64_t bytes) {
  if (static_cast<uint64_t>(end - p) < bytes || bytes > kReplyBulkBytesMax) return nullptr;
  return SkipCrlf(p + bytes, end);
}

// The null of RESP2, from its minus sign on ("$-1", "*-1").
const char* SkipNull(const char* p, const char* end) {
  return end - p >= 4 && std::memcmp(p, "-1\r\n", 4) == 0 ? p + 4 : nullptr;
}

const char* SkipLongBulk(const char* p, const char* end) {
  if (p != end && *p == '-') return SkipNull(p, end);
  uint64_t bytes = 0;
  p = ReadNumber(p, end, &bytes);
  return p == nullptr ? nullptr : SkipPayload(p, end, bytes);
}

// A bulk string from its length on.
inline const char* SkipBulk(const char* p, const char* end) {
  if (end - p < kShortNumberBytes) return SkipLongBulk(p, end);
  uint32_t bytes = 0;
  const char* const payload = ReadShortNumber(p, &bytes);
  if (payload == nullptr) return SkipLongBulk(p, end);
  if (end - payload < ptrdiff_t{bytes} + 2) return nullptr;
  p = payload + bytes;
  return IsCrlf(p) ? p + 2 : nullptr;
}

// A simple string from after its '+'.
inline const char* SkipStatus(const char* p, const char* end) {
  if (end - p >= 4 && std::memcmp(p, "OK\r\n", 4) == 0) return p + 4;
  return SkipLine(p, end);
}

// The element whose type byte is p[-1], if only RESP3 has that type. Adds to *left what it
// announces.
const char* SkipResp3Element(const char* p, const char* end, uint64_t* left) {
  const char type = p[-1];
  uint64_t number = 0;
  switch (type) {
    case '_':
      return SkipCrlf(p, end);
    case '#':
      return p != end && (*p == 't' || *p == 'f') ? SkipCrlf(p + 1, end) : nullptr;
    case ',':
    case '(':
      return SkipLine(p, end);
    case '!':
    case '=':
      p = ReadNumber(p, end, &number);
      if (p == nullptr || (type == '=' && number < 4)) return nullptr;
      return SkipPayload(p, end, number);
    case '~':
    case '>':
    case '%':
    case '|':
      p = ReadNumber(p, end, &number);
      if (p == nullptr || number > kReplyElementsMax) return nullptr;
      *left += type == '%' || type == '|' ? 2 * number : number;
      // An attribute is not an element: the value that it describes is.
      *left += type == '|';
      return p;
    default:
      return nullptr;
  }
}

// An array's length, from after its '*'. Adds to *left what it announces.
inline const char* SkipArrayHeader(const char* p, const char* end, uint64_t* left) {
  if (p != end && *p == '-') return SkipNull(p, end);
  uint64_t number = 0;
  p = ReadNumber(p, end, &number);
  if (p == nullptr || number > kReplyElementsMax) return nullptr;
  *left += number;
  return p;
}

// One frame of any type.
template <bool kResp3>
const char* SkipFrame(const char* p, const char* end) {
  uint64_t left = 1;
  do {
    if (p == end) return nullptr;
    switch (*p++) {
      case '$':
        p = SkipBulk(p, end);
        break;
      case '+':
        p = SkipStatus(p, end);
        break;
      case '-':
        p = SkipLine(p, end);
        break;
      case ':':
        p = SkipInteger(p, end);
        break;
      case '*':
        p = SkipArrayHeader(p, end, &left);
        break;
      default:
        p = kResp3 ? SkipResp3Element(p, end, &left) : nullptr;
    }
    if (p == nullptr || left > kElementsLeftMax) return nullptr;
  } while (--left != 0);
  return p;
}

// Whether ScanRun() leaves frames of this type to the caller.
bool IsSpecial(char type) { return type == '-' || type == '!' || type == '>' || type == '|'; }

template <bool kResp3>
FrameRun ScanFrames(std::string_view data, size_t frames_max) {
  const char* p = data.data();
  const char* const end = p + data.size();
  size_t frames = 0;
  for (; frames < frames_max && p != end; ++frames) {
    const char* next = nullptr;
    if (*p == '$') {
      next = SkipBulk(p + 1, end);
    } else if (*p == '+') {
      next = SkipStatus(p + 1, end);
    } else if (*p == ':') {
      next = SkipInteger(p + 1, end);
    } else if (!IsSpecial(*p)) {
      next = SkipFrame<kResp3>(p, end);
    }
    if (next == nullptr) break;
    p = next;
  }
  return {frames, static_cast<size_t>(p - data.data())};
}

}  // namespace

FrameRun ScanRun(std::string_view data, size_t frames_max, int protocol_version) {
  return protocol_version >= 3 ? ScanFrames<true>(data, frames_max)
                               : ScanFrames<false>(data, frames_max);
}

FrameScanner::Result FrameScanner::Break(size_t consumed) {
  phase_ = Phase::kBroken;
  return {ScanStatus::kError, consumed};
}

bool FrameScanner::BeginElement(char type) {
  if (!(resp3_ ? IsResp3Type(type) : IsResp2Type(type))) return false;
  if (elements_left_ == 0) {
    elements_left_ = 1;
    type_ = type;
    top_bulk_bytes_ = 0;
  }
  element_type_ = type;
  phase_ = IsNumberType(type) ? Phase::kNumber : Phase::kLine;
  number_ = 0;
  line_bytes_ = 0;
  negative_ = false;
  after_cr_ = false;
  return true;
}

// Takes one byte of a number; false if Redis would not have written it.
bool FrameScanner::TakeNumberByte(char c) {
  if (c == '\r') {
    phase_ = Phase::kNumberLf;
    return line_bytes_ != 0;
  }
  if (c == '-' && line_bytes_ == 0 && !negative_) {
    negative_ = true;
    return true;
  }
  const uint32_t digit = DigitAt(&c);
  const bool leading_zero = line_bytes_ != 0 && number_ == 0;
  if (digit > 9 || leading_zero || line_bytes_ == kDigitsMax) return false;
  number_ = number_ * 10 + digit;
  ++line_bytes_;
  return true;
}

// The number of the element in progress is complete: what follows from it? False if it cannot be.
bool FrameScanner::EndNumber() {
  if (element_type_ == ':') {
    if (!IsInteger(number_, negative_) || (negative_ && number_ == 0)) return false;
    EndElement();
    return true;
  }
  if (negative_) {
    if (number_ != 1 || (element_type_ != '$' && element_type_ != '*')) return false;
    EndElement();
    return true;
  }
  if (IsBulk(element_type_)) {
    if (number_ > kReplyBulkBytesMax || (element_type_ == '=' && number_ < 4)) return false;
    if (IsBulk(type_)) top_bulk_bytes_ = number_;
    phase_ = Phase::kPayload;
    return true;
  }
  if (number_ > kReplyElementsMax) return false;
  const bool pairs = element_type_ == '%' || element_type_ == '|';
  elements_left_ += pairs ? 2 * number_ : number_;
  elements_left_ += element_type_ == '|';
  if (elements_left_ > kElementsLeftMax) return false;
  EndElement();
  return true;
}

// Takes bytes of a line of text up to its CRLF, or all of them. Sets *consumed; false if the line
// is not what its type allows.
bool FrameScanner::TakeLine(std::string_view data, size_t* consumed) {
  size_t i = 0;
  while (i < data.size()) {
    if (after_cr_) {
      after_cr_ = false;
      if (data[i] == '\n') {
        *consumed = i + 1;
        // Without its CR, which was counted before it was known to be the line's end.
        const uint64_t text_bytes = line_bytes_ - 1;
        if (element_type_ == '_' && text_bytes != 0) return false;
        if (element_type_ == '#' && text_bytes != 1) return false;
        EndElement();
        return true;
      }
    }
    if (element_type_ == '#' && line_bytes_ == 0 && data[i] != 't' && data[i] != 'f') return false;
    const void* const cr = std::memchr(data.data() + i, '\r', data.size() - i);
    after_cr_ = cr != nullptr;
    const size_t next = after_cr_
                            ? static_cast<size_t>(static_cast<const char*>(cr) - data.data()) + 1
                            : data.size();
    line_bytes_ += next - i;
    i = next;
    const uint64_t max = element_type_ == '_' ? 1 : element_type_ == '#' ? 2 : kReplyBulkBytesMax;
    if (line_bytes_ > max) return false;
  }
  *consumed = i;
  return true;
}

FrameScanner::Result FrameScanner::Scan(std::string_view data) {
  size_t i = 0;
  while (i < data.size()) {
    switch (phase_) {
      case Phase::kType:
        if (!BeginElement(data[i])) return Break(i);
        ++i;
        continue;  // an element has more than its type
      case Phase::kLine: {
        size_t consumed = 0;
        if (!TakeLine(data.substr(i), &consumed)) return Break(i);
        i += consumed;
        break;
      }
      case Phase::kNumber:
        if (!TakeNumberByte(data[i])) return Break(i);
        ++i;
        continue;
      case Phase::kNumberLf:
        if (data[i] != '\n' || !EndNumber()) return Break(i);
        ++i;
        break;
      case Phase::kPayload: {
        const size_t taken = static_cast<size_t>(std::min<uint64_t>(number_, data.size() - i));
        number_ -= taken;
        i += taken;
        if (number_ == 0) phase_ = Phase::kPayloadCr;
        continue;
      }
      case Phase::kPayloadCr:
        if (data[i] != '\r') return Break(i);
        phase_ = Phase::kPayloadLf;
        ++i;
        continue;
      case Phase::kPayloadLf:
        if (data[i] != '\n') return Break(i);
        EndElement();
        ++i;
        break;
      case Phase::kBroken:
        return {ScanStatus::kError, 0};
    }
    if (elements_left_ == 0) return {ScanStatus::kFrame, i};
  }
  return {phase_ == Phase::kBroken ? ScanStatus::kError : ScanStatus::kNeedMore, i};
}

}  // namespace weir
