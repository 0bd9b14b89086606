// What MONITOR shows of a command.
#include "proxy/client/monitor_line.h"

#include <cstdio>

#include "plugins/text.h"
#include "proxy/client/secret_args.h"
#include "routing/text.h"

namespace weir {
namespace {

// As Redis' sdscatrepr(): printable ASCII as it is.
void AppendQuoted(std::string_view text, std::string* out) {
  constexpr char kHex[] = "0123456789abcdef";
  constexpr std::string_view kEscaped = "\\\"\n\r\t\a\b";
  constexpr std::string_view kLetters = "\\\"nrtab";
  *out += '"';
  for (const char c : text) {
    if (const size_t i = kEscaped.find(c); i != std::string_view::npos) {
      *out += '\\';
      *out += kLetters[i];
    } else if (c >= ' ' && c <= '~') {
      *out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      *out += "\\x";
      *out += kHex[byte >> 4];
      *out += kHex[byte & 15];
    }
  }
  *out += '"';
}

}  // namespace

bool IsShownToMonitors(const CommandEntry* entry, uint32_t argc) {
  if (entry == nullptr || entry->spec == nullptr) return false;
  const CommandSpec& spec = *entry->spec;
  const bool unknown_subcommand = !spec.subcommands.empty() && argc > 1;
  // Redis flags scripts "skip_monitor" to show them before what they do rather than behind it.
  const bool hidden = spec.flags.Has(CommandFlag::kAdmin) ||
                      (spec.flags.Has(CommandFlag::kSkipMonitor) && !entry->runs_script);
  return !unknown_subcommand && !hidden && spec.ArityAllows(argc);
}

std::string MonitorWords(const CommandEntry& entry, const ArgList& args, bool complete) {
  std::string words;
  SecretArgs secrets(&entry, args);
  for (uint32_t i = 0; i < args.size(); ++i) {
    if (i != 0) words += ' ';
    AppendQuoted(secrets.IsSecret(i) ? kRedacted : args[i], &words);
  }
  if (!complete) words += " ...";
  return words;
}

std::string MonitorLine(uint64_t unix_us, int db, std::string_view who, std::string_view words) {
  char micros[8];
  std::snprintf(micros, sizeof micros, "%06u", static_cast<unsigned>(unix_us % 1'000'000));
  return Concat("+", unix_us / 1'000'000, ".", std::string_view(micros), " [", db, " ", who, "] ",
                words, "\r\n");
}

}  // namespace weir
