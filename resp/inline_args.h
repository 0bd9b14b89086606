// Splits an inline request ("SET key 'a value'") into arguments as redis-server does.

#ifndef WEIR_RESP_INLINE_ARGS_H_
#define WEIR_RESP_INLINE_ARGS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

// The arguments, one after the other; the i-th ends before bytes[ends[i]].
struct InlineArgs {
  std::string bytes;
  std::vector<uint32_t> ends;
};

// `line` has no end of line and no NUL. Arguments are separated by white space. Within "double
// quotes" \n \r \t \b \a and \xHH mean what they mean in C and any other escaped byte itself;
// within 'single quotes' only \' is special. A closing quote must be followed by white space or the
// end of the line. False if a quote is not closed, or closed too early.
[[nodiscard]] bool SplitInlineArgs(std::string_view line, InlineArgs* out);

}  // namespace weir

#endif  // WEIR_RESP_INLINE_ARGS_H_
