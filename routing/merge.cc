#include "routing/merge.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "resp/reply_elements.h"
#include "resp/wire_text.h"
#include "routing/info_merge.h"
#include "routing/text.h"

namespace weir {
namespace {

using Replies = absl::Span<const std::string_view>;

constexpr std::string_view kMismatch =
    "-ERR weir: the nodes' replies do not fit together; do they all run the same version?\r\n";

bool IsError(std::string_view reply) { return reply.starts_with('-') || reply.starts_with('!'); }
bool IsNull(std::string_view reply) {
  return reply == "$-1\r\n" || reply == "_\r\n" || reply == "*-1\r\n";
}

// The place of a part among the client's keys; for what is not split, among the nodes.
size_t PlaceOf(const MergeInput& input, size_t part) {
  if (input.split == nullptr) return part;
  return input.split->units_of(input.split->parts[part]).front();
}

struct Failures {
  size_t count = 0;
  size_t first = 0;  // the part whose error the client hears
};

Failures FindFailures(const MergeInput& input) {
  Failures failures;
  for (size_t i = 0; i < input.replies.size(); ++i) {
    if (!IsError(input.replies[i])) continue;
    if (failures.count++ == 0 || PlaceOf(input, i) < PlaceOf(input, failures.first)) {
      failures.first = i;
    }
  }
  return failures;
}

std::string FailureReply(const MergeInput& input, const Failures& failures) {
  const std::string_view error = input.replies[failures.first];
  const size_t done = input.replies.size() - failures.count;
  if (!input.changes_data || done == 0 || error[0] != '-') return std::string(error);
  return Concat(error.substr(0, error.find('\r')), " (weir: ", done, " of ", input.replies.size(),
                " parts were done)\r\n");
}

// The error that says something: one node of many was busy, the others had nothing to kill.
std::string OneSucceeded(Replies replies) {
  std::string_view best = replies.front();
  for (const std::string_view reply : replies) {
    if (!IsError(reply)) return std::string(reply);
    if (best.starts_with("-NOTBUSY")) best = reply;
  }
  return std::string(best);
}

std::string RandomKey(Replies replies, uint64_t random) {
  std::vector<std::string_view> keys;
  const std::string_view* error = nullptr;
  for (const std::string_view& reply : replies) {
    if (IsError(reply)) {
      error = &reply;
    } else if (!IsNull(reply)) {
      keys.push_back(reply);
    }
  }
  if (!keys.empty()) return std::string(keys[random % keys.size()]);
  return std::string(error != nullptr ? *error : replies.front());
}

// What those nodes say that can be asked.
std::string Info(Replies replies) {
  constexpr std::string_view kFormat = "txt:";
  std::vector<std::string_view> texts;
  char type = 0;
  for (const std::string_view reply : replies) {
    if (IsError(reply)) continue;
    const size_t head = reply.find("\r\n") + 2;
    const bool fits = (reply[0] == '$' || reply[0] == '=') && reply.size() >= head + 2 &&
                      (type == 0 || type == reply[0]);
    if (!fits) return std::string(kMismatch);
    type = reply[0];
    texts.push_back(reply.substr(head, reply.size() - head - 2));
    if (type == '=' && texts.back().starts_with(kFormat))
      texts.back().remove_prefix(kFormat.size());
  }
  if (texts.empty()) return std::string(replies.front());
  const std::string merged = MergeInfo(texts);
  const std::string_view format = type == '=' ? kFormat : std::string_view();
  return Concat(std::string_view(&type, 1), format.size() + merged.size(), "\r\n", format, merged,
                "\r\n");
}

std::optional<int64_t> IntegerOf(std::string_view reply) {
  int64_t value = 0;
  if (!reply.starts_with(':') || !reply.ends_with("\r\n") ||
      !ParseWireNumber(reply.substr(1, reply.size() - 3), &value)) {
    return std::nullopt;
  }
  return value;
}

std::optional<int64_t> Combine(Merge merge, int64_t a, int64_t b) {
  switch (merge) {
    case Merge::kMin:
      return std::min(a, b);
    case Merge::kMax:
      return std::max(a, b);
    case Merge::kAnd:
      return a != 0 && b != 0 ? 1 : 0;
    case Merge::kOr:
      return a != 0 || b != 0 ? 1 : 0;
    default: {
      int64_t sum = 0;
      if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
      return sum;
    }
  }
}

// The integers of a reply that is one, or an array of them. `is_array` tells which.
std::optional<std::vector<int64_t>> IntegersOf(std::string_view reply, bool* is_array) {
  *is_array = !reply.starts_with(':');
  std::vector<int64_t> values;
  const auto elements =
      *is_array ? CutElements(reply, 3) : std::optional(std::vector<std::string_view>{reply});
  if (!elements) return std::nullopt;
  for (const std::string_view element : *elements) {
    const std::optional<int64_t> value = IntegerOf(element);
    if (!value) return std::nullopt;
    values.push_back(*value);
  }
  return values;
}

std::string Aggregate(Merge merge, Replies replies) {
  bool is_array = false;
  auto total = IntegersOf(replies.front(), &is_array);
  for (size_t i = 1; total && i < replies.size(); ++i) {
    bool also_array = false;
    const auto values = IntegersOf(replies[i], &also_array);
    if (!values || also_array != is_array || values->size() != total->size()) {
      total.reset();
      break;
    }
    for (size_t j = 0; j < values->size(); ++j) {
      const std::optional<int64_t> combined = Combine(merge, (*total)[j], (*values)[j]);
      if (!combined) return "-ERR weir: the sum over the nodes does not fit 64 bits\r\n";
      (*total)[j] = *combined;
    }
  }
  if (!total) return std::string(kMismatch);
  std::string merged = is_array ? Concat("*", total->size(), "\r\n") : "";
  for (const int64_t value : *total) merged += Concat(":", value, "\r\n");
  return merged;
}

std::string Concatenate(Replies replies) {
  char type = 0;
  uint64_t count = 0;
  size_t bytes = 0;
  for (const std::string_view reply : replies) {
    const std::optional<AggregateHeader> header = ReadAggregateHeader(reply);
    if (!header || (type != 0 && header->type != type)) return std::string(kMismatch);
    type = header->type;
    count += header->count;
    bytes += reply.size();
  }
  std::string merged(1, type);
  merged.reserve(bytes + 24);
  merged += Concat(count, "\r\n");
  for (const std::string_view reply : replies) {
    merged += reply.substr(ReadAggregateHeader(reply)->bytes);
  }
  return merged;
}

// Each text once, where it stands first.
std::string Union(Replies replies) {
  absl::flat_hash_set<std::string_view> seen;
  std::string elements;
  for (const std::string_view reply : replies) {
    const auto found = CutElements(reply, 3);
    if (!found || reply.front() != replies.front().front() || reply.front() == '%') {
      return std::string(kMismatch);
    }
    for (const std::string_view element : *found) {
      if (seen.insert(element).second) elements += element;
    }
  }
  return Concat(replies.front().substr(0, 1), seen.size(), "\r\n", elements);
}

// "a" 1 "b" 2 and "a" 10 "b" 0 are "a" 11 "b" 2.
std::string SumCounts(Replies replies) {
  const auto names = CutElements(replies.front(), 3);
  if (!names || replies.front().front() != '*') return std::string(kMismatch);
  std::vector<int64_t> sums(names->size());
  for (const std::string_view reply : replies) {
    const auto found = CutElements(reply, 3);
    if (!found || found->size() != sums.size() || sums.size() % 2 != 0) {
      return std::string(kMismatch);
    }
    for (size_t i = 0; i < sums.size(); i += 2) {
      const std::optional<int64_t> count = IntegerOf((*found)[i + 1]);
      if ((*found)[i] != (*names)[i] || !count ||
          __builtin_add_overflow(sums[i], *count, &sums[i])) {
        return std::string(kMismatch);
      }
    }
  }
  std::string merged = Concat("*", sums.size(), "\r\n");
  for (size_t i = 0; i < sums.size(); i += 2) merged += Concat((*names)[i], ":", sums[i], "\r\n");
  return merged;
}

// The time of an entry: the second of its elements.
std::optional<int64_t> TimeOf(std::string_view entry) {
  const auto fields = CutElements(entry, 3);
  return !fields || fields->size() < 2 ? std::nullopt : IntegerOf((*fields)[1]);
}

// Of one time, in the order of the nodes; of one node, in its own.
std::string NewestFirst(Replies replies, uint64_t elements_max) {
  struct Entry {
    int64_t time;
    std::string_view bytes;
  };
  std::vector<Entry> entries;
  size_t bytes = 0;
  for (const std::string_view reply : replies) {
    const auto found = CutElements(reply, 3);
    if (!found || reply.front() != '*') return std::string(kMismatch);
    for (const std::string_view element : *found) {
      const std::optional<int64_t> time = TimeOf(element);
      if (!time) return std::string(kMismatch);
      entries.push_back({*time, element});
    }
    bytes += reply.size();
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.time > b.time; });
  if (entries.size() > elements_max) entries.resize(elements_max);
  std::string merged;
  merged.reserve(bytes + 24);
  merged += Concat("*", entries.size(), "\r\n");
  for (const Entry& entry : entries) merged += entry.bytes;
  return merged;
}

std::string InKeyOrder(const KeySplit& split, Replies replies) {
  std::vector<std::string_view> elements(split.unit_total());
  size_t bytes = 0;
  for (size_t part = 0; part < replies.size(); ++part) {
    const absl::Span<const uint32_t> units = split.units_of(split.parts[part]);
    if (units.size() == 1) {  // as mostly: the reply is a header and that element
      const std::optional<AggregateHeader> header = ReadAggregateHeader(replies[part]);
      if (!header || header->count != 1) return std::string(kMismatch);
      elements[units[0]] = replies[part].substr(header->bytes);
      bytes += replies[part].size();
      continue;
    }
    const auto found = CutElements(replies[part], 3);
    if (!found || found->size() != units.size()) return std::string(kMismatch);
    for (size_t i = 0; i < units.size(); ++i) elements[units[i]] = (*found)[i];
    bytes += replies[part].size();
  }
  std::string merged;
  merged.reserve(bytes + 24);
  merged += Concat(replies.front().substr(0, 1), elements.size(), "\r\n");
  for (const std::string_view element : elements) merged += element;
  return merged;
}

}  // namespace

