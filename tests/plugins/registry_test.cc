// The table of plugins, and chains built from it.
#include "plugins/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/plugins/fakes.h"

namespace weir {
namespace {

using testing::ElementsAre;

std::vector<PluginConfig> Defaults() {
  std::vector<PluginConfig> configs;
  for (const PluginSchema& schema : PluginSchemas()) {
    configs.push_back({schema.name, schema.enabled, "", {}});
  }
  return configs;
}

TEST(Registry, NamesEachPluginOnceAndDescribesIt) {
  std::set<std::string> names;
  for (const PluginSchema& schema : PluginSchemas()) {
    EXPECT_TRUE(names.insert(schema.name).second) << schema.name;
    EXPECT_TRUE(std::string_view(schema.description).ends_with('.')) << schema.name;
    EXPECT_TRUE(schema.keys.empty() || schema.defaults != nullptr) << schema.name;
    for (const ConfigKey& key : schema.keys) {
      EXPECT_NE(std::string_view(key.name), "enabled") << schema.name;
      EXPECT_TRUE(std::string_view(key.description).ends_with('.')) << key.name;
    }
  }
  EXPECT_EQ(PluginSchemas().size(), PluginKinds().size());
}

TEST(Registry, BuildsOnlyWhatIsEnabled) {
  FakeHost host;
  EXPECT_THAT(BuildChain(Defaults(), host)->names(), ElementsAre("metrics"));
  EXPECT_TRUE(BuildChain({}, host)->empty());
  std::vector<PluginConfig> all = Defaults();
  for (PluginConfig& config : all) config.enabled = true;
  std::swap(all.front(), all.back());
  EXPECT_THAT(BuildChain(all, host)->names(),
              ElementsAre("metrics", "namespaces", "idempotency", "rate_limit", "skeleton"));
}

TEST(Registry, KeepsMetricsOffTheRequestsWay) {
  FakeHost host;
  const Chain chain = BuildChain(Defaults(), host).value();
  EXPECT_FALSE(chain.has(kHookRequest | kHookReply));
  EXPECT_TRUE(chain.has(kHookDone));
}

}  // namespace
}  // namespace weir
