// Arrays of tables in a plugin's configuration: what is wrong with them is named with its place.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/registry.h"
#include "plugins/text.h"
#include "proxy/config_file.h"
#include "proxy/config_text.h"

namespace weir {
namespace {

using testing::HasSubstr;

constexpr std::string_view kGood = R"([plugin.rate_limit]
enabled = true
[[plugin.rate_limit.rule]]
name = "login"
commands = ["@write"]
[[plugin.rate_limit.rule.limit]]
points = 10
by = ["client_ip"]
[[plugin.rate_limit.rule.limit]]
points = 100
[[plugin.rate_limit.rule]]
name = "rest"
[[plugin.rate_limit.rule.limit]]
algorithm = "sliding_window"
)";

std::string Errors(std::string text, std::string_view what, std::string_view instead) {
  text.replace(text.find(what), what.size(), instead);
  const absl::StatusOr<Config> config = ParseConfig(text, "f.toml", PluginSchemas());
  return config.ok() ? "none" : std::string(Message(config.status()));
}

TEST(PluginTables, AreReadAndWrittenOut) {
  const absl::StatusOr<Config> config = ParseConfig(kGood, "f.toml", PluginSchemas());
  ASSERT_TRUE(config.ok()) << config.status();
  const std::string written = FormatConfig(*config);
  const absl::StatusOr<Config> again = ParseConfig(written, "g.toml", PluginSchemas());
  ASSERT_TRUE(again.ok()) << again.status() << "\n" << written;
  EXPECT_EQ(FormatConfig(*again), written);
}

TEST(PluginTables, ErrorsOfIdempotencyNameTheirPlace) {
  const std::string good = R"toml([plugin.idempotency]
enabled = true
ttl_ms = 1000
[[plugin.idempotency.rule]]
name = "pay"
token = "arg(-1)"
strip = true
[[plugin.idempotency.rule]]
name = "key"
token = "key"
)toml";
  EXPECT_EQ(Errors(good, "strip = true", "strip = false"), "none");
  EXPECT_THAT(Errors(good, "arg(-1)", "arg(0)"),
              HasSubstr("f.toml:6:9: [[plugin.idempotency.rule]] token: expected arg(N), key"));
  EXPECT_THAT(Errors(good, "arg(-1)", "key"),
              HasSubstr("f.toml:7:9: [[plugin.idempotency.rule]] strip: expected a token"));
  EXPECT_THAT(Errors(good, "strip = true", "strip = true\naction = \"shadow\""),
              HasSubstr("f.toml:7:9: [[plugin.idempotency.rule]] strip: expected action"));
  EXPECT_THAT(Errors(good, "token = \"key\"", ""),
              HasSubstr("f.toml:8:1: [[plugin.idempotency.rule]] token: expected where it stands"));
  EXPECT_THAT(Errors(good, "name = \"key\"", "name = \"pay\""),
              HasSubstr("f.toml:8:1: [[plugin.idempotency.rule]] name: there are two called"));
  EXPECT_THAT(Errors(good, "ttl_ms = 1000", "ttl_ms = 604800001"),
              HasSubstr("f.toml:3:10: [plugin.idempotency] ttl_ms: expected at most ttl_ms_max"));
  EXPECT_THAT(Errors(good, "ttl_ms = 1000", "reply_bytes_max = 1"),
              HasSubstr("reply_bytes_max: expected an integer from 64 to"));
}

