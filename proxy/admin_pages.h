// The pages of admin HTTP: what is said to whom asks for a path. Only text, no I/O.
#ifndef WEIR_PROXY_ADMIN_PAGES_H_
#define WEIR_PROXY_ADMIN_PAGES_H_

#include <string>
#include <string_view>

namespace weir {

class AdminSource;

// All views are of literals.
struct AdminReply {
  unsigned status = 200;
  std::string body;
  std::string_view content_type = "text/plain; charset=utf-8";
  std::string_view allow = {};  // of a 405: the methods that are allowed
};

// `path` as it was sent, without what follows a '?'. The answer to HEAD is that to GET, whose body
// is then not sent.
AdminReply AnswerAdmin(AdminSource& source, std::string_view method, std::string_view path);

}  // namespace weir

#endif  // WEIR_PROXY_ADMIN_PAGES_H_
