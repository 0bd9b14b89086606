#include "proxy/http_message.h"

#include <algorithm>

#include "plugins/text.h"

namespace weir {
namespace {

std::string_view ReasonPhrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 431:
      return "Request Header Fields Too Large";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Service Unavailable";
  }
}

bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool IsVisible(char c) { return c > ' ' && c <= '~'; }

// Whether the bytes may be, or become, a request line.
bool BeginsLikeARequest(std::string_view bytes) {
  const size_t method_end = std::min(bytes.find(' '), bytes.size());
  const std::string_view method = bytes.substr(0, method_end);
  if (!std::all_of(method.begin(), method.end(), IsUpper)) return false;
  return method_end == bytes.size() ||
         (method_end > 0 && (method_end + 1 == bytes.size() || bytes[method_end + 1] == '/'));
}

bool HeadHasEnded(std::string_view bytes) {
  return bytes.find("\n\r\n") != std::string_view::npos ||
         bytes.find("\n\n") != std::string_view::npos;
}

}  // namespace

HttpParseStatus ParseHttpRequest(std::string_view bytes, HttpRequest* request) {
  if (!BeginsLikeARequest(bytes)) return HttpParseStatus::kMalformed;
  if (!HeadHasEnded(bytes)) return HttpParseStatus::kNeedMore;
  std::string_view line = bytes.substr(0, bytes.find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  const std::vector<std::string_view> parts = Split(line, ' ');
  if (parts.size() != 3) return HttpParseStatus::kMalformed;
  const std::string_view target = parts[1];
  if (!std::all_of(target.begin(), target.end(), IsVisible) || !parts[2].starts_with("HTTP/")) {
    return HttpParseStatus::kMalformed;
  }
  if (parts[2] != "HTTP/1.1" && parts[2] != "HTTP/1.0") return HttpParseStatus::kWrongVersion;
  request->method = parts[0];
  request->path = target.substr(0, target.find('?'));
  return HttpParseStatus::kRequest;
}

std::string FormatHttpReply(const HttpReply& reply, bool with_body) {
  std::string bytes =
      Concat("HTTP/1.1 ", reply.status, " ", ReasonPhrase(reply.status),
             "\r\nContent-Type: ", reply.content_type, "\r\nContent-Length: ", reply.body.size(),
             "\r\nCache-Control: no-store\r\nConnection: close\r\n");
  if (!reply.allow.empty()) bytes += Concat("Allow: ", reply.allow, "\r\n");
  bytes += "\r\n";
  if (with_body) bytes += reply.body;
  return bytes;
}

}  // namespace weir
