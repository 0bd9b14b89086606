// Feeds bytes to the parsers as a connection would, whole or in pieces, and notes what came out.
//
// Tests and fuzzers compare two such notes: however the bytes are cut, they must be equal.
#ifndef WEIR_TESTS_RESP_FEED_H_
#define WEIR_TESTS_RESP_FEED_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "resp/frame_scanner.h"
#include "resp/request_parser.h"

namespace weir::testing {

// How many bytes the next read brings, at most; at least 1.
using NextPiece = std::function<size_t()>;

inline NextPiece Whole() {
  return [] { return SIZE_MAX; };
}
inline NextPiece ByteByByte() {
  return [] { return size_t{1}; };
}
// Two pieces: `first` bytes, and the rest.
inline NextPiece SplitAt(size_t first) {
  return [first, done = false]() mutable {
    const size_t piece = done || first == 0 ? SIZE_MAX : first;
    done = true;
    return piece;
  };
}

struct SeenRequest {
  std::vector<std::string> args;
  std::string wire;
  uint32_t argc_declared = 0;
  bool rewritten = false;
  bool too_large = false;  // `wire` holds what was streamed, too
  bool operator==(const SeenRequest&) const = default;
};

struct SeenRequests {
  std::vector<SeenRequest> requests;
  std::string error;     // the last thing seen, if not empty
  size_t left_over = 0;  // bytes of a request that did not end
  bool operator==(const SeenRequests&) const = default;
};

// A session's share of a shared parser: buffers what is incomplete, streams what is too large.
class RequestFeed {
 public:
  explicit RequestFeed(RequestParser* parser, bool authenticated = true) : parser_(parser) {
    state_.authenticated = authenticated;
  }

  void Read(std::string_view bytes) {
    buffer_.append(bytes);
    while (seen_.error.empty() && (streaming_ ? Stream() : Parse())) {
    }
  }
  const SeenRequests& seen() {
    seen_.left_over = seen_.error.empty() ? buffer_.size() : 0;
    return seen_;
  }
  const ParseState& state() const { return state_; }
  size_t buffered_max() const { return buffered_max_; }

 private:
  bool Parse() {
    ParsedRequest request;
    // A copy without spare capacity, so that AddressSanitizer sees a byte read too far.
    const std::vector<char> exact(buffer_.begin(), buffer_.end());
    const ParseStatus status =
        parser_->Parse(&state_, std::string_view(exact.data(), exact.size()), &request);
    if (status == ParseStatus::kError) {
      seen_.error = parser_->error();
      return false;
    }
    if (status != ParseStatus::kNeedMore) Note(request, status == ParseStatus::kTooLarge);
    buffer_.erase(0, request.consumed);
    buffered_max_ = std::max(buffered_max_, buffer_.size());
    return status != ParseStatus::kNeedMore;
  }

  void Note(const ParsedRequest& request, bool too_large) {
    SeenRequest& seen = seen_.requests.emplace_back();
    for (uint32_t i = 0; i < request.argc; ++i) seen.args.emplace_back(request.arg(i));
    seen.wire = request.wire;
    seen.argc_declared = request.argc_declared;
    seen.rewritten = request.rewritten;
    seen.too_large = streaming_ = too_large;
    if (too_large) tail_ = parser_->tail();
  }

  bool Stream() {
    const RequestTail::Result result = tail_.Scan(buffer_);
    seen_.requests.back().wire.append(buffer_, 0, result.consumed);
    buffer_.erase(0, result.consumed);
    if (result.status == RequestTail::Status::kError) seen_.error = tail_.error();
    streaming_ = result.status == RequestTail::Status::kNeedMore;
    return result.status == RequestTail::Status::kEnd;
  }

  RequestParser* const parser_;
  ParseState state_;
  RequestTail tail_;
  bool streaming_ = false;
  std::string buffer_;
  size_t buffered_max_ = 0;
  SeenRequests seen_;
};

inline SeenRequests FeedRequests(std::string_view bytes, const RequestLimits& limits,
                                 const NextPiece& next, bool authenticated = true) {
  RequestParser parser(limits);
  RequestFeed feed(&parser, authenticated);
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, next());
    feed.Read(piece);
    bytes.remove_prefix(piece.size());
  }
  return feed.seen();
}

struct SeenFrame {
  size_t bytes = 0;
  char type = 0;
  uint64_t top_bulk_bytes = 0;
  bool operator==(const SeenFrame&) const = default;
};

struct SeenFrames {
  std::vector<SeenFrame> frames;
  bool broken = false;
  bool in_frame = false;
  bool operator==(const SeenFrames&) const = default;

  size_t bytes() const {
    size_t sum = 0;
    for (const SeenFrame& frame : frames) sum += frame.bytes;
    return sum;
  }
};

inline SeenFrames FeedFrames(std::string_view bytes, int protocol_version, const NextPiece& next) {
  FrameScanner scanner(protocol_version);
  SeenFrames seen;
  size_t frame_bytes = 0;
  while (!bytes.empty() && !seen.broken) {
    std::string_view piece = bytes.substr(0, next());
    bytes.remove_prefix(piece.size());
    while (!piece.empty() && !seen.broken) {
      const FrameScanner::Result result = scanner.Scan(piece);
      frame_bytes += result.consumed;
      piece.remove_prefix(result.consumed);
      seen.broken = result.status == ScanStatus::kError;
      if (result.status != ScanStatus::kFrame) continue;
      seen.frames.push_back({frame_bytes, scanner.type(), scanner.top_bulk_bytes()});
      frame_bytes = 0;
    }
  }
  seen.in_frame = scanner.in_frame();
  return seen;
}

}  // namespace weir::testing

#endif  // WEIR_TESTS_RESP_FEED_H_
