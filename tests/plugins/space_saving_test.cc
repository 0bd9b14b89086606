// Space-Saving against exact counts: its bounds hold over random streams, however skewed.
#include "plugins/space_saving.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "plugins/text.h"
#include "tests/support/seed.h"

namespace weir {
namespace {

using Exact = std::map<std::string, uint64_t>;

// Keys 0..n-1, the i-th as often as 1 / (i + 1)^skew.
class Zipf {
 public:
  Zipf(size_t n, double skew) {
    std::vector<double> weights;
    for (size_t i = 0; i < n; ++i)
      weights.push_back(1 / std::pow(static_cast<double>(i + 1), skew));
    pick_ = std::discrete_distribution<size_t>(weights.begin(), weights.end());
  }
  std::string operator()(std::mt19937& random) { return Concat("key:", pick_(random)); }

 private:
  std::discrete_distribution<size_t> pick_;
};

// `slack`: N / m, summed over what was merged.
void ExpectBounds(const std::vector<SpaceSaving::Heavy>& heavies, const Exact& exact,
                  double slack) {
  std::map<std::string, const SpaceSaving::Heavy*> found;
  for (const SpaceSaving::Heavy& heavy : heavies) {
    EXPECT_TRUE(found.emplace(heavy.key, &heavy).second) << heavy.key << " is there twice";
    const auto at = exact.find(heavy.key);
    ASSERT_NE(at, exact.end()) << heavy.key << " was never there";
    EXPECT_GE(heavy.estimate, at->second) << heavy.key;
    EXPECT_LE(heavy.estimate - heavy.error, at->second) << heavy.key;
    EXPECT_LE(static_cast<double>(heavy.error), slack) << heavy.key;
  }
  for (const auto& [key, count] : exact) {
    if (static_cast<double>(count) > slack) {
      EXPECT_TRUE(found.contains(key)) << key << " has " << count;
    }
  }
}

TEST(SpaceSavingTest, ItsBoundsHoldOverZipfStreams) {
  std::mt19937 random(harness::Seed());
  for (const double skew : {0.0, 0.6, 1.0, 1.3, 2.0}) {
    for (const size_t counters : {1u, 2u, 7u, 64u, 500u}) {
      for (const bool weighted : {false, true}) {
        SCOPED_TRACE(Concat("skew ", std::to_string(skew), ", counters ", counters));
        SpaceSaving sketch(counters);
        Exact exact;
        Zipf keys(300, skew);
        uint64_t total = 0;
        for (int i = 0; i < 5000; ++i) {
          const std::string key = keys(random);
          const uint64_t weight = weighted ? random() % 100 * (random() % 50 == 0 ? 1000 : 1) : 1;
          sketch.Add(key, weight);
          exact[key] += weight;
          total += weight;
        }
        EXPECT_EQ(sketch.total(), total);
        EXPECT_LE(sketch.counters().size(), counters);
        const double slack = static_cast<double>(total) / static_cast<double>(counters);
        ExpectBounds(sketch.counters(), exact, slack);
        ExpectBounds(SpaceSaving::Merge({&sketch}, SIZE_MAX), exact, slack);
      }
    }
  }
}

TEST(SpaceSavingTest, TheBoundsOfTheMergedAddUp) {
  std::mt19937 random(harness::Seed());
  for (int round = 0; round < 50; ++round) {
    const size_t counters = 1 + random() % 100;
    std::vector<SpaceSaving> parts(1 + random() % 5, SpaceSaving(counters));
    Zipf keys(1 + random() % 400, 0.1 * static_cast<double>(random() % 20));
    Exact exact;
    for (int i = 0; i < 3000; ++i) {
      const std::string key = keys(random);
      parts[random() % parts.size()].Add(key, 1);
      ++exact[key];
    }
    std::vector<const SpaceSaving*> all;
    double slack = 0;
    for (const SpaceSaving& part : parts) {
      all.push_back(&part);
      slack += static_cast<double>(part.total()) / static_cast<double>(counters);
    }
    ExpectBounds(SpaceSaving::Merge(all, SIZE_MAX), exact, slack);
    const auto top = SpaceSaving::Merge(all, 10);
    EXPECT_LE(top.size(), 10u);
    for (size_t i = 1; i < top.size(); ++i) EXPECT_GE(top[i - 1].estimate, top[i].estimate);
  }
}

TEST(SpaceSavingTest, IsExactWhileThereIsRoom) {
  SpaceSaving sketch(3);
  for (const char* key : {"a", "b", "a", "c", "a", "b"}) sketch.Add(key, 10);
  sketch.Add("a", 70);
  const auto all = SpaceSaving::Merge({&sketch}, 10);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].key, "a");
  EXPECT_EQ(all[0].estimate, 100u);
  EXPECT_EQ(all[0].error, 0u);
  EXPECT_EQ(all[0].largest, 70u);
  EXPECT_EQ(all[2].key, "c");
  sketch.Clear();
  EXPECT_TRUE(sketch.counters().empty());
  EXPECT_EQ(sketch.total(), 0u);
}

}  // namespace
}  // namespace weir
