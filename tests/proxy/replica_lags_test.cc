// The board on which replicas' lags stand.
#include "proxy/backend/replica_lags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <uv.h>

#include "proxy/metrics_page.h"
#include "routing/read_policy.h"

namespace weir {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

TEST(ReplicaLagsTest, GrowUntilTheyAreMeasuredAgain) {
  ReplicaLags lags("default");
  lags.Set("a:1", 1000);
  lags.Set("b:1", 0);
  EXPECT_THAT(lags.LagsMs(1250), ElementsAre(Pair("a:1", 250), Pair("b:1", kLagUnknown)));
  EXPECT_THAT(lags.LagsMs(2250), ElementsAre(Pair("a:1", 1250), Pair("b:1", kLagUnknown)));
  lags.Set("a:1", 2300);
  EXPECT_THAT(lags.LagsMs(2250), ElementsAre(Pair("a:1", 0), Pair("b:1", kLagUnknown)))
      << "the clocks of threads differ by a turn";
}

TEST(ReplicaLagsTest, WhoHasLeftIsForgotten) {
  ReplicaLags lags("default");
  lags.Set("a:1", 1000);
  lags.Set("b:1", 1000);
  lags.Keep({"b:1", "c:1"});
  EXPECT_THAT(lags.LagsMs(1000), ElementsAre(Pair("b:1", 0)));
}

TEST(ReplicaLagsTest, AreMetrics) {
  ReplicaLags lags("default");
  lags.Set("a:1", uv_hrtime() / 1'000'000);
  lags.Set("b:1", 0);
  MetricsPage page;
  lags.Collect(page);
  EXPECT_THAT(page.Text(),
              HasSubstr("weir_replica_lag_seconds{upstream=\"default\",node=\"a:1\"} "));
  EXPECT_THAT(page.Text(), Not(HasSubstr("b:1"))) << "nobody knows";
}

}  // namespace
}  // namespace weir
