// HTTP/1.1 as far as admin needs it: a request's head read, a reply written. Only text, no I/O.
//
// What a request says beyond method and path is not looked at, nor is its body: every reply closes
// the connection, so nothing that follows is ever taken for another request.
#ifndef WEIR_PROXY_HTTP_MESSAGE_H_
#define WEIR_PROXY_HTTP_MESSAGE_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace weir {

struct HttpRequest {
  std::string_view method;  // "GET"
  std::string_view path;    // "/metrics", as it was sent, without what follows a '?'
};

enum class HttpParseStatus : uint8_t {
  kNeedMore,     // the head has not ended
  kRequest,      // `request` views into the bytes
  kMalformed,    // not HTTP
  kWrongVersion  // neither HTTP/1.0 nor HTTP/1.1
};

// Looks for a whole head (RFC 9112) at the start of `bytes`; lines may end in LF alone. What cannot
// become a request is malformed at once, not only when the head ends.
[[nodiscard]] HttpParseStatus ParseHttpRequest(std::string_view bytes, HttpRequest* request);

struct HttpReply {
  int status = 200;
  std::string body;
  std::string_view content_type = "text/plain; charset=utf-8";
  std::string_view allow = {};  // of a 405: the methods that are allowed
};

// The bytes of the reply; to HEAD, those of its head.
std::string FormatHttpReply(const HttpReply& reply, bool with_body);

}  // namespace weir

#endif  // WEIR_PROXY_HTTP_MESSAGE_H_
