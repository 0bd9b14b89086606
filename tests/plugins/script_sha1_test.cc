// A script's name is the one that Redis gives it.
#include "plugins/script_sha1.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(ScriptSha1, NamesScriptsAsRedisDoes) {
  EXPECT_EQ(ScriptSha1("return 1"), "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
}

}  // namespace
}  // namespace weir