TEST(PluginTables, ErrorsOfNamespacesNameTheirPlace) {
  const std::string good = R"toml([plugin.namespaces]
enabled = true
[[plugin.namespaces.rule]]
name = "a"
prefix = "app:"
[[plugin.namespaces.rule]]
name = "b"
prefix = "t:"
by = "user"
)toml";
  EXPECT_EQ(Errors(good, "app:", "app:"), "none");
  EXPECT_EQ(Errors(good, "prefix = \"app:\"", "prefix = \"t:\"\nby = \"user\""), "none");
  constexpr const char* kWithin = "would put one namespace within the other";
  EXPECT_THAT(Errors(good, "app:", "t:x:"), HasSubstr("f.toml:8:10: [[plugin.namespaces.rule]]"));
  for (const char* other : {"t:x:", "t:", "t", "t:\"\nby = \"listener"}) {
    EXPECT_THAT(Errors(good, "app:", other), HasSubstr(kWithin)) << other;
  }
  EXPECT_THAT(Errors(good, "prefix = \"app:\"", "by = \"user\""), HasSubstr(kWithin))
      << "an empty prefix is within every other";
  EXPECT_THAT(Errors(good, "prefix = \"app:\"", ""),
              HasSubstr("f.toml:3:1: [[plugin.namespaces.rule]] prefix: expected one, or a `by`"));
  for (const char* own : {"weir:", "weir:x:", "we\"\nby = \"user"}) {
    EXPECT_THAT(Errors(good, "app:", own), HasSubstr("are weir's own")) << own;
  }
  EXPECT_EQ(Errors(good, "app:", "we"), "none");
  EXPECT_THAT(Errors(good, "app:", "{app}:"),
              HasSubstr("f.toml:5:10: [[plugin.namespaces.rule]] prefix: expected at most 64"));
  EXPECT_THAT(Errors(good, "name = \"b\"", "name = \"a\""),
              HasSubstr("f.toml:6:1: [[plugin.namespaces.rule]] name: there are two called"));
  EXPECT_THAT(Errors(good, "name = \"b\"", ""),
              HasSubstr("f.toml:6:1: [[plugin.namespaces.rule]] name: expected one, found none"));
  EXPECT_THAT(Errors(good, "by = \"user\"", "commands = [\"GET\"]"), HasSubstr("commands"));
}

TEST(PluginTables, ErrorsNameTheirPlace) {
  const std::string good(kGood);
  EXPECT_EQ(Errors(good, "commands = ", "comands = "),
            "f.toml:5:1: [[plugin.rate_limit.rule]] has no key 'comands'; did you mean "
            "'commands'?");
  EXPECT_EQ(Errors(good, "points = 10\n", "points = 0\n"),
            "f.toml:7:10: [[plugin.rate_limit.rule.limit]] points: expected an integer from 1 to "
            "1000000000, found 0");
  EXPECT_THAT(Errors(good, "\"client_ip\"", "\"ip\""),
              HasSubstr("f.toml:8:7: [[plugin.rate_limit.rule.limit]] by: expected one of"));
  EXPECT_THAT(Errors(good, "[[plugin.rate_limit.rule.limit]]", "[plugin.rate_limit.rule.limit]"),
              HasSubstr("f.toml:"));
  EXPECT_THAT(
      Errors(good, "[[plugin.rate_limit.rule]]\nname = \"rest\"", "[[plugin.rate_limit.rules]]"),
      HasSubstr("f.toml:11:"));
  // What no key shows by itself is found, too, before weir starts.
  EXPECT_THAT(Errors(good, "\"rest\"", "\"login\""),
              HasSubstr("f.toml:11:1: [[plugin.rate_limit.rule]] name: there are two called "
                        "\"login\""));
  EXPECT_THAT(Errors(good, "\"sliding_window\"", "\"concurrency\"\ncost = \"bytes\""),
              HasSubstr("f.toml:15:8: [[plugin.rate_limit.rule.limit]] cost: each request is one"));
}

TEST(PluginTables, OfAPluginThatIsOffMayBeHalfWritten) {
  std::string text(kGood);
  text.replace(text.find("enabled = true"), 14, "enabled = false");
  EXPECT_EQ(Errors(text, "\"rest\"", "\"login\""), "none");
  EXPECT_NE(Errors(text, "points = 10\n", "points = 0\n"), "none");
}

TEST(PluginTables, AreInTheHelp) {
  const std::string help = DescribeConfig(PluginSchemas());
  EXPECT_THAT(help, HasSubstr("[[plugin.rate_limit.rule.limit]]"));
  EXPECT_THAT(help, HasSubstr("delay_ms_max = 1000"));
}

}  // namespace
}  // namespace weir
