#include "routing/name_index.h"

#include <utility>

#include "routing/text.h"

namespace weir {

bool NameIndex::EqualsStored(const Slot& slot, std::string_view name) const {
  const std::string& stored = texts_[slot.text];
  for (size_t i = 0; i < name.size(); ++i) {
    if (ToLower(name[i]) != stored[i]) return false;
  }
  return true;
}

void NameIndex::Insert(std::string_view name, uint32_t value, uint32_t scope) {
  const Folded folded = Fold(name);
  uint64_t i = Hash(folded, name.size(), scope) >> shift_;
  for (; slots_[i].value != kAbsent; i = (i + 1) & mask_) {
    Slot& slot = slots_[i];
    if (slot.first == folded.first && slot.last == folded.last && slot.length == name.size() &&
        slot.scope == scope && (name.size() <= 16 || EqualsStored(slot, name))) {
      slot.value = value;
      return;
    }
  }
  Slot slot{folded.first, folded.last, static_cast<uint32_t>(name.size()), value, scope, 0};
  if (name.size() > 16) {
    slot.text = static_cast<uint32_t>(texts_.size());
    std::string& text = texts_.emplace_back(name);
    for (char& c : text) c = ToLower(c);
  }
  slots_[i] = slot;
  // At most a quarter full: nearly every look-up ends at its first slot, and an unknown name soon.
  if (++used_ * 4 > slots_.size()) Grow();
}

void NameIndex::Grow() {
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots_.size() * 2));
  mask_ = slots_.size() - 1;
  --shift_;
  for (const Slot& slot : old) {
    if (slot.value == kAbsent) continue;
    uint64_t i = Hash({slot.first, slot.last}, slot.length, slot.scope) >> shift_;
    while (slots_[i].value != kAbsent) i = (i + 1) & mask_;
    slots_[i] = slot;
  }
}

}  // namespace weir
