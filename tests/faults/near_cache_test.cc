// Clients with near caches, kept true by CLIENT TRACKING alone, while slots of their cluster move
// and primaries die: at rest, what they hold is what is stored.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/cluster.h"
#include "tests/support/raw_client.h"
#include "tests/support/seed.h"
#include "tests/support/weir_server.h"

namespace weir::harness {
namespace {

constexpr int kKeys = 60;

class NearCache {
 public:
  NearCache(uint16_t port, const std::vector<std::string>& options) : client_(port) {
    client_.Command({"HELLO", "3"});
    std::vector<std::string> on = {"CLIENT", "TRACKING", "ON"};
    on.insert(on.end(), options.begin(), options.end());
    optin_ = !options.empty() && options[0] == "OPTIN";
    EXPECT_EQ(client_.Command(on), "+OK\r\n");
  }

  // Reads them in one pipeline, if they are not kept, and keeps what is no error.
  void Read(const std::vector<std::string>& keys) {
    std::string wire;
    std::vector<std::string> asked;
    for (const std::string& key : keys) {
      if (kept_.contains(key)) continue;
      if (optin_) wire += Encode({"CLIENT", "CACHING", "YES"});
      wire += Encode({"GET", key});
      asked.push_back(key);
    }
    client_.Send(wire);
    for (const std::string& key : asked) {
      if (optin_) {
        EXPECT_EQ(Next(), "+OK\r\n");
      }
      const std::string reply = Next();
      if (reply.starts_with('-')) {
        last_error_ = reply;
      } else {
        kept_[key] = reply;
      }
    }
  }
  void Write(const std::string& key, const std::string& value) {
    client_.Send(Encode({"SET", key, value}));
    const std::string reply = Next();
    ASSERT_FALSE(reply.ends_with(kTimedOut) || reply.ends_with(kClosed)) << reply;
  }
  void Sync() {
    client_.Send(Encode({"PING", "sync"}));
    Next();
  }
  const std::map<std::string, std::string>& kept() const { return kept_; }
  int flushes() const { return flushes_; }
  const std::string& last_error() const { return last_error_; }

 private:
  std::string Next() {
    for (;;) {
      std::string frame = client_.ReadFrame();
      if (!frame.starts_with('>')) return frame;
      const Reply push = ParseReply(frame);
      if (push.elements[1].null) {
        kept_.clear();
        ++flushes_;
      }
      for (const Reply& key : push.elements[1].elements) kept_.erase(key.text);
    }
  }

  RawClient client_;
  bool optin_ = false;
  std::map<std::string, std::string> kept_;
  int flushes_ = 0;
  std::string last_error_;
};

class NearCacheTest : public ::testing::Test {
 protected:
  // All nodes know of each primary the same epoch, and no two primaries have the same.
  bool AgreeOnEpochs() {
    std::set<std::string> views;
    for (size_t i = 0; i < cluster_.size(); ++i) {
      std::istringstream lines(RawClient(cluster_.node(i).port()).Text({"CLUSTER", "NODES"}));
      std::map<std::string, std::string> of_epoch;
      for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string id, address, flags, primary, pinged, heard, epoch;
        words >> id >> address >> flags >> primary >> pinged >> heard >> epoch;
        if (flags.find("master") != std::string::npos) of_epoch[epoch] = id;
      }
      if (of_epoch.size() != 3) return false;
      std::string view;
      for (const auto& [epoch, id] : of_epoch) view += epoch + "=" + id + " ";
      views.insert(view);
    }
    return views.size() == 1;
  }
  std::string Key(uint64_t i) { return cluster_.KeyOn(i % 3, static_cast<int>(i)); }

  // Reads and writes until `over`; then nobody writes any more, and all that is kept must be true.
  template <typename Over>
  void Work(Random* random, Over over) {
    std::vector<std::unique_ptr<NearCache>> caches;
    const std::vector<std::vector<std::string>> options = {{}, {"OPTIN"}, {"BCAST"}, {"NOLOOP"}};
    for (const auto& each : options) {
      caches.push_back(std::make_unique<NearCache>(weir_.port(), each));
    }
    RawClient writer(weir_.port());
    for (int step = 0; !over() || step < 500; ++step) {
      // What it writes itself, a client with NOLOOP is not told.
      NearCache& cache = *caches[Below(*random, caches.size())];
      std::vector<std::string> keys;
      for (uint64_t n = Below(*random, 8); keys.size() <= n;) {
        keys.push_back(Key(Below(*random, kKeys)));
      }
      cache.Read(keys);
      const std::string key = Key(Below(*random, kKeys));
      if (Below(*random, 4) == 0) {
        caches[Below(*random, 3)]->Write(key, std::to_string(step));
      } else if (Below(*random, 6) == 0) {
        writer.Command({"DEL", key});
      } else {
        writer.Command({"SET", key, std::to_string(step)});
      }
    }
    std::map<std::string, std::string> stored;
    const auto stale = [&]() -> std::string {
      RawClient reader(weir_.port());
      reader.Command({"HELLO", "3"});
      for (const auto& cache : caches) {
        cache->Sync();
        for (const auto& [key, value] : cache->kept()) {
          const std::string now = reader.Command({"GET", key});
          if (now != value) return key + " is " + Printable(now) + ", kept is " + Printable(value);
        }
      }
      return "";
    };
    EXPECT_TRUE(Eventually([&] { return stale().empty(); })) << stale();
    // And they still hear.
    for (const auto& cache : caches) {
      for (uint64_t i = 0; i < kKeys; ++i) cache->Read({Key(i)});
      EXPECT_EQ(cache->kept().size(), static_cast<size_t>(kKeys)) << cache->last_error();
    }
    for (uint64_t i = 0; i < kKeys; ++i) writer.Command({"SET", Key(i), "last"});
    EXPECT_EQ(stale(), "");
    for (size_t i = 0; i < caches.size(); ++i) {
      RecordProperty("flushes_" + std::to_string(i), caches[i]->flushes());
    }
  }

  Cluster cluster_;
  WeirServer weir_{
      InFrontOf(cluster_.url(), "request_timeout_ms = 3000\nretry_budget_ms = 60000\n")};
};

TEST_F(NearCacheTest, IsTrueWhileNothingHappens) {
  Random random(Seed());
  Work(&random, [] { return true; });
}

TEST_F(NearCacheTest, IsTrueAfterSlotsHaveMoved) {
  Random random(Seed());
  std::atomic<bool> over = false;
  std::set<uint16_t> slots;
  for (uint64_t i = 0; i < kKeys; i += 3) slots.insert(SlotOf(Key(i)));
  // Else two might claim a slot with the same epoch, and the nodes never agree again.
  ASSERT_TRUE(Eventually([&] { return AgreeOnEpochs(); }));
  std::thread mover([&] {
    for (const uint16_t slot : slots) cluster_.MoveSlots(0, 1, slot, 1);
    over = true;
  });
  Work(&random, [&] { return over.load(); });
  mover.join();
}

TEST_F(NearCacheTest, IsTrueAfterAPrimaryHasDied) {
  Random random(Seed());
  std::atomic<bool> over = false;
  std::thread killer([&] {
    cluster_.node(1).Kill();
    EXPECT_TRUE(Eventually([&] { return cluster_.PrimaryOf(cluster_.KeyOn(1, 0)) == 4; }));
    over = true;
  });
  Work(&random, [&] { return over.load(); });
  killer.join();
}

}  // namespace
}  // namespace weir::harness
