// The hash slot of a key, as Redis Cluster's specification defines it: CRC16 (XMODEM) of the key,
// or of its hash tag, modulo 16384. https://redis.io/docs/reference/cluster-spec
#ifndef WEIR_ROUTING_SLOT_H_
#define WEIR_ROUTING_SLOT_H_

#include <cstdint>
#include <string_view>

namespace weir {

inline constexpr uint16_t kSlotCount = 16384;

// CRC-16/XMODEM: polynomial 0x1021, initial value 0, nothing reflected.
uint16_t Crc16(std::string_view bytes);

// What is hashed: the bytes between the first { and the next } if there are any, else the whole
// key. The result is a part of `key`.
std::string_view HashTag(std::string_view key);

inline uint16_t KeySlot(std::string_view key) { return Crc16(HashTag(key)) % kSlotCount; }

}  // namespace weir

#endif  // WEIR_ROUTING_SLOT_H_
