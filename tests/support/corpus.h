// The committed inputs of a fuzzer, for tests that replay them: what fuzzing once found stays found
// without it.
#ifndef WEIR_TESTS_SUPPORT_CORPUS_H_
#define WEIR_TESTS_SUPPORT_CORPUS_H_

#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace weir::testing {

// Gives `target`, which aborts if a property does not hold, each input of the fuzzer called `name`.
// Fails if there is none.
inline void ReplayCorpus(const std::string& name, void (*target)(std::string_view)) {
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

}  // namespace weir::testing

#endif  // WEIR_TESTS_SUPPORT_CORPUS_H_
