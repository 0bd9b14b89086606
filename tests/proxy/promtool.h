// Prometheus' own opinion of a /metrics page.
#ifndef WEIR_TESTS_PROXY_PROMTOOL_H_
#define WEIR_TESTS_PROXY_PROMTOOL_H_

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

namespace weir::harness {

// What `promtool check metrics` finds wrong with the page, and "" if nothing.
inline std::string CheckWithPromtool(const std::string& page) {
  std::string path = testing::TempDir() + "/weir_metrics_XXXXXX";
  const int fd = mkstemp(path.data());
  if (fd < 0) return "cannot make a file in " + testing::TempDir();
  close(fd);
  std::ofstream(path, std::ios::binary) << page;
  FILE* const promtool = popen(("promtool check metrics 2>&1 <" + path).c_str(), "r");
  std::string output;
  for (int c = fgetc(promtool); c != EOF; c = fgetc(promtool)) output += static_cast<char>(c);
  const int status = pclose(promtool);
  unlink(path.c_str());
  if (status != 0 && output.empty()) output = "promtool failed";
  return output;
}

}  // namespace weir::harness

#endif  // WEIR_TESTS_PROXY_PROMTOOL_H_
