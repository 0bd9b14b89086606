// Slots, against the specification's examples and a real server's CLUSTER KEYSLOT.
#include "routing/slot.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/support.h"

namespace weir {
namespace {

TEST(SlotTest, IsTheSpecificationsCrc) {
  EXPECT_EQ(Crc16("123456789"), 0x31c3);
  EXPECT_EQ(Crc16(""), 0);
}

TEST(SlotTest, HashesTheTagIfThereIsOne) {
  EXPECT_EQ(HashTag("{user1000}.following"), "user1000");
  EXPECT_EQ(HashTag("foo{}{bar}"), "foo{}{bar}");  // an empty tag is none
  EXPECT_EQ(HashTag("foo{{bar}}zap"), "{bar");
  EXPECT_EQ(HashTag("foo{bar}{zap}"), "bar");
  EXPECT_EQ(HashTag("foo{bar"), "foo{bar");
  EXPECT_EQ(HashTag("}foo{bar}"), "bar");
  EXPECT_EQ(HashTag(""), "");
}

// A tag is looked for eight bytes at a time, so it may open in any of them.
TEST(SlotTest, IsThatOfTheTagWhereverItStands) {
  harness::Random random(harness::Seed());
  for (int i = 0; i < 100'000; ++i) {
    std::string key(harness::Below(random, 40), '\0');
    for (char& c : key) c = static_cast<char>(harness::Below(random, 256));
    if (!key.empty() && i % 2 == 0) key[harness::Below(random, key.size())] = '{';
    if (!key.empty() && i % 4 == 0) key[harness::Below(random, key.size())] = '}';
    ASSERT_EQ(KeySlot(key), Crc16(HashTag(key)) % kSlotCount) << harness::Printable(key);
  }
}

TEST(SlotTest, AgreesWithRedis) {
  const harness::RedisServer redis({"--cluster-enabled", "yes"});
  harness::RawClient client(redis.port());
  harness::Random random(harness::Seed());
  for (int i = 0; i < 2000; ++i) {
    std::string key(harness::Below(random, i % 2 == 0 ? 12 : 60), '\0');
    for (char& c : key) c = "{}ab\xff\r\n"[harness::Below(random, 7)];
    EXPECT_EQ(client.Command({"CLUSTER", "KEYSLOT", key}),
              ":" + std::to_string(KeySlot(key)) + "\r\n")
        << harness::Printable(key);
  }
}

}  // namespace
}  // namespace weir
