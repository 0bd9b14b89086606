// The dashboard and the alert rules against Debian's own prometheus, which scrapes a weir at work.
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/fixture.h"

namespace weir::harness {
namespace {

const std::string kConf = std::string(WEIR_SOURCE_DIR) + "/conf/";
const std::string kRules = kConf + "prometheus/weir-alerts.yml";

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    if (end != begin) lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

// Each expression of the dashboard, with the panel's title before it; read by a JSON parser that is
// not ours.
std::vector<std::string> DashboardQueries() {
  const RunResult result =
      RunToEnd({"python3", "-c",
                "import json, sys\n"
                "dashboard = json.load(open(sys.argv[1]))\n"
                "ids = [panel['id'] for panel in dashboard['panels']]\n"
                "assert len(ids) == len(set(ids)), 'two panels have the same id'\n"
                "for panel in dashboard['panels']:\n"
                "  assert panel['type'] == 'row' or panel['targets'], panel['title']\n"
                "  for target in panel.get('targets', []): print(target['expr'])\n"
                "for variable in dashboard['templating']['list']:\n"
                "  assert variable['name'] in ('datasource', 'instance', 'upstream'), variable\n",
                kConf + "grafana/weir.json"},
               kPatience_ms);
  EXPECT_EQ(result.exit_code, 0) << result.output;
  return Lines(result.output);
}

void Replace(std::string* text, const std::string& what, const std::string& with) {
  for (size_t at = 0; (at = text->find(what, at)) != std::string::npos; at += with.size()) {
    text->replace(at, what.size(), with);
  }
}

// Each rule's expression; of an alert, what it compares.
std::vector<std::string> RuleExpressions() {
  std::vector<std::string> expressions;
  bool alert = false;
  for (const std::string& line : Lines(ReadFile(kRules))) {
    if (line.find("- alert: ") != std::string::npos) alert = true;
    if (line.find("- record: ") != std::string::npos) alert = false;
    const size_t at = line.find("        expr: ");
    if (at != 0) continue;
    std::string expression = line.substr(14);
    if (alert) {
      const size_t compares = expression.find_last_of("<=>");
      EXPECT_NE(compares, std::string::npos) << "an alert is a comparison with a number";
      expression.resize(expression.find_last_not_of("<=> ", compares) + 1);
    }
    expressions.push_back(expression);
  }
  return expressions;
}

// A prometheus with the alert rules, in a directory of its own, that scrapes this port.
class Prometheus {
 public:
  explicit Prometheus(uint16_t target) {
    const std::string config =
        dir_.Write("prometheus.yml",
                   "global: {scrape_interval: 250ms, scrape_timeout: 250ms, "
                   "evaluation_interval: 250ms}\nrule_files: ['" +
                       kRules +
                       "']\nscrape_configs:\n  - job_name: weir\n    scrape_timeout: 250ms\n"
                       "    static_configs: [{targets: ['127.0.0.1:" +
                       std::to_string(target) + "']}]\n");
    process_ = std::make_unique<Process>(
        std::vector<std::string>{"prometheus", "--config.file=" + config,
                                 "--web.listen-address=" + reservation_.address(),
                                 "--storage.tsdb.path=" + dir_.path() + "/data",
                                 "--log.level=warn"},
        dir_.path() + "/log");
  }

  bool Ready() { return Get("/-/ready").starts_with("HTTP/1.0 200"); }
  std::string output() const { return process_->output(); }

  // What an instant query answers, as JSON.
  std::string Query(const std::string& expression) {
    std::string encoded;
    for (const char c : expression) {
      char hex[4];
      std::snprintf(hex, sizeof hex, "%%%02x", static_cast<unsigned char>(c));
      encoded += hex;
    }
    return Get("/api/v1/query?query=" + encoded);
  }
  // Whether it gave at least one number; NaN is none.
  static bool HasNumber(const std::string& answer) {
    if (answer.find("\"status\":\"success\"") == std::string::npos) return false;
    for (size_t at = 0; (at = answer.find("\"value\":[", at)) != std::string::npos; ++at) {
      const size_t number = answer.find(",\"", at) + 2;
      if (answer.compare(number, 3, "NaN") != 0) return true;
    }
    return false;
  }

