// What the command line makes of the defaults and of a file.
#include "proxy/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "plugins/text.h"

namespace weir {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const PluginSchema kPlugins[] = {{"paint", "Paints.", true, {}, nullptr}};

// argv as the kernel lays it out: writable, ended by a null pointer.
class Argv {
 public:
  explicit Argv(std::vector<std::string> arguments) : arguments_(std::move(arguments)) {
    arguments_.insert(arguments_.begin(), "weir");
    for (std::string& argument : arguments_) pointers_.push_back(argument.data());
    pointers_.push_back(nullptr);
  }
  CommandLine Parse() {
    return ParseCommandLine(static_cast<int>(arguments_.size()), pointers_.data(), kPlugins);
  }
  const std::string& operator[](size_t i) const { return arguments_[i]; }

 private:
  std::vector<std::string> arguments_;
  std::vector<char*> pointers_;
};

CommandLine Parse(std::vector<std::string> arguments) { return Argv(std::move(arguments)).Parse(); }

std::string Refused(std::vector<std::string> arguments) {
  const CommandLine result = Parse(std::move(arguments));
  EXPECT_FALSE(result.run);
  EXPECT_EQ(result.exit_code, 2) << result.message;
  EXPECT_THAT(result.message, StartsWith("weir: "));
  EXPECT_THAT(result.message, testing::EndsWith("\nTry weir --help.\n"));
  return result.message;
}

class CommandLineFile : public testing::Test {
 protected:
  explicit CommandLineFile() = default;
  ~CommandLineFile() override { unlink(path_.c_str()); }
  void Write(std::string_view text) const { std::ofstream(path_) << text; }

  const std::string path_ = testing::TempDir() + "/weir_command_line_" + std::to_string(getpid());
};

TEST(CommandLine, WithoutArgumentsGivesTheDefaults) {
  const CommandLine result = Parse({});
  ASSERT_TRUE(result.run);
  ASSERT_EQ(result.config.listeners.size(), 1u);
  EXPECT_EQ(result.config.listeners[0].address, "127.0.0.1:6380");
  EXPECT_EQ(result.config.FindUpstream("default")->url, "redis://127.0.0.1:6379");
  EXPECT_EQ(result.config.admin.address, "127.0.0.1:9380");
}

TEST(CommandLine, TakesEverythingAtOnce) {
  const CommandLine result = Parse({"--listen", "127.0.0.1:1", "--workers", "3",
                                    "--listen=unix:/tmp/w", "--admin", "off", "redis://h:2/3"});
  ASSERT_TRUE(result.run) << result.message;
  ASSERT_EQ(result.config.listeners.size(), 2u);
  EXPECT_EQ(result.config.listeners[0].address, "127.0.0.1:1");
  EXPECT_EQ(result.config.listeners[1].address, "unix:/tmp/w");
  EXPECT_EQ(result.config.workers, 3);
  EXPECT_TRUE(result.config.admin.off());
  EXPECT_EQ(result.config.FindUpstream("default")->url, "redis://h:2/3");
}

TEST(CommandLine, TakesAUrlRightAfterListen) {
  const CommandLine result = Parse({"--listen", "127.0.0.1:1", "unix:///run/redis.sock?db=2"});
  ASSERT_TRUE(result.run) << result.message;
  EXPECT_EQ(result.config.listeners.size(), 1u);
  EXPECT_EQ(result.config.FindUpstream("default")->url, "unix:///run/redis.sock?db=2");
}

TEST_F(CommandLineFile, IsOverriddenByArguments) {
  Write(R"(
workers = 7
drain_timeout_ms = 1
[[listener]]
address = "127.0.0.1:1"
[[listener]]
address = "127.0.0.1:2"
[upstream.default]
url = "redis://a"
connect_timeout_ms = 9
[upstream.b]
)");
  const CommandLine file = Parse({"--config", path_});
  ASSERT_TRUE(file.run) << file.message;
  EXPECT_EQ(file.config.workers, 7);
  EXPECT_EQ(file.config.listeners.size(), 2u);

  const CommandLine both =
      Parse({"--config", path_, "--workers", "2", "--listen", "127.0.0.1:3", "redis://c"});
  ASSERT_TRUE(both.run) << both.message;
  EXPECT_EQ(both.config.workers, 2);
  EXPECT_EQ(both.config.drain_timeout_ms, 1);
  ASSERT_EQ(both.config.listeners.size(), 1u);
  EXPECT_EQ(both.config.listeners[0].address, "127.0.0.1:3");
  EXPECT_EQ(both.config.FindUpstream("default")->url, "redis://c");
  EXPECT_EQ(both.config.FindUpstream("default")->connect_timeout_ms, 9);
  EXPECT_NE(both.config.FindUpstream("b"), nullptr);
}

TEST_F(CommandLineFile, ThatIsWrongStopsTheStart) {
  Write("worker = 1");
  for (const char* option : {"--config", "--check"}) {
    const CommandLine result = Parse({option, path_});
    EXPECT_FALSE(result.run);
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_EQ(result.message,
              path_ + ":1:1: the configuration has no key 'worker'; did you mean 'workers'?\n");
  }
}

TEST_F(CommandLineFile, IsOnlyCheckedByCheck) {
  Write("workers = 1");
  const CommandLine result = Parse({"--check", path_});
  EXPECT_FALSE(result.run);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.message, path_ + ": the configuration is good\n");
  EXPECT_THAT(Refused({"--check", path_, "--workers", "1"}), HasSubstr("no other arguments"));
}

