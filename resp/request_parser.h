// Parses what a client sends into requests, exactly as Redis 7.0 does.
//
// The behaviour (which lengths are accepted, what is ignored, what an error says) is that of
// processMultibulkBuffer, processInlineBuffer and sdssplitargs in Redis' networking.c and sds.c;
// tests/resp asks a real redis-server. Three things follow that one may not expect:
//   - A line ends at CR and whatever byte follows it is skipped: "*1\rX" is a header to Redis. The
//     two bytes after an argument are skipped unseen too. Other servers are stricter, and on a
//     connection shared by many clients a difference of opinion is a security hole, so such a
//     request is written anew, in the canonical form, and `rewritten` says so.
//   - A NUL byte ends Redis' search for the end of a line: that line never ends.
//   - Requests without arguments ("*0", "*-1", blank lines) are ignored: they take no reply.
//
// One parser serves all sessions of a worker. It owns what only matters while a request is looked
// at: the arguments' spans and the buffer for a rewritten request. What must outlive one read is in
// ParseState, 20 bytes a session, and is only ever changed when a read ends inside a request. Then
// positions are remembered but no spans: when the request is complete its spans are found in a
// second pass. So the usual case ("one read, whole requests, nothing left over") is one pass, and
// the worst case (a million arguments arriving byte by byte) is two, and linear.

#ifndef WEIR_RESP_REQUEST_PARSER_H_
#define WEIR_RESP_REQUEST_PARSER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "resp/inline_args.h"
#include "resp/request_tail.h"

namespace weir {

// Where an argument stands, relative to ParsedRequest::wire.
struct ArgSpan {
  uint32_t offset;
  uint32_t length;
};

// A request, as views. Valid until the parser's next call, and while the input stays where it is.
struct ParsedRequest {
  std::string_view wire;  // the RESP bytes to forward: a slice of the input unless `rewritten`
  size_t consumed = 0;    // bytes of input to drop: see RequestParser::Parse
  const ArgSpan* args = nullptr;
  uint32_t argc = 0;           // never 0 for kRequest
  uint32_t argc_declared = 0;  // what the header announced; above argc only for kTooLarge
  bool rewritten = false;      // `wire` is the parser's own buffer: copy it before the next call

  std::string_view arg(uint32_t i) const { return {wire.data() + args[i].offset, args[i].length}; }
};

enum class ParseStatus : uint8_t {
  kNeedMore,  // no whole request here yet
  kRequest,   // a request with at least one argument
  kTooLarge,  // a request that will not fit request_bytes_max: stream it, see RequestParser::tail
  kError,     // a protocol error: send error(), then close, as Redis does
};

// What a session keeps between reads. All zero when no request is half done.
struct ParseState {
  uint32_t scanned = 0;       // bytes of the unfinished request that need no second look
  uint32_t args_left = 0;     // arguments not yet complete; meaningful if scanned != 0
  uint32_t line_scanned = 0;  // bytes after `scanned` that hold no end of line
  uint32_t wake_bytes = 0;    // nothing can be decided before this many bytes are there
  // The session's owner clears it while Redis would answer NOAUTH: then no more than 10 arguments
  // and none above 16 KiB are accepted, with Redis' own errors.
  bool authenticated = true;

  bool mid_request() const { return wake_bytes != 0; }

  // A lower bound of the unfinished request's size, counted from its start, so that the caller can
  // size its buffer; 0 if there is none. It may lie above request_bytes_max: kTooLarge comes later,
  // when the argument that does not fit has announced its length.
  size_t bytes_expected() const;

