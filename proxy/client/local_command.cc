// COMMAND: what the upstream says, with weir's own commands added.
#include <cstdint>
#include <optional>
#include <utility>

#include "plugins/idem_command.h"
#include "proxy/client/command_docs.h"
#include "proxy/client/local_call.h"
#include "resp/reply_elements.h"
#include "resp/wire_text.h"
#include "routing/command_table.h"
#include "routing/glob.h"
#include "routing/keys.h"

namespace weir {
namespace {

using Specs = std::vector<const CommandSpec*>;

// What COMMAND shows besides the server's: weir's own, and what plugins add.
Specs AddedCommands(const LocalCall& call) {
  Specs specs = {OwnCommands().back(), OwnCommands().front()};
  const Specs& plugins = call.context.plugin_commands;
  specs.insert(specs.end(), plugins.begin(), plugins.end());
  return specs;
}

const CommandSpec* FindAdded(const LocalCall& call, std::string_view name) {
  for (const CommandSpec* spec : call.context.plugin_commands) {
    if (EqualsIgnoreCase(spec->name, name)) return spec;
  }
  return FindOwnCommand(name);
}

// For each name whether it is one of weir's: its spec, else nullptr.
Specs OwnAmong(const LocalCall& call, const std::vector<std::string>& names) {
  Specs specs;
  for (const std::string& name : names) specs.push_back(FindAdded(call, name));
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
LocalOutcome AnswerAll(const LocalCall& call) {
  return AskOwnBytes([version = call.protocol_version(), added = AddedCommands(call)](
                         Conversation&, std::string_view reply) {
    const std::optional<AggregateHeader> header = ReadAggregateHeader(reply);
    if (!header) return std::string(reply);
    const uint64_t fields = InfoFields(reply.substr(header->bytes));
    std::string entries;
    for (const CommandSpec* spec : added) entries += CommandInfoEntry(*spec, fields, version);
    return AppendElements(reply, *header, added.size(), entries);
  });
}

LocalOutcome AnswerCount(const LocalCall& call) {
  return AskOwnBytes([version = call.protocol_version(), added = AddedCommands(call).size()](
                         Conversation&, std::string_view reply) {
    int64_t count = 0;
    const size_t line_end = reply.find('\r');
    if (!reply.starts_with(':') || !ParseWireNumber(reply.substr(1, line_end - 1), &count)) {
      return std::string(reply);
    }
    return MakeReply(
        version, [&](ReplyWriter& writer) { writer.Integer(count + static_cast<int64_t>(added)); });
  });
}

// COMMAND INFO name …: an element for each name, null for those the server does not know.
LocalOutcome AnswerInfoOf(const LocalCall& call) {
  Specs own = OwnAmong(call, call.CopyArgs(2));
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
LocalOutcome AnswerAllDocs(const LocalCall& call) {
  return AskOwnBytes([version = call.protocol_version(), added = AddedCommands(call)](
                         Conversation&, std::string_view reply) {
    const std::optional<AggregateHeader> header = ReadAggregateHeader(reply);
    if (!header) return std::string(reply);
    std::string pairs;
    for (const CommandSpec* spec : added) pairs += CommandDocsPair(*spec, version);
    const uint64_t elements = header->type == '%' ? 1 : 2;
    return AppendElements(reply, *header, elements * added.size(), pairs);
  });
}

// COMMAND DOCS name …: pairs in the order of the names, none for those the server does not know.
LocalOutcome AnswerDocsOf(const LocalCall& call) {
  std::vector<std::string> names = call.CopyArgs(2);
  Specs own = OwnAmong(call, names);
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
  Specs listed = OwnCommands();
  const Specs& plugins = call.context.plugin_commands;
  listed.insert(listed.end(), plugins.begin(), plugins.end());
  for (const CommandSpec* spec : listed) {
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

LocalOutcome KeysOfPlugin(const LocalCall& call, const CommandSpec& spec, uint32_t from) {
  const ArgList command = ArgList(call.request).Tail(from);
  KeyPositions keys;
  if (!spec.ArityAllows(command.size())) return SayError(RedisError::kCommandArgCount);
  if (FindKeys(spec, command, &keys) == KeysFound::kInvalid) {
    return SayError(RedisError::kCommandArgCount);
  }
  // WEIR.LIMIT RESET key
  const bool resets =
      spec.name == "weir.limit" && EqualsIgnoreCase(command[1], "reset") && command.size() == 3;
  const bool with_flags = call.entry.local == LocalCommand::kCommandGetkeysandflags;
  return SayBytes(MakeReply(call.protocol_version(), [&](ReplyWriter& writer) {
    writer.ArrayHeader(keys.size());
    for (const KeyPosition& key : keys) {
      if (with_flags) writer.ArrayHeader(2);
      writer.Bulk(command[resets ? 2 : key.index]);
      if (!with_flags) continue;
      writer.SetHeader(3);
      for (const char* flag : {"RW", "access", "update"}) writer.SimpleString(flag);
    }
  }));
}

// COMMAND GETKEYS and GETKEYSANDFLAGS.
LocalOutcome AnswerGetkeys(const LocalCall& call) {
  // Of WEIR.ON and WEIR.IDEM, the keys are those of the command within.
  const bool named = EqualsIgnoreCase(call.arg(2), OwnCommands().back()->name);
  uint32_t from = named ? 4 : 2;
  if (call.argc() <= from) return SayError(RedisError::kCommandArgCount);
  const bool once = IsIdemCommand(call.arg(from)) && FindAdded(call, call.arg(from)) != nullptr;
  if (once) from += IdemOwnArgs(ArgList(call.request).Tail(from));
  if (call.argc() <= from) return SayError(RedisError::kCommandArgCount);
  const bool on = named || once;
  for (const CommandSpec* spec : call.context.plugin_commands) {
    if (EqualsIgnoreCase(spec->name, call.arg(from))) return KeysOfPlugin(call, *spec, from);
  }
  const CommandSpec* const own = FindOwnCommand(call.arg(from));
  if (own != OwnCommands().front() && own != OwnCommands().back()) {
    LocalOutcome outcome = Forward();
    if (!on) return outcome;
    std::vector<std::string_view> asked = {call.arg(0), call.arg(1)};
    for (uint32_t i = from; i < call.argc(); ++i) asked.push_back(call.arg(i));
    AppendRequest(&outcome.ask.request, asked);
    return outcome;
  }
  const ArgList command = ArgList(call.request).Tail(from);
  const bool known = CommandTable::BuiltIn()->Resolve(command) != nullptr;
  return SayError(known ? RedisError::kCommandHasNoKeys : RedisError::kInvalidCommand);
}

}  // namespace

LocalOutcome AnswerCommand(const LocalCall& call) {
  const bool all = call.argc() == 2;
  switch (call.entry.local) {
    case LocalCommand::kCommand:
      return AnswerAll(call);
    case LocalCommand::kCommandCount:
      return AnswerCount(call);
    case LocalCommand::kCommandDocs:
      return all ? AnswerAllDocs(call) : AnswerDocsOf(call);
    case LocalCommand::kCommandGetkeys:
    case LocalCommand::kCommandGetkeysandflags:
      return AnswerGetkeys(call);
    case LocalCommand::kCommandInfo:
      return all ? AnswerAll(call) : AnswerInfoOf(call);
    case LocalCommand::kCommandList:
      return AnswerList(call);
    default:
      return Forward();  // COMMAND HELP
  }
}

}  // namespace weir
