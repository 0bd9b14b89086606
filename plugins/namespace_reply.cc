#include "plugins/namespace_reply.h"

#include <algorithm>
#include <charconv>
#include <random>
#include <utility>

#include "resp/frame_scanner.h"
#include "resp/reply_elements.h"
#include "resp/reply_writer.h"

namespace weir {
namespace {

// Nested no deeper than what is edited, and copied whole where it is not, so any depth will do.
constexpr int kAnyProtocol = 3;
constexpr std::string_view kNull2 = "$-1\r\n";

// Copies a reply to another string, with changes. Once it meets bytes that are not what was
// expected, nothing more happens and ok() is false.
class Editor {
 public:
  Editor(std::string_view prefix, std::string_view in) : prefix_(prefix), rest_(in) {
    out_.reserve(in.size());
  }
  Editor(const Editor&) = delete;
  Editor& operator=(const Editor&) = delete;

  bool ok() const { return ok_; }
  bool done() const { return ok_ && rest_.empty(); }
  std::string Take() { return std::move(out_); }
  char next_type() const { return rest_.empty() ? '\0' : rest_[0]; }

  // The first line of an aggregate, copied; its number, -1 for null.
  int64_t Header() {
    const std::string_view before = rest_;
    const int64_t count = ReadHeader();
    if (ok_) out_.append(before.substr(0, before.size() - rest_.size()));
    return count;
  }
  int64_t ReadHeader() {
    const size_t end = rest_.find("\r\n");
    int64_t count = 0;
    if (end == std::string_view::npos || end < 2) return Fail();
    const char* const last = rest_.data() + end;
    const auto result = std::from_chars(rest_.data() + 1, last, count);
    if (result.ec != std::errc() || result.ptr != last || count < -1) return Fail();
    rest_.remove_prefix(end + 2);
    return count;
  }

  // A bulk string; nullopt for null and for what is none, of which the second fails.
  std::optional<std::string_view> ReadBulk() {
    if (next_type() == '_') {
      Expect("_\r\n");
      return std::nullopt;
    }
    if (next_type() != '$') return Fail(), std::nullopt;
    const int64_t bytes = ReadHeader();
    if (!ok_ || bytes < 0) return std::nullopt;
    const auto length = static_cast<size_t>(bytes);
    if (rest_.size() < length || rest_.substr(length, 2) != "\r\n") return Fail(), std::nullopt;
    const std::string_view text = rest_.substr(0, length);
    rest_.remove_prefix(length + 2);
    return text;
  }

  std::optional<std::string_view> CopyBulk() {
    const std::string_view before = rest_;
    const std::optional<std::string_view> text = ReadBulk();
    if (ok_) out_.append(before.substr(0, before.size() - rest_.size()));
    return text;
  }

  // A bulk string, without the prefix if it has it; null and whatever else there may be as it is.
  void Name() {
    if (next_type() != '$') return Copy();
    const std::string_view before = rest_;
    const std::optional<std::string_view> name = ReadBulk();
    if (!ok_) return;
    if (name.has_value() && name->starts_with(prefix_)) {
      writer_.Bulk(name->substr(prefix_.size()));
    } else {
      out_.append(before.substr(0, before.size() - rest_.size()));
    }
  }

  // An array or set of names, of which those with the prefix remain.
  void Names() {
    const size_t header_at = out_.size();
    const char type = next_type();
    const int64_t count = Header();
    const size_t names_at = out_.size();
    int64_t left = 0;
    for (int64_t i = 0; i < count && ok_; ++i) {
      const std::optional<std::string_view> name = ReadBulk();
      if (!name.has_value() || !name->starts_with(prefix_)) continue;
      writer_.Bulk(name->substr(prefix_.size()));
      ++left;
    }
    if (!ok_ || left == std::max<int64_t>(count, 0)) return;
    std::string header(1, type);
    header.append(std::to_string(left)).append("\r\n");
    out_.replace(header_at, names_at - header_at, header);
  }

