// Which arguments of a command nobody but the server may read.
#ifndef WEIR_PROXY_CLIENT_SECRET_ARGS_H_
#define WEIR_PROXY_CLIENT_SECRET_ARGS_H_

#include <cstdint>
#include <string_view>

#include "routing/arg_list.h"

namespace weir {

struct CommandEntry;
struct CommandSpec;

inline constexpr std::string_view kRedacted = "(redacted)";  // Redis' word, shared.redacted

// Tells of each argument, asked in their order from the first, whether it is secret. Of a command
// that weir's table lacks all arguments are: it may be AUTH by another name, or a slip of the pen.
class SecretArgs {
 public:
  // `entry` null: unknown. Both must outlive it.
  SecretArgs(const CommandEntry* entry, const ArgList& args);
  bool IsSecret(uint32_t i);

 private:
  const CommandSpec* const spec_;
  const ArgList& args_;
  uint32_t secrets_ = 0;  // from the next argument on
};

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_SECRET_ARGS_H_
