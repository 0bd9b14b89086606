// What is fuzzed in resp/, as functions: the fuzzers in tests/fuzz feed them anything, corpus_test
// the committed corpora. A property that does not hold aborts.
#ifndef WEIR_TESTS_RESP_FUZZ_TARGETS_H_
#define WEIR_TESTS_RESP_FUZZ_TARGETS_H_

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "resp/frame_scanner.h"
#include "resp/reply_tree.h"
#include "resp/reply_writer.h"
#include "resp/request_parser.h"
#include "tests/resp/feed.h"
#include "tests/resp/hiredis_oracle.h"
#include "tests/support/fuzz_check.h"

namespace weir::testing {

// Longer inputs reach nothing new, and byte by byte they take long.
inline constexpr size_t kFuzzBytesMax = 700;

// The first byte of an input seeds the cuts and chooses variants; the rest is the bytes on the
// wire.
struct FuzzInput {
  uint8_t choice = 0;
  std::string_view bytes;

  explicit FuzzInput(std::string_view input)
      : choice(input.empty() ? 0 : static_cast<uint8_t>(input[0])),
        bytes(input.substr(input.empty() ? 0 : 1).substr(0, kFuzzBytesMax)) {}

  NextPiece Pieces() const {
    return [state = uint32_t{choice}]() mutable {
      state = state * 1664525 + 1013904223;
      return size_t{1} + (state >> 24) % 9;
    };
  }
};

// Damaged or not: the frame scanner, ScanRun and hiredis agree on each frame's end (RESP2), and
// cuts change nothing (RESP2 and RESP3).
inline void FuzzFrameScanner(std::string_view bytes_in) {
  const FuzzInput input(bytes_in);
  const int protocol_version = input.choice % 2 == 0 ? 2 : 3;
  const SeenFrames whole = FeedFrames(input.bytes, protocol_version, Whole());
  WEIR_FUZZ_CHECK(whole == FeedFrames(input.bytes, protocol_version, ByteByByte()));
  WEIR_FUZZ_CHECK(whole == FeedFrames(input.bytes, protocol_version, input.Pieces()));

  std::string_view rest = input.bytes;
  for (const SeenFrame& frame : whole.frames) {
    const bool special = std::string_view("-!>|").find(frame.type) != std::string_view::npos;
    const FrameRun run = ScanRun(rest, 1, protocol_version);
    WEIR_FUZZ_CHECK(run.frames == (special ? 0 : 1));
    WEIR_FUZZ_CHECK(run.bytes == (special ? 0 : frame.bytes));
    if (protocol_version == 2) {
      const HiredisResult opinion = AskHiredis(rest);
      if (opinion.opinion == Opinion::kTooDeep) return;
      WEIR_FUZZ_CHECK(opinion.opinion == Opinion::kFrame && opinion.well_ended);
      WEIR_FUZZ_CHECK(opinion.bytes == frame.bytes);
    }
    rest.remove_prefix(frame.bytes);
  }
  WEIR_FUZZ_CHECK(ScanRun(rest, 1, protocol_version).frames == 0);
  if (protocol_version == 2 && !rest.empty()) {
    const HiredisResult opinion = AskHiredis(rest);
    WEIR_FUZZ_CHECK(opinion.opinion != Opinion::kFrame || !opinion.well_ended);
    WEIR_FUZZ_CHECK(opinion.opinion != Opinion::kError || whole.broken);
  }
}

// However a client's bytes are cut, they are the same requests and the same error; what is
// forwarded is in canonical form; a request that is streamed ends where it ends when it is
// buffered.
inline void FuzzRequestParser(std::string_view bytes_in) {
  const FuzzInput input(bytes_in);
  const bool authenticated = (input.choice & 1) == 0;
  RequestLimits limits{.bulk_bytes_max = 4096, .line_bytes_max = 256};
  if ((input.choice & 2) != 0) limits.request_bytes_max = 64;
  const SeenRequests whole = FeedRequests(input.bytes, limits, Whole(), authenticated);
  WEIR_FUZZ_CHECK(whole == FeedRequests(input.bytes, limits, ByteByByte(), authenticated));
  WEIR_FUZZ_CHECK(whole == FeedRequests(input.bytes, limits, input.Pieces(), authenticated));

  for (const SeenRequest& request : whole.requests) {
    if (request.too_large) continue;
    std::string canonical;
    AppendRequestHeader(&canonical, request.args.size());
    for (const std::string& arg : request.args) AppendRequestArg(&canonical, arg);
    WEIR_FUZZ_CHECK(request.wire == canonical);
    WEIR_FUZZ_CHECK(request.argc_declared == request.args.size());
  }
  if ((input.choice & 2) == 0) return;

  RequestLimits roomy = limits;
  roomy.request_bytes_max = 1 << 20;
  const SeenRequests buffered = FeedRequests(input.bytes, roomy, Whole(), authenticated);
  for (size_t i = 0; i < whole.requests.size(); ++i) {
    const bool is_last = i + 1 == whole.requests.size();
    // The tail is stricter, and an unfinished request is not yet one to who buffers it.
    if (is_last && (!whole.error.empty() || i >= buffered.requests.size())) break;
    WEIR_FUZZ_CHECK(i < buffered.requests.size());
    // A tail takes canonical bytes only, so what passed it is as it would have been written.
    if (!is_last || whole.left_over == 0) {
      const std::string& streamed = whole.requests[i].wire;
      const std::string& wire = buffered.requests[i].wire;
      WEIR_FUZZ_CHECK(wire.compare(0, streamed.size(), streamed) == 0);
      WEIR_FUZZ_CHECK(is_last || wire.size() == streamed.size());
    }
  }
}

// A tree is built of exactly those bytes that the scanner calls one frame, if not too deep.
inline void FuzzReplyTree(std::string_view bytes) {
  const ReplyTreeLimits limits{.bytes_max = 1 << 20, .values_max = 1000};
  const absl::StatusOr<Reply> reply = ParseReply(bytes, limits);
  FrameScanner scanner(2);
  const FrameScanner::Result result = scanner.Scan(bytes);
  const bool one_frame = result.status == ScanStatus::kFrame && result.consumed == bytes.size();
  if (reply.ok()) {
    WEIR_FUZZ_CHECK(one_frame);
    (void)reply->Find("key");
  } else {
    WEIR_FUZZ_CHECK(!reply.status().message().empty());
    const std::string message(reply.status().message());
    const bool bounded = reply.status().code() == absl::StatusCode::kResourceExhausted ||
                         message.find("depth") != std::string::npos;
    WEIR_FUZZ_CHECK(bounded || !one_frame);
  }
}

// The planted bug: believes a length without asking how many bytes there are. Proves that what
// fuzzing is to find in the others, it finds.
inline void FuzzCanary(std::string_view bytes) {
  if (bytes.size() < 4 || bytes[0] != '$' || bytes[2] != '\r' || bytes[3] != '\n') return;
  const std::string exact(bytes);
  char* const heap = static_cast<char*>(std::malloc(exact.size()));
  exact.copy(heap, exact.size());
  const size_t length = static_cast<size_t>(bytes[1] - '0') % 10;
  volatile char last = 0;
  if (length != 0) last = heap[4 + length - 1];
  (void)last;
  std::free(heap);
}

}  // namespace weir::testing

#endif  // WEIR_TESTS_RESP_FUZZ_TARGETS_H_