  // One element, whatever it is.
  void Copy() {
    FrameScanner scanner(kAnyProtocol);
    const FrameScanner::Result scanned = scanner.Scan(rest_);
    if (scanned.status != ScanStatus::kFrame) return static_cast<void>(Fail());
    out_.append(rest_.substr(0, scanned.consumed));
    rest_.remove_prefix(scanned.consumed);
  }
  void CopyRest() {
    out_.append(rest_);
    rest_ = {};
  }

 private:
  int64_t Fail() {
    ok_ = false;
    rest_ = {};
    return -1;
  }
  void Expect(std::string_view text) {
    if (!rest_.starts_with(text)) return static_cast<void>(Fail());
    rest_.remove_prefix(text.size());
  }

  const std::string_view prefix_;
  std::string_view rest_;
  std::string out_;
  ReplyWriter writer_{&out_, 2};
  bool ok_ = true;
};

bool IsArray(char type) { return type == '*' || type == '~'; }
bool IsNullReply(std::string_view reply) {
  return reply == "_\r\n" || reply == kNull2 || reply == "*-1\r\n";
}

std::string Whole(Editor& editor, std::string_view reply) {
  return editor.done() ? editor.Take() : std::string(reply);
}

// --- Errors

// Redis quotes a name between apostrophes. Before which of them one stands is known of its own
// errors; of others it may be any.
constexpr std::string_view kBeforeKey = "-NOGROUP No such key '";
constexpr std::string_view kNoGroup = "-NOGROUP No such consumer group '";
constexpr std::string_view kBeforeKeyAtEnd = "' for key name '";

// The prefix at `at` taken away, if it is there.
std::string WithoutAt(std::string_view line, size_t at, std::string_view prefix) {
  std::string out(line);
  if (line.substr(at).starts_with(prefix)) out.erase(at, prefix.size());
  return out;
}

std::string TakeOffError(std::string_view prefix, std::string_view line) {
  if (line.starts_with(kBeforeKey)) return WithoutAt(line, kBeforeKey.size(), prefix);
  if (line.starts_with(kNoGroup)) {
    const size_t at = line.find(kBeforeKeyAtEnd, kNoGroup.size());
    if (at != std::string_view::npos) return WithoutAt(line, at + kBeforeKeyAtEnd.size(), prefix);
  }
  std::string out;
  out.reserve(line.size());
  while (!line.empty()) {
    const size_t end = std::min(line.find('\''), line.size() - 1) + 1;
    out.append(line.substr(0, end));
    line.remove_prefix(end);
    if (out.back() == '\'' && line.starts_with(prefix)) line.remove_prefix(prefix.size());
  }
  return out;
}

// --- INFO

struct SectionRule {
  std::string_view name;
  std::string_view lines[2];  // that remain; none: all
};
constexpr SectionRule kSections[] = {
    {"Server", {}},
    {"Persistence", {"loading:", "async_loading:"}},  // ioredis waits while it loads
    {"Memory", {"maxmemory:", "maxmemory_policy:"}},  // BullMQ warns of the policy
    {"Replication", {}},
    {"CPU", {}},
    {"Modules", {}},
    {"Cluster", {}},
};

const SectionRule* RuleOfSection(std::string_view name) {
  for (const SectionRule& rule : kSections) {
    if (rule.name == name) return &rule;
  }
  return nullptr;
}

bool Keeps(const SectionRule& rule, std::string_view line) {
  if (rule.lines[0].empty()) return true;
  for (const std::string_view start : rule.lines) {
    if (line.starts_with(start)) return true;
  }
  return false;
}

std::string TakeOffInfo(std::string_view reply) {
  constexpr std::string_view kFormat = "txt:";
  const bool verbatim = reply.starts_with('=');
  if (!verbatim && !reply.starts_with('$')) return std::string(reply);
  Editor editor("", reply);
  const int64_t bytes = editor.ReadHeader();
  const size_t head = reply.find("\r\n") + 2;
  const bool fits =
      editor.ok() && bytes >= 0 && static_cast<uint64_t>(bytes) + 2 == reply.size() - head;
  if (!fits) return IsNullReply(reply) ? std::string(reply) : std::string("$0\r\n\r\n");
  std::string_view text = reply.substr(head, static_cast<size_t>(bytes));
  if (verbatim) text.remove_prefix(std::min(kFormat.size(), text.size()));
  std::string out;
  ReplyWriter writer(&out, verbatim ? 3 : 2);
  writer.Verbatim("txt", InfoOfNamespace(text));
  return out;
}

// --- Others

std::string TakeOffNames(std::string_view prefix, std::string_view reply) {
  Editor editor(prefix, reply);
  if (IsArray(editor.next_type())) {
    editor.Names();
    return Whole(editor, reply);
  }
  const std::optional<std::string_view> name = editor.ReadBulk();
  if (!editor.done() || !name.has_value()) return std::string(reply);
  if (!name->starts_with(prefix)) return std::string(kNull2);
  std::string out;
  ReplyWriter(&out, 2).Bulk(name->substr(prefix.size()));
  return out;
}

std::string TakeOffCount(std::string_view reply) {
  Editor editor("", reply);
  if (!IsArray(editor.next_type())) return std::string(reply);
  const int64_t count = editor.ReadHeader();
  if (!editor.ok() || count < 0) return std::string(reply);
  std::string out;
  ReplyWriter(&out, 2).Integer(count);
  return out;
}

std::string TakeOffScan(std::string_view prefix, std::string_view reply) {
  Editor editor(prefix, reply);
  if (editor.next_type() != '*' || editor.Header() != 2) return std::string(reply);
  editor.Copy();
  if (!IsArray(editor.next_type())) return std::string(reply);
  editor.Names();
  return Whole(editor, reply);
}

std::string TakeOffFirst(std::string_view prefix, std::string_view reply) {
  Editor editor(prefix, reply);
  if (editor.next_type() != '*' || editor.Header() < 1) return std::string(reply);
  editor.Name();
  editor.CopyRest();
  return Whole(editor, reply);
}

std::string TakeOffStreams(std::string_view prefix, std::string_view reply) {
  Editor editor(prefix, reply);
  const bool map = editor.next_type() == '%';
  if (!map && editor.next_type() != '*') return std::string(reply);
  const int64_t count = editor.Header();
  for (int64_t i = 0; i < count && editor.ok(); ++i) {
    if (!map && (editor.next_type() != '*' || editor.Header() != 2)) return std::string(reply);
    editor.Name();
    editor.Copy();
  }
  return Whole(editor, reply);
}

std::string TakeOffPairs(std::string_view prefix, std::string_view reply) {
  Editor editor(prefix, reply);
  const bool map = editor.next_type() == '%';
  if (!map && editor.next_type() != '*') return std::string(reply);
  const int64_t count = editor.Header();
  for (int64_t i = 0; i < (map ? count : count / 2) && editor.ok(); ++i) {
    editor.Name();
    editor.Copy();
  }
  editor.CopyRest();
  return Whole(editor, reply);
}

// "flags" … "redirect" … "prefixes" [p, …]
std::string TakeOffTrackingInfo(std::string_view prefix, std::string_view reply) {
  Editor editor(prefix, reply);
  const bool map = editor.next_type() == '%';
  if (!map && editor.next_type() != '*') return std::string(reply);
  const int64_t count = editor.Header();
  for (int64_t i = 0; i < (map ? count : count / 2) && editor.ok(); ++i) {
    const std::optional<std::string_view> field = editor.CopyBulk();
    if (field != "prefixes" || !IsArray(editor.next_type())) {
      editor.Copy();
      continue;
    }
    const int64_t names = editor.Header();
    for (int64_t k = 0; k < names && editor.ok(); ++k) editor.Name();
  }
  return Whole(editor, reply);
}

// Any element of an array; of an empty one null.
std::string OneOf(const std::string& names, int protocol_version) {
  static thread_local std::minstd_rand random;
  const auto elements = CutElements(names, protocol_version);
  if (!elements.has_value()) return names;
  if (elements->empty()) return protocol_version >= 3 ? "_\r\n" : std::string(kNull2);
  return std::string((*elements)[random() % elements->size()]);
}

bool IsReplyError(std::string_view reply) { return reply.starts_with('-'); }

}  // namespace

std::string InfoOfNamespace(std::string_view text) {
  std::string out;
  const SectionRule* section = nullptr;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end);
    if (line.starts_with("# ")) {
      const size_t name_end = std::min(line.find_last_not_of("\r\n") + 1, line.size());
      section = RuleOfSection(line.substr(2, name_end - 2));
      if (section == nullptr) continue;
      if (!out.empty()) out.append("\r\n");
      out.append(line);
    } else if (section != nullptr && line.find_first_not_of("\r\n") != std::string_view::npos &&
               Keeps(*section, line)) {
      out.append(line);
    }
  }
  return out;
}

