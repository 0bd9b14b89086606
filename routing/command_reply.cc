// The reply is read in one pass with a cursor, not through a tree: at 90 KB and eight levels it is
// the deepest reply that Redis gives, the very limit of hiredis' reader.
#include "routing/command_reply.h"

#include <charconv>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "routing/text.h"

namespace weir {
namespace {

// Walks over RESP2. After the first failure nothing is read any more and failed() stays true.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}

  bool failed() const { return !error_.empty(); }
  bool at_end() const { return at_ == bytes_.size(); }
  absl::Status status() const {
    return absl::InvalidArgumentError(Concat("reply to COMMAND, byte ", at_, ": ", error_));
  }

  void Fail(std::string_view error) {
    if (!failed()) error_ = error;
  }

  // The number of elements of the array that begins here; null counts as empty.
  int64_t Array() {
    int64_t count = 0;
    if (NextType() != '*' || !Header(&count) || count < -1) {
      Fail("expected an array");
      return 0;
    }
    // The shortest element has three bytes, so a false count cannot make us reserve or loop much.
    if (count > static_cast<int64_t>(bytes_.size() - at_) / 3) {
      Fail("an array announces more elements than there are bytes");
      return 0;
    }
    return count < 0 ? 0 : count;
  }

  // A bulk or simple string.
  std::string_view Text() {
    if (NextType() == '+') {
      const std::string_view line = Line();
      return line.empty() ? line : line.substr(1);
    }
    int64_t size = 0;
    if (NextType() != '$' || !Header(&size) || size < 0 ||
        size > static_cast<int64_t>(bytes_.size() - at_) - 2) {
      Fail("expected a string");
      return {};
    }
    const std::string_view text = bytes_.substr(at_, static_cast<size_t>(size));
    at_ += text.size();
    if (bytes_.substr(at_, 2) != "\r\n") Fail("expected the end of a string");
    at_ += 2;
    return text;
  }

  int Integer() {
    int64_t value = 0;
    if (NextType() != ':' || !Header(&value) || value < std::numeric_limits<int>::min() ||
        value > std::numeric_limits<int>::max()) {
      Fail("expected an integer");
      return 0;
    }
    return static_cast<int>(value);
  }

  // Whatever stands here, however deep.
  void Skip() {
    for (uint64_t to_come = 1; to_come > 0 && !failed(); --to_come) {
      switch (NextType()) {
        case '*':
          to_come += static_cast<uint64_t>(Array());
          break;
        case '$':
          if (bytes_.substr(at_, 3) == "$-1") {
            Line();
          } else {
            Text();
          }
          break;
        default:
          Line();
      }
    }
  }

 private:
  char NextType() const { return failed() || at_end() ? '\0' : bytes_[at_]; }

  // The line that begins here, without its end.
  std::string_view Line() {
    if (failed()) return {};
    const size_t end = bytes_.find("\r\n", at_);
    if (end == std::string_view::npos) {
      Fail("expected a line");
      return {};
    }
    const std::string_view line = bytes_.substr(at_, end - at_);
    at_ = end + 2;
    return line;
  }

  bool Header(int64_t* value) {
    const std::string_view line = Line();
    if (line.size() < 2) return false;
    const char* end = line.data() + line.size();
    const auto result = std::from_chars(line.data() + 1, end, *value);
    return result.ec == std::errc() && result.ptr == end;
  }

