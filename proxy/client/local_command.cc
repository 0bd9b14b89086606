// COMMAND: what the upstream says, with weir's own commands added.
#include <cstdint>
#include <optional>
#include <utility>

#include "proxy/client/command_docs.h"
#include "proxy/client/glob.h"
#include "proxy/client/local_call.h"
#include "resp/reply_elements.h"
#include "resp/wire_text.h"
#include "routing/command_table.h"

namespace weir {
namespace {

using Specs = std::vector<const CommandSpec*>;

// For each name whether it is one of weir's: its spec, else nullptr.
Specs OwnAmong(const std::vector<std::string>& names) {
  Specs specs;
  for (const std::string& name : names) specs.push_back(FindOwnCommand(name));
  return specs;
}

bool AllAbsent(const Specs& specs) {
  for (const CommandSpec* spec : specs) {
    if (spec != nullptr) return false;
  }
  return true;
}

// As many as the server's own entries have.
uint64_t InfoFields(std::string_view entries) {
  const std::optional<AggregateHeader> entry = ReadAggregateHeader(entries);
  return entry ? entry->count : kCommandInfoFields;
}

// COMMAND, and COMMAND INFO without names.
LocalOutcome AnswerAll(int version) {
  return AskOwnBytes([version](Conversation&, std::string_view reply) {
    const std::optional<AggregateHeader> header = ReadAggregateHeader(reply);
    if (!header) return std::string(reply);
    const std::string entry =
        CommandInfoEntry(*OwnCommands().front(), InfoFields(reply.substr(header->bytes)), version);
    return AppendElements(reply, *header, 1, entry);
  });
}

LocalOutcome AnswerCount(int version) {
  return AskOwnBytes([version](Conversation&, std::string_view reply) {
    int64_t count = 0;
    const size_t line_end = reply.find('\r');
    if (!reply.starts_with(':') || !ParseWireNumber(reply.substr(1, line_end - 1), &count)) {
      return std::string(reply);
    }
    return MakeReply(version, [count](ReplyWriter& writer) { writer.Integer(count + 1); });
  });
}

// COMMAND INFO name …: an element for each name, null for those the server does not know.
LocalOutcome AnswerInfoOf(const LocalCall& call) {
  Specs own = OwnAmong(call.CopyArgs(2));
  if (AllAbsent(own)) return Forward();
  return AskOwnBytes([own = std::move(own), version = call.protocol_version()](
                         Conversation&, std::string_view reply) {
    const auto elements = CutElements(reply, version);
    if (!elements || elements->size() != own.size()) return std::string(reply);
    uint64_t fields = kCommandInfoFields;
    for (const std::string_view element : *elements) {
      if (ReadAggregateHeader(element)) fields = InfoFields(element);
    }
    std::string result =
        MakeReply(version, [&](ReplyWriter& writer) { writer.ArrayHeader(elements->size()); });
    for (size_t i = 0; i < own.size(); ++i) {
      result += own[i] == nullptr ? (*elements)[i] : CommandInfoEntry(*own[i], fields, version);
    }
    return result;
  });
}

// COMMAND DOCS: pairs of name and description.
LocalOutcome AnswerAllDocs(int version) {
  return AskOwnBytes([version](Conversation&, std::string_view reply) {
    const std::optional<AggregateHeader> header = ReadAggregateHeader(reply);
    if (!header) return std::string(reply);
    const uint64_t count = header->type == '%' ? 1 : 2;
    return AppendElements(reply, *header, count, CommandDocsPair(*OwnCommands().front(), version));
  });
}

// COMMAND DOCS name …: pairs in the order of the names, none for those the server does not know.
LocalOutcome AnswerDocsOf(const LocalCall& call) {
  std::vector<std::string> names = call.CopyArgs(2);
  Specs own = OwnAmong(names);
  if (AllAbsent(own)) return Forward();
  return AskOwnBytes([names = std::move(names), own = std::move(own),
                      version = call.protocol_version()](Conversation&, std::string_view reply) {
    const auto elements = CutElements(reply, version);
    if (!elements || elements->size() % 2 != 0) return std::string(reply);
    std::string pairs;
    uint64_t count = 0;
    size_t theirs = 0;
    for (size_t i = 0; i < names.size(); ++i) {
      if (own[i] != nullptr) {
        pairs += CommandDocsPair(*own[i], version);
      } else if (theirs < elements->size() &&
                 EqualsIgnoreCase(StringOf((*elements)[theirs]), names[i])) {
        pairs += (*elements)[theirs++];
        pairs += (*elements)[theirs++];
      } else {
        continue;
      }
      ++count;
    }
    std::string result =
        MakeReply(version, [count](ReplyWriter& writer) { writer.MapHeader(count); });
    result += pairs;
    return result;
  });
}

// Whether COMMAND LIST with these arguments shows one of weir's commands.
bool Lists(const LocalCall& call, const CommandSpec& spec) {
  if (call.argc() != 5) return call.argc() == 2;
  if (call.Is(3, "aclcat")) return spec.InCategory(CString(call.arg(4)));
  return call.Is(3, "pattern") && MatchesGlob(call.arg(4), spec.name);
}

LocalOutcome AnswerList(const LocalCall& call) {
  std::string names;
  uint64_t count = 0;
  ReplyWriter writer(&names, 2);
  for (const CommandSpec* spec : OwnCommands()) {
    if (!Lists(call, *spec)) continue;
    writer.Bulk(spec->name);
    ++count;
  }
  if (count == 0) return Forward();
  return AskOwnBytes([names = std::move(names), count](Conversation&, std::string_view reply) {
    const std::optional<AggregateHeader> header = ReadAggregateHeader(reply);
    return header ? AppendElements(reply, *header, count, names) : std::string(reply);
  });
}

// COMMAND GETKEYS and GETKEYSANDFLAGS.
LocalOutcome AnswerGetkeys(const LocalCall& call) {
  if (FindOwnCommand(call.arg(2)) != OwnCommands().front()) return Forward();
  const ArgList command = ArgList(call.request).Tail(2);
  const bool known = CommandTable::BuiltIn()->Resolve(command) != nullptr;
  return SayError(known ? RedisError::kCommandHasNoKeys : RedisError::kInvalidCommand);
}

}  // namespace

LocalOutcome AnswerCommand(const LocalCall& call) {
  const bool all = call.argc() == 2;
  switch (call.entry.local) {
    case LocalCommand::kCommand:
      return AnswerAll(call.protocol_version());
    case LocalCommand::kCommandCount:
      return AnswerCount(call.protocol_version());
    case LocalCommand::kCommandDocs:
      return all ? AnswerAllDocs(call.protocol_version()) : AnswerDocsOf(call);
    case LocalCommand::kCommandGetkeys:
    case LocalCommand::kCommandGetkeysandflags:
      return AnswerGetkeys(call);
    case LocalCommand::kCommandInfo:
      return all ? AnswerAll(call.protocol_version()) : AnswerInfoOf(call);
    case LocalCommand::kCommandList:
      return AnswerList(call);
    default:
      return Forward();  // COMMAND HELP
  }
}

}  // namespace weir
