// The lengths that nearly all frames have, one to three digits, read without a loop.
//
// Half of what scanning and parsing cost is reading lengths, and the place of the next frame
// depends on each. So the digits are loaded side by side and what kind of number it is is left to
// the processor's branch prediction, which is right nearly always, instead of to arithmetic that it
// must wait for.

#ifndef WEIR_RESP_SHORT_NUMBER_H_
#define WEIR_RESP_SHORT_NUMBER_H_

#include <cstdint>
#include <cstring>

namespace weir {

// How many bytes ReadShortNumber() may look at.
inline constexpr int kShortNumberBytes = 5;
inline constexpr uint32_t kShortNumberMax = 999;

inline bool IsCrlf(const char* p) { return std::memcmp(p, "\r\n", 2) == 0; }

// The digit's value, or a number above 9.
inline uint32_t DigitAt(const char* p) { return static_cast<unsigned char>(*p) - uint32_t{'0'}; }

// Reads a number and its CRLF at `p`, where kShortNumberBytes can be read. Returns the byte after
// the CRLF; nullptr if this is no number of one to three digits as Redis writes it, which is not
// necessarily an error. *number is set in any case. (A call would cost as much again.)
[[gnu::always_inline]] inline const char* ReadShortNumber(const char* p, uint32_t* number) {
  const uint32_t first = DigitAt(p);
  *number = first;
  if (IsCrlf(p + 1)) [[likely]]
    return first <= 9 ? p + 3 : nullptr;
  // Longer ones do not start with 0.
  if (first - 1 > 8) return nullptr;
  const uint32_t second = DigitAt(p + 1);
  *number = first * 10 + second;
  if (second > 9) return nullptr;
  if (IsCrlf(p + 2)) return p + 4;
  const uint32_t third = DigitAt(p + 2);
  *number = *number * 10 + third;
  return third <= 9 && IsCrlf(p + 3) ? p + 5 : nullptr;
}

}  // namespace weir

#endif  // WEIR_RESP_SHORT_NUMBER_H_
