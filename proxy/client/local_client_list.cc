// CLIENT LIST: lines gathered from all workers.
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

#include "proxy/client/client_filters.h"
#include "proxy/client/client_line.h"
#include "proxy/client/local_call.h"
#include "proxy/client/permission.h"
#include "resp/wire_text.h"

namespace weir {
namespace {

// What to list: the clients of these ids in this order, else all that match, oldest first.
struct ListQuery {
  ClientFilter filter;
  std::optional<std::vector<uint64_t>> ids;
  // Of `ids`: one request can hold a hundred thousand of them, and each is sought for each client.
  std::vector<uint64_t> sorted_ids;

  bool Wants(const ClientRow& row) const {
    if (!ids) return filter.Matches(row);
    return std::binary_search(sorted_ids.begin(), sorted_ids.end(), row.id);
  }
};

struct Line {
  uint64_t id;
  std::string_view text;  // with its LF
};

// Lines of CLIENT LIST, which begin with "id=".
void SplitLines(std::string_view text, std::vector<Line>* lines) {
  constexpr size_t kIdAt = 3;
  while (text.size() > kIdAt) {
    const size_t size = std::min(text.find('\n'), text.size() - 1) + 1;
    Line line{0, text.substr(0, size)};
    std::from_chars(text.data() + kIdAt, text.data() + size, line.id);
    lines->push_back(line);
    text.remove_prefix(size);
  }
}

std::string InOrder(const ListQuery& query, const std::vector<std::string>& parts) {
  std::vector<Line> lines;
  for (const std::string& part : parts) SplitLines(part, &lines);
  const auto by_id = [](const Line& a, const Line& b) { return a.id < b.id; };
  std::sort(lines.begin(), lines.end(), by_id);
  std::string text;
  if (!query.ids) {
    for (const Line& line : lines) text += line.text;
    return text;
  }
  for (const uint64_t id : *query.ids) {
    const auto found = std::lower_bound(lines.begin(), lines.end(), Line{id, {}}, by_id);
    if (found != lines.end() && found->id == id) text += found->text;
  }
  return text;
}

LocalOutcome::Gather MakeGather(ListQuery query, LineStyle style, int protocol_version) {
  LocalOutcome::Gather gather;
  gather.visit = [query, style](ClientTable& clients, std::string* out) {
    clients.ForEach([&](const ClientRow& row) {
      if (query.Wants(row)) AppendClientLine(out, row, style);
    });
  };
  gather.combine = [query = std::move(query), protocol_version](
                       Conversation&, const std::vector<std::string>& parts) {
    const std::string text = InOrder(query, parts);
    return MakeReply(protocol_version, [&](ReplyWriter& reply) { reply.Verbatim("txt", text); });
  };
  return gather;
}

}  // namespace

LocalOutcome AnswerClientList(const LocalCall& call) {
  ListQuery query;
  if (call.argc() == 4 && call.Is(2, "type")) {
    query.filter.type = ParseClientType(call.arg(3));
    if (!query.filter.type) return SayError(RedisError::kUnknownClientType, call.arg(3));
  } else if (call.argc() > 3 && call.Is(2, "id")) {
    query.ids.emplace();
    for (uint32_t i = 3; i < call.argc(); ++i) {
      int64_t id = 0;
      if (!ParseWireNumber(call.arg(i), &id)) return SayError(RedisError::kClientId);
      query.ids->push_back(static_cast<uint64_t>(id));
    }
    query.sorted_ids = *query.ids;
    std::sort(query.sorted_ids.begin(), query.sorted_ids.end());
  } else if (call.argc() != 2) {
    return SayError(RedisError::kSyntax);
  }
  const LineStyle style = LineStyleOf(*call.context.server);
  return GatherWithPermission(call, MakeGather(std::move(query), style, call.protocol_version()));
}

}  // namespace weir