  const std::string_view bytes_;
  size_t at_ = 0;
  std::string error_;
};

// The enumerator below `count` that `name_of` calls `text`, or -1.
template <typename E>
int FindByName(std::string_view text, int count, std::string_view (*name_of)(E)) {
  for (int i = 0; i < count; ++i) {
    if (EqualsIgnoreCase(name_of(static_cast<E>(i)), text)) return i;
  }
  return -1;
}

template <typename E>
void AddNamed(std::string_view text, int count, std::string_view (*name_of)(E), EnumSet<E>* known,
              std::vector<std::string>* others) {
  const int found = FindByName(text, count, name_of);
  if (found >= 0) {
    known->Add(static_cast<E>(found));
  } else if (others != nullptr) {
    others->emplace_back(text);
  }
}

void ReadTip(std::string_view tip, CommandSpec* spec) {
  constexpr std::string_view kRequest = "request_policy:";
  constexpr std::string_view kResponse = "response_policy:";
  spec->tips.emplace_back(tip);
  // Policies that weir does not know stay kNone, as if the tip were not there.
  if (tip.substr(0, kRequest.size()) == kRequest) {
    const int found =
        FindByName(tip.substr(kRequest.size()), kRequestPolicyCount, RequestPolicyName);
    if (found > 0) spec->request_policy = static_cast<RequestPolicy>(found);
  } else if (tip.substr(0, kResponse.size()) == kResponse) {
    const int found =
        FindByName(tip.substr(kResponse.size()), kResponsePolicyCount, ResponsePolicyName);
    if (found > 0) spec->response_policy = static_cast<ResponsePolicy>(found);
  }
}

// The map {type, spec: {…}} of begin_search or find_keys, its members flattened into one struct.
struct SearchStep {
  std::string type;
  std::string keyword;
  int index = 0, start_from = 0, last_key = 0, key_step = 1, limit = 0, keynum_idx = 0;
  int first_key = 0;
};

int* MemberOf(SearchStep* step, std::string_view key) {
  if (key == "index") return &step->index;
  if (key == "startfrom") return &step->start_from;
  if (key == "lastkey") return &step->last_key;
  if (key == "keystep") return &step->key_step;
  if (key == "limit") return &step->limit;
  if (key == "keynumidx") return &step->keynum_idx;
  if (key == "firstkey") return &step->first_key;
  return nullptr;
}

SearchStep ReadSearchStep(Cursor* cursor) {
  SearchStep step;
  for (int64_t left = cursor->Array() / 2; left > 0 && !cursor->failed(); --left) {
    const std::string_view key = cursor->Text();
    if (key == "type") {
      step.type = cursor->Text();
    } else if (key == "spec") {
      for (int64_t members = cursor->Array() / 2; members > 0 && !cursor->failed(); --members) {
        const std::string_view name = cursor->Text();
        if (name == "keyword") {
          step.keyword = cursor->Text();
        } else if (int* member = MemberOf(&step, name)) {
          *member = cursor->Integer();
        } else {
          cursor->Skip();
        }
      }
    } else {
      cursor->Skip();
    }
  }
  return step;
}

void ReadBeginSearch(Cursor* cursor, KeySpec* spec) {
  SearchStep step = ReadSearchStep(cursor);
  if (step.type == "index" && step.index > 0) {
    spec->begin_search = KeySpec::BeginSearch::kIndex;
    spec->index = step.index;
  } else if (step.type == "keyword" && !step.keyword.empty()) {
    spec->begin_search = KeySpec::BeginSearch::kKeyword;
    spec->keyword = std::move(step.keyword);
    spec->start_from = step.start_from;
  }
}

// A step of no sense leaves kUnknown: then the spec finds nothing and its command is treated as one
// whose keys cannot be known.
void ReadFindKeys(Cursor* cursor, KeySpec* spec) {
  const SearchStep step = ReadSearchStep(cursor);
  if (step.key_step < 1) return;
  spec->key_step = step.key_step;
  if (step.type == "range" && step.limit >= 0) {
    spec->find_keys = KeySpec::FindKeys::kRange;
    spec->last_key = step.last_key;
    spec->limit = step.limit;
  } else if (step.type == "keynum" && step.keynum_idx >= 0 && step.first_key >= 0) {
    spec->find_keys = KeySpec::FindKeys::kKeynum;
    spec->keynum_idx = step.keynum_idx;
    spec->first_key = step.first_key;
  }
}

KeySpec ReadKeySpec(Cursor* cursor) {
  KeySpec spec;
  for (int64_t left = cursor->Array() / 2; left > 0 && !cursor->failed(); --left) {
    const std::string_view key = cursor->Text();
    if (key == "notes") {
      spec.notes = cursor->Text();
    } else if (key == "flags") {
      for (int64_t flags = cursor->Array(); flags > 0 && !cursor->failed(); --flags) {
        AddNamed<KeyFlag>(cursor->Text(), kKeyFlagCount, KeyFlagName, &spec.flags, nullptr);
      }
    } else if (key == "begin_search") {
      ReadBeginSearch(cursor, &spec);
    } else if (key == "find_keys") {
      ReadFindKeys(cursor, &spec);
    } else {
      cursor->Skip();
    }
  }
  return spec;
}

void ReadFlags(Cursor* cursor, CommandSpec* spec) {
  for (int64_t left = cursor->Array(); left > 0 && !cursor->failed(); --left) {
    AddNamed<CommandFlag>(cursor->Text(), kCommandFlagCount, CommandFlagName, &spec->flags,
                          &spec->other_flags);
  }
}

void ReadCategories(Cursor* cursor, CommandSpec* spec) {
  for (int64_t left = cursor->Array(); left > 0 && !cursor->failed(); --left) {
    std::string_view category = cursor->Text();
    if (category.substr(0, 1) == "@") category.remove_prefix(1);
    AddNamed<AclCategory>(category, kAclCategoryCount, AclCategoryName, &spec->categories,
                          &spec->other_categories);
  }
}

class ReplyReader {
 public:
  explicit ReplyReader(std::string_view reply) : cursor_(reply) {
    if (reply.size() > kCommandReplyBytesMax)
      cursor_.Fail("the reply has more bytes than weir takes");
  }