 private:
  // Version 1.0, so that the answer comes in one piece.
  std::string Get(const std::string& path) {
    const Fd probe = ConnectTo(reservation_.port());
    if (!probe) return "";
    RawClient client(reservation_.port());
    client.Send("GET " + path + " HTTP/1.0\r\n\r\n");
    return client.ReadUntilClose();
  }

  TempDir dir_;
  PortReservation reservation_;
  std::unique_ptr<Process> process_;
};

// Clients that do something of everything: reads, writes, errors, limits, messages, transactions.
class Load {
 public:
  explicit Load(uint16_t port) : thread_([this, port] { Run(port); }) {}
  ~Load() {
    stop_ = true;
    thread_.join();
  }

 private:
  void Run(uint16_t port) {
    RawClient client(port);
    RawClient subscriber(port);
    subscriber.Command({"SUBSCRIBE", "news"});
    client.Command({"SET", "text", "not a number"});
    while (!stop_) {
      client.Command({"SET", "k", "v"});
      client.Command({"GET", "k"});
      client.Command({"INCR", "text"});
      client.Command({"SHUTDOWN"});
      client.Command({"PUBLISH", "news", "hello"});
      client.Command({"HGET", "limited", "f"});
      client.Command({"STRLEN", "delayed"});
      client.Command({"WATCH", "k"});
      client.Command({"MULTI"});
      client.Command({"GET", "k"});
      client.Command({"EXEC"});
      subscriber.TakeFrames();
    }
  }

  std::atomic<bool> stop_{false};
  std::thread thread_;
};

class PrometheusTest : public ::testing::Test {
 protected:
  static WeirConfig Config(const RedisServer& redis) {
    WeirConfig config;
    config.url = redis.url();
    config.admin = true;
    config.rest =
        "[slowlog]\nlog_slower_than_us = 1\n"
        "[plugin.rate_limit]\nenabled = true\n"
        "[[plugin.rate_limit.rule]]\nname = \"hashes\"\ncommands = [\"HGET\"]\n"
        "[[plugin.rate_limit.rule.limit]]\npoints = 2\nperiod_ms = 1000\n"
        "[[plugin.rate_limit.rule]]\nname = \"strlens\"\ncommands = [\"STRLEN\"]\n"
        "action = \"delay\"\ndelay_ms_max = 5000\n"
        "[[plugin.rate_limit.rule.limit]]\npoints = 1000\nperiod_ms = 10000\nburst = 1\n";
    return config;
  }

