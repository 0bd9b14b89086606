// The recipes of plugins/idempotency.md, as they stand there: each starts a weir, and does what it
// says.
#include <memory>
#include <thread>

#include "tests/integration/fixture.h"
#include "tests/integration/recipes.h"

namespace weir::harness {
namespace {

std::map<std::string, std::string> Recipes() { return RecipesOf("idempotency.md"); }

class IdempotencyRecipesTest : public ::testing::Test {
 protected:
  std::unique_ptr<WeirServer> Start(const std::string& title) {
    const std::map<std::string, std::string> recipes = Recipes();
    EXPECT_TRUE(recipes.contains(title)) << title;
    WeirConfig config;
    config.url = redis_.url();
    config.rest = "[plugin.idempotency]\nenabled = true\n" + recipes.at(title);
    return std::make_unique<WeirServer>(config);
  }

  RedisServer redis_;
};

TEST_F(IdempotencyRecipesTest, AreAllRunHere) {
  EXPECT_EQ(Recipes().size(), 2u) << "a recipe without a test, or a test without its recipe";
}

TEST_F(IdempotencyRecipesTest, PaymentsWithoutDoubleCharge) {
  const auto one = Start("Payments without double charge");
  const auto two = Start("Payments without double charge");
  RawClient client(one->port());
  ASSERT_EQ(client.Text({"SET", "balance:ann", "1000"}), "OK");
  // A client that is impatient: each payment is tried eight times at once, through both.
  const auto pay = [&](uint16_t port, const std::vector<std::string>& command) {
    RawClient payer(port);
    return payer.Command(command);
  };
  std::vector<std::thread> payers;
  std::atomic<int> right{0};
  for (int i = 0; i < 8; ++i) {
    payers.emplace_back([&, port = (i % 2 == 0 ? one : two)->port()] {
      right += pay(port, {"WEIR.IDEM", "pay-7f3a", "DECRBY", "balance:ann", "250"}) == ":750\r\n";
    });
  }
  for (std::thread& payer : payers) payer.join();
  EXPECT_EQ(right, 8);
  EXPECT_EQ(client.Text({"GET", "balance:ann"}), "750");
  // By the rule, and Redis never sees the token.
  for (const auto* weir : {one.get(), two.get()}) {
    EXPECT_EQ(pay(weir->port(), {"DECRBY", "balance:ann", "250", "pay-8c11"}), ":500\r\n");
  }
  EXPECT_EQ(pay(one->port(), {"DECRBY", "balance:ann", "300", "pay-8c11"}),
            "-IDEMMISMATCH rule=payments reason=other_arguments\r\n");
  EXPECT_EQ(client.Text({"GET", "balance:ann"}), "500");
}

TEST_F(IdempotencyRecipesTest, WebhooksThatComeMoreThanOnce) {
  const auto weir = Start("Webhooks that come more than once");
  RawClient client(weir->port());
  const auto hook = [&](const std::string& id) {
    return client.Command({"XADD", "events:shop", "*", "event_id", id, "type", "order.paid"});
  };
  const std::string first = hook("ev_1029");
  EXPECT_EQ(first[0], '$');
  EXPECT_EQ(hook("ev_1029"), first);
  EXPECT_NE(hook("ev_1030"), first);
  EXPECT_EQ(client.Command({"XLEN", "events:shop"}), ":2\r\n");
}

}  // namespace
}  // namespace weir::harness
