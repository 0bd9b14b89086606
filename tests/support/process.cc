// A child process of a test.
#include "tests/support/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/net.h"

namespace weir::harness {
namespace {

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const std::string& s : strings) pointers.push_back(const_cast<char*>(s.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> EnvironmentWith(const std::vector<std::string>& additions) {
  std::vector<std::string> all = additions;
  for (char** one = environ; *one != nullptr; ++one) all.emplace_back(*one);
  return all;
}

}  // namespace

TempDir::TempDir() {
  std::string pattern = ::testing::TempDir() + "weir-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) {
    perror(pattern.c_str());
    abort();
  }
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDir::Write(const std::string& name, const std::string& text) const {
  const std::string path = path_ + "/" + name;
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Process::Process(const std::vector<std::string>& argv, const std::string& output_path,
                 const std::vector<std::string>& environment)
    : output_path_(output_path) {
  // All that allocates is done before fork: the child of a threaded process must not.
  const std::vector<std::string> variables = EnvironmentWith(environment);
  const std::vector<char*> arguments = Pointers(argv);
  const std::vector<char*> environment_pointers = Pointers(variables);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(126);
    const int null = open("/dev/null", O_RDONLY);
    const int out = open(output_path_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    dup2(null, 0);
    dup2(out, 1);
    dup2(out, 2);
    syscall(SYS_close_range, 3U, ~0U, 0U);
    execvpe(arguments[0], arguments.data(), environment_pointers.data());
    perror(arguments[0]);
    _exit(127);
  }
}

Process::~Process() { Kill(); }

bool Process::Running() { return !Wait(0).has_value(); }

void Process::Signal(int signal) const {
  if (pid_ > 0 && !exit_) kill(pid_, signal);
}

std::optional<int> Process::Wait(int timeout_ms) {
  if (exit_ || pid_ <= 0) return exit_;
  // A pidfd turns the child's end into something that poll can wait for, without a SIGCHLD handler.
  const Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  WaitFor(pidfd.get(), POLLIN, timeout_ms);
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) == pid_) {
    exit_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  return exit_;
}

void Process::Kill() {
  if (exit_ || pid_ <= 0) return;
  kill(pid_, SIGKILL);
  int status = 0;
  waitpid(pid_, &status, 0);
  exit_ = 128 + SIGKILL;
}

size_t Process::StatusBytes(const char* field) const {
  std::istringstream status(ReadFile("/proc/" + std::to_string(pid_) + "/status"));
  std::string word;
  while (status >> word) {
    size_t kilobytes = 0;
    if (word == field && status >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

size_t Process::rss_bytes() const { return StatusBytes("VmRSS:"); }
size_t Process::peak_rss_bytes() const { return StatusBytes("VmHWM:"); }

size_t Process::open_files() const {
  std::error_code error;
  size_t count = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid_) + "/fd", error)) {
    static_cast<void>(entry);
    ++count;
  }
  return count;
}

RunResult RunToEnd(const std::vector<std::string>& argv, int timeout_ms,
                   const std::vector<std::string>& environment) {
  const TempDir dir;
  Process process(argv, dir.path() + "/output", environment);
  const std::optional<int> code = process.Wait(timeout_ms);
  process.Kill();
  return {code.value_or(-1), process.output()};
}

}  // namespace weir::harness
