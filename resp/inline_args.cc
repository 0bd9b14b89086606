// Inline requests, split as redis-server splits them.

#include "resp/inline_args.h"

#include "absl/strings/ascii.h"

namespace weir {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = absl::ascii_tolower(static_cast<unsigned char>(c));
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

char Unescaped(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return c;
  }
}

bool IsSpace(char c) { return absl::ascii_isspace(static_cast<unsigned char>(c)); }

// Appends what stands between double quotes; *i is after the opening one, and then after the
// closing one. False if there is none.
bool TakeDoubleQuoted(std::string_view line, size_t* i, std::string* out) {
  for (; *i < line.size(); ++*i) {
    const char c = line[*i];
    if (c == '"') {
      ++*i;
      return true;
    }
    const size_t left = line.size() - *i;
    if (c == '\\' && left > 3 && line[*i + 1] == 'x' && HexDigit(line[*i + 2]) >= 0 &&
        HexDigit(line[*i + 3]) >= 0) {
      out->push_back(static_cast<char>(HexDigit(line[*i + 2]) * 16 + HexDigit(line[*i + 3])));
      *i += 3;
    } else if (c == '\\' && left > 1) {
      out->push_back(Unescaped(line[++*i]));
    } else {
      out->push_back(c);
    }
  }
  return false;
}

// The same for single quotes.
bool TakeSingleQuoted(std::string_view line, size_t* i, std::string* out) {
  for (; *i < line.size(); ++*i) {
    if (line[*i] == '\'') {
      ++*i;
      return true;
    }
    if (line[*i] == '\\' && *i + 1 < line.size() && line[*i + 1] == '\'') ++*i;
    out->push_back(line[*i]);
  }
  return false;
}

// Ends an argument outside of quotes. Vertical tab and form feed are white space to Redis
// elsewhere, but not here.
bool EndsArg(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

bool IsQuote(char c) { return c == '"' || c == '\''; }

// One argument, which starts at *i; *i is then after it.
bool TakeArg(std::string_view line, size_t* i, std::string* out) {
  const size_t start = *i;
  while (*i < line.size() && !EndsArg(line[*i]) && !IsQuote(line[*i])) ++*i;
  out->append(line, start, *i - start);
  if (*i == line.size() || EndsArg(line[*i])) return true;
  // A closing quote ends the argument too, so there is no more of it.
  const char quote = line[(*i)++];
  const bool closed =
      quote == '"' ? TakeDoubleQuoted(line, i, out) : TakeSingleQuoted(line, i, out);
  return closed && (*i == line.size() || IsSpace(line[*i]));
}

}  // namespace

bool SplitInlineArgs(std::string_view line, InlineArgs* out) {
  out->bytes.clear();
  out->ends.clear();
  out->bytes.reserve(line.size());
  for (size_t i = 0; i < line.size();) {
    if (IsSpace(line[i])) {
      ++i;
      continue;
    }
    if (!TakeArg(line, &i, &out->bytes)) return false;
    out->ends.push_back(static_cast<uint32_t>(out->bytes.size()));
  }
  return true;
}

}  // namespace weir
