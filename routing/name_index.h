// NameIndex: the hot look-up from a command's name, in any case, to a small number.
//
// An open-addressing table. A name is folded to lower case eight bytes at a time into two words:
// its first eight bytes and its last eight (which overlap for 9 to 15 bytes). Length and both words
// say all there is to say of a name of up to 16 bytes; only longer ones are compared with the
// stored text. A name of up to 8 bytes is one word. Look-ups neither allocate nor read past the
// name.
#ifndef WEIR_ROUTING_NAME_INDEX_H_
#define WEIR_ROUTING_NAME_INDEX_H_

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

class NameIndex {
 public:
  static constexpr uint32_t kAbsent = UINT32_MAX;

  // Gives a name, in any case, its value; a name that is there already gets the new one. Names of
  // different scopes (0: commands; others: the subcommands of one container) are different names.
  void Insert(std::string_view name, uint32_t value, uint32_t scope = 0);

  // The value of the name, or kAbsent.
  uint32_t Find(std::string_view name, uint32_t scope = 0) const {
    const Folded folded = Fold(name);
    uint64_t i = Hash(folded, name.size(), scope) >> shift_;
    for (;; i = (i + 1) & mask_) {
      const Slot& slot = slots_[i];
      if (slot.first == folded.first && slot.last == folded.last && slot.length == name.size() &&
          slot.scope == scope && (name.size() <= 16 || EqualsStored(slot, name))) {
        return slot.value;
      }
      if (slot.value == kAbsent) return kAbsent;
    }
  }

 private:
  struct Folded {
    uint64_t first;
    uint64_t last;
  };
  struct Slot {
    uint64_t first = 0;
    uint64_t last = 0;
    uint32_t length = UINT32_MAX;  // longer than any name: matches none
    uint32_t value = kAbsent;
    uint32_t scope = 0;
    uint32_t text = 0;  // index into texts_, of names over 16 bytes
  };

  // 'A'..'Z' to lower case in each byte of the word; every other byte stays (also those over 127).
  static uint64_t Lower(uint64_t word) {
    constexpr uint64_t kOnes = 0x0101010101010101;
    const uint64_t low_bits = word & (kOnes * 0x7f);
    const uint64_t from_a = low_bits + kOnes * (0x80 - 'A');      // bit 7: >= 'A'
    const uint64_t past_z = low_bits + kOnes * (0x80 - 'Z' - 1);  // bit 7: > 'Z'
    const uint64_t upper = (from_a ^ past_z) & ~word & (kOnes * 0x80);
    return word | (upper >> 2);
  }

  template <typename Word>
  static uint64_t Load(const char* data) {
    Word word;
    std::memcpy(&word, data, sizeof(word));
    return word;
  }

  static Folded Fold(std::string_view name) {
    const char* data = name.data();
    const size_t size = name.size();
    if (size > 8) return {Lower(Load<uint64_t>(data)), Lower(Load<uint64_t>(data + size - 8))};
    if (size >= 4) {
      return {Lower(Load<uint32_t>(data) | Load<uint32_t>(data + size - 4) << 32), 0};
    }
    if (size >= 2) {
      return {Lower(Load<uint16_t>(data) | Load<uint16_t>(data + size - 2) << 16), 0};
    }
    return {size == 0 ? 0 : Lower(static_cast<unsigned char>(data[0])), 0};
  }

  static uint64_t Hash(const Folded& folded, size_t length, uint64_t scope) {
    constexpr uint64_t kGolden = 0x9e3779b97f4a7c15;
    return (folded.first ^ (folded.last * 3) ^ (length << 56) ^ (scope << 40)) * kGolden;
  }

  bool EqualsStored(const Slot& slot, std::string_view name) const;
  void Grow();

  std::vector<Slot> slots_ = std::vector<Slot>(8);
  std::vector<std::string> texts_;  // of names over 16 bytes, lower case
  uint64_t mask_ = 7;
  unsigned shift_ = 61;
  size_t used_ = 0;
};

}  // namespace weir

#endif  // WEIR_ROUTING_NAME_INDEX_H_
