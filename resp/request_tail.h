// Finds where a request ends that is too large to be buffered, as its bytes pass by.
//
// RequestParser::tail() makes one at the end of the last complete argument. From there the caller
// forwards what it reads and lets Scan() say how much of it still belongs to the request. The rules
// are the parser's, with one exception: bytes that are already on their way cannot be rewritten, so
// a line or an argument that does not end in CRLF, which Redis lets pass, is a protocol error here.

#ifndef WEIR_RESP_REQUEST_TAIL_H_
#define WEIR_RESP_REQUEST_TAIL_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir {

// What a client may send. The defaults are Redis' own, except request_bytes_max.
struct RequestLimits {
  uint64_t bulk_bytes_max = uint64_t{512} << 20;  // Redis' proto-max-bulk-len
  uint32_t line_bytes_max = 64 << 10;             // inline requests, and lines that hold a length
  uint32_t request_bytes_max = 1 << 20;  // larger ones are not buffered whole; at most 2 GiB
};

class RequestTail {
 public:
  enum class Status : uint8_t {
    kNeedMore,  // all bytes belong to the request, which goes on
    kEnd,       // the request ended; the bytes after it were not looked at
    kError,     // a protocol error: error() is the reply; what was forwarded is half a request
  };
  struct Result {
    Status status;
    size_t consumed;  // bytes of `data` that belong to the request
  };

  RequestTail() = default;
  // `args_left` arguments follow, at least one.
  RequestTail(const RequestLimits& limits, uint32_t args_left)
      : bulk_bytes_max_(limits.bulk_bytes_max),
        line_bytes_max_(limits.line_bytes_max),
        args_left_(args_left) {}

  [[nodiscard]] Result Scan(std::string_view data);

  // After kError: the whole reply with its CRLF. Valid as long as the tail.
  std::string_view error() const { return error_; }

  // A lower bound of how many bytes of the request are still to come.
  uint64_t bytes_left_min() const;

 private:
  enum class Phase : uint8_t { kLine, kLineLf, kPayload, kPayloadCr, kPayloadLf, kBroken };

  // A valid length has at most 20 characters, and '$' stands before it; what is longer is wrong
  // whatever it says.
  static constexpr size_t kLineBytesKept = 22;

  bool TakeLineByte(char c);
  bool EndLine();
  bool Fail(std::string_view what);

  uint64_t bulk_bytes_max_ = 0;
  uint64_t payload_left_ = 0;
  uint32_t line_bytes_max_ = 0;
  uint32_t args_left_ = 0;
  uint32_t line_bytes_ = 0;  // how long the line is so far; its first bytes are in line_
  Phase phase_ = Phase::kLine;
  bool saw_nul_ = false;  // then the line never ends: see request_parser.h
  char line_[kLineBytesKept] = {};
  std::string error_;
};

}  // namespace weir

#endif  // WEIR_RESP_REQUEST_TAIL_H_
