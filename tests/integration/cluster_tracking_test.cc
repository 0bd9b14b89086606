// CLIENT TRACKING on a cluster: a client with a near cache hears what it would hear of one Redis.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/cluster.h"
#include "tests/support/raw_client.h"
#include "tests/support/redis_server.h"
#include "tests/support/seed.h"
#include "tests/support/weir_server.h"

namespace weir::harness {
namespace {

const std::string kFlush = ">2\r\n$10\r\ninvalidate\r\n_\r\n";

std::string Invalidation(const std::string& key) {
  return ">2\r\n$10\r\ninvalidate\r\n*1\r\n" + Bulk(key);
}

// A client with RESP3 and what it hears.
class Tracker {
 public:
  explicit Tracker(uint16_t port) : client_(port) { client_.Command({"HELLO", "3"}); }
  RawClient& client() { return client_; }

  // The reply to a request; pushes before it are kept.
  std::string Ask(const std::vector<std::string>& args) {
    client_.Send(Encode(args));
    return NextReply();
  }
  std::string NextReply() {
    for (;;) {
      std::string frame = client_.ReadFrame();
      if (!frame.starts_with('>')) return frame;
      Keep(frame);
    }
  }
  // The keys that it was told of up to now, in order of their names; "(all)" for a flush, which
  // each node says of itself.
  std::vector<std::string> Heard() {
    EXPECT_EQ(Ask({"PING", "sync"}), Bulk("sync"));
    std::vector<std::string> heard;
    heard.swap(heard_);
    std::sort(heard.begin(), heard.end());
    const auto flushes = std::equal_range(heard.begin(), heard.end(), "(all)");
    if (flushes.first != flushes.second) heard.erase(flushes.first + 1, flushes.second);
    return heard;
  }

 private:
  void Keep(const std::string& frame) {
    const Reply push = ParseReply(frame);
    ASSERT_EQ(push.elements.size(), 2U) << Printable(frame);
    ASSERT_EQ(push.elements[0].text, "invalidate");
    if (push.elements[1].null) heard_.push_back("(all)");
    for (const Reply& key : push.elements[1].elements) heard_.push_back(key.text);
  }

  RawClient client_;
  std::vector<std::string> heard_;
};

using Heard = std::vector<std::string>;

class ClusterTrackingTest : public ::testing::Test {
 protected:
  int64_t TrackingClients() {
    int64_t n = 0;
    for (size_t i = 0; i < 3; ++i) {
      n += std::stoll(cluster_.node(i).Info("clients", "tracking_clients"));
    }
    return n;
  }