TEST(CommandLine, SaysWhichVersionItIs) {
  const CommandLine result = Parse({"--version"});
  EXPECT_FALSE(result.run);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.message, "weir " WEIR_VERSION "\n");
}

TEST(CommandLine, HelpsWithOptionsAndKeys) {
  const CommandLine result = Parse({"--help"});
  EXPECT_FALSE(result.run);
  EXPECT_EQ(result.exit_code, 0);
  for (const char* text : {"--config", "--listen", "--workers", "--admin", "--check", "--version",
                           "URL", "clients_max = 10000", "[plugin.paint]"}) {
    EXPECT_THAT(result.message, HasSubstr(text));
  }
  EXPECT_EQ(Parse({"-h"}).message, result.message);
}

TEST(CommandLine, RefusesWhatIsWrong) {
  EXPECT_THAT(Refused({"--worker", "1"}),
              HasSubstr("there is no option --worker; did you mean '--workers'?"));
  EXPECT_THAT(Refused({"--lisen=127.0.0.1:1"}),
              HasSubstr("there is no option --lisen; did you mean '--listen'?"));
  EXPECT_THAT(Refused({"-x"}), HasSubstr("there is no option -x"));
  EXPECT_THAT(Refused({"redis://a", "redis://b"}), HasSubstr("one URL at most"));
  EXPECT_THAT(Refused({"--workers", "1025"}),
              HasSubstr("--workers: expected an integer from 0 to 1024, found 1025"));
  for (const char* number : {"x", "", "1x", "99999999999999999999", "0x1"}) {
    EXPECT_THAT(Refused({"--workers", number}), HasSubstr("--workers: expected an integer"))
        << number;
  }
  EXPECT_THAT(Refused({"--workers"}), HasSubstr("--workers"));
  EXPECT_THAT(Refused({"--listen", "localhost:1"}), HasSubstr("--listen: expected an address"));
  EXPECT_THAT(Refused({"--listen", "127.0.0.1:1", "--listen", "127.0.0.1:1"}),
              HasSubstr("--listen: 127.0.0.1:1 is given twice"));
  EXPECT_THAT(Refused({"--admin", "unix:/a"}), HasSubstr("--admin: expected"));
  EXPECT_THAT(Refused({"http://h"}), HasSubstr("URL: "));
  EXPECT_THAT(Refused({"rediss://h"}), HasSubstr("URL: not yet: weir cannot speak rediss://"));
  EXPECT_THAT(Refused({"rediss+cluster://a:1,b:2"}), HasSubstr("URL: not yet"));
  EXPECT_THAT(Refused({"redis+sentinel://a"}), HasSubstr("URL: "));
}

TEST(CommandLine, HidesPasswordsFromThoseWhoListProcesses) {
  Argv argv({"--workers", "1", "redis://ann:hu@sh@10.0.0.1:1"});
  const CommandLine result = argv.Parse();
  ASSERT_FALSE(std::string(argv[3]).empty());
  EXPECT_EQ(argv[3], "redis://ann:*****@10.0.0.1:1");
  EXPECT_EQ(argv[1], "--workers");

  Argv plain({"redis://h:1/2"});
  ASSERT_TRUE(plain.Parse().run);
  EXPECT_EQ(plain[1], "redis://h:1/2");

  Argv good({"redis://:hush@h"});
  const CommandLine parsed = good.Parse();
  ASSERT_TRUE(parsed.run) << parsed.message;
  EXPECT_EQ(good[1], "redis://:****@h");
  EXPECT_EQ(parsed.config.FindUpstream("default")->url, "redis://:hush@h");
}

TEST(CommandLine, NeverRepeatsAPassword) {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"http://u:hush@h"},
                                                    {"redis://u:hush@h", "redis://u:hush@g"},
                                                    {"rediss://u:hush@h"},
                                                    {"--workers", "redis://u:hush@h"},
                                                    {"redis://u:hush@h:notaport"},
                                                    {"--wrkers", "redis://u:hush@h"}}) {
    EXPECT_THAT(Refused(arguments), Not(HasSubstr("hush")));
  }
}

}  // namespace
}  // namespace weir
