// Requests from a client's bytes: one pass for what is whole, resumable steps for the rest.
//
// ParseWhole() takes a request that lies in the buffer complete and in canonical form, and gives up
// on anything else without having changed anything. Advance() is the exact reading of Redis' rules,
// one argument at a time, and remembers in ParseState how far it came.

#include "resp/request_parser.h"

#include <algorithm>
#include <climits>
#include <cstring>

#include "resp/reply_writer.h"
#include "resp/short_number.h"
#include "resp/wire_text.h"

namespace weir {
namespace {

// Kept between requests; one with more arguments makes the vector grow for the time being.
constexpr size_t kSpansKept = 1024;
constexpr size_t kRewrittenBytesKept = 64 << 10;

// Redis' bounds on what a client may send before it has authenticated.
constexpr int64_t kUnauthenticatedArgsMax = 10;
constexpr int64_t kUnauthenticatedBulkBytesMax = 16384;

// The shortest argument is "$0\r\n\r\n".
constexpr int kArgBytesMin = 6;
constexpr int kHeaderBytesMin = 4;
static_assert(kArgBytesMin > kShortNumberBytes);  // after the '$'

// A number of up to 9 digits with its CRLF. Returns the byte after the LF, or nullptr for anything
// else, which is not necessarily an error. There is at least one byte before `end`.
const char* ReadPlainNumber(const char* p, const char* end, uint32_t* number) {
  const char* const start = p;
  const char* const last = end - p > 9 ? p + 9 : end;
  uint32_t value = 0;
  for (; p != last && DigitAt(p) <= 9; ++p) value = value * 10 + DigitAt(p);
  const bool leading_zero = *start == '0' && p - start > 1;
  if (p == start || leading_zero || end - p < 2 || !IsCrlf(p)) return nullptr;
  *number = value;
  return p + 2;
}

// Whether bytes begin with a known head. Most heads have 11 to 16 bytes: two words, which may
// overlap, cost less to compare than a call.
class HeadMatcher {
 public:
  explicit HeadMatcher(std::string_view head)
      : head_(head), in_two_words_(head.size() >= kWord && head.size() <= 2 * kWord) {
    if (!in_two_words_) return;
    first_ = Word(head.data());
    last_ = Word(head.data() + head.size() - kWord);
  }
  bool Matches(const char* p, const char* end) const {
    if (end - p < static_cast<ptrdiff_t>(head_.size())) return false;
    if (!in_two_words_) return std::memcmp(p, head_.data(), head_.size()) == 0;
    return Word(p) == first_ && Word(p + head_.size() - kWord) == last_;
  }

 private:
  static constexpr size_t kWord = sizeof(uint64_t);

  static uint64_t Word(const char* p) {
    uint64_t word;
    std::memcpy(&word, p, kWord);
    return word;
  }

