// conf/examples: each starts in front of a deployment of its kind, and serves.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "tests/integration/fixture.h"
#include "tests/support/cluster.h"

namespace weir::harness {
namespace {

std::string Folder() { return std::string(WEIR_SOURCE_DIR) + "/conf/examples"; }

std::string Example(const std::string& name) { return ReadFile(Folder() + "/" + name + ".toml"); }

// The text with the first `url = …` that starts so exchanged.
std::string WithUrl(std::string text, const std::string& starts, const std::string& url) {
  const size_t at = text.find("\nurl = \"" + starts);
  EXPECT_NE(at, std::string::npos) << starts;
  const size_t end = text.find('\n', at + 1);
  return text.replace(at + 1, end - at - 1, "url = \"" + url + "\"");
}

// weir as it is installed, but for its ports.
class ExampleWeir {
 public:
  explicit ExampleWeir(std::string text) {
    std::string with_ports;
    const std::regex address("address = \"127\\.0\\.0\\.1:\\d+\"");
    for (auto it = std::sregex_iterator(text.begin(), text.end(), address);
         it != std::sregex_iterator();
         it = std::sregex_iterator(text.begin(), text.end(), address)) {
      ports_.push_back(std::make_unique<PortReservation>());
      text.replace(static_cast<size_t>(it->position()), static_cast<size_t>(it->length()),
                   "address  = \"" + ports_.back()->address() + "\"");
    }
    text += "\n[admin]\naddress = \"off\"\n";
    process_ = std::make_unique<Process>(
        std::vector<std::string>{WeirServer::binary(), "--config", dir_.Write("weir.toml", text)},
        dir_.path() + "/log");
    EXPECT_TRUE(Eventually([&] { return !process_->Running() || bool{ConnectTo(port(0))}; }));
    EXPECT_TRUE(process_->Running()) << process_->output() << text;
  }
  uint16_t port(size_t listener) const { return ports_[listener]->port(); }
  // Serves keys of every slot there.
  void ExpectServes(size_t listener) {
    RawClient client(port(listener));
    for (int i = 0; i < 30; ++i) {
      const std::string key = "key:" + std::to_string(i);
      ASSERT_EQ(client.Text({"SET", key, key}), "OK");
      ASSERT_EQ(client.Text({"GET", key}), key);
    }
    EXPECT_EQ(client.Text({"DBSIZE"}), "30");
  }
  std::string Lines(const std::vector<std::string>& command) {
    std::string lines;
    RawClient client(port(0));
    for (const Reply& line : ParseReply(client.Command(command)).elements)
      lines += line.text + "\n";
    return lines;
  }

 private:
  TempDir dir_;
  std::vector<std::unique_ptr<PortReservation>> ports_;
  std::unique_ptr<Process> process_;
};

TEST(ExamplesTest, Cluster) {
  Cluster cluster;
  ExampleWeir weir(WithUrl(Example("cluster"), "redis+cluster://", cluster.url()));
  weir.ExpectServes(0);
  const std::string topology = weir.Lines({"WEIR", "TOPOLOGY"});
  EXPECT_NE(topology.find("node=" + cluster.node(0).address() + " role=primary slots=0-"),
            std::string::npos)
      << topology;
  EXPECT_NE(topology.find("role=replica primary="), std::string::npos) << topology;
}

TEST(ExamplesTest, Sentinel) {
  SentinelDeployment deployment;
  ExampleWeir weir(WithUrl(Example("sentinel"), "redis+sentinel://", deployment.url()));
  weir.ExpectServes(0);
  const std::string health = weir.Lines({"WEIR", "HEALTH"});
  EXPECT_NE(health.find("upstream=default node=" + deployment.server(0).address() + " state=up"),
            std::string::npos)
      << health;
}

TEST(ExamplesTest, Replicas) {
  ReplicatedServers servers(2);
  ExampleWeir weir(WithUrl(Example("replicas"), "redis://", servers.url()));
  weir.ExpectServes(0);
}

TEST(ExamplesTest, Several) {
  Cluster cluster;
  SentinelDeployment deployment;
  std::string url = deployment.url();
  std::string text = WithUrl(Example("several"), "redis+cluster://", cluster.url());
  ExampleWeir weir(WithUrl(text, "redis+sentinel://", url));
  weir.ExpectServes(0);
  weir.ExpectServes(1);
  const std::string upstreams = weir.Lines({"WEIR", "UPSTREAMS"});
  EXPECT_NE(upstreams.find("name=default kind=cluster"), std::string::npos) << upstreams;
  EXPECT_NE(upstreams.find("name=sessions kind=sentinel"), std::string::npos) << upstreams;
  EXPECT_NE(weir.Lines({"WEIR", "TOPOLOGY", "sessions"}).find("role=primary"), std::string::npos);
}

TEST(ExamplesTest, Routes) {
  RedisServer redis;
  RedisServer sessions;
  std::string text = WithUrl(Example("routes"), "redis://127.0.0.1:6379", redis.url());
  ExampleWeir weir(WithUrl(text, "redis://127.0.0.1:6479", sessions.url()));
  weir.ExpectServes(0);
  RawClient client(weir.port(1));
  EXPECT_EQ(client.Text({"SET", "session:1", "v"}), "OK");
  EXPECT_EQ(RawClient(sessions.port()).Text({"GET", "session:1"}), "v");
  EXPECT_EQ(ParseReply(client.Command({"CLUSTER", "SLOTS"})).elements.size(), 1u);
}

// A new example needs a test above.
TEST(ExamplesTest, AreAllOfThem) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(Folder())) {
    names.insert(entry.path().stem().string());
  }
  EXPECT_EQ(names, (std::set<std::string>{"cluster", "replicas", "routes", "sentinel", "several"}));
}

}  // namespace
}  // namespace weir::harness
