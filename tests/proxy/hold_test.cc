// Holds, through real sessions: a weir in this process with two plugins of the test's, between real
// clients and a real Redis.
//
// What the first plugin does about a request stands in its last argument:
//
//   hold          held, until another client's RELEASE resume|answer|drop, or 60 s
//   hold-briefly  held, until its deadline
//   hold-resume, hold-answer, hold-drop: held, and let go of within the call itself
//   hold-rewrite  the same as hold-resume, with "k" in its place
//
// The second one counts what gets as far as it.
#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "plugins/plugin.h"
#include "plugins/registry.h"
#include "plugins/text.h"
#include "proxy/config_file.h"
#include "proxy/server.h"
#include "tests/support/support.h"

namespace weir {
namespace {

using harness::Bulk;
using harness::Encode;
using harness::Eventually;
using harness::RawClient;

constexpr std::string_view kDropped = "-ERR weir: a plugin dropped a held request\r\n";
constexpr std::string_view kAnswer = "+answered by the plugin\r\n";

// Seen from the test's thread.
std::atomic<int> holds_waiting = 0;
std::atomic<int> requests_passed_on = 0;

class Holder final : public Plugin {
 public:
  explicit Holder(Host& host) : host_(host) {}
  ~Holder() override { holds_waiting = 0; }

  std::string_view name() const override { return "holder"; }
  HookSet hooks() const override { return kHookRequest; }

  Verdict OnRequest(RequestView& request) override {
    const ArgList args = request.args();
    const std::string how(args[args.size() - 1]);
    if (args[0] == "RELEASE") {
      request.Answer(Release(how));
      return Verdict::kAnswered;
    }
    if (how == "hold") {
      waiting_.push_back(request.MakeHold(60000));
      ++holds_waiting;
      // A timer that runs for as long as the hold may.
      if (timer_ == nullptr) timer_ = host_.After(60000, [] {});
      return Verdict::kHeld;
    }
    if (how == "hold-briefly") {
      forgotten_.push_back(request.MakeHold(50));
      return Verdict::kHeld;
    }
    if (how.starts_with("hold-")) {
      if (how == "hold-rewrite") request.Rewrite({std::string(args[0]), "k"});
      End(request.MakeHold(60000), how.substr(5));
      return Verdict::kHeld;
    }
    return Verdict::kContinue;
  }

 private:
  static void End(Hold hold, std::string_view how) {
    if (how == "answer") hold.Answer(std::string(kAnswer));
    if (how == "resume" || how == "rewrite") hold.Resume();
  }
  std::string Release(std::string_view how) {
    if (waiting_.empty()) return "-ERR nothing is held\r\n";
    Hold first = std::move(waiting_.front());
    waiting_.pop_front();
    --holds_waiting;
    End(std::move(first), how);
    return "+OK\r\n";
  }

  Host& host_;
  std::deque<Hold> waiting_;
  std::deque<Hold> forgotten_;
  std::unique_ptr<HostTimer> timer_;
};

class Follower final : public Plugin {
 public:
  std::string_view name() const override { return "follower"; }
  HookSet hooks() const override { return kHookRequest; }
  Verdict OnRequest(RequestView&) override {
    ++requests_passed_on;
    return Verdict::kContinue;
  }
};

absl::StatusOr<std::unique_ptr<Plugin>> MakeHolder(const PluginConfig&, Host& host) {
  return std::make_unique<Holder>(host);
}
absl::StatusOr<std::unique_ptr<Plugin>> MakeFollower(const PluginConfig&, Host&) {
  return std::make_unique<Follower>();
}

const PluginKind kKinds[] = {{{"holder", "", true, {}, nullptr}, &MakeHolder},
                             {{"follower", "", true, {}, nullptr}, &MakeFollower}};

class HoldTest : public testing::Test {
 protected:
  HoldTest() : server_(MakeConfig(), kKinds), thread_([this] { status_ = server_.Run(); }) {
    // Its listener comes a moment after its thread.
    EXPECT_TRUE(Eventually([this] { return static_cast<bool>(harness::ConnectTo(port())); }));
    RawClient first(port());
    EXPECT_EQ(first.Text({"SET", "k", "v"}), "OK");
    EXPECT_EQ(first.Text({"SET", "hold", "its value"}), "OK");
    requests_passed_on = 0;
  }
  ~HoldTest() override { Stop(); }

