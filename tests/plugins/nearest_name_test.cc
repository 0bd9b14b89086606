// The valid name that a mistyped one most likely meant.
#include "plugins/nearest_name.h"

#include <gtest/gtest.h>

#include <random>

namespace weir {
namespace {

TEST(EditDistance, CountsInsertionsDeletionsChangesAndSwaps) {
  EXPECT_EQ(EditDistance("", ""), 0u);
  EXPECT_EQ(EditDistance("abc", ""), 3u);
  EXPECT_EQ(EditDistance("", "abc"), 3u);
  EXPECT_EQ(EditDistance("workers", "worker"), 1u);
  EXPECT_EQ(EditDistance("wrokers", "workers"), 1u);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3u);
  EXPECT_EQ(EditDistance("WORKERS", "workers"), 0u);
}

TEST(EditDistance, IsAMetricAsFarAsTheRestrictedFormIs) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const auto word = [&] {
    std::string text(random() % 8, 'a');
    for (char& c : text) c = static_cast<char>('a' + random() % 3);
    return text;
  };
  for (int i = 0; i < 1000; ++i) {
    const std::string a = word();
    const std::string b = word();
    EXPECT_EQ(EditDistance(a, b), EditDistance(b, a)) << a << " " << b;
    EXPECT_EQ(EditDistance(a, b) == 0, a == b) << a << " " << b;
    EXPECT_LE(EditDistance(a, b), std::max(a.size(), b.size())) << a << " " << b;
    EXPECT_LE(EditDistance(a + "x", b), EditDistance(a, b) + 1) << a << " " << b;
  }
}

TEST(NearestName, FindsTheNearestAndOnlyWhatIsNear) {
  const std::vector<std::string_view> names = {"clients_max", "client_idle_timeout_ms", "address"};
  EXPECT_EQ(NearestName("client_max", names), "clients_max");
  EXPECT_EQ(NearestName("adress", names), "address");
  EXPECT_EQ(NearestName("client_idle_timeout", names), "client_idle_timeout_ms");
  EXPECT_EQ(NearestName("zzz", names), "");
  EXPECT_EQ(NearestName("", names), "");
  EXPECT_EQ(NearestName("x", {}), "");
}

TEST(NearestName, DoesNotLookAtNoise) {
  const std::string noise(1 << 20, 'a');
  EXPECT_EQ(NearestName(noise, {std::string_view(noise)}), "");
}

TEST(DidYouMean, IsATailForAnError) {
  EXPECT_EQ(DidYouMean("adress", {"address"}), "; did you mean 'address'?");
  EXPECT_EQ(DidYouMean("zzz", {"address"}), "");
}

}  // namespace
}  // namespace weir
