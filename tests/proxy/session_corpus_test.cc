// Replays every committed input of the session fuzzer, so that what it once found stays found.
#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/proxy/session_fuzz.h"

namespace weir::testing {
namespace {

// What does not hold aborts and says what.
TEST(SessionCorpusTest, EachInputIsAnsweredAsForetold) {
  size_t replayed = 0;
  const std::string folder = std::string(WEIR_SOURCE_DIR) + "/tests/fuzz/corpus/session";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    SCOPED_TRACE(entry.path().string());
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string input{std::istreambuf_iterator<char>(file), {}};
    FuzzSession(input);
    ++replayed;
  }
  EXPECT_GT(replayed, 0u) << folder;
}

}  // namespace
}  // namespace weir::testing
