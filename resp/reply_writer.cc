// Replies and requests in RESP.

#include "resp/reply_writer.h"

#include <charconv>
#include <cstdio>

namespace weir {
namespace {

void AppendHeader(std::string* out, char type, int64_t value) {
  char text[24];
  text[0] = type;
  char* const end = std::to_chars(text + 1, text + sizeof(text) - 2, value).ptr;
  end[0] = '\r';
  end[1] = '\n';
  out->append(text, static_cast<size_t>(end + 2 - text));
}

void AppendBulk(std::string* out, char type, std::string_view bytes) {
  AppendHeader(out, type, static_cast<int64_t>(bytes.size()));
  out->append(bytes).append("\r\n");
}

}  // namespace

void ReplyWriter::Header(char type, uint64_t value) {
  AppendHeader(out_, type, static_cast<int64_t>(value));
}

void ReplyWriter::Text(std::string_view text) {
  const size_t start = out_->size();
  out_->append(text);
  for (size_t i = start; i < out_->size(); ++i) {
    char& c = (*out_)[i];
    if (c == '\r' || c == '\n') c = ' ';
  }
  out_->append("\r\n");
}

void ReplyWriter::SimpleString(std::string_view text) {
  out_->push_back('+');
  Text(text);
}

void ReplyWriter::Error(std::string_view text) {
  const size_t first = text.find_first_not_of("\r\n");
  text = first == text.npos ? "" : text.substr(first, text.find_last_not_of("\r\n") + 1 - first);
  if (text.empty() || text[0] != '-') out_->append("-ERR ");
  Text(text);
}

void ReplyWriter::Integer(int64_t value) { AppendHeader(out_, ':', value); }

void ReplyWriter::Bulk(std::string_view bytes) { AppendBulk(out_, '$', bytes); }

void ReplyWriter::Null() { out_->append(resp3_ ? "_\r\n" : "$-1\r\n"); }

void ReplyWriter::NullArray() { out_->append(resp3_ ? "_\r\n" : "*-1\r\n"); }

void ReplyWriter::Double(double value) {
  char text[40];
  // printf's %.17g is what Redis uses; it spells infinity and NaN as Redis does, too.
  const int bytes = std::snprintf(text, sizeof(text), "%.17g", value);
  const std::string_view printed(text, static_cast<size_t>(bytes));
  if (!resp3_) return Bulk(printed);
  out_->append(",").append(printed).append("\r\n");
}

void ReplyWriter::Boolean(bool value) {
  if (!resp3_) return Integer(value ? 1 : 0);
  out_->append(value ? "#t\r\n" : "#f\r\n");
}

void ReplyWriter::Verbatim(std::string_view format, std::string_view text) {
  if (!resp3_) return Bulk(text);
  Header('=', format.size() + 1 + text.size());
  out_->append(format).append(":").append(text).append("\r\n");
}

void ReplyWriter::ArrayHeader(uint64_t length) { Header('*', length); }

void ReplyWriter::MapHeader(uint64_t pairs) {
  resp3_ ? Header('%', pairs) : Header('*', 2 * pairs);
}

void ReplyWriter::SetHeader(uint64_t length) { Header(resp3_ ? '~' : '*', length); }

void ReplyWriter::PushHeader(uint64_t length) { Header(resp3_ ? '>' : '*', length); }

void AppendRequestHeader(std::string* out, uint64_t argc) {
  AppendHeader(out, '*', static_cast<int64_t>(argc));
}

void AppendRequestArg(std::string* out, std::string_view arg) { AppendBulk(out, '$', arg); }

void AppendRequest(std::string* out, std::span<const std::string_view> args) {
  AppendRequestHeader(out, args.size());
  for (const std::string_view arg : args) AppendRequestArg(out, arg);
}

void AppendRequest(std::string* out, std::initializer_list<std::string_view> args) {
  AppendRequest(out, std::span<const std::string_view>(args.begin(), args.size()));
}

}  // namespace weir