  void Reset() { *this = ParseState{.authenticated = authenticated}; }
};

// A request that is like the one before it; see ParseAlikeKeys. Offsets count from `data`.
struct AlikeRequest {
  uint32_t end;
  uint32_t key;
  uint32_t key_bytes;
};

class RequestParser {
 public:
  explicit RequestParser(const RequestLimits& limits);
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  // Looks for one request at the start of `data`. Whatever it returns, the caller drops the first
  // out->consumed bytes before the next call: a request and ignored ones before it (kRequest), only
  // ignored ones (kNeedMore), the complete arguments (kTooLarge). After kNeedMore the next call
  // needs the remaining bytes again, with more behind them, and the same `state`.
  [[nodiscard]] ParseStatus Parse(ParseState* state, std::string_view data, ParsedRequest* out);

  // HOT. How many bytes of `data` are requests that are like the one before it: that begin with the
  // very bytes `head` (the header and the command's name, with their CRLFs), have `args_left` more
  // arguments, and lie here whole and in canonical form. At most `max` of them; *count says how
  // many. REQUIRES: no request is half read.
  size_t ParseAlike(std::string_view data, std::string_view head, uint32_t args_left, uint32_t max,
                    uint32_t* count) const;

  // HOT. The same, and where each of them ends and its argument `key_index` is, which is at least 1
  // and not more than `args_left`; returns how many there are. `out` has room for `max`. REQUIRES:
  // data.size() < 2^32.
  uint32_t ParseAlikeKeys(std::string_view data, std::string_view head, uint32_t args_left,
                          uint32_t key_index, uint32_t max, AlikeRequest* out) const;

  // After kError: the whole reply, such as "-ERR Protocol error: invalid bulk length\r\n". Valid
  // until the next call.
  std::string_view error() const { return error_; }

  // After kTooLarge: takes over at the first byte after out->consumed. `out` holds the arguments
  // that were complete before the one that does not fit, possibly none; `wire` is the request up to
  // there. The decision depends on the bytes alone, not on how they were cut.
  RequestTail tail() const { return tail_; }

  // Bytes of memory that the parser owns beyond itself, for accounting.
  size_t memory_bytes() const;

 private:
  enum class Step : uint8_t { kNeedMore, kDone, kTooLarge, kError, kIgnored };

  bool ParseWhole(std::string_view data, bool authenticated, ParsedRequest* out);
  const char* SkipArg(const char* p, const char* end) const;
  const char* FindArg(const char* p, const char* end, std::string_view* arg) const;
  ParseStatus ParseSlowly(ParseState* state, std::string_view data, ParsedRequest* out);
  Step ParseMultibulk(ParseState* state, std::string_view data, ParsedRequest* out);
  Step ParseInline(ParseState* state, std::string_view data, ParsedRequest* out);
  Step Advance(ParseState* state, std::string_view data, bool keep_spans);
  Step ReadCount(ParseState* state, std::string_view data);
  Step ReadArg(ParseState* state, std::string_view data, bool keep_spans);
  Step ReadLength(ParseState* state, std::string_view data, uint64_t* length, size_t* payload);
  Step ReadLine(ParseState* state, std::string_view data, std::string_view too_big);
  Step NeedMore(ParseState* state, size_t wake_bytes);
  Step Fail(std::string_view what);
  void Finish(std::string_view data, ParsedRequest* out);
  void Rewrite(std::string_view source, ParsedRequest* out);
  void ReleaseExcess();

  const RequestLimits limits_;
  const uint64_t plain_bulk_bytes_max_;  // what ParseWhole accepts without a second thought
  const uint32_t plain_args_max_;        // likewise; 0 if the limits leave no plain cases
  std::vector<ArgSpan> spans_;           // its size is what fits; argc_ says how many are in use

  // Scratch of one call.
  uint32_t argc_ = 0;
  uint32_t argc_declared_ = 0;
  bool canonical_ = true;  // the wire is what weir itself would write
  size_t end_ = 0;         // where the last complete argument ends, or the header
  std::string_view line_;  // the line that ReadLine found, without its end

  InlineArgs inline_args_;
  std::string rewritten_;
  std::string error_;
  RequestTail tail_;
};

}  // namespace weir

#endif  // WEIR_RESP_REQUEST_PARSER_H_
