#include "plugins/idem_reply.h"

#include <cstddef>

#include "plugins/text.h"
#include "resp/wire_text.h"

namespace weir {
namespace {

constexpr int kDepthMax = 8;

// Reads a reply from its front and writes it again as it goes.
class Speaker {
 public:
  Speaker(std::string_view recorded, IdemShape shape, int protocol_version)
      : rest_(recorded), shape_(shape), resp3_(protocol_version >= 3) {}

  std::optional<std::string> Say() {
    if (!Value(0, 0) || !rest_.empty()) return std::nullopt;
    return std::move(out_);
  }

 private:
  // The line in front, without its type and CRLF.
  bool TakeLine(std::string_view* line) {
    const size_t end = rest_.find("\r\n");
    if (end == std::string_view::npos || end == 0) return false;
    *line = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 2);
    return true;
  }

  // One value, the `index`-th of an array `depth` levels down.
  bool Value(int depth, int64_t index) {
    if (rest_.empty() || depth > kDepthMax) return false;
    const char type = rest_[0];
    std::string_view line;
    if (!TakeLine(&line)) return false;
    switch (type) {
      case '+':
      case '-':
      case ':':
        out_ += Concat(std::string_view(&type, 1), line, "\r\n");
        return true;
      case '$':
        return String(line, depth, index);
      case '*':
        return Array(line, depth);
      default:
        return false;
    }
  }

  bool String(std::string_view length, int depth, int64_t index) {
    int64_t bytes = 0;
    if (!ParseWireNumber(length, &bytes)) return false;
    if (bytes == -1) {
      out_ += resp3_ ? "_\r\n" : NullIsArray() ? "*-1\r\n" : "$-1\r\n";
      return true;
    }
    if (bytes < 0 || rest_.size() < 2 || static_cast<uint64_t>(bytes) > rest_.size() - 2) {
      return false;
    }
    const std::string_view text = rest_.substr(0, static_cast<size_t>(bytes));
    rest_.remove_prefix(text.size());
    if (!rest_.starts_with("\r\n")) return false;
    rest_.remove_prefix(2);
    if (resp3_ && IsDouble(depth, index)) {
      // A line, unlike a bulk string, ends where it says so itself.
      if (text.find_first_of("\r\n") != std::string_view::npos) return false;
      out_ += Concat(",", text, "\r\n");
    } else {
      out_ += Concat("$", length, "\r\n", text, "\r\n");
    }
    return true;
  }

  bool Array(std::string_view line, int depth) {
    int64_t length = 0;
    if (!ParseWireNumber(line, &length) || length < 0) return false;
    const bool pairs = resp3_ && shape_ == IdemShape::kScores && depth == 0;
    if (pairs && length % 2 != 0) return false;
    const bool in_map = resp3_ && shape_ == IdemShape::kMap && depth == 1;
    if (in_map && length != 2) return false;
    // Of a map, the pairs have no headers of their own.
    if (!in_map) {
      const bool set = resp3_ && shape_ == IdemShape::kSet && depth == 0;
      const bool map = resp3_ && shape_ == IdemShape::kMap && depth == 0;
      out_ += Concat(set ? "~" : map ? "%" : "*", pairs ? length / 2 : length, "\r\n");
    }
    for (int64_t i = 0; i < length; ++i) {
      if (pairs && i % 2 == 0) out_ += "*2\r\n";
      if (resp3_ && shape_ == IdemShape::kMap && depth == 0 && !rest_.starts_with('*'))
        return false;
      if (!Value(depth + 1, i)) return false;
    }
    return true;
  }

  bool NullIsArray() const {
    return shape_ == IdemShape::kNullArray || shape_ == IdemShape::kKeyAndScores ||
           shape_ == IdemShape::kMap;
  }

  bool IsDouble(int depth, int64_t index) const {
    switch (shape_) {
      case IdemShape::kDouble:
        return depth == 0;
      case IdemShape::kScore:
      case IdemShape::kScores:
        return depth == 1 && index % 2 == 1;
      case IdemShape::kKeyAndScores:
        return depth == 3 && index == 1;
      default:
        return false;
    }
  }

