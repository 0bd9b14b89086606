// What surrounds the program: the unit, the manual page, installation, and the script `dev`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

namespace weir {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

struct Outcome {
  int code = -1;
  std::string output;  // both streams
};

Outcome Shell(const std::string& command) {
  Outcome outcome;
  std::FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return outcome;
  char bytes[4096];
  for (size_t n; (n = std::fread(bytes, 1, sizeof(bytes), pipe)) > 0;) {
    outcome.output.append(bytes, n);
  }
  const int status = pclose(pipe);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

std::string Read(const fs::path& path) {
  std::ifstream in(path);
  EXPECT_TRUE(in) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

const fs::path kSource = WEIR_SOURCE_DIR;

// What was installed under a directory of the test's own.
class Packaging : public testing::Test {
 protected:
  void SetUp() override {
    root_ =
        fs::path(testing::TempDir()) /
        (std::string("weir_install_") +
         testing::UnitTest::GetInstance()->current_test_info()->name() + std::to_string(getpid()));
    fs::remove_all(root_);
  }
  void TearDown() override { fs::remove_all(root_); }
  // With the prefix that a package would use, below root_.
  void Install(const std::string& prefix) const {
    const Outcome outcome = Shell("DESTDIR=" + root_.string() +
                                  " cmake --install " WEIR_BINARY_DIR " --prefix " + prefix);
    ASSERT_EQ(outcome.code, 0) << outcome.output;
  }

  fs::path root_;
};

TEST_F(Packaging, PutsEverythingWhereItBelongs) {
  Install("/usr");
  EXPECT_EQ(access((root_ / "usr/bin/weir").c_str(), X_OK), 0);
  EXPECT_TRUE(Read(root_ / "etc/weir/weir.toml") == Read(kSource / "conf/weir.toml"));
  EXPECT_TRUE(Read(root_ / "usr/share/man/man1/weir.1") == Read(kSource / "conf/weir.1"));
  for (const std::string file :
       {"grafana/weir.json", "prometheus/weir-alerts.yml", "prometheus/weir-alerts-test.yml"}) {
    EXPECT_TRUE(Read(root_ / "usr/share/weir" / file) == Read(kSource / "conf" / file)) << file;
  }
  EXPECT_EQ(Read(root_ / "usr/lib/systemd/system/weir.service"),
            Read(kSource / "conf/weir.service"));
}

TEST_F(Packaging, FollowsAnotherPrefix) {
  Install("/opt/weir");
  EXPECT_EQ(access((root_ / "opt/weir/bin/weir").c_str(), X_OK), 0);
  EXPECT_TRUE(fs::exists(root_ / "opt/weir/etc/weir/weir.toml"));
  EXPECT_THAT(Read(root_ / "opt/weir/lib/systemd/system/weir.service"),
              HasSubstr("ExecStart=/opt/weir/bin/weir --config /opt/weir/etc/weir/weir.toml\n"));
}

TEST_F(Packaging, KeepsTheConfigurationThatIsThere) {
  fs::create_directories(root_ / "etc/weir");
  std::ofstream(root_ / "etc/weir/weir.toml") << "workers = 1\n";
  Install("/usr");
  EXPECT_EQ(Read(root_ / "etc/weir/weir.toml"), "workers = 1\n");
}

TEST_F(Packaging, UnitIsValid) {
  Install("/usr");
  // The program that the unit starts must exist, so let it start the one just installed.
  std::string unit = Read(kSource / "conf/weir.service");
  const std::string program = "/usr/bin/weir";
  unit.replace(unit.find(program), program.size(), (root_ / "usr/bin/weir").string());
  std::ofstream(root_ / "weir.service") << unit;
  const Outcome outcome = Shell("systemd-analyze verify --man=no --recursive-errors=no " +
                                (root_ / "weir.service").string());
  EXPECT_EQ(outcome.code, 0) << outcome.output;
  EXPECT_EQ(outcome.output, "");
}

TEST_F(Packaging, UnitIsHardened) {
  // systemd's own measure, from 0 (shut) to 100; 20 is what it calls "OK".
  const Outcome outcome =
      Shell("systemd-analyze security --no-pager --offline=true --threshold=20 " +
            (kSource / "conf/weir.service").string());
  EXPECT_EQ(outcome.code, 0) << outcome.output;
}

TEST_F(Packaging, UnitGivesWeirTheTimeToDrain) {
  // drain_timeout_ms is 10,000 by default.
  EXPECT_THAT(Read(kSource / "conf/weir.service"), HasSubstr("\nTimeoutStopSec=30\n"));
}

TEST_F(Packaging, ManualPageHasNoWarnings) {
  const Outcome outcome = Shell("LC_ALL=C.UTF-8 MANROFFSEQ= man --warnings -E UTF-8 -l -Tutf8 -Z " +
                                (kSource / "conf/weir.1").string() + " >/dev/null");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.output, "");
}

TEST_F(Packaging, ManualPageNamesEveryOption) {
  const std::string page = Read(kSource / "conf/weir.1");
  for (const char* option : {"\\-\\-config", "\\-\\-listen", "\\-\\-workers", "\\-\\-admin",
                             "\\-\\-check", "\\-\\-version", "\\-\\-help"}) {
    EXPECT_THAT(page, HasSubstr(option));
  }
}

TEST(Dev, IsCleanForShellcheck) {
  const Outcome outcome =
      Shell("cd " WEIR_SOURCE_DIR " && shellcheck dev .ci/run $(find tests routing -name '*.sh')");
  EXPECT_EQ(outcome.code, 0) << outcome.output;
}

TEST(Dev, HelpsAndRefusesWhatItDoesNotKnow) {
  const Outcome help = Shell(WEIR_SOURCE_DIR "/dev help");
  EXPECT_EQ(help.code, 0);
  for (const char* verb :
       {"run", "build", "test", "bench", "fmt", "lint", "sanitize", "fuzz", "clean"}) {
    EXPECT_THAT(help.output, HasSubstr(std::string("\n  ") + verb + " "));
  }
  EXPECT_EQ(Shell(WEIR_SOURCE_DIR "/dev").output, help.output);
  const Outcome unknown = Shell(WEIR_SOURCE_DIR "/dev tset");
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.output, HasSubstr("no verb 'tset'"));
}

TEST(Dev, IsWhatContinuousIntegrationCalls) {
  EXPECT_THAT(Read(kSource / ".ci/run"), HasSubstr("\nexec ./dev test\n"));
  EXPECT_EQ(access((kSource / ".ci/run").c_str(), X_OK), 0);
}

}  // namespace
}  // namespace weir
