// Finds where reply frames end in a stream of bytes, without building anything.
//
// A reply may be cut into pieces at any byte, and may nest to any depth. Yet no stack is needed: an
// array of n elements is over when n more elements are over, whoever's elements they are, so a
// single count of the elements still to come is the whole state. Each element takes one off; an
// array, set or push adds its length, a map twice its length. An attribute (RESP3 `|`) adds twice
// its length and takes nothing off, because the value that it describes follows.
//
//   *2 *1 :7 +OK        1 -> *2: 2 -> *1: 2 -> :7: 1 -> +OK: 0, the frame has ended
//
// Two scanners share these rules: ScanRun() jumps over whole frames in one buffer and gives up on
// anything else; FrameScanner takes what is left, in pieces of any size. A length is believed only
// if it is written as Redis writes it, and the CRLF after a bulk string's payload is checked, so
// that a stream out of step is caught at the first frame and not by a client.

#ifndef WEIR_RESP_FRAME_SCANNER_H_
#define WEIR_RESP_FRAME_SCANNER_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

namespace weir {

// The longest bulk string, and the longest line, that is taken for a reply rather than for garbage.
// Redis' own bound is proto-max-bulk-len, 512 MiB unless configured, so there is room above it.
inline constexpr uint64_t kReplyBulkBytesMax = uint64_t{4} << 30;

// The most elements that one array, set, map or push may announce: more than clients can take.
inline constexpr uint64_t kReplyElementsMax = std::numeric_limits<int32_t>::max();

enum class ScanStatus : uint8_t {
  kNeedMore,  // all bytes were taken; the frame has not ended
  kFrame,     // a frame ended; the bytes after it were not looked at
  kError,     // this is not RESP; nothing after this point can be trusted
};

class FrameScanner {
 public:
  struct Result {
    ScanStatus status;
    size_t consumed;  // bytes of `data` that belong to the current frame; on kError about where it
                      // broke
  };

  // `protocol_version` is 2 or 3. In version 2 only the types + - : $ * exist; 3 adds
  // _ , # ! = ( ~ % | and >. RESP3's streamed types ("$?") are errors: Redis never sends them.
  explicit FrameScanner(int protocol_version) : resp3_(protocol_version >= 3) {}

  // Scans on from where the last call stopped. After kFrame the next call starts a new frame; after
  // kError every call returns kError with nothing consumed.
  [[nodiscard]] Result Scan(std::string_view data);

  // The first type byte of the frame in progress, or of the one that just ended; 0 before the first
  // byte of the stream. For a frame that opens with an attribute it is '|'.
  char type() const { return type_; }

  // True when some but not all bytes of a frame were seen.
  bool in_frame() const { return elements_left_ != 0; }

  // If the frame in progress is a bulk string, bulk error or verbatim string and its length is
  // known, that length, else 0: it lets the caller foresee a large reply.
  uint64_t top_bulk_bytes() const { return top_bulk_bytes_; }

 private:
  enum class Phase : uint8_t {
    kType,      // the next byte is an element's type
    kLine,      // in a line of text, up to CRLF
    kNumber,    // in a number: a length, or an integer's value
    kNumberLf,  // after the number's CR: LF must follow
    kPayload,   // in a bulk string's payload
    kPayloadCr,
    kPayloadLf,
    kBroken,
  };

  bool BeginElement(char type);
  bool TakeNumberByte(char c);
  bool TakeLine(std::string_view data, size_t* consumed);
  bool EndNumber();
  void EndElement() { --elements_left_, phase_ = Phase::kType; }
  Result Break(size_t consumed);

  uint64_t elements_left_ = 0;  // counts the element in progress too
  uint64_t number_ = 0;         // kNumber: its value so far; kPayload: bytes still to come
  uint64_t line_bytes_ = 0;     // kLine: its bytes so far, CR included; kNumber: digits so far
  uint64_t top_bulk_bytes_ = 0;
  Phase phase_ = Phase::kType;
  char type_ = 0;
  char element_type_ = 0;
  bool negative_ = false;
  bool after_cr_ = false;  // kLine: the last byte was CR
  const bool resp3_;
};

// How many whole frames stand at the start of a buffer, and how many bytes they take.
struct FrameRun {
  size_t frames;
  size_t bytes;
};

// The hot path: counts whole plain frames at the start of `data`, at most `frames_max`. Stops
// before a frame that is incomplete, that is of type '-', '!', '>' or '|' (the caller looks closer
// at those), or that is malformed: a FrameScanner then says which.
[[nodiscard]] FrameRun ScanRun(std::string_view data, size_t frames_max, int protocol_version);

}  // namespace weir

#endif  // WEIR_RESP_FRAME_SCANNER_H_
