// Replays every committed fuzzing input, so that what fuzzing once found stays found without it.
#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "tests/routing/fuzz_targets.h"

namespace weir::testing {
namespace {

// Fails if there is nothing to replay.
void Replay(const std::string& name, void (*target)(std::string_view)) {
  size_t replayed = 0;
  const std::string folder = std::string(WEIR_SOURCE_DIR) + "/tests/fuzz/corpus/" + name;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    SCOPED_TRACE(entry.path().string());
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string input{std::istreambuf_iterator<char>(file), {}};
    target(input);
    ++replayed;
  }
  EXPECT_GT(replayed, 0U) << folder;
}

TEST(CorpusTest, CommandTable) { Replay("command_table", FuzzCommandTable); }
TEST(CorpusTest, UpstreamUrl) { Replay("upstream_url", FuzzUpstreamUrl); }

}  // namespace
}  // namespace weir::testing
