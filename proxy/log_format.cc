// How fields of log lines are written: key=value for people, JSON for programs.
#include <cstdio>

#include "plugins/text.h"
#include "proxy/log.h"

namespace weir {
namespace {

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// How many bytes the UTF-8 character at the start of `text` has; 0 if there is none. Overlong
// forms, surrogates and what lies beyond U+10FFFF are none (Unicode, table 3-7).
size_t Utf8Length(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if (!IsContinuation(text[i])) return 0;
  }
  const auto second = static_cast<unsigned char>(text[1]);
  const bool bad = (lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) ||
                   (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f);
  return bad ? 0 : length;
}

void AppendQuoted(std::string_view text, std::string* out) {
  *out += '"';
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    const char c = text[0];
    if (length == 0) {
      *out += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      out->append({'\\', c});
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      char escaped[8];
      std::snprintf(escaped, sizeof(escaped), "\\u%04x", static_cast<unsigned char>(c));
      *out += escaped;
    } else {
      out->append(text.substr(0, length));
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  *out += '"';
}

// Whether a value can stand in a text line as it is.
bool IsPlain(std::string_view text) {
  for (const char c : text) {
    if (c <= ' ' || c > '~' || c == '"' || c == '=' || c == '\\') return false;
  }
  return !text.empty();
}

}  // namespace

std::string QuoteJson(std::string_view text) {
  std::string quoted;
  AppendQuoted(text, &quoted);
  return quoted;
}

void LogField::AppendText(std::string* line) const {
  line->append(key_).append("=");
  if (is_number_) {
    *line += std::to_string(number_);
  } else if (IsPlain(text_)) {
    line->append(text_);
  } else {
    AppendQuoted(text_, line);
  }
}

void LogField::AppendJson(std::string* line) const {
  AppendQuoted(key_, line);
  *line += ':';
  if (is_number_) {
    *line += std::to_string(number_);
  } else {
    AppendQuoted(text_, line);
  }
}

}  // namespace weir
