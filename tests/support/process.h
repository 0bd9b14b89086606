// A child process of a test: started, its output kept in a file, and never outliving the test.
#ifndef WEIR_TESTS_SUPPORT_PROCESS_H_
#define WEIR_TESTS_SUPPORT_PROCESS_H_

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace weir::harness {

// A directory of its own under ::testing::TempDir(), removed with all its content at the end.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::string& path() const { return path_; }
  // Writes `text` to a file of this directory and answers its whole path.
  std::string Write(const std::string& name, const std::string& text) const;

 private:
  std::string path_;
};

std::string ReadFile(const std::string& path);

class Process {
 public:
  // Starts argv[0] (looked up in PATH), standard output and error appended to `output_path`.
  // `environment` holds "NAME=value" additions. The child gets SIGKILL when this process dies,
  // however that happens.
  Process(const std::vector<std::string>& argv, const std::string& output_path,
          const std::vector<std::string>& environment = {});
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();  // Kills and reaps the child if it still runs.

  pid_t pid() const { return pid_; }
  bool Running();
  void Signal(int signal) const;
  // Exit code, or 128 + the signal that ended it; nothing when it still runs after `timeout_ms`.
  std::optional<int> Wait(int timeout_ms);
  // SIGKILL, and reaps.
  void Kill();
  // What the child printed so far.
  std::string output() const { return ReadFile(output_path_); }
  // Resident memory now, and the highest it ever was; bytes, 0 when it does not run.
  size_t rss_bytes() const;
  size_t peak_rss_bytes() const;
  size_t open_files() const;

 private:
  size_t StatusBytes(const char* field) const;

  pid_t pid_ = -1;
  std::optional<int> exit_;
  std::string output_path_;
};

// Runs a program to its end and answers its exit code and what it printed.
struct RunResult {
  int exit_code;  // -1: killed because it took longer than the timeout.
  std::string output;
};
RunResult RunToEnd(const std::vector<std::string>& argv, int timeout_ms,
                   const std::vector<std::string>& environment = {});

}  // namespace weir::harness

#endif  // WEIR_TESTS_SUPPORT_PROCESS_H_
