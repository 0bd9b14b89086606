// INFO with weir's own section, and WEIR HELP and WEIR EXPLAIN.
#include <charconv>

#include "proxy/client/local_call.h"
#include "proxy/client/permission.h"

namespace weir {
namespace {

enum class Sections { kServerOnly, kWeirOnly, kBoth };

Sections SectionsOf(const LocalCall& call) {
  if (call.argc() == 1) return Sections::kBoth;
  uint32_t of_weir = 0;
  bool of_all = false;
  for (uint32_t i = 1; i < call.argc(); ++i) {
    if (call.Is(i, "weir")) ++of_weir;
    of_all |= call.Is(i, "all") || call.Is(i, "default") || call.Is(i, "everything");
  }
  if (of_weir == call.argc() - 1) return Sections::kWeirOnly;
  return of_weir != 0 || of_all ? Sections::kBoth : Sections::kServerOnly;
}

// The text of a bulk or verbatim string reply; nullopt if it is none.
std::optional<std::string_view> TextOf(std::string_view reply) {
  constexpr std::string_view kFormat = "txt:";
  const bool verbatim = reply.starts_with('=');
  if (!verbatim && !reply.starts_with('$')) return std::nullopt;
  const size_t line_end = reply.find("\r\n");
  size_t length = 0;
  const auto [end, error] =
      std::from_chars(reply.data() + 1, reply.data() + std::min(line_end, reply.size()), length);
  if (error != std::errc() || line_end == std::string_view::npos) return std::nullopt;
  std::string_view text = reply.substr(line_end + 2, length);
  if (verbatim) text.remove_prefix(std::min(kFormat.size(), text.size()));
  return text;
}

// `section` between its blank lines, as Redis writes sections.
std::string Append(std::string_view text, std::string_view section) {
  const size_t end = section.find_last_not_of("\r\n");
  section = section.substr(0, end == std::string_view::npos ? 0 : end + 1);
  return Concat(text, text.empty() ? "" : "\r\n", section, "\r\n");
}

std::string TextReply(int protocol_version, std::string_view text) {
  return MakeReply(protocol_version, [&](ReplyWriter& reply) { reply.Verbatim("txt", text); });
}

std::string HelpReply(const LocalCall& call) {
  const std::string head = Concat(ToUpper(CString(call.arg(0))),
                                  " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
  const std::string_view lines[] = {
      head,
      "BIGKEYS [<count>]",
      "    Show the keys that move most bytes.",
      "EXPLAIN <command> [<arg> ...]",
      "    Show what weir would do with a command, without running it.",
      "HEALTH",
      "    Show which nodes weir reaches, and why not the others.",
      "HOTKEYS [<count>]",
      "    Show the keys that are asked for most.",
      "SLOWLOG GET [<count>] | LEN | RESET | HELP",
      "    Show the requests that took long, and where their time went.",
      "TOPOLOGY [<upstream>]",
      "    Show an upstream's nodes, their roles and slots.",
      "UPSTREAMS",
      "    Show all upstreams and where they are.",
      "HELP",
      "    Prints this help.",
  };
  return MakeReply(call.protocol_version(), [&](ReplyWriter& reply) {
    reply.ArrayHeader(std::size(lines));
    for (const std::string_view line : lines) reply.SimpleString(line);
  });
}

std::string LinesReply(const LocalCall& call, const std::vector<std::string>& lines) {
  return MakeReply(call.protocol_version(), [&](ReplyWriter& reply) {
    reply.ArrayHeader(lines.size());
    for (const std::string& line : lines) reply.Bulk(line);
  });
}

std::string ExplanationReply(const LocalCall& call) {
  std::vector<std::string_view> args;
  for (uint32_t i = 2; i < call.argc(); ++i) args.push_back(call.arg(i));
  return LinesReply(call, call.context.explain(args));
}

std::string ReportReply(const LocalCall& call) {
  const std::string_view upstream = call.argc() > 2 ? call.arg(2) : std::string_view();
  if (call.argc() > 3) {
    return ErrorReply(ErrorText(RedisError::kWrongArgCount, call.entry.spec->name));
  }
  const auto lines = call.context.report(call.entry.local, upstream);
  if (lines.has_value()) return LinesReply(call, *lines);
  return ErrorReply("weir: there is no upstream of that name; WEIR UPSTREAMS lists them");
}

std::string WeirReply(const LocalCall& call) {
  switch (call.entry.local) {
    case LocalCommand::kWeirExplain:
      return ExplanationReply(call);
    case LocalCommand::kWeirHealth:
    case LocalCommand::kWeirTopology:
    case LocalCommand::kWeirUpstreams:
      return ReportReply(call);
    default:
      return HelpReply(call);
  }
}

// Whether INFO with these arguments shows a section that belongs to the default ones.
bool ShowsSection(const LocalCall& call, std::string_view name) {
  if (call.argc() == 1) return true;
  for (uint32_t i = 1; i < call.argc(); ++i) {
    if (call.Is(i, name) || call.Is(i, "all") || call.Is(i, "default") || call.Is(i, "everything"))
      return true;
  }
  return false;
}

// The text up to the line's end behind `field` is `value`, wherever the field begins a line.
void SetField(std::string* text, std::string_view field, std::string_view value) {
  const std::string at_start = Concat("\n", field, ":");
  const size_t found = text->find(at_start);
  if (found == std::string::npos) return;
  const size_t begin = found + at_start.size();
  text->replace(begin, text->find_first_of("\r\n", begin) - begin, value);
}

// The server's INFO as the client is to see it.
std::string Shown(std::string_view text, std::string_view mode, std::string_view section) {
  std::string shown(text);
  if (!mode.empty()) {
    SetField(&shown, "redis_mode", mode);
    SetField(&shown, "cluster_enabled", mode == "cluster" ? "1" : "0");
  }
  return section.empty() ? shown : Append(shown, section);
}

}  // namespace

LocalOutcome AnswerInfo(const LocalCall& call) {
  const Sections sections = SectionsOf(call);
  std::string section = sections == Sections::kServerOnly ? "" : call.context.weir_info();
  if (sections == Sections::kWeirOnly) {
    return WithPermission(call, [section](Conversation& conversation) {
      return TextReply(conversation.protocol_version, Append("", section));
    });
  }
  const std::string sentinel =
      ShowsSection(call, "sentinel") ? call.context.sentinel_section : std::string();
  if (!sentinel.empty()) section = section.empty() ? sentinel : Append(sentinel, section);
  const std::string mode(call.context.shown_mode);
  // The server is sent the name "weir" too: it has no such section and says nothing of it.
  LocalOutcome outcome = AskOwnBytes(
      [section, mode, version = call.protocol_version()](Conversation&, std::string_view reply) {
        const std::optional<std::string_view> text = TextOf(reply);
        return text ? TextReply(version, Shown(*text, mode, section)) : std::string(reply);
      });
  outcome.ask.of_all = Merge::kInfo;
  return outcome;
}

LocalOutcome AnswerWeir(const LocalCall& call) {
  return WithPermission(call, [reply = WeirReply(call)](Conversation&) { return reply; });
}

}  // namespace weir
