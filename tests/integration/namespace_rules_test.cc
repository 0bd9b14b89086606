// Who has which namespace, what it may hold, and what people are told of it.
#include <map>
#include <memory>

#include "tests/integration/fixture.h"
#include "tests/integration/recipes.h"

namespace weir::harness {
namespace {

// SHA-256 of "secret".
const std::string kHash = "\"#2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\"";

class NamespaceRulesTest : public ::testing::Test {
 protected:
  std::unique_ptr<WeirServer> Start(const std::string& rules,
                                    const std::vector<std::string>& users = {}) {
    WeirConfig config;
    config.url = redis_.url();
    config.admin = true;
    if (!users.empty()) config.rest = "[auth]\nmode = \"users\"\n";
    for (const std::string& user : users) {
      config.rest += "[[auth.user]]\nname = \"" + user + "\"\npasswords = [" + kHash + "]\n";
    }
    const std::string table = "[plugin.namespaces]\n";
    const bool has_table = rules.starts_with(table);
    config.rest += table + "enabled = true\nkeys_count_interval_ms = 10\n" +
                   (has_table ? rules.substr(table.size()) : rules);
    return std::make_unique<WeirServer>(config);
  }
  static std::string Rule(const std::string& keys) {
    return "[[plugin.namespaces.rule]]\nname = \"r\"\n" + keys;
  }
  static std::string Metrics(const WeirServer& weir) {
    return HttpGet(weir.admin_port(), "/metrics").body;
  }

