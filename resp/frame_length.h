// Where a frame ends that is known to be one.
#ifndef WEIR_RESP_FRAME_LENGTH_H_
#define WEIR_RESP_FRAME_LENGTH_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "resp/short_number.h"

namespace weir {

// HOT. The length of the frame that begins at `p`, if it is a bulk of less than a thousand bytes, a
// null bulk or +OK, as most replies are, and lies before `end` whole; else 0, which says nothing.
// REQUIRES: a scanner has found no fault with these bytes.
inline size_t ShortFrameBytes(const char* p, const char* end) {
  constexpr size_t kOkBytes = 5;
  const auto left = static_cast<size_t>(end - p);
  if (left < kOkBytes) return 0;
  if (*p == '$' && left > kShortNumberBytes) {
    uint32_t length = 0;
    if (const char* const payload = ReadShortNumber(p + 1, &length); payload != nullptr) {
      const auto bytes = static_cast<size_t>(payload - p) + length + 2;
      return bytes <= left ? bytes : 0;
    }
  }
  return std::memcmp(p, "+OK\r\n", kOkBytes) == 0 || std::memcmp(p, "$-1\r\n", kOkBytes) == 0
             ? kOkBytes
             : 0;
}

}  // namespace weir

#endif  // WEIR_RESP_FRAME_LENGTH_H_
