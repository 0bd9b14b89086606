// Keys beside a client's key: whatever it is, the tag leads to the same slot.
#include "routing/slot_tag.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tests/support/seed.h"

namespace weir {
namespace {

TEST(SlotTag, EachSlotHasOneOfItsOwn) {
  std::set<std::string_view> tags;
  for (int slot = 0; slot < kSlotCount; ++slot) {
    const std::string_view tag = TagOfSlot(static_cast<uint16_t>(slot));
    ASSERT_EQ(KeySlot(tag), slot);
    ASSERT_LE(tag.size(), 4u);
    tags.insert(tag);
  }
  EXPECT_EQ(tags.size(), kSlotCount);
}

// They are part of keys' names, which other weirs and later releases must find again.
TEST(SlotTag, IsFixed) {
  EXPECT_EQ(TagOfSlot(KeySlot("0")), "0");
  EXPECT_EQ(TagOfSlot(0), "1bz");
  EXPECT_EQ(TagOfSlot(16383), "hia");
}

TEST(SlotTag, LeadsToTheKeysSlotWhateverItsBraces) {
  harness::Random random(harness::Seed());
  const std::string letters = "{}ab{c}";
  for (int i = 0; i < 20'000; ++i) {
    std::string key;
    for (uint64_t n = harness::Below(random, 12); n > 0; --n) {
      key += letters[harness::Below(random, letters.size())];
    }
    const std::string own = "weir:limit:{" + std::string(SlotTag(key)) + "}:gcra:key:" + key;
    ASSERT_EQ(KeySlot(own), KeySlot(key)) << key;
  }
}

}  // namespace
}  // namespace weir
