// The slow log's rings, and what an entry shows of arguments.
#include "proxy/slow_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "routing/command_class.h"
#include "routing/command_policy.h"
#include "routing/command_table.h"

namespace weir {
namespace {

using testing::ElementsAre;

SlowEntry Entry(uint64_t total_us) {
  SlowEntry entry;
  entry.total_us = total_us;
  return entry;
}

TEST(SlowLogTest, MergesTheRingsByAge) {
  SlowLog log(0, 4, 3);
  for (uint64_t i = 0; i < 9; ++i) log.Add(i % 2, Entry(i));
  std::vector<uint64_t> totals;
  for (const SlowEntry& entry : log.Newest(100)) totals.push_back(entry.total_us);
  EXPECT_THAT(totals, ElementsAre(8, 7, 6, 5));
  EXPECT_EQ(log.size(), 4u);
  EXPECT_EQ(log.Newest(1).at(0).id, 8u);
  log.Reset();
  EXPECT_EQ(log.size(), 0u);
  log.Add(2, Entry(1));
  EXPECT_EQ(log.Newest(1).at(0).id, 9u);
}

TEST(SlowLogTest, MayBeReadWhileWorkersWrite) {
  SlowLog log(0, 100, 4);
  std::vector<std::thread> workers;
  for (size_t w = 0; w < 4; ++w) {
    workers.emplace_back([&log, w] {
      for (uint64_t i = 0; i < 2000; ++i) log.Add(w, Entry(i));
    });
  }
  for (int i = 0; i < 100; ++i) {
    const std::vector<SlowEntry> entries = log.Newest(100);
    for (size_t j = 1; j < entries.size(); ++j) ASSERT_GT(entries[j - 1].id, entries[j].id);
    if (i == 50) log.Reset();
  }
  for (std::thread& worker : workers) worker.join();
  // The workers may have been done before the log was reset.
  for (uint64_t i = 0; i < 100; ++i) log.Add(i % 4, Entry(i));
  EXPECT_EQ(log.size(), 100u);
  EXPECT_EQ(log.Newest(1).at(0).id, 8099u);
}

class SlowlogArgsTest : public testing::Test {
 protected:
  std::vector<std::string> Shown(const std::vector<std::string_view>& args, uint32_t more = 0) {
    const ArgList list(absl::MakeConstSpan(args));
    return SlowlogArgs(routing_->Resolve(list), list, list.size() + more);
  }
  std::shared_ptr<const RoutingTable> routing_ =
      RoutingTable::Make(CommandTable::BuiltIn(), CommandPolicy());
};

TEST_F(SlowlogArgsTest, LongArgumentsAndLongListsAreCut) {
  EXPECT_THAT(Shown({"GET", std::string(130, 'a')}),
              ElementsAre("GET", std::string(128, 'a') + "... (2 more bytes)"));
  std::vector<std::string_view> many(33, "x");
  many[0] = "DEL";
  const std::vector<std::string> shown = Shown(many);
  ASSERT_EQ(shown.size(), 32u);
  EXPECT_EQ(shown[31], "... (2 more arguments)");
  many.pop_back();
  EXPECT_EQ(Shown(many).back(), "x");
  EXPECT_THAT(Shown({"SET", "k"}, 1), ElementsAre("SET", "k", "... (1 more arguments)"));
}

TEST_F(SlowlogArgsTest, SecretsAreHidden) {
  EXPECT_THAT(Shown({"auth", "a", "b"}), ElementsAre("auth", "(redacted)", "(redacted)"));
  EXPECT_THAT(Shown({"ACL", "SETUSER", "u", ">p"}),
              ElementsAre("ACL", "SETUSER", "(redacted)", "(redacted)"));
  EXPECT_THAT(Shown({"CONFIG", "SET", "requirepass", "p", "save", ""}),
              ElementsAre("CONFIG", "SET", "requirepass", "(redacted)", "save", ""));
  EXPECT_THAT(Shown({"CONFIG", "SET", "tls-key-file-PASS", "p"}),
              ElementsAre("CONFIG", "SET", "tls-key-file-PASS", "(redacted)"));
  EXPECT_THAT(Shown({"HELLO", "3", "AUTH", "u", "p", "SETNAME", "n"}),
              ElementsAre("HELLO", "3", "AUTH", "(redacted)", "(redacted)", "SETNAME", "n"));
  EXPECT_THAT(Shown({"SENTINEL", "SET", "m", "auth-pass", "p"}).back(), "(redacted)");
  EXPECT_THAT(Shown({"NOSUCH", "p"}), ElementsAre("NOSUCH", "(redacted)"));
}

}  // namespace
}  // namespace weir