  absl::StatusOr<std::vector<CommandReplyEntry>> Read() {
    std::vector<CommandReplyEntry> entries;
    for (int64_t left = cursor_.Array(); left > 0 && !cursor_.failed(); --left) {
      CommandReplyEntry entry;
      if (ReadEntry(&entry.spec, &entry.subcommands)) entries.push_back(std::move(entry));
    }
    if (!cursor_.failed() && !cursor_.at_end()) cursor_.Fail("expected the end of the reply");
    if (cursor_.failed()) return cursor_.status();
    return entries;
  }

 private:
  // `subcommands`: nullptr within a subcommand, whose own are skipped. False: an entry without
  // content.
  bool ReadEntry(CommandSpec* spec, std::vector<CommandSpec>* subcommands) {
    const int64_t fields = cursor_.Array();
    if (fields == 0) return false;
    if (fields < 6) cursor_.Fail("an entry has fewer than 6 fields");
    spec->name = ToLower(cursor_.Text());
    CheckName(spec->name);
    spec->arity = cursor_.Integer();
    ReadFlags(&cursor_, spec);
    spec->first_key = cursor_.Integer();
    spec->last_key = cursor_.Integer();
    spec->step = cursor_.Integer();
    if (fields > 6) ReadCategories(&cursor_, spec);
    if (fields > 7) {
      for (int64_t left = cursor_.Array(); left > 0 && !cursor_.failed(); --left) {
        ReadTip(cursor_.Text(), spec);
      }
    }
    if (fields > 8) {
      spec->has_key_specs = true;
      int64_t left = cursor_.Array();
      if (left > static_cast<int64_t>(kKeySpecsMax))
        cursor_.Fail("a command has too many key specs");
      for (; left > 0 && !cursor_.failed(); --left) {
        spec->key_specs.push_back(ReadKeySpec(&cursor_));
      }
    }
    if (fields > 9) ReadSubcommands(spec->name, subcommands);
    for (int64_t field = 10; field < fields && !cursor_.failed(); ++field) cursor_.Skip();
    return !cursor_.failed();
  }

  void ReadSubcommands(std::string_view container, std::vector<CommandSpec>* subcommands) {
    if (subcommands == nullptr) return cursor_.Skip();
    for (int64_t left = cursor_.Array(); left > 0 && !cursor_.failed(); --left) {
      CommandSpec subcommand;
      if (!ReadEntry(&subcommand, nullptr)) continue;
      const size_t bar = subcommand.name.find('|');
      if (bar == std::string::npos) {
        subcommand.name = Concat(container, "|", subcommand.name);
      } else if (std::string_view(subcommand.name).substr(0, bar) != container) {
        return cursor_.Fail("a subcommand's name begins with another command's");
      }
      subcommands->push_back(std::move(subcommand));
    }
  }

  void CheckName(std::string_view name) {
    if (cursor_.failed()) return;
    if (++specs_ > kCommandSpecsMax) return cursor_.Fail("there are more commands than weir takes");
    if (name.empty() || name.size() > kCommandNameBytesMax) {
      return cursor_.Fail("a command's name is empty or too long");
    }
    for (const char c : name) {
      if (static_cast<unsigned char>(c) <= ' ') return cursor_.Fail("a command's name has a blank");
    }
  }

  Cursor cursor_;
  size_t specs_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<CommandReplyEntry>> ParseCommandReply(std::string_view reply) {
  return ReplyReader(reply).Read();
}

}  // namespace weir
