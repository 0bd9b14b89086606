// NameIndex: any case, any length, nothing found that was not put in.
#include "routing/name_index.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>

#include "tests/support/seed.h"

namespace weir {
namespace {

std::string RandomName(harness::Random& random, size_t size_max) {
  // Few letters, so that names share beginnings and ends; both neighbours of each letter range,
  // whose bit 5 a careless lower-casing would change; a NUL and bytes over 127.
  constexpr std::string_view kAlphabet("abyzABYZ@[`{|-_.09\0\xc1\xe1", 21);
  std::string name(1 + harness::Below(random, size_max), '\0');
  for (char& c : name) c = kAlphabet[harness::Below(random, kAlphabet.size())];
  return name;
}

std::string Lower(std::string name) {
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return name;
}

TEST(NameIndexTest, FindsWhatAMapFinds) {
  harness::Random random(harness::Seed());
  NameIndex index;
  std::map<std::pair<std::string, uint32_t>, uint32_t> oracle;
  for (uint32_t i = 0; i < 3000; ++i) {
    const std::string name = RandomName(random, i % 3 == 0 ? 40 : 4);
    const uint32_t scope = static_cast<uint32_t>(harness::Below(random, 3));
    index.Insert(name, i, scope);
    oracle[{Lower(name), scope}] = i;
  }
  for (int i = 0; i < 30000; ++i) {
    const std::string name = RandomName(random, i % 3 == 0 ? 40 : 4);
    const uint32_t scope = static_cast<uint32_t>(harness::Below(random, 3));
    const auto found = oracle.find({Lower(name), scope});
    EXPECT_EQ(index.Find(name, scope), found == oracle.end() ? NameIndex::kAbsent : found->second)
        << name << " in " << scope;
  }
  for (const auto& [key, value] : oracle) EXPECT_EQ(index.Find(key.first, key.second), value);
}

TEST(NameIndexTest, FindsNothingWhenEmpty) {
  const NameIndex index;
  EXPECT_EQ(index.Find(""), NameIndex::kAbsent);
  EXPECT_EQ(index.Find("get"), NameIndex::kAbsent);
}

// Names that differ only in what a look-up by first and last eight bytes might overlook.
TEST(NameIndexTest, TellsLookalikesApart) {
  NameIndex index;
  index.Insert("abcdefgh12345678", 1);
  index.Insert("abcdefghX12345678", 2);
  index.Insert("get", 3);
  EXPECT_EQ(index.Find("ABCDEFGH12345678"), 1U);
  EXPECT_EQ(index.Find("abcdefghx12345678"), 2U);
  EXPECT_EQ(index.Find("abcdefghy12345678"), NameIndex::kAbsent);
  EXPECT_EQ(index.Find(std::string_view("get\0", 4)), NameIndex::kAbsent);
  EXPECT_EQ(index.Find(std::string_view("get\0\0\0\0\0", 8)), NameIndex::kAbsent);
  EXPECT_EQ(index.Find("getget"), NameIndex::kAbsent);
  EXPECT_EQ(index.Find("ge"), NameIndex::kAbsent);
}

}  // namespace
}  // namespace weir