  Cluster cluster_{{.replicas_each = 0}};
  WeirServer weir_{InFrontOf(cluster_.url())};
};

TEST_F(ClusterTrackingTest, HearsOfKeysOnAllNodesOnce) {
  Tracker tracker(weir_.port());
  RawClient other(weir_.port());
  EXPECT_EQ(tracker.Ask({"CLIENT", "TRACKING", "ON"}), "+OK\r\n");
  for (size_t node = 0; node < 3; ++node) {
    const std::string key = cluster_.KeyOn(node, 1);
    EXPECT_EQ(tracker.Ask({"GET", key}), "_\r\n");
    EXPECT_EQ(other.Text({"SET", key, "1"}), "OK");
    EXPECT_EQ(tracker.Heard(), Heard{key});
    EXPECT_EQ(other.Text({"SET", key, "2"}), "OK");
    EXPECT_EQ(tracker.Heard(), Heard{});
  }
  EXPECT_EQ(TrackingClients(), 3);
  EXPECT_NE(weir_.Info("weir_pinned").find("tracking=1"), std::string::npos);
  EXPECT_EQ(tracker.Ask({"CLIENT", "TRACKING", "OFF"}), "+OK\r\n");
  EXPECT_TRUE(Eventually([&] { return TrackingClients() == 0; }));
  EXPECT_EQ(tracker.Ask({"GET", cluster_.KeyOn(0, 1)}), Bulk("2"));
  EXPECT_EQ(other.Text({"SET", cluster_.KeyOn(0, 1), "3"}), "OK");
  EXPECT_EQ(tracker.Heard(), Heard{});
}

// The same conversation with one Redis and through weir with a cluster: the same replies, and the
// same keys are heard of after each step.
TEST_F(ClusterTrackingTest, AClientHearsWhatItWouldHearOfOneRedis) {
  const std::vector<std::vector<std::string>> modes = {
      {},
      {"NOLOOP"},
      {"OPTIN"},
      {"OPTOUT"},
      {"OPTIN", "NOLOOP"},
      {"BCAST"},
      {"BCAST", "PREFIX", "a", "PREFIX", "b"},
      {"BCAST", "PREFIX", "a", "NOLOOP"},
  };
  RedisServer redis;
  Random random(Seed());
  for (const std::vector<std::string>& mode : modes) {
    RawClient(redis.port()).Command({"FLUSHALL"});
    RawClient(weir_.port()).Command({"FLUSHALL"});
    Tracker direct(redis.port()), through(weir_.port());
    RawClient direct_other(redis.port()), through_other(weir_.port());
    std::string history;
    const auto both = [&](const std::vector<std::string>& args) {
      for (const std::string& arg : args) history += arg + " ";
      history += "\n";
      ASSERT_EQ(Printable(through.Ask(args)), Printable(direct.Ask(args))) << history;
    };
    const auto others = [&](const std::vector<std::string>& args) {
      history += "other: ";
      for (const std::string& arg : args) history += arg + " ";
      history += "\n";
      ASSERT_EQ(through_other.Command(args), direct_other.Command(args)) << history;
    };
    const auto key = [&] {
      return std::string(1, static_cast<char>('a' + Below(random, 3))) +
             std::to_string(Below(random, 8));
    };
    std::vector<std::string> on = {"CLIENT", "TRACKING", "ON"};
    on.insert(on.end(), mode.begin(), mode.end());
    both(on);
    both({"CLIENT", "TRACKINGINFO"});
    both({"CLIENT", "GETREDIR"});
    const bool optin = std::count(mode.begin(), mode.end(), "OPTIN") != 0;
    const bool optout = std::count(mode.begin(), mode.end(), "OPTOUT") != 0;
    for (int step = 0; step < 150 && !HasFatalFailure(); ++step) {
      if ((optin || optout) && Below(random, 3) == 0) {
        both({"CLIENT", "CACHING", optin ? "YES" : "NO"});
      }
      switch (Below(random, 12)) {
        case 0:
        case 1:
        case 2:
          both({"GET", key()});
          break;
        case 3:
          both({"MGET", key(), key(), key(), key()});
          break;
        case 4:
          both({"SET", key(), std::to_string(step)});
          break;
        case 5:
          both({"MSET", key(), "x", key(), "y"});
          break;
        case 6: {
          const std::string a = key();
          both({"MULTI"});
          both({"GET", a});
          both({"SET", a, "in"});
          both({"GET", a});
          both({"EXEC"});
          break;
        }
        case 7:
          both({"EVAL", "return redis.call('get', KEYS[1])", "1", key()});
          break;
        case 8:
          both({"WATCH", key()});
          both({"GET", key()});
          both({"UNWATCH"});
          break;
        default: {
          const uint64_t what = Below(random, 10);
          if (what == 0) {
            others({"FLUSHALL"});
          } else if (what < 3) {
            others({"DEL", key(), key()});
          } else {
            others({"SET", key(), std::to_string(step)});
          }
        }
      }
      ASSERT_EQ(through.Heard(), direct.Heard()) << history;
    }
    both({"CLIENT", "TRACKING", "OFF"});
    others({"MSET", "a1", "1", "b1", "1"});
    EXPECT_EQ(through.Heard(), direct.Heard());
  }
}

TEST_F(ClusterTrackingTest, MistakesGetRedisOwnWords) {
  RedisServer redis;
  Tracker direct(redis.port()), through(weir_.port());
  const std::vector<std::vector<std::string>> conversation = {
      {"CLIENT", "TRACKING"},
      {"CLIENT", "TRACKING", "maybe"},
      {"CLIENT", "TRACKING", "OFF"},
      {"CLIENT", "TRACKING", "OFF", "nonsense"},
      {"CLIENT", "CACHING", "YES"},
      {"CLIENT", "TRACKING", "ON", "OPTIN", "OPTOUT"},
      {"CLIENT", "TRACKING", "ON", "PREFIX", "a"},
      {"CLIENT", "TRACKING", "ON", "BCAST", "OPTIN"},
      {"CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "a", "PREFIX", "ab"},
      {"CLIENT", "TRACKINGINFO"},
      {"CLIENT", "TRACKING", "ON", "OPTIN"},
      {"CLIENT", "TRACKING", "ON", "BCAST"},
      {"CLIENT", "TRACKING", "ON", "OPTOUT"},
      {"CLIENT", "CACHING", "NO"},
      {"CLIENT", "CACHING", "maybe"},
      {"CLIENT", "TRACKINGINFO"},
      {"CLIENT", "TRACKING", "OFF"},
      {"CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "a"},
      {"CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "b", "NOLOOP"},
      {"CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "bc"},
      {"CLIENT", "TRACKINGINFO"},
      {"RESET"},
      {"HELLO", "2"},
      {"CLIENT", "TRACKINGINFO"},
      {"CLIENT", "TRACKING", "ON"},
      {"CLIENT", "TRACKINGINFO"},
      {"GET", "a"},
  };
  for (const std::vector<std::string>& args : conversation) {
    std::string shown;
    for (const std::string& arg : args) shown += arg + " ";
    const std::string said = direct.Ask(args);
    // Who the server is and which number the client has, is not the same.
    if (args[0] == "HELLO") {
      through.Ask(args);
    } else {
      EXPECT_EQ(Printable(through.Ask(args)), Printable(said)) << shown;
    }
  }
}

TEST_F(ClusterTrackingTest, WhatIsNotThereYetIsRefused) {
  Tracker tracker(weir_.port());
  RawClient target(weir_.port());
  const std::string id = target.Text({"CLIENT", "ID"});
  EXPECT_EQ(tracker.Ask({"CLIENT", "TRACKING", "ON", "REDIRECT", id}),
            "-ERR weir: CLIENT TRACKING with REDIRECT is not possible on a cluster yet\r\n");
  EXPECT_EQ(tracker.Ask({"WATCH", "a"}), "+OK\r\n");
  EXPECT_EQ(tracker.Ask({"CLIENT", "TRACKING", "ON"}),
            "-ERR weir: CLIENT TRACKING is not possible on a cluster while keys are watched\r\n");
  EXPECT_EQ(tracker.Ask({"UNWATCH"}), "+OK\r\n");
  EXPECT_EQ(tracker.Ask({"MULTI"}), "+OK\r\n");
  EXPECT_EQ(tracker.Ask({"SET", "a", "1"}), "+QUEUED\r\n");
  EXPECT_EQ(tracker.Ask({"CLIENT", "TRACKING", "ON"}),
            "-ERR weir: CLIENT TRACKING is not possible inside MULTI on a cluster\r\n");
  EXPECT_TRUE(tracker.Ask({"EXEC"}).starts_with("-EXECABORT "));
  EXPECT_EQ(tracker.Ask({"CLIENT", "TRACKING", "ON"}), "+OK\r\n");
}

// Its reply waited for another node's while a push of its own node went past it: the client kept
// what it was told to forget, for ever.
TEST_F(ClusterTrackingTest, AnInvalidationDoesNotOvertakeTheReplyThatItIsAbout) {
  Tracker tracker(weir_.port());
  const std::string slow = cluster_.KeyOn(0, 1), fast = cluster_.KeyOn(1, 1);
  EXPECT_EQ(tracker.Ask({"CLIENT", "TRACKING", "ON"}), "+OK\r\n");
  for (const std::string& key : {slow, fast}) EXPECT_EQ(tracker.Ask({"GET", key}), "_\r\n");
  EXPECT_EQ(RawClient(cluster_.node(1).port()).Text({"SET", fast, "old"}), "OK");
  EXPECT_EQ(tracker.Heard(), Heard{fast});
  cluster_.node(0).Pause();
  const int64_t gets = cluster_.node(1).Calls("get");
  tracker.client().Send(Encode({"GET", slow}) + Encode({"GET", fast}));
  ASSERT_TRUE(Eventually([&] { return cluster_.node(1).Calls("get") > gets; }));
  EXPECT_EQ(RawClient(cluster_.node(1).port()).Text({"SET", fast, "new"}), "OK");
  // Behind it on the same connection: when this has been answered, weir has had the push.
  tracker.client().Send(Encode({"STRLEN", fast}));
  ASSERT_TRUE(Eventually([&] { return cluster_.node(1).Calls("strlen") > 0; }));
  cluster_.node(0).Resume();
  EXPECT_EQ(tracker.client().ReadFrame(), "_\r\n");
  EXPECT_EQ(tracker.client().ReadFrame(), Bulk("old"));
  std::vector<std::string> rest = tracker.client().ReadFrames(2);
  std::sort(rest.begin(), rest.end());
  EXPECT_EQ(rest, (std::vector<std::string>{":3\r\n", Invalidation(fast)}));
}

// PING is how a client knows that what it keeps is still true. One node had answered already, so
// what a slower one had to say before it answered was put behind the PONG.
TEST_F(ClusterTrackingTest, PongComesBehindWhatWasChangedBefore) {
  RawClient client(weir_.port());
  client.Command({"HELLO", "3"});
  EXPECT_EQ(client.Text({"CLIENT", "TRACKING", "ON"}), "OK");
  const std::string slow = cluster_.KeyOn(0, 1);
  EXPECT_EQ(client.Command({"GET", slow}), "_\r\n");
  EXPECT_EQ(client.Command({"GET", cluster_.KeyOn(1, 1)}), "_\r\n");
  RawClient writer(cluster_.node(0).port());
  writer.Send(
      Encode({"EVAL", "redis.call('SET', KEYS[1], 1) for i = 1, 150000000 do end", "1", slow}));
  // The key has been changed when the node answers nobody any more.
  ASSERT_TRUE(Eventually([&] {
    RawClient other(cluster_.node(0).port());
    other.Send(Encode({"PING"}));
    return other.ReadAvailable(50).empty();
  }));
  EXPECT_EQ(client.Command({"PING"}), ">2\r\n$10\r\ninvalidate\r\n*1\r\n" + Bulk(slow));
  EXPECT_EQ(client.ReadFrame(), "+PONG\r\n");
}

TEST_F(ClusterTrackingTest, AConnectionThatBreaksMeansToForgetEverything) {
  for (const std::string mode : {"NOLOOP", "BCAST"}) {
    Tracker tracker(weir_.port());
    const std::string key = cluster_.KeyOn(2, 1);
    EXPECT_EQ(tracker.Ask({"CLIENT", "TRACKING", "ON", mode}), "+OK\r\n");
    EXPECT_EQ(tracker.Ask({"EXISTS", key}), ":0\r\n");
    RawClient node(cluster_.node(2).port());
    node.Command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
    EXPECT_EQ(tracker.client().ReadFrame(), kFlush);
    EXPECT_EQ(tracker.Ask({"EXISTS", key}), ":0\r\n");
    EXPECT_TRUE(
        Eventually([&] { return cluster_.node(2).Info("clients", "tracking_clients") == "1"; }));
    tracker.Heard();
    EXPECT_EQ(node.Text({"SET", key, "1"}), "OK");
    EXPECT_EQ(tracker.Heard(), Heard{key});
    EXPECT_EQ(node.Text({"DEL", key}), "1");
  }
}

TEST_F(ClusterTrackingTest, TheBoundIsSaidAndWhatIsGivenBackIsThereAgain) {
  WeirConfig config = InFrontOf(cluster_.url(), "pinned_connections_max = 2\n");
  config.workers = 1;
  WeirServer weir(config);
  {
    Tracker tracker(weir.port());
    EXPECT_EQ(tracker.Ask({"CLIENT", "TRACKING", "ON", "BCAST"}).substr(0, 6), "-DOWN ");
    EXPECT_EQ(tracker.Ask({"CLIENT", "TRACKING", "ON"}), "+OK\r\n");
    int refused = 0;
    for (size_t node = 0; node < 3; ++node) {
      const std::string reply = tracker.Ask({"GET", cluster_.KeyOn(node, 1)});
      if (reply == "_\r\n") continue;
      EXPECT_TRUE(reply.starts_with("-DOWN weir: upstream 'default' has pinned_connections_max"))
          << reply;
      ++refused;
    }
    EXPECT_EQ(refused, 1);
    EXPECT_EQ(tracker.Ask({"RESET"}), "+RESET\r\n");
    EXPECT_TRUE(Eventually([&] { return TrackingClients() == 0; }));
    tracker.Ask({"HELLO", "3"});
    EXPECT_EQ(tracker.Ask({"CLIENT", "TRACKING", "ON"}), "+OK\r\n");
    EXPECT_EQ(tracker.Ask({"GET", cluster_.KeyOn(1, 1)}), "_\r\n");
  }
  EXPECT_TRUE(Eventually([&] { return TrackingClients() == 0; }));
}

// The slot's new node knows nothing of what was read from the old one.
TEST_F(ClusterTrackingTest, ASlotThatMovesMeansToForgetEverything) {
  Tracker tracker(weir_.port()), broadcast(weir_.port());
  const std::string key = cluster_.KeyOn(0, 1);
  EXPECT_EQ(tracker.Ask({"CLIENT", "TRACKING", "ON"}), "+OK\r\n");
  EXPECT_EQ(tracker.Ask({"GET", key}), "_\r\n");
  const size_t added = cluster_.AddNode();
  EXPECT_EQ(broadcast.Ask({"CLIENT", "TRACKING", "ON", "BCAST"}), "+OK\r\n");
  cluster_.MoveSlots(0, added, SlotOf(key), 1);
  EXPECT_EQ(tracker.client().ReadFrame(), kFlush);
  EXPECT_EQ(broadcast.client().ReadFrame(), kFlush);
  EXPECT_TRUE(
      Eventually([&] { return cluster_.node(added).Info("clients", "tracking_clients") == "1"; }));
  EXPECT_EQ(tracker.Ask({"GET", key}), "_\r\n");
  tracker.Heard();
  broadcast.Heard();
  EXPECT_EQ(RawClient(cluster_.node(added).port()).Text({"SET", key, "1"}), "OK");
  // Perhaps once more that the map has changed.
  for (Tracker* each : {&tracker, &broadcast}) {
    const Heard heard = each->Heard();
    EXPECT_EQ(std::count(heard.begin(), heard.end(), key), 1);
  }
}

}  // namespace
}  // namespace weir::harness
