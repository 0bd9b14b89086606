// The four storeys: each includes only what lies below it, and only proxy/ knows an event loop.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace weir {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kStoreys = {"resp", "routing", "plugins", "proxy"};

struct Include {
  fs::path file;
  std::string name;  // between the quotes or angle brackets
  bool quoted;
};

std::vector<Include> IncludesOf(const fs::path& file) {
  std::vector<Include> includes;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("#include ", 0) != 0 || line.size() < 12) continue;
    const bool quoted = line[9] == '"';
    const size_t end = line.find(quoted ? '"' : '>', 10);
    includes.push_back({file, line.substr(10, end - 10), quoted});
  }
  return includes;
}

std::vector<Include> IncludesOfStorey(const std::string& storey) {
  std::vector<Include> all;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(WEIR_SOURCE_DIR) / storey)) {
    const fs::path extension = entry.path().extension();
    if (extension != ".h" && extension != ".cc") continue;
    for (Include& include : IncludesOf(entry.path())) all.push_back(std::move(include));
  }
  return all;
}

TEST(Layering, EachStoreyIncludesOnlyThoseBelow) {
  for (size_t i = 0; i < kStoreys.size(); ++i) {
    const std::vector<Include> includes = IncludesOfStorey(kStoreys[i]);
    EXPECT_FALSE(includes.empty()) << kStoreys[i];
    for (const Include& include : includes) {
      if (!include.quoted) continue;
      const std::string folder = include.name.substr(0, include.name.find('/'));
      const auto storey = std::find(kStoreys.begin(), kStoreys.end(), folder);
      if (storey == kStoreys.end()) {
        EXPECT_EQ(folder, "absl") << include.file << " includes " << include.name
                                  << ": ours are named from the root, others in angle brackets";
      } else {
        EXPECT_LE(storey - kStoreys.begin(), static_cast<std::ptrdiff_t>(i))
            << include.file << " includes " << include.name << ", which lies above it";
      }
    }
  }
}

TEST(Layering, OnlyProxyDoesInputAndOutput) {
  // The event loop, sockets, files, threads and clocks.
  const std::vector<std::string> kOutside = {"uv.h",         "sys/socket.h", "unistd.h", "fcntl.h",
                                             "netinet/in.h", "fstream",      "thread",   "time.h",
                                             "poll.h",       "sys/epoll.h",  "chrono",   "ctime"};
  for (const char* storey : {"resp", "routing", "plugins"}) {
    for (const Include& include : IncludesOfStorey(storey)) {
      EXPECT_THAT(kOutside, testing::Not(testing::Contains(include.name))) << include.file;
    }
  }
}

TEST(Layering, HeavyHeadersStayInOneSourceEach) {
  // What costs seconds to compile is hidden behind a header of our own.
  for (const std::string heavy : {"toml++/toml.h", "CLI/CLI.hpp", "hiredis/hiredis.h"}) {
    std::vector<std::string> files;
    for (const std::string& storey : kStoreys) {
      for (const Include& include : IncludesOfStorey(storey)) {
        if (include.name == heavy) files.push_back(include.file);
      }
    }
    EXPECT_LE(files.size(), 1u) << heavy << ": " << testing::PrintToString(files);
    for (const std::string& file : files) EXPECT_EQ(fs::path(file).extension(), ".cc");
  }
}

TEST(Layering, HeaderGuardsAreNamedByPath) {
  for (const std::string& storey : kStoreys) {
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(WEIR_SOURCE_DIR) / storey)) {
      if (entry.path().extension() != ".h") continue;
      std::string guard = "WEIR_" + fs::relative(entry.path(), WEIR_SOURCE_DIR).string() + "_";
      for (char& c : guard) c = isalnum(c) ? static_cast<char>(toupper(c)) : '_';
      std::ifstream in(entry.path());
      const std::string text{std::istreambuf_iterator<char>(in), {}};
      EXPECT_THAT(text, testing::HasSubstr("#ifndef " + guard + "\n#define " + guard + "\n"));
      EXPECT_EQ(text.rfind("// ", 0), 0u) << entry.path() << " does not say what it is";
    }
  }
}

}  // namespace
}  // namespace weir
