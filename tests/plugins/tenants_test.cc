// Namespaces in use: their quotas, their bound, what is counted of them; and the count of keys.
#include "plugins/tenants.h"

#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "plugins/key_count.h"
#include "resp/reply_writer.h"
#include "tests/plugins/fakes.h"

namespace weir {
namespace {

NamespaceRuleSettings Rule() {
  NamespaceRuleSettings rule;
  rule.name = "r";
  rule.prefix = "t:";
  return rule;
}

TEST(TenantTest, HasNoMoreConnectionsThanItMay) {
  NamespaceRuleSettings rule = Rule();
  rule.connections_max = 2;
  Tenant tenant(&rule, "t:");
  EXPECT_TRUE(tenant.Join());
  EXPECT_TRUE(tenant.Join());
  EXPECT_FALSE(tenant.Join());
  EXPECT_EQ(tenant.connections(), 2);
  tenant.Leave();
  EXPECT_TRUE(tenant.Join());
}

TEST(TenantTest, AllThreadsTogetherGetNoMoreThanThereIs) {
  NamespaceRuleSettings rule = Rule();
  rule.requests_per_s_max = 1000;
  Tenant tenant(&rule, "t:");
  std::atomic<int> passed{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) passed += tenant.Take(1'000'000'000, 1).empty() ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(passed, 1000);
  EXPECT_EQ(tenant.Take(1'000'000'000, 1),
            "-RATELIMIT namespace=t: rule=r requests_per_s_max=1000 remaining=0 retry_after_ms=1");
  EXPECT_EQ(tenant.Take(1'002'000'000, 1), "");
}

TEST(TenantTest, ARequestOfMoreThanASecondsBytesTakesAllOfThem) {
  NamespaceRuleSettings rule = Rule();
  rule.bytes_per_s_max = 100;
  Tenant tenant(&rule, "t:");
  EXPECT_EQ(tenant.Take(1'000'000'000, 5000), "");
  EXPECT_TRUE(
      tenant.Take(1'000'000'000, 1)
          .starts_with(
              "-RATELIMIT namespace=t: rule=r bytes_per_s_max=100 remaining=0 retry_after_ms="));
  EXPECT_EQ(tenant.Take(2'000'000'000, 50), "");
}

TEST(TenantsTest, KeepsNoMoreThanItsBoundOfThoseInUse) {
  NamespaceSettings settings;
  settings.namespaces_max = 2;
  settings.rules.push_back(Rule());
  Tenants tenants(settings);
  const NamespaceRuleSettings& rule = tenants.settings().rules[0];
  std::shared_ptr<Tenant> a = tenants.Get(rule, "a:", 0);
  const std::shared_ptr<Tenant> b = tenants.Get(rule, "b:", 0);
  EXPECT_EQ(tenants.Get(rule, "a:", 0), a);
  EXPECT_EQ(tenants.Get(rule, "c:", 1), nullptr);
  a.reset();
  // Clients that are refused ask again and again, and each time all would be looked through.
  EXPECT_EQ(tenants.Get(rule, "c:", Tenants::kForgetEveryNs), nullptr);
  EXPECT_NE(tenants.Get(rule, "c:", Tenants::kForgetEveryNs + 1), nullptr);
  EXPECT_EQ(tenants.All().size(), 2u);
}

class NamedSums final : public MetricsSink {
 public:
  void Add(const Metric& metric, const std::vector<MetricLabel>& labels, double value) override {
    std::string name = metric.name;
    for (const MetricLabel& label : labels) name += " " + std::string(label.value);
    sums[name] += value;
  }
  void Add(const Metric&, const std::vector<MetricLabel>&, const HistogramCounts&) override {}
  std::map<std::string, double> sums;
};

TEST(TenantsTest, BeyondTheFirstHundredMetricsAreAddedUp) {
  NamespaceSettings settings;
  settings.rules.push_back(Rule());
  Tenants tenants(settings);
  std::vector<std::shared_ptr<Tenant>> all;
  for (int i = 0; i < 150; ++i) {
    all.push_back(tenants.Get(tenants.settings().rules[0], std::to_string(1000 + i) + ":", 0));
    all.back()->Join();
    all.back()->Count(TenantOutcome::kPassed);
  }
  NamedSums sink;
  tenants.Collect(sink);
  EXPECT_EQ(sink.sums["weir_namespace_connections 1000:"], 1);
  EXPECT_EQ(sink.sums["weir_namespace_connections other"], 50);
  EXPECT_EQ(sink.sums["weir_namespace_requests_total other passed"], 50);
}

// ---- the count of keys

std::string Scanned(const std::string& cursor, const std::vector<std::string>& keys) {
  std::string reply;
  ReplyWriter writer(&reply, 2);
  writer.ArrayHeader(2);
  writer.Bulk(cursor);
  writer.ArrayHeader(keys.size());
  for (const std::string& key : keys) writer.Bulk(key);
  return reply;
}

TEST(CountScannedTest, CountsForWhoseNameAKeyBeginsWith) {
  KeysByPrefix counts = {{"a:", 0}, {"b:", 5}, {"t:acme:", 0}};
  EXPECT_EQ(CountScanned(Scanned("17", {"a:1", "a", "", "b:", "t:acme:x", "t:acme", "t:acmf:x", "z",
                                        "a:a:1", "A:1"}),
                         &counts),
            "17");
  EXPECT_EQ(counts, (KeysByPrefix{{"a:", 2}, {"b:", 6}, {"t:acme:", 1}}));
  for (const char* other :
       {"-ERR no\r\n", "*0\r\n", "*1\r\n:1\r\n", "+OK\r\n", "*2\r\n$1\r\n0\r\n$1\r\nx\r\n", ""}) {
    EXPECT_EQ(CountScanned(other, &counts), "") << other;
  }
}

class KeyCountTest : public ::testing::Test {
 protected:
  KeyCountTest() {
    NamespaceSettings settings;
    settings.rules.push_back(Rule());
    settings.rules[0].keys_max = 3;
    tenants_ = std::make_shared<Tenants>(settings);
    tenant_ = tenants_->Get(tenants_->settings().rules[0], "t:", 0);
  }
  // Answers the call under way, and lets the pause pass.
  void Answer(const std::string& reply) {
    ASSERT_FALSE(host_.calls.empty());
    const auto done = std::move(host_.calls.back().second);
    host_.calls.pop_back();
    done(reply);
    host_.Advance(10);
  }

  FakeHost host_;
  std::shared_ptr<Tenants> tenants_;
  std::shared_ptr<Tenant> tenant_;
};

TEST_F(KeyCountTest, GoesOverAllNodesAndThenBeginsAnew) {
  host_.node_keys = {"n1", "n2"};
  KeyCount count(&host_, tenants_);
  EXPECT_TRUE(host_.calls.empty());
  host_.Advance(10'000);
  Answer(Scanned("5", {"t:1", "u:1"}));
  Answer(Scanned("0", {"t:2"}));
  EXPECT_EQ(tenant_->keys(), 0) << "not before the end";
  Answer(Scanned("0", {"t:3", "t:4"}));
  EXPECT_EQ(tenant_->keys(), 4);
  EXPECT_TRUE(tenant_->full());
  host_.Advance(10'000);
  Answer(Scanned("0", {}));
  Answer(Scanned("0", {}));
  EXPECT_EQ(tenant_->keys(), 0);
  EXPECT_FALSE(tenant_->full());
}

TEST_F(KeyCountTest, AnErrorLeavesTheLastCount) {
  KeyCount count(&host_, tenants_);
  host_.Advance(10'000);
  Answer(Scanned("0", {"t:1", "t:2", "t:3"}));
  host_.Advance(10'000);
  Answer("-NOPERM this user has no permissions to run the 'scan' command\r\n");
  EXPECT_EQ(tenant_->keys(), 3);
  EXPECT_EQ(host_.logged.size(), 1u);
  host_.Advance(10'000);
  Answer(Scanned("0", {"t:1"}));
  EXPECT_EQ(tenant_->keys(), 1);
}

TEST_F(KeyCountTest, AnAnswerAfterItsEndIsNotLookedAt) {
  auto count = std::make_unique<KeyCount>(&host_, tenants_);
  host_.Advance(10'000);
  count.reset();
  Answer(Scanned("0", {"t:1"}));
  EXPECT_EQ(tenant_->keys(), 0);
  EXPECT_EQ(host_.timers(), 0u);
}

}  // namespace
}  // namespace weir