  const std::string_view head_;
  const bool in_two_words_;
  uint64_t first_ = 0;
  uint64_t last_ = 0;
};

// Where the line that starts at data[0] ends, which is where `mark` stands; npos if it does not end
// yet. `from`: bytes known to hold no mark.
size_t FindLineEnd(std::string_view data, char mark, size_t from, size_t line_bytes_max) {
  const size_t window = std::min(data.size(), line_bytes_max + 1);
  if (from >= window) return std::string_view::npos;
  const void* const found = std::memchr(data.data() + from, mark, window - from);
  if (found == nullptr) return std::string_view::npos;
  const size_t at = static_cast<size_t>(static_cast<const char*>(found) - data.data());
  // Redis searches with strchr, for which the line goes no further than a NUL.
  const bool hidden = std::memchr(data.data(), '\0', at) != nullptr;
  return hidden ? std::string_view::npos : at;
}

}  // namespace

RequestParser::RequestParser(const RequestLimits& limits)
    : limits_(limits),
      plain_bulk_bytes_max_(std::min<uint64_t>(limits.bulk_bytes_max, limits.request_bytes_max)),
      plain_args_max_(plain_bulk_bytes_max_ < kShortNumberMax ? 0 : kSpansKept),
      spans_(kSpansKept) {}

size_t RequestParser::memory_bytes() const {
  return spans_.capacity() * sizeof(ArgSpan) + rewritten_.capacity() + error_.capacity() +
         inline_args_.bytes.capacity() + inline_args_.ends.capacity() * sizeof(uint32_t);
}

// A burst of huge requests must not leave its memory behind.
void RequestParser::ReleaseExcess() {
  if (spans_.size() > kSpansKept) {
    spans_.resize(kSpansKept);
    spans_.shrink_to_fit();
  }
  if (rewritten_.capacity() + inline_args_.bytes.capacity() > kRewrittenBytesKept) {
    std::string().swap(rewritten_);
    inline_args_ = InlineArgs();
  }
}

ParseStatus RequestParser::Parse(ParseState* state, std::string_view data, ParsedRequest* out) {
  if (!state->mid_request() && ParseWhole(data, state->authenticated, out)) [[likely]] {
    return ParseStatus::kRequest;
  }
  return ParseSlowly(state, data, out);
}

// True if a whole request was found. False says nothing: ParseSlowly() decides.
bool RequestParser::ParseWhole(std::string_view data, bool authenticated, ParsedRequest* out) {
  const char* const start = data.data();
  const char* const end = start + data.size();
  if (data.size() < kHeaderBytesMin + kArgBytesMin || *start != '*' || !authenticated) return false;
  uint32_t argc = 0;
  const char* p = ReadShortNumber(start + 1, &argc);
  if (p == nullptr || argc - 1 >= plain_args_max_) return false;
  ArgSpan* span = spans_.data();
  const ArgSpan* const spans_end = span + argc;
  do {
    if (end - p < kArgBytesMin || *p != '$') return false;
    uint32_t length = 0;
    const char* payload = ReadShortNumber(p + 1, &length);
    if (payload == nullptr) {
      payload = ReadPlainNumber(p + 1, end, &length);
      if (payload == nullptr || length > plain_bulk_bytes_max_) return false;
    }
    if (end - payload < ptrdiff_t{length} + 2) return false;
    *span = {static_cast<uint32_t>(payload - start), length};
    p = payload + length;
    if (!IsCrlf(p)) return false;
    p += 2;
  } while (++span != spans_end);
  const size_t bytes = static_cast<size_t>(p - start);
  if (bytes > limits_.request_bytes_max) return false;
  out->wire = {start, bytes};
  out->consumed = bytes;
  out->args = spans_.data();
  out->argc = argc;
  out->argc_declared = argc;
  out->rewritten = false;
  return true;
}

// The byte after an argument that lies at `p` whole and in canonical form; nullptr: it does not, or
// it is too large for a plain case.
inline const char* RequestParser::SkipArg(const char* p, const char* end) const {
  std::string_view arg;
  return FindArg(p, end, &arg);
}

// The same, and where the argument's own bytes are.
inline const char* RequestParser::FindArg(const char* p, const char* end,
                                          std::string_view* arg) const {
  if (end - p < kArgBytesMin || *p != '$') return nullptr;
  uint32_t length = 0;
  const char* payload = ReadShortNumber(p + 1, &length);
  if (payload == nullptr) {
    payload = ReadPlainNumber(p + 1, end, &length);
    if (payload == nullptr || length > plain_bulk_bytes_max_) return nullptr;
  }
  if (end - payload < ptrdiff_t{length} + 2 || !IsCrlf(payload + length)) return nullptr;
  *arg = {payload, length};
  return payload + length + 2;
}

size_t RequestParser::ParseAlike(std::string_view data, std::string_view head, uint32_t args_left,
                                 uint32_t max, uint32_t* count) const {
  const char* const end = data.data() + data.size();
  const char* done = data.data();
  *count = 0;
  if (args_left >= plain_args_max_) return 0;
  const HeadMatcher matcher(head);
  while (*count < max) {
    if (!matcher.Matches(done, end)) break;
    const char* p = done + head.size();
    for (uint32_t i = 0; p != nullptr && i < args_left; ++i) p = SkipArg(p, end);
    if (p == nullptr || static_cast<size_t>(p - done) > limits_.request_bytes_max) break;
    done = p;
    ++*count;
  }
  return static_cast<size_t>(done - data.data());
}

uint32_t RequestParser::ParseAlikeKeys(std::string_view data, std::string_view head,
                                       uint32_t args_left, uint32_t key_index, uint32_t max,
                                       AlikeRequest* out) const {
  const char* const start = data.data();
  const char* const end = start + data.size();
  const char* done = start;
  uint32_t count = 0;
  if (args_left >= plain_args_max_) return 0;
  const HeadMatcher matcher(head);
  for (; count < max; ++count) {
    if (!matcher.Matches(done, end)) break;
    const char* p = done + head.size();
    std::string_view arg;
    std::string_view key;
    for (uint32_t i = 1; p != nullptr && i <= args_left; ++i) {
      p = FindArg(p, end, &arg);
      if (i == key_index) key = arg;
    }
    if (p == nullptr || static_cast<size_t>(p - done) > limits_.request_bytes_max) break;
    done = p;
    out[count] = {static_cast<uint32_t>(p - start), static_cast<uint32_t>(key.data() - start),
                  static_cast<uint32_t>(key.size())};
  }
  return count;
}

ParseStatus RequestParser::ParseSlowly(ParseState* state, std::string_view data,
                                       ParsedRequest* out) {
  ReleaseExcess();
  *out = ParsedRequest{};
  size_t ignored = 0;
  Step step = Step::kNeedMore;
  while (!data.empty()) {
    if (data.size() < state->wake_bytes) break;
    step = data[0] == '*' ? ParseMultibulk(state, data, out) : ParseInline(state, data, out);
    if (step != Step::kIgnored) break;
    data.remove_prefix(out->consumed);
    ignored += out->consumed;
    out->consumed = 0;
    step = Step::kNeedMore;
  }
  out->consumed += ignored;
  switch (step) {
    case Step::kDone:
      return ParseStatus::kRequest;
    case Step::kTooLarge:
      return ParseStatus::kTooLarge;
    case Step::kError:
      return ParseStatus::kError;
    default:
      return ParseStatus::kNeedMore;
  }
}

RequestParser::Step RequestParser::ParseMultibulk(ParseState* state, std::string_view data,
                                                  ParsedRequest* out) {
  const bool resumed = state->scanned != 0;
  Step step = Advance(state, data, /*keep_spans=*/!resumed);
  if (step == Step::kDone || step == Step::kTooLarge) {
    if (resumed) {
      // Only now that the request is as complete as it gets are its spans worth finding.
      ParseState again{.authenticated = state->authenticated};
      step = Advance(&again, data, /*keep_spans=*/true);
    }
    Finish(data, out);
    state->Reset();
  } else if (step == Step::kIgnored) {
    out->consumed = end_;
    state->Reset();
  }
  return step;
}

void RequestParser::Finish(std::string_view data, ParsedRequest* out) {
  out->wire = data.substr(0, end_);
  out->consumed = end_;
  out->args = spans_.data();
  out->argc = argc_;
  out->argc_declared = argc_declared_;
  if (!canonical_) Rewrite(data, out);
}

// Scans on from state->scanned. On kDone and kTooLarge end_ is where the last complete argument
// ends; with `keep_spans` (which must start at the request's start) the spans are there too.
RequestParser::Step RequestParser::Advance(ParseState* state, std::string_view data,
                                           bool keep_spans) {
  canonical_ = true;
  argc_ = 0;
  end_ = state->scanned;
  if (state->scanned == 0) {
    const Step step = ReadCount(state, data);
    if (step != Step::kDone) return step;
    argc_declared_ = state->args_left;
  }
  while (state->args_left != 0) {
    const Step step = ReadArg(state, data, keep_spans);
    if (step == Step::kTooLarge) tail_ = RequestTail(limits_, state->args_left);
    if (step != Step::kDone) return step;
  }
  return Step::kDone;
}

// Reads "*<count>\r\n". kDone: there are state->args_left arguments to read.
RequestParser::Step RequestParser::ReadCount(ParseState* state, std::string_view data) {
  int64_t count = 0;
  const Step step = ReadLine(state, data, "too big mbulk count string");
  if (step != Step::kDone) return step;
  if (!ParseWireNumber(line_.substr(1), &count) || count > INT_MAX) {
    return Fail("invalid multibulk length");
  }
  if (count > kUnauthenticatedArgsMax && !state->authenticated) {
    return Fail("unauthenticated multibulk length");
  }
  end_ = line_.size() + 2;
  if (count <= 0) return Step::kIgnored;
  state->args_left = static_cast<uint32_t>(count);
  state->scanned = static_cast<uint32_t>(end_);
  return Step::kDone;
}

// Reads one argument, "$<length>\r\n<payload>\r\n", at end_. kDone: it is complete.
RequestParser::Step RequestParser::ReadArg(ParseState* state, std::string_view data,
                                           bool keep_spans) {
  uint64_t length = 0;
  size_t payload = 0;
  const Step step = ReadLength(state, data, &length, &payload);
  if (step != Step::kDone) return step;
  const size_t arg_end = payload + length + 2;
  if (arg_end > limits_.request_bytes_max) return Step::kTooLarge;
  if (data.size() < arg_end) return NeedMore(state, arg_end);
  canonical_ &= IsCrlf(data.data() + arg_end - 2);
  if (keep_spans) {
    if (argc_ == spans_.size()) spans_.resize(spans_.size() * 2);
    spans_[argc_++] = {static_cast<uint32_t>(payload), static_cast<uint32_t>(length)};
  }
  end_ = arg_end;
  state->scanned = static_cast<uint32_t>(arg_end);
  --state->args_left;
  return Step::kDone;
}

// Reads the argument's length, and says where its payload starts.
RequestParser::Step RequestParser::ReadLength(ParseState* state, std::string_view data,
                                              uint64_t* length, size_t* payload) {
  if (state->line_scanned == 0 && data.size() >= end_ + kArgBytesMin && data[end_] == '$' &&
      limits_.bulk_bytes_max >= kShortNumberMax) {
    uint32_t small = 0;
    const char* const after = ReadShortNumber(data.data() + end_ + 1, &small);
    if (after != nullptr) {
      *length = small;
      *payload = static_cast<size_t>(after - data.data());
      return Step::kDone;
    }
  }
  const Step step = ReadLine(state, data.substr(end_), "too big bulk count string");
  if (step != Step::kDone) return step;
  if (line_.empty() || line_[0] != '$') return Fail(ExpectedDollar(line_));
  int64_t number = 0;
  if (!ParseWireNumber(line_.substr(1), &number) || number < 0 ||
      static_cast<uint64_t>(number) > limits_.bulk_bytes_max) {
    return Fail("invalid bulk length");
  }
  if (number > kUnauthenticatedBulkBytesMax && !state->authenticated) {
    return Fail("unauthenticated bulk length");
  }
  *length = static_cast<uint64_t>(number);
  *payload = end_ + line_.size() + 2;
  return Step::kDone;
}

// Finds the line that starts at data[0]. kDone: it is line_, and the byte after its CR is there.
RequestParser::Step RequestParser::ReadLine(ParseState* state, std::string_view data,
                                            std::string_view too_big) {
  const size_t cr = FindLineEnd(data, '\r', state->line_scanned, limits_.line_bytes_max);
  if (cr == std::string_view::npos) {
    if (data.size() > limits_.line_bytes_max) return Fail(too_big);
    state->line_scanned = static_cast<uint32_t>(data.size());
    // A CR and one more byte make a line, and one byte too many an error.
    return NeedMore(state, end_ + std::min(data.size() + 2, limits_.line_bytes_max + size_t{1}));
  }
  if (data.size() < cr + 2) {
    state->line_scanned = static_cast<uint32_t>(cr);
    return NeedMore(state, end_ + cr + 2);
  }
  state->line_scanned = 0;
  canonical_ &= data[cr + 1] == '\n';
  line_ = data.substr(0, cr);
  return Step::kDone;
}

RequestParser::Step RequestParser::ParseInline(ParseState* state, std::string_view data,
                                               ParsedRequest* out) {
  const size_t lf = FindLineEnd(data, '\n', state->line_scanned, limits_.line_bytes_max);
  if (lf == std::string_view::npos) {
    if (data.size() > limits_.line_bytes_max) return Fail("too big inline request");
    state->line_scanned = static_cast<uint32_t>(data.size());
    return NeedMore(state, data.size() + 1);
  }
  state->Reset();
  const size_t line_bytes = lf != 0 && data[lf - 1] == '\r' ? lf - 1 : lf;
  if (!SplitInlineArgs(data.substr(0, line_bytes), &inline_args_)) {
    return Fail("unbalanced quotes in request");
  }
  out->consumed = lf + 1;
  const std::vector<uint32_t>& ends = inline_args_.ends;
  if (ends.empty()) return Step::kIgnored;

  argc_ = static_cast<uint32_t>(ends.size());
  if (argc_ > spans_.size()) spans_.resize(argc_);
  uint32_t begin = 0;
  for (uint32_t i = 0; i < argc_; ++i) {
    spans_[i] = {begin, ends[i] - begin};
    begin = ends[i];
  }
  out->args = spans_.data();
  out->argc = out->argc_declared = argc_;
  Rewrite(inline_args_.bytes, out);
  return Step::kDone;
}

// Writes the request, whose spans are relative to `source`, in canonical form, and makes its wire
// and spans those.
void RequestParser::Rewrite(std::string_view source, ParsedRequest* out) {
  rewritten_.clear();
  AppendRequestHeader(&rewritten_, out->argc_declared);
  for (uint32_t i = 0; i < out->argc; ++i) {
    const ArgSpan span = spans_[i];
    AppendRequestArg(&rewritten_, source.substr(span.offset, span.length));
    spans_[i].offset = static_cast<uint32_t>(rewritten_.size() - 2 - span.length);
  }
  out->wire = rewritten_;
  out->rewritten = true;
}

RequestParser::Step RequestParser::NeedMore(ParseState* state, size_t wake_bytes) {
  state->wake_bytes = static_cast<uint32_t>(wake_bytes);
  return Step::kNeedMore;
}

size_t ParseState::bytes_expected() const {
  const size_t later_args = scanned != 0 ? args_left - 1 : 0;
  return wake_bytes + later_args * kArgBytesMin;
}

RequestParser::Step RequestParser::Fail(std::string_view what) {
  error_ = "-ERR Protocol error: ";
  error_ += what;
  error_ += "\r\n";
  return Step::kError;
}

}  // namespace weir