  uint16_t port() const { return reservation_.port(); }

  void Stop() {
    server_.RequestStop();
    if (thread_.joinable()) thread_.join();
    EXPECT_TRUE(status_.ok()) << status_;
  }

  static void AwaitHolds(int count) {
    ASSERT_TRUE(Eventually([count] { return holds_waiting == count; })) << holds_waiting;
  }

  void Release(const std::string& how) {
    RawClient other(port());
    EXPECT_EQ(other.Text({"RELEASE", how}), "OK");
  }

  Config MakeConfig() const {
    absl::StatusOr<Config> config = ParseConfig(
        Concat("workers = 1\ndrain_timeout_ms = 300\nadmin.address = \"off\"\n[[listener]]\n",
               "address = \"", reservation_.address(), "\"\n[upstream.default]\nurl = \"",
               redis_.url(), "\"\n"),
        "hold_test", {});
    EXPECT_TRUE(config.ok()) << config.status();
    for (const PluginKind& kind : kKinds) {
      config->plugins.push_back({kind.schema.name, true, "", {}});
    }
    return *std::move(config);
  }

  harness::RedisServer redis_;
  harness::PortReservation reservation_;
  absl::Status status_;
  Server server_;
  std::thread thread_;
};

TEST_F(HoldTest, ResumedGoesOnWithTheNextPlugin) {
  RawClient client(port());
  client.Send(Encode({"GET", "hold"}));
  AwaitHolds(1);
  EXPECT_EQ(requests_passed_on, 0);
  Release("resume");
  EXPECT_EQ(client.ReadFrame(), Bulk("its value"));
  EXPECT_EQ(requests_passed_on, 1);
  EXPECT_EQ(client.Text({"GET", "k"}), "v");
}

TEST_F(HoldTest, AnsweredAndDroppedReachNobodyElse) {
  RawClient client(port());
  for (const auto& [how, reply] : {std::pair{"answer", kAnswer}, std::pair{"drop", kDropped}}) {
    client.Send(Encode({"SET", "k", "hold"}));
    AwaitHolds(1);
    Release(how);
    EXPECT_EQ(client.ReadFrame(), reply);
    EXPECT_EQ(requests_passed_on, 0);
  }
  EXPECT_EQ(client.Text({"GET", "k"}), "v");
}

TEST_F(HoldTest, RepliesKeepTheirOrderAroundIt) {
  RawClient client(port());
  client.Send(Encode({"INCR", "n"}) + Encode({"GET", "k"}) + Encode({"GET", "hold"}) +
              Encode({"INCR", "n"}) + Encode({"ECHO", "local"}) + Encode({"SHUTDOWN"}) +
              Encode({"SET", "x", "hold"}) + Encode({"INCR", "n"}));
  AwaitHolds(1);
  EXPECT_EQ(client.ReadFrame(), ":1\r\n");
  EXPECT_EQ(client.ReadFrame(), Bulk("v"));
  RawClient other(port());
  EXPECT_EQ(other.Text({"GET", "n"}), "1") << "what comes behind it waits; others do not";
  Release("resume");
  EXPECT_EQ(client.ReadFrame(), Bulk("its value"));
  EXPECT_EQ(client.ReadFrame(), ":2\r\n");
  EXPECT_EQ(client.ReadFrame(), Bulk("local"));
  EXPECT_TRUE(client.ReadFrame().starts_with("-NOPERM weir: "));
  AwaitHolds(1);
  EXPECT_EQ(client.ReadAvailable(20), "");
  Release("answer");
  EXPECT_EQ(client.ReadFrame(), kAnswer);
  EXPECT_EQ(client.ReadFrame(), ":3\r\n");
}

TEST_F(HoldTest, MayEndWithinItsOwnCall) {
  RawClient client(port());
  EXPECT_EQ(client.Command({"SET", "hold-resume", "1"}), "+OK\r\n");
  EXPECT_EQ(client.Command({"GET", "hold-resume"}), Bulk("1"));
  EXPECT_EQ(client.Command({"GET", "hold-answer"}), kAnswer);
  EXPECT_EQ(client.Command({"GET", "hold-drop"}), kDropped);
  EXPECT_EQ(client.Command({"GET", "hold-rewrite"}), Bulk("v"));
}

TEST_F(HoldTest, ThousandsMayEndWithinTheirOwnCalls) {
  constexpr int kRounds = 2000;
  RawClient client(port());
  std::string requests;
  for (int i = 0; i < kRounds; ++i) {
    requests += Encode({"INCR", "n"}) + Encode({"GET", "hold-answer"}) + Encode({"GET", "k"}) +
                Encode({"GET", "hold-drop"}) + Encode({"GET", "hold-rewrite"}) +
                Encode({"GET", "hold-resume"});
  }
  ASSERT_TRUE(client.Send(requests));
  for (int i = 1; i <= kRounds; ++i) {
    ASSERT_EQ(client.ReadFrame(), Concat(":", i, "\r\n"));
    ASSERT_EQ(client.ReadFrame(), kAnswer);
    ASSERT_EQ(client.ReadFrame(), Bulk("v"));
    ASSERT_EQ(client.ReadFrame(), kDropped);
    ASSERT_EQ(client.ReadFrame(), Bulk("v"));
    ASSERT_EQ(client.ReadFrame(), "$-1\r\n");
  }
}

TEST_F(HoldTest, AClientThatLeavesTakesItsRequestsAlong) {
  RawClient closes(port());
  closes.Send(Encode({"SET", "k", "hold"}) + Encode({"SET", "k", "behind it"}));
  AwaitHolds(1);
  RawClient resets(port());
  resets.Send(Encode({"SET", "k", "hold"}));
  AwaitHolds(2);
  RawClient killed(port());
  ASSERT_EQ(killed.Text({"CLIENT", "SETNAME", "killed"}), "OK");
  const std::string id = killed.Text({"CLIENT", "ID"});
  killed.Send(Encode({"SET", "k", "hold"}));
  AwaitHolds(3);
  resets.Reset();
  closes.Reset();
  RawClient other(port());
  EXPECT_EQ(other.Command({"CLIENT", "KILL", "ID", id}), ":1\r\n");
  EXPECT_EQ(killed.ReadUntilClose(), "");
  ASSERT_TRUE(Eventually([&] {
    return harness::ParseInfo(other.Text({"INFO", "weir"}))["weir_clients"] == "1";
  }));
  for (const char* how : {"resume", "answer", "drop"}) Release(how);
  EXPECT_EQ(other.Text({"GET", "k"}), "v");
  EXPECT_EQ(requests_passed_on, 5)
      << "RELEASE is answered before; CLIENT KILL, INFO and GET are not";
}

// Like a client that says all it wants and closes its side, which Redis answers in full.
TEST_F(HoldTest, OneThatOnlyEndsItsInputIsAnswered) {
  RawClient client(port());
  client.Send(Encode({"GET", "hold"}) + Encode({"GET", "k"}));
  AwaitHolds(1);
  client.HalfClose();
  Release("resume");
  EXPECT_EQ(client.ReadUntilClose(), Bulk("its value") + Bulk("v"));
}

TEST_F(HoldTest, ItsDeadlineAnswersForAPluginThatForgets) {
  RawClient client(port());
  client.Send(Encode({"GET", "hold-briefly"}) + Encode({"GET", "k"}));
  EXPECT_EQ(client.ReadFrame(), "-ERR weir: a plugin held the request for more than 50 ms\r\n");
  EXPECT_EQ(client.ReadFrame(), Bulk("v"));
}

// A plugin's timer was an open handle of the worker's loop, which ended only when it fired: with a
// delay of a minute, SIGTERM took a minute.
TEST_F(HoldTest, NeitherAHoldNorAPluginsTimerKeepsWeirFromEnding) {
  RawClient client(port());
  client.Send(Encode({"GET", "hold"}));
  AwaitHolds(1);
  const int64_t start_ms = harness::NowMs();
  Stop();
  EXPECT_LT(harness::NowMs() - start_ms, harness::kPatience_ms);
  const std::string last_words = client.ReadUntilClose();
  EXPECT_TRUE(last_words.empty() || last_words == kDropped) << last_words;
}

}  // namespace
}  // namespace weir