  RedisServer redis_;
  RawClient direct_{redis_.port()};
};

TEST_F(NamespaceRulesTest, ByUserAndWhatIsNoLetterIsWrittenOut) {
  const auto weir = Start(Rule("by = \"user\"\nprefix = \"t:\"\n"), {"ann", "a:b"});
  RawClient client(weir->port());
  EXPECT_TRUE(client.Command({"GET", "k"}).starts_with("-NOAUTH "));
  EXPECT_EQ(client.Text({"AUTH", "ann", "secret"}), "OK");
  EXPECT_EQ(client.Text({"SET", "k", "1"}), "OK");
  EXPECT_EQ(client.Text({"AUTH", "a:b", "secret"}), "OK");
  EXPECT_EQ(client.Command({"GET", "k"}), "$-1\r\n");
  EXPECT_EQ(client.Text({"SET", "k", "2"}), "OK");
  EXPECT_EQ(direct_.Text({"GET", "t:ann:k"}), "1");
  EXPECT_EQ(direct_.Text({"GET", "t:a%3Ab:k"}), "2");
}

TEST_F(NamespaceRulesTest, WhoHasNoRuleIsRefusedOrSeesAll) {
  const std::string rule = Rule("client_names = [\"a\"]\nprefix = \"a:\"\n");
  {
    const auto weir = Start(rule);
    RawClient client(weir->port());
    EXPECT_EQ(client.Command({"GET", "k"}),
              "-NONAMESPACE user=default weir: no rule of [plugin.namespaces] is for this "
              "client\r\n");
    EXPECT_EQ(client.Text({"PING"}), "PONG");
    EXPECT_EQ(client.Text({"CLIENT", "SETNAME", "a"}), "OK");
    EXPECT_EQ(client.Text({"SET", "k", "1"}), "OK");
    EXPECT_EQ(client.Text({"RESET"}), "RESET");
    EXPECT_TRUE(client.Command({"KEYS", "*"}).starts_with("-NONAMESPACE "));
    client.Send(Encode({"MULTI"}) + Encode({"GET", "a:k"}) + Encode({"EXEC"}));
    for (const std::string& reply : client.ReadFrames(3)) EXPECT_EQ(reply[0], '-');
  }
  const auto weir = Start("[plugin.namespaces]\nunmatched = \"pass\"\n" + rule);
  RawClient client(weir->port());
  EXPECT_EQ(client.Command({"KEYS", "*"}), "*1\r\n$3\r\na:k\r\n");
}

// RESET leads to db 0, where nobody counts.
TEST_F(NamespaceRulesTest, ResetDoesNotLeadAwayFromTheDbThatIsCounted) {
  WeirConfig config;
  config.url = redis_.url() + "/5";
  config.rest = "[plugin.namespaces]\nenabled = true\n" + Rule("prefix = \"a:\"\nkeys_max = 3\n");
  const WeirServer weir(config);
  RawClient client(weir.port());
  EXPECT_EQ(client.Text({"SET", "k", "1"}), "OK");
  EXPECT_EQ(client.Text({"RESET"}), "RESET");
  EXPECT_TRUE(client.Command({"SET", "k", "1"}).starts_with("-QUOTA "));
  EXPECT_EQ(client.Text({"SELECT", "5"}), "OK");
  EXPECT_EQ(client.Text({"GET", "k"}), "1");
}

TEST_F(NamespaceRulesTest, NobodyHasWeirsOwnKeys) {
  const auto weir = Start(Rule("by = \"client_name\"\n"));
  RawClient client(weir->port());
  direct_.Command({"SET", "weir:idem:x", "a record"});
  EXPECT_EQ(client.Text({"CLIENT", "SETNAME", "weir"}), "OK");
  EXPECT_EQ(client.Command({"KEYS", "*"}), "*0\r\n");
  EXPECT_EQ(client.Text({"SET", "k", "1"}), "OK");
  EXPECT_EQ(direct_.Text({"GET", "%77eir:k"}), "1");
}

TEST_F(NamespaceRulesTest, WhoListensStaysUntilReset) {
  const auto weir = Start(Rule("by = \"client_name\"\n"));
  RawClient client(weir->port()), speaker(weir->port());
  client.Command({"HELLO", "3", "SETNAME", "a"});
  speaker.Command({"HELLO", "3", "SETNAME", "a"});
  client.Command({"SUBSCRIBE", "c"});
  EXPECT_EQ(client.Text({"CLIENT", "SETNAME", "b"}), "OK");
  EXPECT_EQ(client.Command({"GET", "k"}),
            "-NONAMESPACE namespace=b: listens=a: weir: this connection has subscribed, or tracks "
            "keys, in another namespace; RESET or reconnect\r\n");
  EXPECT_EQ(speaker.Command({"PUBLISH", "c", "hi"}), ":1\r\n");
  EXPECT_EQ(client.ReadFrame(), ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n");
  EXPECT_EQ(client.Text({"RESET"}), "RESET");
  EXPECT_EQ(client.Text({"CLIENT", "SETNAME", "b"}), "OK");
  EXPECT_EQ(client.Command({"GET", "k"}), "$-1\r\n");
  EXPECT_EQ(client.Command({"SUBSCRIBE", "c"}), "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
  EXPECT_EQ(speaker.Command({"PUBLISH", "c", "hi"}), ":0\r\n");
}

// RESP2 clients hear of changes on a second connection.
TEST_F(NamespaceRulesTest, InvalidationsAreRedirectedToo) {
  const auto weir = Start(Rule("prefix = \"a:\"\n"));
  RawClient reader(weir->port()), hearer(weir->port()), writer(weir->port());
  const std::string id = hearer.Text({"CLIENT", "ID"});
  EXPECT_EQ(hearer.Command({"SUBSCRIBE", "__redis__:invalidate"}),
            "*3\r\n$9\r\nsubscribe\r\n$20\r\n__redis__:invalidate\r\n:1\r\n");
  EXPECT_EQ(reader.Text({"CLIENT", "TRACKING", "ON", "REDIRECT", id}), "OK");
  EXPECT_EQ(reader.Command({"GET", "k"}), "$-1\r\n");
  EXPECT_EQ(writer.Text({"SET", "k", "1"}), "OK");
  EXPECT_EQ(hearer.ReadFrame(),
            "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n$1\r\nk\r\n");
}

TEST_F(NamespaceRulesTest, NoMoreConnectionsThanItMayHave) {
  const auto weir = Start(Rule("prefix = \"a:\"\nconnections_max = 2\n"));
  auto one = std::make_unique<RawClient>(weir->port());
  RawClient two(weir->port()), three(weir->port());
  EXPECT_EQ(one->Text({"SET", "k", "1"}), "OK");
  EXPECT_EQ(two.Text({"GET", "k"}), "1");
  EXPECT_EQ(three.Command({"GET", "k"}), "-QUOTA namespace=a: rule=r connections_max=2\r\n");
  EXPECT_NE(Metrics(*weir).find("weir_namespace_connections{namespace=\"a:\"} 2\n"),
            std::string::npos);
  one.reset();
  EXPECT_TRUE(Eventually([&] { return three.Text({"GET", "k"}) == "1"; }));
}

TEST_F(NamespaceRulesTest, NoMoreRequestsThanItMaySend) {
  const auto weir = Start(Rule("prefix = \"a:\"\nrequests_per_s_max = 10\n"));
  RawClient client(weir->port());
  std::string requests;
  for (int i = 0; i < 30; ++i) requests += Encode({"INCR", "n"});
  client.Send(requests);
  int rejected = 0;
  for (int i = 0; i < 30; ++i) {
    const std::string reply = client.ReadFrame();
    if (reply[0] != '-') continue;
    ++rejected;
    EXPECT_TRUE(reply.starts_with(
        "-RATELIMIT namespace=a: rule=r requests_per_s_max=10 remaining=0 retry_after_ms="));
  }
  EXPECT_GE(rejected, 15);
  EXPECT_EQ(client.Text({"PING"}), "PONG");
  EXPECT_EQ(std::stoi(direct_.Text({"GET", "a:n"})), 30 - rejected);
}

TEST_F(NamespaceRulesTest, NoMoreKeysThanItMayHave) {
  const auto weir = Start(Rule("prefix = \"a:\"\nkeys_max = 3\nscripts = \"declared_keys\"\n") +
                          "[plugin.idempotency]\nenabled = true\n");
  direct_.Command({"MSET", "b:1", "", "b:2", "", "b:3", ""});
  RawClient client(weir->port());
  EXPECT_EQ(client.Text({"MSET", "1", "", "2", "", "3", "", "4", ""}), "OK");
  EXPECT_TRUE(Eventually([&] { return client.Command({"SET", "5", ""})[0] == '-'; }));
  EXPECT_TRUE(client.Command({"LPUSH", "l", "x"}).starts_with("-QUOTA namespace=a: rule=r keys="));
  EXPECT_EQ(client.Text({"GET", "4"}), "");
  EXPECT_EQ(client.Command({"SELECT", "1"}),
            "-QUOTA namespace=a: rule=r db=0 weir: keys_max counts the keys of this db, so the "
            "client stays in it\r\n");
  EXPECT_EQ(client.Text({"SELECT", "0"}), "OK");
  // Nor by what only looks like another command.
  for (const auto& within : std::vector<std::vector<std::string>>{
           {"SET", "6", ""}, {"COPY", "1", "7", "DB", "3"}, {"MOVE", "1", "4"}}) {
    std::vector<std::string> request = {"WEIR.IDEM", within[0]};
    request.insert(request.end(), within.begin(), within.end());
    EXPECT_TRUE(client.Command(request).starts_with("-QUOTA ")) << within[0];
  }
  EXPECT_TRUE(client.Command({"EVAL", "return redis.call('SET', KEYS[1], '')", "1", "8"})
                  .starts_with("-QUOTA "));
  EXPECT_EQ(client.Text({"FLUSHDB"}), "OK");
  EXPECT_TRUE(Eventually([&] { return client.Command({"SET", "5", ""}) == "+OK\r\n"; }));
  EXPECT_EQ(direct_.Command({"EXISTS", "b:1", "b:2", "b:3"}), ":3\r\n");
}

TEST_F(NamespaceRulesTest, ExplainAndOnShowTheNamesThatTheNodeSees) {
  const auto weir = Start(Rule("prefix = \"a:\"\n"));
  RawClient client(weir->port());
  EXPECT_EQ(client.Text({"SET", "k", "1"}), "OK");
  EXPECT_EQ(client.Text({"WEIR.ON", "default", "GET", "k"}), "1");
  EXPECT_EQ(direct_.Text({"GET", "a:k"}), "1");
  const std::string explained = client.Command({"WEIR", "EXPLAIN", "GET", "k"});
  EXPECT_NE(explained.find("renamed: GET a:k\r\n"), std::string::npos) << explained;
  EXPECT_NE(explained.find("namespaces: namespace a: by rule r\r\n"), std::string::npos)
      << explained;
  const std::string refused = client.Command({"WEIR", "EXPLAIN", "CONFIG", "GET", "*"});
  EXPECT_NE(refused.find("namespaces: namespace a: by rule r, where it is refused\r\n"),
            std::string::npos)
      << refused;
}

// A request that waits has its prefix already, and gets it once.
TEST_F(NamespaceRulesTest, WhatIsDelayedBehindItKeepsItsPrefix) {
  const auto weir = Start(Rule("prefix = \"a:\"\n") +
                          "[plugin.rate_limit]\nenabled = true\n[[plugin.rate_limit.rule]]\nname = "
                          "\"l\"\naction = \"delay\"\n[[plugin.rate_limit.rule.limit]]\npoints = "
                          "1\nperiod_ms = 20\nby = [\"key\"]\n");
  RawClient client(weir->port());
  std::string requests;
  for (int i = 0; i < 5; ++i) requests += Encode({"INCR", "n"}) + Encode({"KEYS", "n"});
  client.Send(requests);
  for (int i = 1; i <= 5; ++i) {
    EXPECT_EQ(client.ReadFrame(), ":" + std::to_string(i) + "\r\n");
    EXPECT_EQ(client.ReadFrame(), "*1\r\n$1\r\nn\r\n");
  }
  EXPECT_EQ(direct_.Command({"KEYS", "*"}), "*1\r\n$3\r\na:n\r\n");
}

TEST_F(NamespaceRulesTest, OtherPluginsSeeTheNamesThatTheNodeSees) {
  const auto weir =
      Start(Rule("prefix = \"a:\"\n") +
            "[plugin.idempotency]\nenabled = true\n[plugin.rate_limit]\nenabled = "
            "true\n[[plugin.rate_limit.rule]]\nname = \"l\"\nkeys = "
            "[\"a:limited\"]\n[[plugin.rate_limit.rule.limit]]\npoints = 1\nperiod_ms "
            "= 3600000\n");
  RawClient client(weir->port());
  EXPECT_EQ(client.Command({"INCR", "limited"}), ":1\r\n");
  EXPECT_TRUE(client.Command({"INCR", "limited"}).starts_with("-RATELIMIT rule=l "));
  EXPECT_EQ(client.Command({"WEIR.IDEM", "token", "INCR", "n"}), ":1\r\n");
  EXPECT_EQ(client.Command({"WEIR.IDEM", "token", "INCR", "n"}), ":1\r\n");
  EXPECT_EQ(direct_.Text({"GET", "a:n"}), "1");
}

// ---- the recipes of plugins/namespaces.md

TEST_F(NamespaceRulesTest, RecipesAreAllRunHere) {
  EXPECT_EQ(RecipesOf("namespaces.md").size(), 3u)
      << "a recipe without a test, or a test without its recipe";
}

TEST_F(NamespaceRulesTest, RecipeTenantsOnOneRedis) {
  const auto weir = Start(RecipesOf("namespaces.md").at("Tenants on one Redis"), {"acme", "zeta"});
  RawClient acme(weir->port()), zeta(weir->port());
  EXPECT_EQ(acme.Text({"AUTH", "acme", "secret"}), "OK");
  EXPECT_EQ(zeta.Text({"AUTH", "zeta", "secret"}), "OK");
  EXPECT_EQ(acme.Text({"SET", "k", "1"}), "OK");
  EXPECT_EQ(zeta.Command({"KEYS", "*"}), "*0\r\n");
  EXPECT_EQ(direct_.Text({"GET", "t:acme:k"}), "1");
}

TEST_F(NamespaceRulesTest, RecipeAnApplicationAndItsStagingCopy) {
  const TempDir dir;
  const std::string path = dir.path() + "/staging.sock";
  std::string recipe = RecipesOf("namespaces.md").at("An application and its staging copy");
  recipe.replace(recipe.find("STAGING"), 7, path);
  const auto weir = Start(recipe + "[[listener]]\naddress = \"unix:" + path + "\"\n");
  RawClient live(weir->port()), staging(path);
  EXPECT_EQ(live.Text({"SET", "k", "live"}), "OK");
  EXPECT_EQ(staging.Text({"SET", "k", "staging"}), "OK");
  EXPECT_EQ(live.Text({"GET", "k"}), "live");
  EXPECT_EQ(direct_.Text({"GET", "staging:k"}), "staging");
}

TEST_F(NamespaceRulesTest, RecipeAnAdministratorWhoSeesAll) {
  const auto weir =
      Start(RecipesOf("namespaces.md").at("Tenants, and an administrator who sees all"),
            {"tenant-1", "admin"});
  RawClient tenant(weir->port()), admin(weir->port());
  EXPECT_EQ(tenant.Text({"AUTH", "tenant-1", "secret"}), "OK");
  EXPECT_EQ(admin.Text({"AUTH", "admin", "secret"}), "OK");
  EXPECT_EQ(tenant.Text({"SET", "k", "1"}), "OK");
  EXPECT_EQ(admin.Text({"GET", "tenant-1:k"}), "1");
  EXPECT_TRUE(tenant.Command({"CONFIG", "GET", "maxmemory"}).starts_with("-NONAMESPACE "));
  EXPECT_EQ(admin.Command({"CONFIG", "GET", "nosuch"}), "*0\r\n");
}

}  // namespace
}  // namespace weir::harness
