// MONITOR where there are several nodes: weir's own traffic, whichever node it goes to.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/cluster.h"
#include "tests/support/raw_client.h"
#include "tests/support/weir_server.h"

namespace weir::harness {
namespace {

class ClusterMonitorTest : public ::testing::Test {
 protected:
  // "+1700000000.000001 [0 127.0.0.1:50000] \"GET\" \"k\"": what stands behind the bracket.
  static std::string WordsOf(const std::string& line) {
    const size_t end = line.find("] ");
    return end == std::string::npos ? line : line.substr(end + 2, line.size() - end - 4);
  }
  static std::vector<std::string> LinesUpTo(RawClient* monitor, const std::string& end) {
    std::vector<std::string> lines;
    do {
      lines.push_back(WordsOf(monitor->ReadFrame()));
    } while (lines.back().find(end) == std::string::npos && lines.back() != kTimedOut &&
             lines.back() != kClosed);
    return lines;
  }
  static std::string Words(const std::vector<std::string>& args) {
    std::string words;
    for (const std::string& arg : args) words += (words.empty() ? "\"" : " \"") + arg + "\"";
    return words;
  }

  Cluster cluster_{{.replicas_each = 0}};
};

TEST_F(ClusterMonitorTest, ShowsWhatIsSentToAnyNode) {
  WeirServer weir(InFrontOf(cluster_.url(), "", "allow = [\"monitor\"]\n"));
  RawClient monitor(weir.port()), other(weir.port()), client(weir.port());
  ASSERT_EQ(monitor.Command({"MONITOR"}), "+OK\r\n");
  const std::string a = cluster_.KeyOn(0, 0), b = cluster_.KeyOn(1, 0), c = cluster_.KeyOn(2, 0);
  // Each once, also what goes to several nodes.
  const std::vector<std::vector<std::string>> requests = {
      {"SET", a, "1"},
      {"SET", b, "2"},
      {"GET", c},
      {"MGET", a, b, c},
      {"DBSIZE"},
      {"SPUBLISH", b, "x"},
      {"PUBLISH", "n", "x"},
      {"EVAL", "return 1", "0"},
  };
  std::vector<std::string> expected;
  for (RawClient* each : {&client, &other}) {
    for (const auto& args : requests) {
      EXPECT_NE(each->Command(args).front(), '-') << args[0];
      expected.push_back(Words(args));
    }
  }
  client.Send(Encode({"MULTI"}) + Encode({"INCR", c}) + Encode({"GET", c}) + Encode({"EXEC"}));
  EXPECT_EQ(client.ReadFrames(4).back(), "*2\r\n:1\r\n$1\r\n1\r\n");
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"MULTI"}, {"INCR", c}, {"GET", c}, {"EXEC"}}) {
    expected.push_back(Words(args));
  }
  client.Command({"ECHO", "the end"});
  expected.push_back(Words({"ECHO", "the end"}));
  EXPECT_EQ(LinesUpTo(&monitor, "the end"), expected);
}

// weir asks a node whether this user may.
TEST_F(ClusterMonitorTest, WithPassthroughANodeSaysWhoMay) {
  for (size_t i = 0; i < 3; ++i) {
    RawClient direct(cluster_.node(i).port());
    EXPECT_EQ(direct.Text({"ACL", "SETUSER", "may", "on", ">p", "~*", "&*", "+@all"}), "OK");
    EXPECT_EQ(direct.Text({"ACL", "SETUSER", "not", "on", ">p", "~*", "+@all", "-monitor"}), "OK");
  }
  WeirConfig config = InFrontOf(cluster_.url(), "", "allow = [\"monitor\"]\n");
  config.rest = "[auth]\nmode = \"passthrough\"\n";
  WeirServer weir(config);
  RawClient may(weir.port()), may_not(weir.port());
  ASSERT_EQ(may.Text({"AUTH", "may", "p"}), "OK");
  ASSERT_EQ(may_not.Text({"AUTH", "not", "p"}), "OK");
  EXPECT_EQ(may_not.Text({"MONITOR"}).substr(0, 7), "-NOPERM");
  EXPECT_EQ(may.Command({"MONITOR"}), "+OK\r\n");
  const std::string key = cluster_.KeyOn(2, 0);
  EXPECT_EQ(may_not.Text({"SET", key, "v"}), "OK");
  EXPECT_EQ(LinesUpTo(&may, key).back(), Words({"SET", key, "v"}));
}

}  // namespace
}  // namespace weir::harness