std::string TakeOff(NamespaceReply kind, std::string_view prefix, std::string_view reply,
                    int protocol_version) {
  if (kind == NamespaceReply::kAsIs) return std::string(reply);
  if (IsReplyError(reply)) return TakeOffError(prefix, reply);
  switch (kind) {
    case NamespaceReply::kAsIs:
    case NamespaceReply::kErrors:
      break;
    case NamespaceReply::kNames:
      return TakeOffNames(prefix, reply);
    case NamespaceReply::kOneOf:
      return OneOf(TakeOffNames(prefix, reply), protocol_version);
    case NamespaceReply::kCount:
      return TakeOffCount(reply);
    case NamespaceReply::kScan:
      return TakeOffScan(prefix, reply);
    case NamespaceReply::kFirst:
      return TakeOffFirst(prefix, reply);
    case NamespaceReply::kStreams:
      return TakeOffStreams(prefix, reply);
    case NamespaceReply::kPairs:
      return TakeOffPairs(prefix, reply);
    case NamespaceReply::kInfo:
      return TakeOffInfo(reply);
    case NamespaceReply::kTrackingInfo:
      return TakeOffTrackingInfo(prefix, reply);
    case NamespaceReply::kPush:
      return TakeOffPush(prefix, reply);
  }
  return std::string(reply);
}

