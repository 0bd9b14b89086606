// The log: what lines look like, that nothing is lost when it stops, and that floods are sampled.
#include "proxy/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <thread>
#include <vector>

#include "plugins/text.h"

namespace weir {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

class LogFile : public testing::Test {
 protected:
  ~LogFile() override {
    StopLog();
    unlink(path_.c_str());
  }
  void Start(LogFormat format = LogFormat::kText, LogLevel level = LogLevel::kInfo) {
    LogConfig config;
    config.format = format;
    config.level = level;
    config.target = path_;
    ASSERT_TRUE(StartLog(config).ok());
  }
  // What was logged; ends the log.
  std::vector<std::string> Lines() {
    StopLog();
    std::vector<std::string> lines;
    std::ifstream file(path_);
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
  }

  const std::string path_ = Concat(testing::TempDir(), "/weir_log_", getpid(), "_",
                                   testing::UnitTest::GetInstance()->current_test_info()->name());
};

TEST_F(LogFile, HasALineOfTextForEachEvent) {
  Start();
  Log(LogLevel::kInfo, "started");
  Log(LogLevel::kWarning, "node down", {{"node", "127.0.0.1:6379"}, {"failures", 3}});
  Log(LogLevel::kError, "odd", {{"cause", "no \"such\"\nthing"}, {"empty", ""}, {"n", -1}});
  const std::vector<std::string> lines = Lines();
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_THAT(lines[0], MatchesRegex("20[0-9-]+T[0-9:]+[.][0-9][0-9][0-9]Z info started"));
  EXPECT_THAT(lines[1], testing::EndsWith("Z warning node down node=127.0.0.1:6379 failures=3"));
  EXPECT_THAT(lines[2],
              testing::EndsWith(R"( error odd cause="no \"such\"\u000athing" empty="" n=-1)"));
}

TEST_F(LogFile, HasAnObjectOfJsonForEachEvent) {
  Start(LogFormat::kJson);
  Log(LogLevel::kInfo, "started");
  Log(LogLevel::kWarning, "a \"b\"",
      {{"c\\", "d\te\x7f"}, {"n", uint64_t{42}}, {"bad", "\xff\xc3"}});
  const std::vector<std::string> lines = Lines();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_THAT(lines[0], MatchesRegex(R"(\{"time":"20[^"]+Z","level":"info","event":"started"\})"));
  EXPECT_THAT(lines[1],
              HasSubstr(R"("level":"warning","event":"a \"b\"","c\\":"d\u0009e\u007f","n":42,)"
                        R"("bad":"\ufffd\ufffd"})"));
}

TEST_F(LogFile, LeavesOutWhatIsBelowTheLevel) {
  Start(LogFormat::kText, LogLevel::kWarning);
  LogSampler sampler;
  Log(LogLevel::kDebug, "a");
  Log(LogLevel::kInfo, "b");
  LogSampled(&sampler, LogLevel::kInfo, "c");
  Log(LogLevel::kWarning, "d");
  Log(LogLevel::kError, "e");
  EXPECT_EQ(Lines().size(), 2u);
}

TEST_F(LogFile, IsAppendedTo) {
  Start();
  Log(LogLevel::kInfo, "a");
  StopLog();
  Start();
  Log(LogLevel::kInfo, "b");
  EXPECT_EQ(Lines().size(), 2u);
}

TEST_F(LogFile, TakesLinesOfManyThreads) {
  Start();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 100; ++i) Log(LogLevel::kInfo, "event", {{"thread", t}, {"i", i}});
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::vector<std::string> lines = Lines();
  EXPECT_EQ(lines.size(), 400u);
  for (const std::string& line : lines) {
    EXPECT_THAT(line, MatchesRegex(".* info event thread=[0-3] i=[0-9]+"));
  }
}

TEST_F(LogFile, SamplesFloodsAndCountsWhatItLeftOut) {
  Start(LogFormat::kJson);
  LogSampler sampler;
  for (int i = 0; i < 1000; ++i) LogSampled(&sampler, LogLevel::kInfo, "flood", {{"i", i}});
  // The thousand took less than the interval of a second, or else a few intervals.
  const size_t count = Lines().size();
  EXPECT_GE(count, 1u);
  EXPECT_LT(count, 20u);
}

TEST(Log, BeforeItStartsAndAfterItStoppedDropsLines) {
  Log(LogLevel::kError, "nowhere");
  StopLog();
  StopLog();
}

TEST(Log, ThatCannotBeOpenedSaysWhere) {
  LogConfig config;
  config.target = "/proc/nonexistent/weir.log";
  const absl::Status status = StartLog(config);
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(Message(status)), HasSubstr("[log] target: cannot open"));
  EXPECT_THAT(std::string(Message(status)), HasSubstr("/proc/nonexistent/weir.log"));
}

TEST(LogSampler, AdmitsOneInEachInterval) {
  LogSampler sampler(100);
  uint64_t skipped = 0;
  EXPECT_TRUE(sampler.Admit(1000, &skipped));
  EXPECT_EQ(skipped, 0u);
  EXPECT_FALSE(sampler.Admit(1000, &skipped));
  EXPECT_FALSE(sampler.Admit(1099, &skipped));
  EXPECT_TRUE(sampler.Admit(1100, &skipped));
  EXPECT_EQ(skipped, 2u);
  EXPECT_TRUE(sampler.Admit(5000, &skipped));
  EXPECT_EQ(skipped, 0u);
}

TEST(QuoteJson, KeepsUtf8AndReplacesWhatIsNot) {
  EXPECT_EQ(QuoteJson("é€😀"), "\"é€😀\"");
  // Overlong, surrogate, too large, cut off, a lone continuation.
  for (const char* bad : {"\xc0\xaf", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\x80"}) {
    const std::string quoted = QuoteJson(bad);
    EXPECT_THAT(quoted, HasSubstr("\\ufffd"));
    for (const char c : quoted) EXPECT_GE(c, ' ');
  }
}

}  // namespace
}  // namespace weir