  std::string_view rest_;
  const IdemShape shape_;
  const bool resp3_;
  std::string out_;
};

// A reply in RESP3, as Redis says it to a client that speaks RESP2.
class Simplifier {
 public:
  Simplifier(std::string_view recorded, IdemShape shape) : rest_(recorded), shape_(shape) {}

  // `*simple`: what a client of RESP2 hears. False: it is no reply.
  bool Say(std::string* simple) {
    if (!Value(0) || !rest_.empty()) return false;
    *simple = std::move(out_);
    return true;
  }

 private:
  static constexpr int kNestingMax = 256;  // deeper than Redis lets a script answer

  bool Value(int depth) {
    const size_t end = rest_.find("\r\n");
    if (end == std::string_view::npos || end == 0 || depth > kNestingMax) return false;
    const char type = rest_[0];
    const std::string_view line = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 2);
    switch (type) {
      case '+':
      case '-':
      case ':':
        out_ += Concat(std::string_view(&type, 1), line, "\r\n");
        return true;
      case '_':
        Null();
        return line.empty();
      case '#':
        out_ += line == "t" ? ":1\r\n" : ":0\r\n";
        return line == "t" || line == "f";
      case ',':
      case '(':
        Bulk(line);
        return true;
      case '$':
      case '=':
        return String(line, type == '=');
      case '*':
      case '~':
      case '>':
        return Elements(line, depth, 1);
      case '%':
        return Elements(line, depth, 2);
      default:
        return false;
    }
  }

  void Bulk(std::string_view text) { out_ += Concat("$", text.size(), "\r\n", text, "\r\n"); }

  void Null() {
    const bool of_array = shape_ == IdemShape::kNullArray || shape_ == IdemShape::kKeyAndScores ||
                          shape_ == IdemShape::kMap;
    out_ += of_array ? "*-1\r\n" : "$-1\r\n";
  }

  bool String(std::string_view line, bool verbatim) {
    int64_t length = 0;
    if (!ParseWireNumber(line, &length)) return false;
    if (length == -1) return Null(), true;
    if (length < 0 || rest_.size() < 2 || static_cast<uint64_t>(length) > rest_.size() - 2) {
      return false;
    }
    std::string_view text = rest_.substr(0, static_cast<size_t>(length));
    rest_.remove_prefix(text.size());
    if (!rest_.starts_with("\r\n")) return false;
    rest_.remove_prefix(2);
    if (verbatim) {
      if (text.size() < 4) return false;
      text.remove_prefix(4);  // "txt:"
    }
    Bulk(text);
    return true;
  }

  bool Elements(std::string_view line, int depth, int64_t each) {
    int64_t length = 0;
    if (!ParseWireNumber(line, &length) || length < -1) return false;
    if (length == -1) return Null(), true;
    if (static_cast<uint64_t>(length) > rest_.size()) return false;
    const bool pairs = each == 2 && shape_ == IdemShape::kMap && depth == 0;
    out_ += Concat("*", pairs ? length : length * each, "\r\n");
    for (int64_t i = 0; i < length * each; ++i) {
      if (pairs && i % 2 == 0) out_ += "*2\r\n";
      if (!Value(depth + 1)) return false;
    }
    return true;
  }

  std::string_view rest_;
  const IdemShape shape_;
  std::string out_;
};

}  // namespace

std::optional<IdemShape> IdemShapeOf(char letter) {
  constexpr std::string_view kLetters = "pndstkem";
  if (kLetters.find(letter) == std::string_view::npos) return std::nullopt;
  return static_cast<IdemShape>(letter);
}

std::optional<std::string> SayRecorded(std::string_view recorded, IdemShape shape,
                                       int protocol_version) {
  return Speaker(recorded, shape, protocol_version).Say();
}

std::optional<std::string> SayRecordedResp3(std::string_view recorded, IdemShape shape,
                                            int protocol_version) {
  std::string simple;
  // Also of what is said as it is: whoever may write records may have written this one.
  if (!Simplifier(recorded, shape).Say(&simple)) return std::nullopt;
  return protocol_version >= 3 ? std::string(recorded) : simple;
}

}  // namespace weir
