// Just enough RESP for the tests.
#include "tests/support/resp.h"

#include <charconv>
#include <cstdio>

namespace weir::harness {
namespace {

bool ToNumber(std::string_view text, int64_t* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

// Reads the reply at the start of *data and takes it off.
Reply Take(std::string_view* data) {
  Reply reply;
  const size_t line_end = data->find("\r\n");
  if (line_end == std::string_view::npos) return reply;
  reply.type = data->front();
  const std::string_view line = data->substr(1, line_end - 1);
  data->remove_prefix(line_end + 2);
  int64_t n = 0;
  switch (reply.type) {
    case '$':
    case '=':
    case '!':
      ToNumber(line, &n);
      reply.null = n < 0;
      if (n >= 0) {
        reply.text = data->substr(0, static_cast<size_t>(n));
        data->remove_prefix(static_cast<size_t>(n) + 2);
      }
      break;
    case '*':
    case '~':
    case '>':
    case '%':
    case '|':
      ToNumber(line, &n);
      reply.null = n < 0;
      if (reply.type == '%' || reply.type == '|') n *= 2;
      for (int64_t i = 0; i < n && !data->empty(); ++i) reply.elements.push_back(Take(data));
      break;
    case '_':
      reply.null = true;
      break;
    default:
      reply.text = line;
  }
  return reply;
}

}  // namespace

std::string Bulk(std::string_view text) {
  std::string out = "$" + std::to_string(text.size()) + "\r\n";
  out.append(text);
  return out += "\r\n";
}

std::string Encode(const std::vector<std::string>& args) {
  std::string out = "*" + std::to_string(args.size()) + "\r\n";
  for (const std::string& arg : args) out += Bulk(arg);
  return out;
}

bool FrameEnd::Header(std::string_view line) {
  int64_t n = 0;
  switch (line[0]) {
    case '+':
    case '-':
    case ':':
    case '_':
    case ',':
    case '#':
    case '(':
      --elements_left_;
      return true;
    case '$':
    case '=':
    case '!':
      if (!ToNumber(line.substr(1), &n) || n < -1) return false;
      --elements_left_;
      if (n >= 0) position_ += static_cast<size_t>(n) + 2;
      return true;
    case '*':
    case '~':
    case '>':
    case '%':
    case '|':
      if (!ToNumber(line.substr(1), &n) || n < -1) return false;
      if (line[0] == '%' || line[0] == '|') n *= 2;
      if (line[0] != '|') --elements_left_;
      if (n > 0) elements_left_ += static_cast<uint64_t>(n);
      return true;
    default:
      return false;
  }
}

bool FrameEnd::Find(std::string_view data) {
  while (elements_left_ > 0 && !broken_) {
    if (position_ >= data.size()) return false;
    const size_t line_end = data.find("\r\n", position_);
    if (line_end == std::string_view::npos) return false;
    const std::string_view line = data.substr(position_, line_end - position_);
    position_ = line_end + 2;
    if (line.empty() || !Header(line)) broken_ = true;
  }
  return !broken_ && position_ <= data.size();
}

std::vector<std::string> TakeRequest(std::string* data) {
  FrameEnd end;
  if (!end.Find(*data)) return {};
  const Reply request = ParseReply(std::string_view(*data).substr(0, end.size()));
  data->erase(0, end.size());
  std::vector<std::string> args;
  for (const Reply& arg : request.elements) args.push_back(arg.text);
  return args;
}

const Reply& Reply::at(std::string_view key) const {
  static const Reply nothing;
  for (size_t i = 0; i + 1 < elements.size(); i += 2) {
    if (elements[i].text == key) return elements[i + 1];
  }
  return nothing;
}

Reply ParseReply(std::string_view frame) { return Take(&frame); }

std::map<std::string, std::string> ParseInfo(std::string_view text) {
  std::map<std::string, std::string> values;
  while (!text.empty()) {
    const size_t end = std::min(text.find("\r\n"), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(text.size(), end + 2));
    const size_t colon = line.find(':');
    if (colon != std::string_view::npos && line[0] != '#') {
      values.emplace(line.substr(0, colon), line.substr(colon + 1));
    }
  }
  return values;
}

std::string Printable(std::string_view bytes, size_t length_max) {
  std::string out;
  for (const char c : bytes.substr(0, length_max)) {
    char hex[8];
    if (c == '\r') {
      out += "\\r";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c >= 32 && c < 127) {
      out += c;
    } else {
      snprintf(hex, sizeof hex, "\\x%02x", static_cast<unsigned char>(c));
      out += hex;
    }
  }
  if (bytes.size() > length_max) out += "... (" + std::to_string(bytes.size()) + " bytes)";
  return out;
}

}  // namespace weir::harness