std::optional<std::string> TakeOffExec(absl::Span<const NamespaceReply> kinds,
                                       std::string_view prefix, std::string_view reply,
                                       int protocol_version) {
  if (IsReplyError(reply)) return TakeOffError(prefix, reply);
  if (IsNullReply(reply)) return std::string(reply);
  if (!reply.starts_with('*')) return std::nullopt;
  Editor editor(prefix, reply);
  const int64_t count = editor.Header();
  if (!editor.ok() || count != static_cast<int64_t>(kinds.size())) return std::nullopt;
  std::string out = editor.Take();
  std::string_view rest = reply.substr(out.size());
  for (const NamespaceReply kind : kinds) {
    FrameScanner scanner(kAnyProtocol);
    const FrameScanner::Result scanned = scanner.Scan(rest);
    if (scanned.status != ScanStatus::kFrame) return std::nullopt;
    out.append(TakeOff(kind, prefix, rest.substr(0, scanned.consumed), protocol_version));
    rest.remove_prefix(scanned.consumed);
  }
  if (!rest.empty()) return std::nullopt;
  return out;
}

std::string TakeOffPush(std::string_view prefix, std::string_view push) {
  Editor editor(prefix, push);
  if (editor.next_type() != '>' && editor.next_type() != '*') return std::string(push);
  const int64_t count = editor.Header();
  if (count < 2 || editor.next_type() != '$') return std::string(push);
  const std::optional<std::string_view> word = editor.CopyBulk();
  if (!word.has_value()) return std::string(push);
  const auto names = [&] {
    const int64_t left = editor.Header();
    for (int64_t i = 0; i < left && editor.ok(); ++i) editor.Name();
  };
  if (*word == "invalidate") {
    if (editor.next_type() == '*') names();
  } else if (*word == "pmessage") {
    editor.Name();
    editor.Name();
  } else if (*word == "message" || *word == "smessage") {
    editor.Name();
    // What a RESP2 client gets on __redis__:invalidate.
    if (editor.next_type() == '*') names();
  } else if (word->ends_with("subscribe")) {
    editor.Name();
  }
  editor.CopyRest();
  return Whole(editor, push);
}

}  // namespace weir