uint64_t NewestWanted(const ArgList& args) {
  constexpr uint64_t kDefault = 10;
  int64_t count = 0;
  if (args.size() < 3) return kDefault;
  // -1 means all; of what is no number the nodes say so.
  return ParseWireNumber(args[2], &count) && count >= 0 ? static_cast<uint64_t>(count) : UINT64_MAX;
}

std::string MergeReplies(const MergeInput& input) {
  if (input.merge == Merge::kOneSucceeded) return OneSucceeded(input.replies);
  if (input.merge == Merge::kRandomKey) return RandomKey(input.replies, input.random);
  if (input.merge == Merge::kInfo) return Info(input.replies);
  if (const Failures failures = FindFailures(input); failures.count != 0) {
    return FailureReply(input, failures);
  }
  switch (input.merge) {
    case Merge::kFirst:
    case Merge::kOneSucceeded:
    case Merge::kRandomKey:
    case Merge::kInfo:
      return std::string(input.replies.front());
    case Merge::kSum:
    case Merge::kMin:
    case Merge::kMax:
    case Merge::kAnd:
    case Merge::kOr:
      return Aggregate(input.merge, input.replies);
    case Merge::kKeyOrder:
      return input.split == nullptr ? Concatenate(input.replies)
                                    : InKeyOrder(*input.split, input.replies);
    case Merge::kConcat:
      return Concatenate(input.replies);
    case Merge::kUnion:
      return Union(input.replies);
    case Merge::kSumCounts:
      return SumCounts(input.replies);
    case Merge::kNewestFirst:
      return NewestFirst(input.replies, input.elements_max);
  }
  return std::string(kMismatch);
}

}  // namespace weir
