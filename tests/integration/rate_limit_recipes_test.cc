// The recipes of plugins/rate_limit.md, as they stand there: each starts a weir, and does what it
// says.
#include <memory>

#include "tests/integration/fixture.h"
#include "tests/integration/recipes.h"

namespace weir::harness {
namespace {

std::map<std::string, std::string> Recipes() { return RecipesOf("rate_limit.md"); }

// SHA-256 of "secret".
const std::string kHash = "\"#2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\"";

class RateLimitRecipesTest : public ::testing::Test {
 protected:
  std::unique_ptr<WeirServer> Start(const std::string& title,
                                    const std::vector<std::string>& users = {}) {
    const std::map<std::string, std::string> recipes = Recipes();
    EXPECT_TRUE(recipes.contains(title)) << title;
    WeirConfig config;
    config.url = redis_.url();
    config.admin = true;
    if (!users.empty()) config.rest = "[auth]\nmode = \"users\"\n";
    for (const std::string& user : users) {
      config.rest += "[[auth.user]]\nname = \"" + user + "\"\npasswords = [" + kHash + "]\n";
    }
    config.rest += "[plugin.rate_limit]\nenabled = true\n" + recipes.at(title);
    return std::make_unique<WeirServer>(config);
  }
  // How many of `times` equal requests pass.
  static int Passed(RawClient& client, int times, const std::vector<std::string>& args) {
    std::string requests;
    for (int i = 0; i < times; ++i) requests += Encode(args);
    client.Send(requests);
    int passed = 0;
    for (int i = 0; i < times; ++i) passed += client.ReadFrame().starts_with("-") ? 0 : 1;
    return passed;
  }

  RedisServer redis_;
};

TEST_F(RateLimitRecipesTest, AreAllRunHere) {
  EXPECT_EQ(Recipes().size(), 5u) << "a recipe without a test, or a test without its recipe";
}

TEST_F(RateLimitRecipesTest, LoginThrottling) {
  const auto weir = Start("Login throttling", {"ann"});
  RawClient guesser(weir->port());
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(guesser.Command({"AUTH", "ann", "guess"}).starts_with("-WRONGPASS"));
  }
  RawClient ann(weir->port());
  EXPECT_TRUE(ann.Command({"AUTH", "ann", "secret"}).starts_with("-RATELIMIT rule=login limit=5"));

  const auto other = Start("Login throttling");
  RawClient application(other->port());
  const std::vector<std::string> ask = {"WEIR.LIMIT", "login:ann", "POINTS", "10",
                                        "PERIOD",     "900000",    "ALGO",   "sliding_log"};
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(application.Command(ask).starts_with("*5\r\n:1\r\n"));
  EXPECT_TRUE(application.Command(ask).starts_with("*5\r\n:0\r\n"));
  EXPECT_EQ(application.Command({"WEIR.LIMIT", "RESET", "login:ann"}), ":1\r\n");
  EXPECT_TRUE(application.Command(ask).starts_with("*5\r\n:1\r\n"));
}

TEST_F(RateLimitRecipesTest, ApiProtectionPerTenant) {
  const auto weir = Start("API protection per tenant", {"free-a", "free-b", "pro-c"});
  const auto connect = [&](const std::string& user) {
    auto client = std::make_unique<RawClient>(weir->port());
    EXPECT_EQ(client->Text({"AUTH", user, "secret"}), "OK");
    return client;
  };
  const auto a = connect("free-a");
  const int passed = Passed(*a, 100, {"GET", "k"});
  EXPECT_GE(passed, 60);
  EXPECT_LT(passed, 100);
  // Another tenant has its own; KEYS costs 50 of its 60.
  const auto b = connect("free-b");
  EXPECT_EQ(b->Command({"KEYS", "*"}), "*0\r\n");
  EXPECT_TRUE(b->Command({"KEYS", "*"}).starts_with("-RATELIMIT rule=free limit=60"));
  const auto c = connect("pro-c");
  const int pro = Passed(*c, 700, {"GET", "k"});
  EXPECT_GE(pro, 600);
  // What all free tenants may send together.
  std::string value;
  value.resize(30'000'000, 'v');
  EXPECT_EQ(b->Text({"SET", "k", value}), "OK");
  EXPECT_TRUE(b->Command({"SET", "k", value}).starts_with("-RATELIMIT rule=free limit=50000000"));
}

TEST_F(RateLimitRecipesTest, ALimitThatAllInstancesShare) {
  const std::string title = "A limit that all instances share";
  const auto one = Start(title);
  const auto two = Start(title);
  RawClient first(one->port());
  RawClient second(two->port());
  const int passed = Passed(first, 500, {"SET", "api:ann:1", "v"}) +
                     Passed(second, 500, {"SET", "api:ann:2", "v"});
  EXPECT_GE(passed, 100);
  EXPECT_LT(passed, 1000) << "900 more take 90 s";
  EXPECT_EQ(first.Text({"SET", "api:bob:1", "v"}), "OK");
  EXPECT_EQ(Passed(first, 500, {"SET", "web:ann", "v"}), 500) << "not an api's key";
}

TEST_F(RateLimitRecipesTest, BatchJobsThatWaitTheirTurn) {
  const auto weir = Start("Batch jobs that wait their turn");
  RawClient batch(weir->port());
  EXPECT_EQ(batch.Text({"CLIENT", "SETNAME", "batch-1"}), "OK");
  EXPECT_EQ(Passed(batch, 100, {"INCR", "n"}), 100) << "slowed down, but none refused";
  std::vector<std::unique_ptr<RawClient>> readers;
  for (int i = 0; i < 4; ++i) {
    readers.push_back(std::make_unique<RawClient>(weir->port()));
    EXPECT_EQ(readers.back()->Text({"CLIENT", "SETNAME", "batch-r"}), "OK");
    // BLPOP writes, so it is the other rule's; this is a read that blocks.
    readers.back()->Send(Encode({"XREAD", "BLOCK", "0", "STREAMS", "s", "$"}));
  }
  // Had the fifth asked before, it could have taken the place of one of them.
  EXPECT_TRUE(Eventually([&] { return redis_.Info("clients", "blocked_clients") == "4"; }));
  RawClient fifth(weir->port());
  EXPECT_EQ(fifth.Text({"CLIENT", "SETNAME", "batch-5"}), "OK");
  EXPECT_EQ(fifth.Command({"GET", "n"}), "-RATELIMIT rule=batch limit=4 remaining=0\r\n");
  RawClient other(weir->port());
  EXPECT_EQ(other.Text({"GET", "n"}), "100");
}

TEST_F(RateLimitRecipesTest, TryingALimitBeforeItBites) {
  const auto weir = Start("Trying a limit before it bites");
  RawClient client(weir->port());
  EXPECT_EQ(Passed(client, 20'000, {"GET", "k"}), 20'000);
  EXPECT_NE(HttpGet(weir->admin_port(), "/metrics")
                .body.find("weir_rate_limit_decisions_total{outcome=\"shadow_rejected\",rule=\"all-"
                           "clients\"}"),
            std::string::npos);
}

}  // namespace
}  // namespace weir::harness
