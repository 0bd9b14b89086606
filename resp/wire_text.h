// The small words of RESP that parser and tail share: numbers, and the complaint about a missing
// '$'.

#ifndef WEIR_RESP_WIRE_TEXT_H_
#define WEIR_RESP_WIRE_TEXT_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace weir {

// Reads a decimal 64-bit number. False for an empty text, a '+', leading zeros, "-0", spaces, any
// other byte, and overflow; *number is then unchanged.
[[nodiscard]] bool ParseWireNumber(std::string_view text, int64_t* number);

// What Redis says of a line that should announce an argument: "expected '$', got 'X'". `line` is
// without its end; an empty one got the CR, which an error reply shows as a space.
std::string ExpectedDollar(std::string_view line);

}  // namespace weir

#endif  // WEIR_RESP_WIRE_TEXT_H_
