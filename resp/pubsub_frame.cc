#include "resp/pubsub_frame.h"

#include <algorithm>
#include <iterator>

namespace weir {
namespace {

using Type = PubsubFrame::Type;

struct Word {
  std::string_view word;
  uint8_t elements;  // of the frame that starts with it
  Type type;
  ChannelKind kind;
};

// The most frequent first.
constexpr Word kWords[] = {
    {"message", 3, Type::kMessage, ChannelKind::kChannel},
    {"pmessage", 4, Type::kMessage, ChannelKind::kPattern},
    {"smessage", 3, Type::kMessage, ChannelKind::kShard},
    {"subscribe", 3, Type::kSubscribed, ChannelKind::kChannel},
    {"psubscribe", 3, Type::kSubscribed, ChannelKind::kPattern},
    {"ssubscribe", 3, Type::kSubscribed, ChannelKind::kShard},
    {"unsubscribe", 3, Type::kUnsubscribed, ChannelKind::kChannel},
    {"punsubscribe", 3, Type::kUnsubscribed, ChannelKind::kPattern},
    {"sunsubscribe", 3, Type::kUnsubscribed, ChannelKind::kShard},
    {"pong", 2, Type::kPong, ChannelKind::kChannel},
};

enum class Step : uint8_t { kDone, kNeedMore, kStrange };

class Cursor {
 public:
  explicit Cursor(std::string_view data) : data_(data) {}

  size_t at() const { return at_; }
  // The least bytes that the frame has, as far as was read.
  size_t least() const { return least_; }
  char next() const { return at_ < data_.size() ? data_[at_] : '\0'; }

  // "<type>123\r\n". A null ("$-1") is kStrange.
  Step Header(char type, uint64_t* value) {
    if (at_ == data_.size()) return More(at_ + 4);
    if (data_[at_] != type) return Step::kStrange;
    uint64_t n = 0;
    size_t i = at_ + 1;
    for (; i < data_.size() && data_[i] >= '0' && data_[i] <= '9'; ++i) {
      n = n * 10 + static_cast<uint64_t>(data_[i] - '0');
      if (n > kReplyBulkBytesMax) return Step::kStrange;
    }
    if (i + 1 >= data_.size()) {
      if (i < data_.size() && data_[i] != '\r') return Step::kStrange;
      return More(i + 2);
    }
    if (i == at_ + 1 || data_[i] != '\r' || data_[i + 1] != '\n') return Step::kStrange;
    at_ = i + 2;
    *value = n;
    return Step::kDone;
  }

  // A bulk string's length line; `*end` is where the string with its CRLF ends, perhaps beyond the
  // data.
  Step BulkHeader(size_t* length, size_t* end) {
    uint64_t n = 0;
    const Step step = Header('$', &n);
    if (step != Step::kDone) return step;
    *length = n;
    *end = at_ + n + 2;
    return Step::kDone;
  }

  Step Bulk(std::string_view* text) {
    size_t length = 0, end = 0;
    const Step step = BulkHeader(&length, &end);
    if (step != Step::kDone) return step;
    if (end > data_.size()) return More(end);
    if (data_[end - 2] != '\r' || data_[end - 1] != '\n') return Step::kStrange;
    *text = data_.substr(at_, length);
    at_ = end;
    return Step::kDone;
  }

 private:
  Step More(size_t least) {
    least_ = least;
    return Step::kNeedMore;
  }

  const std::string_view data_;
  size_t at_ = 0;
  size_t least_ = 0;
};

// The last element of a message: only it may be large.
Step ReadPayload(std::string_view data, Cursor* cursor, PubsubFrame* frame) {
  size_t length = 0, end = 0;
  const Step step = cursor->BulkHeader(&length, &end);
  if (step != Step::kDone) return step;
  frame->bytes = end;
  if (end > data.size()) {
    frame->headed = true;
    return Step::kNeedMore;
  }
  return data[end - 2] == '\r' && data[end - 1] == '\n' ? Step::kDone : Step::kStrange;
}

// What follows the name in an acknowledgement: the number of subscriptions.
Step ReadCount(Cursor* cursor, PubsubFrame* frame) {
  uint64_t count = 0;
  const Step step = cursor->Header(':', &count);
  frame->bytes = cursor->at();
  return step;
}

Step ReadArray(std::string_view data, Cursor* cursor, PubsubFrame* frame) {
  uint64_t elements = 0;
  Step step = cursor->Header('*', &elements);
  if (step != Step::kDone) return step;
  if (elements < 2 || elements > 4) return Step::kStrange;
  std::string_view word;
  step = cursor->Bulk(&word);
  if (step != Step::kDone) return step;
  const auto known = std::find_if(std::begin(kWords), std::end(kWords),
                                  [word](const Word& row) { return row.word == word; });
  if (known == std::end(kWords) || known->elements != elements) return Step::kStrange;
  frame->type = known->type;
  frame->kind = known->kind;
  if (known->type == Type::kPong) return ReadPayload(data, cursor, frame);
  // "Nothing to unsubscribe from" has no name; weir never asks so.
  step = cursor->Bulk(&frame->name);
  if (step != Step::kDone) return step;
  if (known->type != Type::kMessage) return ReadCount(cursor, frame);
  if (elements == 4) {
    step = cursor->Bulk(&frame->channel);
    if (step != Step::kDone) return step;
  }
  return ReadPayload(data, cursor, frame);
}

ScanStatus ReadStrange(std::string_view data, PubsubFrame* frame) {
  FrameScanner scanner(2);
  const FrameScanner::Result result = scanner.Scan(data);
  *frame = PubsubFrame();
  frame->bytes = result.status == ScanStatus::kNeedMore ? data.size() + 1 : result.consumed;
  if (result.status != ScanStatus::kFrame) return result.status;
  const std::string_view whole = data.substr(0, frame->bytes);
  if (whole.front() == '-') {
    frame->type = Type::kError;
  } else if (whole == "+PONG\r\n") {
    frame->type = Type::kPong;
  }
  return ScanStatus::kFrame;
}

}  // namespace

ScanStatus ReadPubsubFrame(std::string_view data, PubsubFrame* frame) {
  *frame = PubsubFrame();
  if (data.empty()) {
    frame->bytes = 1;
    return ScanStatus::kNeedMore;
  }
  Cursor cursor(data);
  const Step step = ReadArray(data, &cursor, frame);
  if (step == Step::kDone) return ScanStatus::kFrame;
  if (step == Step::kStrange) return ReadStrange(data, frame);
  if (!frame->headed) frame->bytes = std::max(data.size() + 1, cursor.least());
  return ScanStatus::kNeedMore;
}

}  // namespace weir
