// Which scripts are remembered, and for how long.
#include "proxy/client/script_cache.h"

#include <gtest/gtest.h>

#include <string>

#include "plugins/script_sha1.h"

namespace weir {
namespace {

TEST(ScriptCache, FindsByHashInAnyCase) {
  ScriptCache cache(1000);
  cache.Remember("return 1");
  ASSERT_NE(cache.Find("e0e1f9fabfc9d4800c877a703b823ac0578ff8db"), nullptr);
  EXPECT_EQ(*cache.Find("E0E1F9FABFC9D4800C877A703B823AC0578FF8DB"), "return 1");
  EXPECT_EQ(cache.Find("short"), nullptr);
  EXPECT_EQ(cache.Find(ScriptSha1("return 2")), nullptr);
}

TEST(ScriptCache, ForgetsWhatWasUsedLeastRecently) {
  ScriptCache cache(30);
  const std::string a(10, 'a'), b(10, 'b'), c(10, 'c'), d(10, 'd');
  for (const std::string& text : {a, b, c}) cache.Remember(text);
  EXPECT_NE(cache.Find(ScriptSha1(a)), nullptr);
  cache.Remember(d);
  EXPECT_EQ(cache.Find(ScriptSha1(b)), nullptr);
  EXPECT_NE(cache.Find(ScriptSha1(a)), nullptr);
  cache.Remember(c);
  EXPECT_EQ(cache.bytes(), 30U);
  cache.Remember(std::string(31, 'e'));
  EXPECT_EQ(cache.bytes(), 30U);
}

TEST(ScriptCache, ClearForgetsAllAndIsNoticed) {
  ScriptCache cache(1000);
  cache.Remember("return 1");
  const uint64_t before = cache.generation();
  cache.Clear();
  EXPECT_NE(cache.generation(), before);
  EXPECT_EQ(cache.bytes(), 0U);
  EXPECT_EQ(cache.Find(ScriptSha1("return 1")), nullptr);
}

TEST(ScriptCache, OffRemembersNothing) {
  ScriptCache cache(0);
  cache.Remember("return 1");
  EXPECT_EQ(cache.Find(ScriptSha1("return 1")), nullptr);
}

}  // namespace
}  // namespace weir
