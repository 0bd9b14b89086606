#include "routing/slot.h"

#include <array>
#include <cstddef>
#include <cstring>

namespace weir {
namespace {

// kCrcTables[n][b] is the CRC of the byte b with n zero bytes behind it. A CRC is linear, so that
// of eight bytes is the sum (xor) of what each adds by its distance from the end: eight independent
// look-ups instead of eight that wait for each other ("slicing by 8", Kounavis and Berry 2005).
using CrcTables = std::array<std::array<uint16_t, 256>, 8>;

constexpr uint16_t ShiftByte(const std::array<uint16_t, 256>& table, uint16_t crc, uint8_t byte) {
  return static_cast<uint16_t>((crc << 8) ^ table[(crc >> 8) ^ byte]);
}

constexpr CrcTables MakeCrcTables() {
  CrcTables tables{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    unsigned crc = byte << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1;
    tables[0][byte] = static_cast<uint16_t>(crc);
  }
  for (size_t n = 1; n < tables.size(); ++n) {
    for (size_t byte = 0; byte < 256; ++byte) {
      tables[n][byte] = ShiftByte(tables[0], tables[n - 1][byte], 0);
    }
  }
  return tables;
}

constexpr CrcTables kCrcTables = MakeCrcTables();

// Whether one of the eight bytes at `p` is '{'. Those that are become zero, and only a zero byte,
// or one above it, borrows so that its highest bit is set anew.
bool OpensTag(const char* p) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  uint64_t word;
  std::memcpy(&word, p, sizeof(word));
  word ^= kOnes * '{';
  return ((word - kOnes) & ~word & (kOnes * 0x80)) != 0;
}

[[gnu::noinline]] std::string_view FindTag(std::string_view key) {
  const size_t open = key.find('{');
  const size_t close = key.find('}', open + 1);
  if (close == std::string_view::npos || close == open + 1) return key;
  return key.substr(open + 1, close - open - 1);
}

}  // namespace

uint16_t Crc16(std::string_view bytes) {
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  size_t left = bytes.size();
  uint16_t crc = 0;
  for (; left >= 8; left -= 8, data += 8) {
    crc = static_cast<uint16_t>(
        kCrcTables[7][data[0] ^ (crc >> 8)] ^ kCrcTables[6][data[1] ^ (crc & 0xff)] ^
        kCrcTables[5][data[2]] ^ kCrcTables[4][data[3]] ^ kCrcTables[3][data[4]] ^
        kCrcTables[2][data[5]] ^ kCrcTables[1][data[6]] ^ kCrcTables[0][data[7]]);
  }
  for (; left > 0; --left, ++data) crc = ShiftByte(kCrcTables[0], crc, *data);
  return crc;
}

std::string_view HashTag(std::string_view key) {
  // Nearly no key has a tag, and most are short: memchr's call would cost more than the search.
  const char* p = key.data();
  const char* const end = p + key.size();
  for (; end - p >= 8; p += 8) {
    if (OpensTag(p)) [[unlikely]]
      return FindTag(key);
  }
  for (; p != end; ++p) {
    if (*p == '{') [[unlikely]]
      return FindTag(key);
  }
  return key;
}

}  // namespace weir
