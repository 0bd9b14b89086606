// What only weir knows: WEIR HELP, WEIR EXPLAIN, INFO weir.
#include <string>
#include <vector>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

class WeirCommandTest : public ThroughWeir {
 protected:
  RawClient client_{weir_.port()};

  std::string Lines(const std::vector<std::string>& args) {
    const Reply reply = ParseReply(client_.Command(args));
    std::string lines = reply.text;
    for (const Reply& line : reply.elements) lines += line.text + "\n";
    return lines;
  }
};

TEST_F(WeirCommandTest, Help) {
  const std::string help = Lines({"WEIR", "HELP"});
  EXPECT_NE(help.find("EXPLAIN"), std::string::npos) << help;
}

TEST_F(WeirCommandTest, ExplainTellsPlanAndNodeWithoutRunning) {
  const std::string text = Lines({"WEIR", "EXPLAIN", "SET", "secret-key", "v"});
  EXPECT_NE(text.find("set"), std::string::npos) << text;
  EXPECT_NE(text.find(redis_.address()), std::string::npos) << text;
  EXPECT_EQ(client_.Text({"EXISTS", "secret-key"}), "0");
}

TEST_F(WeirCommandTest, ExplainOfEveryKindOfCommand) {
  for (const std::string command : {"GET", "PING", "MULTI", "SHUTDOWN", "NOSUCH", "BLPOP"}) {
    const std::string text = Lines({"WEIR", "EXPLAIN", command, "a", "b"});
    EXPECT_FALSE(text.empty()) << command;
  }
  EXPECT_EQ(client_.Command({"WEIR", "EXPLAIN"})[0], '-');
  EXPECT_EQ(client_.Command({"WEIR", "NOSUCH"})[0], '-');
  EXPECT_EQ(client_.Command({"WEIR"})[0], '-');
  EXPECT_EQ(client_.Text({"PING"}), "PONG");
  EXPECT_EQ(redis_.Calls("shutdown"), 0);
}

TEST_F(WeirCommandTest, InfoWeirIsThatSectionAlone) {
  const std::string info = client_.Text({"INFO", "weir"});
  EXPECT_EQ(info.compare(0, 6, "# Weir"), 0) << info;
  EXPECT_EQ(info.find("# Server"), std::string::npos);
  EXPECT_FALSE(ParseInfo(info).empty());
}

TEST_F(WeirCommandTest, InfoHasTheSectionAfterRedisOwn) {
  const std::string info = client_.Text({"INFO"});
  EXPECT_NE(info.find("# Server"), std::string::npos);
  EXPECT_NE(info.find("\r\n\r\n# Weir\r\n"), std::string::npos) << info;
  EXPECT_EQ(client_.Text({"INFO", "server"}).find("# Weir"), std::string::npos);
  const std::string two = client_.Text({"INFO", "server", "weir"});
  EXPECT_NE(two.find("# Server"), std::string::npos) << two;
  EXPECT_NE(two.find("# Weir"), std::string::npos) << two;
}

TEST_F(WeirCommandTest, InfoWeirWorksWhileRedisIsDown) {
  redis_.Kill();
  EXPECT_EQ(client_.Text({"INFO", "weir"}).compare(0, 6, "# Weir"), 0);
}

}  // namespace
}  // namespace weir::harness
