// The first words of error replies, numbered as they appear, up to a bound.
//
// A script may answer any error that its author thought of, so what comes back is not ours to turn
// into labels without a bound: kErrorCodesMax words are known by name, all others count as "other".
#ifndef WEIR_PLUGINS_ERROR_CODES_H_
#define WEIR_PLUGINS_ERROR_CODES_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <string>
#include <string_view>

namespace weir {

inline constexpr size_t kErrorCodesMax = 64;

// One thread numbers, any thread reads names of numbers below size().
class ErrorCodes {
 public:
  static constexpr size_t kOther = kErrorCodesMax;
  static constexpr size_t kNumbers = kErrorCodesMax + 1;
  static constexpr size_t kWordBytesMax = 32;

  // The word's number, from now on if it is new; kOther if there is no room for it, or it does not
  // look like an error code (letters, digits, _ and -, at most kWordBytesMax).
  size_t Number(std::string_view word);

  size_t size() const { return size_.load(std::memory_order_acquire); }
  // REQUIRES: number < size(), or kOther.
  std::string_view Name(size_t number) const {
    return number == kOther ? std::string_view("other") : std::string_view(words_[number]);
  }

 private:
  std::array<std::string, kErrorCodesMax> words_;  // below size_ never changed
  std::atomic<size_t> size_{0};
};

}  // namespace weir

#endif  // WEIR_PLUGINS_ERROR_CODES_H_
