// Where in a request its token stands, and the request without it.
#ifndef WEIR_PLUGINS_IDEM_TOKEN_H_
#define WEIR_PLUGINS_IDEM_TOKEN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "routing/arg_list.h"

namespace weir {

struct IdemTokenSource {
  enum class Kind : uint8_t {
    kArgument,  // the n-th behind the command's name; of a negative n from the end
    kKey,
    kKeyPart,  // the n-th part of the key between ':', from 1
    kField,    // of HSET, HMSET, HSETNX and XADD: the value of the field `name`
  };
  Kind kind = Kind::kArgument;
  int64_t n = 1;
  std::string name = {};

  bool of_key() const { return kind == Kind::kKey || kind == Kind::kKeyPart; }
};

// "arg(2)", "arg(-1)", "key", "key_part(2)", "field(id)"; nothing if it is none of them.
std::optional<IdemTokenSource> ParseIdemTokenSource(std::string_view text);

// The token; empty: there is none. `key`: which argument is the key, of sources of_key(). A view
// into `args`.
std::string_view FindIdemToken(const IdemTokenSource& source, const ArgList& args, uint32_t key);

// The arguments without the token. REQUIRES: it was found in them, and it is not the whole key.
std::vector<std::string> StripIdemToken(const IdemTokenSource& source, const ArgList& args,
                                        uint32_t key);

}  // namespace weir

#endif  // WEIR_PLUGINS_IDEM_TOKEN_H_
