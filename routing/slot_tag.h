// For each slot a fixed hash tag, so that keys of weir's own can lie in the slot of a client's key.
//
// A client's key cannot itself be the tag: it may hold braces, or be long. So the tag of slot n is
// the first of "0", "1", …, "9", "a", … in base 36 whose slot is n. All weirs have the same.
#ifndef WEIR_ROUTING_SLOT_TAG_H_
#define WEIR_ROUTING_SLOT_TAG_H_

#include <cstdint>
#include <string_view>

#include "routing/slot.h"

namespace weir {

// A few letters and digits; valid for ever. REQUIRES: slot < kSlotCount.
std::string_view TagOfSlot(uint16_t slot);

// The tag of the key's slot: KeySlot("…{" + tag + "}…") == KeySlot(key).
inline std::string_view SlotTag(std::string_view key) { return TagOfSlot(KeySlot(key)); }

}  // namespace weir

#endif  // WEIR_ROUTING_SLOT_TAG_H_