  RedisServer redis_;
  WeirServer weir_{Config(redis_)};
};

TEST_F(PrometheusTest, EveryQueryOfDashboardAndRulesHasAnAnswer) {
  std::vector<std::string> queries = DashboardQueries();
  EXPECT_GT(queries.size(), 30u);
  for (std::string& query : queries) {
    Replace(&query, "$__rate_interval", "5m");
    Replace(&query, "$instance", ".*");
    Replace(&query, "$upstream", ".*");
    EXPECT_EQ(query.find('$'), std::string::npos) << query;
  }
  const std::vector<std::string> rules = RuleExpressions();
  EXPECT_GT(rules.size(), 15u);
  queries.insert(queries.end(), rules.begin(), rules.end());
  const Load load(weir_.port());
  ASSERT_TRUE(Eventually([&] { return static_cast<bool>(ConnectTo(weir_.admin_port())); }));
  Prometheus prometheus(weir_.admin_port());
  ASSERT_TRUE(Eventually([&] { return prometheus.Ready(); })) << prometheus.output();
  // A rate is known after two scrapes, and what a rule computes one evaluation later.
  for (const std::string& query : queries) {
    std::string answer;
    const bool answered = Eventually([&] {
      answer = prometheus.Query(query);
      return Prometheus::HasNumber(answer) ||
             answer.find("\"status\":\"error\"") != std::string::npos;
    });
    EXPECT_TRUE(answered && Prometheus::HasNumber(answer)) << query << "\n" << answer;
  }
}

// A query that asks for what is not there must not count as answered.
TEST(PrometheusAnswers, NothingIsNoNumber) {
  const std::string head = R"({"status":"success","data":{"resultType":"vector","result":[)";
  EXPECT_FALSE(Prometheus::HasNumber(head + "]}}"));
  EXPECT_FALSE(Prometheus::HasNumber(head + R"({"metric":{},"value":[1.5,"NaN"]}]}})"));
  EXPECT_TRUE(Prometheus::HasNumber(head + R"({"metric":{},"value":[1.5,"0"]}]}})"));
  EXPECT_FALSE(Prometheus::HasNumber(R"({"status":"error","value":[1,"2"]})"));
}

TEST(PrometheusRules, PassPromtoolsTests) {
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"promtool", "check", "rules", kRules},
        {"promtool", "test", "rules", kConf + "prometheus/weir-alerts-test.yml"}}) {
    const RunResult result = RunToEnd(command, kPatience_ms);
    EXPECT_EQ(result.exit_code, 0) << result.output;
  }
}

// An alert that no test makes fire may never do so.
TEST(PrometheusRules, EachAlertIsMadeToFire) {
  const std::string tests = ReadFile(kConf + "prometheus/weir-alerts-test.yml");
  for (const std::string& line : Lines(ReadFile(kRules))) {
    const size_t at = line.find("- alert: ");
    if (at == std::string::npos) continue;
    const std::string name = line.substr(at + 9);
    EXPECT_NE(tests.find("alertname: " + name + "\n        exp_alerts:"), std::string::npos)
        << name;
    EXPECT_NE(tests.find("alertname: " + name + "}"), std::string::npos) << name << " stays quiet";
  }
}

// plugins/metrics.md lists what /metrics has, in its own words, and nothing else.
TEST_F(PrometheusTest, TheListOfMetricsIsComplete) {
  RawClient client(weir_.port());
  client.Command({"GET", "k"});
  client.Command({"INCR", "one", "too many"});
  ASSERT_TRUE(Eventually([&] { return static_cast<bool>(ConnectTo(weir_.admin_port())); }));
  // "name": the rest of the line.
  const auto Named = [](const std::string& text, const std::string& before,
                        const std::string& after) {
    std::map<std::string, std::string> named;
    for (const std::string& line : Lines(text)) {
      if (!line.starts_with(before)) continue;
      const size_t end = line.find(after, before.size());
      named[line.substr(before.size(), end - before.size())] = line.substr(end + after.size());
    }
    return named;
  };
  const std::string list = ReadFile(std::string(WEIR_SOURCE_DIR) + "/plugins/metrics.md");
  std::map<std::string, std::string> listed = Named(list, "| `", "` | ");
  const std::string page = HttpGet(weir_.admin_port(), "/metrics").body;
  std::map<std::string, std::string> types = Named(page, "# TYPE ", " ");
  for (const auto& [name, help] : Named(page, "# HELP ", " ")) {
    // Which of the process' figures there are depends on the allocator and the system.
    if (name.starts_with("process_") || name.starts_with("weir_memory_")) continue;
    const std::string line = listed[name];
    EXPECT_TRUE(line.starts_with(types[name] + " | ")) << name << ": " << line;
    EXPECT_TRUE(line.ends_with(" | " + help + " |")) << name << ": " << line;
    listed.erase(name);
  }
  for (const auto& [name, line] : listed) ADD_FAILURE() << name << " is not in /metrics";
}

}  // namespace
}  // namespace weir::harness
