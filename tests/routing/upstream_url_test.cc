// Upstream URLs: what clients write is understood, what is wrong is named, secrets stay secret.
#include "routing/upstream_url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/seed.h"

namespace weir {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Endpoint = UpstreamUrl::Endpoint;

UpstreamUrl Parsed(std::string_view url) {
  auto parsed = ParseUpstreamUrl(url);
  EXPECT_TRUE(parsed.ok()) << url << ": " << parsed.status();
  return parsed.ok() ? *parsed : UpstreamUrl{.endpoints = {{}}};
}

std::string ErrorOf(std::string_view url) {
  const auto parsed = ParseUpstreamUrl(url);
  EXPECT_FALSE(parsed.ok()) << url << " is " << (parsed.ok() ? parsed->ToString() : "");
  return std::string(parsed.status().message());
}

TEST(UpstreamUrlTest, ReadsASingleServer) {
  const UpstreamUrl plain = Parsed("redis://localhost");
  EXPECT_EQ(plain.kind, UpstreamKind::kSingle);
  EXPECT_FALSE(plain.tls);
  EXPECT_THAT(plain.endpoints, ElementsAre(Endpoint{"localhost", 6379}));
  EXPECT_FALSE(plain.has_credentials());
  EXPECT_EQ(plain.db, 0);

  const UpstreamUrl full = Parsed("REDIS://ann:s3cret@10.0.0.1:7001/5");
  EXPECT_THAT(full.endpoints, ElementsAre(Endpoint{"10.0.0.1", 7001}));
  EXPECT_EQ(full.user, "ann");
  EXPECT_EQ(full.password, "s3cret");
  EXPECT_EQ(full.db, 5);

  EXPECT_THAT(Parsed("redis://[::1]").endpoints, ElementsAre(Endpoint{"::1", 6379}));
  EXPECT_THAT(Parsed("redis://[fe80::1%eth0]:1/").endpoints,
              ElementsAre(Endpoint{"fe80::1%eth0", 1}));
  EXPECT_EQ(Parsed("redis://h?db=3").db, 3);
  EXPECT_EQ(Parsed("redis://h/1?db=3").db, 3);
  EXPECT_TRUE(Parsed("rediss://h").tls);
}

TEST(UpstreamUrlTest, ReadsCredentials) {
  EXPECT_EQ(Parsed("redis://:pw@h").password, "pw");
  EXPECT_EQ(Parsed("redis://:pw@h").user, "");
  EXPECT_EQ(Parsed("redis://ann@h").user, "ann");
  EXPECT_EQ(Parsed("redis://ann@h").password, "");
  EXPECT_EQ(Parsed("redis://a%3ab:p%40s%2Fs%25@h").user, "a:b");
  EXPECT_EQ(Parsed("redis://a%3ab:p%40s%2Fs%25@h").password, "p@s/s%");
  EXPECT_EQ(Parsed("redis://:a:b@c@h").password, "a:b@c");
  EXPECT_FALSE(Parsed("redis://@h").has_credentials());
}

TEST(UpstreamUrlTest, ReadsUnixSockets) {
  for (const std::string_view scheme : {"unix", "redis+unix"}) {
    const std::string prefix = std::string(scheme) + "://";
    const UpstreamUrl absolute = Parsed(prefix + "/run/redis.sock?db=2");
    EXPECT_TRUE(absolute.is_unix());
    EXPECT_THAT(absolute.endpoints, ElementsAre(Endpoint{"/run/redis.sock", 0}));
    EXPECT_EQ(absolute.db, 2);
    EXPECT_THAT(Parsed(prefix + "redis.sock").endpoints, ElementsAre(Endpoint{"redis.sock", 0}));
    EXPECT_THAT(Parsed(prefix + "/a%20b").endpoints, ElementsAre(Endpoint{"/a b", 0}));
    EXPECT_EQ(Parsed(prefix + "ann:pw@/run/redis.sock").password, "pw");
  }
}

TEST(UpstreamUrlTest, ReadsClustersSentinelsAndShards) {
  const UpstreamUrl cluster = Parsed("redis+cluster://:pw@a:7000,b,[::1]:7002");
  EXPECT_EQ(cluster.kind, UpstreamKind::kCluster);
  EXPECT_THAT(cluster.endpoints,
              ElementsAre(Endpoint{"a", 7000}, Endpoint{"b", 6379}, Endpoint{"::1", 7002}));
  EXPECT_EQ(cluster.password, "pw");

  const UpstreamUrl sentinel = Parsed("rediss+sentinel://s1,s2:1234/mymaster/4");
  EXPECT_EQ(sentinel.kind, UpstreamKind::kSentinel);
  EXPECT_TRUE(sentinel.tls);
  EXPECT_THAT(sentinel.endpoints, ElementsAre(Endpoint{"s1", 26379}, Endpoint{"s2", 1234}));
  EXPECT_EQ(sentinel.primary_name, "mymaster");
  EXPECT_EQ(sentinel.db, 4);

  EXPECT_EQ(Parsed("redis+sharded://a,b/1").kind, UpstreamKind::kSharded);
  EXPECT_EQ(Parsed("redis+sharded://a,b/1").db, 1);
}

TEST(UpstreamUrlTest, SaysWhatItExpectedAndWhere) {
  EXPECT_THAT(ErrorOf("http://h"), HasSubstr("character 1: expected one of redis://, rediss://"));
  EXPECT_THAT(ErrorOf("localhost:6379"), HasSubstr("expected one of redis://"));
  EXPECT_EQ(ErrorOf("redis://"), "upstream URL, character 9: expected a host name or IP address");
  EXPECT_EQ(ErrorOf("redis://h:70000"),
            "upstream URL, character 11: expected a port from 1 to 65535");
  EXPECT_THAT(ErrorOf("redis://h:0"), HasSubstr("port from 1 to 65535"));
  EXPECT_THAT(ErrorOf("redis://h:"), HasSubstr("port from 1 to 65535"));
  EXPECT_THAT(ErrorOf("redis://h:+1"), HasSubstr("port from 1 to 65535"));
  EXPECT_THAT(ErrorOf("redis://h/x"), HasSubstr("character 11: expected a database number"));
  EXPECT_THAT(ErrorOf("redis://h/-1"), HasSubstr("database number"));
  EXPECT_THAT(ErrorOf("redis://h/1/2"), HasSubstr("database number"));
  EXPECT_THAT(ErrorOf("redis://h/99999999999999999999"), HasSubstr("database number"));
  EXPECT_THAT(ErrorOf("redis://h?timeout=3"), HasSubstr("character 11: expected db=N"));
  EXPECT_THAT(ErrorOf("redis://h?db="), HasSubstr("database number"));
  EXPECT_THAT(ErrorOf("redis://::1:6379"), HasSubstr("IPv6 address in brackets"));
  EXPECT_THAT(ErrorOf("redis://[::1"), HasSubstr("']'"));
  EXPECT_THAT(ErrorOf("redis://[::1]6379"), HasSubstr("character 14: expected ':' and a port"));
  EXPECT_THAT(ErrorOf("redis://[abc]"), HasSubstr("IPv6 address in brackets"));
  EXPECT_EQ(Parsed("redis://a,b:1/2").endpoints.size(), 2U);
  EXPECT_THAT(ErrorOf("redis+cluster://a,,b"), HasSubstr("character 19: expected a host"));
  EXPECT_THAT(ErrorOf("redis+cluster://a/1"), HasSubstr("database 0"));
  EXPECT_THAT(ErrorOf("redis+sentinel://a"), HasSubstr("name that the sentinels know"));
  EXPECT_THAT(ErrorOf("unix://"), HasSubstr("path of a unix socket"));
  EXPECT_THAT(ErrorOf("redis://h%2"), HasSubstr("two hexadecimal digits"));
  EXPECT_THAT(ErrorOf("redis://h%zz"), HasSubstr("two hexadecimal digits"));
  EXPECT_THAT(ErrorOf("unix:///a%00b"), HasSubstr("no NUL byte"));
  EXPECT_THAT(ErrorOf("redis://h h"), HasSubstr("without blanks"));
  EXPECT_THAT(ErrorOf(""), HasSubstr("expected one of redis://"));
  EXPECT_THAT(ErrorOf("redis://" + std::string(20000, 'a')), HasSubstr("at most 16384 bytes"));
}

TEST(UpstreamUrlTest, NeverShowsASecret) {
  // Each of these is wrong, in or after a password "hunter2".
  for (const std::string_view url :
       {"redis://:hunter2@h:port", "redis://:hunter2@", "redis://:hunter2%@h",
        "redis://:hunter2#@h", "redis://:hunter2/@h", "redis://:hunter2?@h", "redis://:hunter2",
        "redis://ann:hunter2@h/x", "redis+cluster://:hunter2@a,b:x", "unix://:hunter2@",
        "http://:hunter2@h", "redis://:hunter2@[::1", "redis:/:hunter2@h"}) {
    EXPECT_THAT(ErrorOf(url), Not(HasSubstr("hunter2"))) << url;
  }
  EXPECT_THAT(ErrorOf("redis://:hun/ter2@h"), HasSubstr("expected %2F instead of '/'"));
  EXPECT_THAT(ErrorOf("redis://:hun#ter2@h"), HasSubstr("expected %23 instead of '#'"));
  EXPECT_EQ(Parsed("redis://ann:hunter2@h/2").ToString(), "redis://ann:***@h:6379/2");
  EXPECT_EQ(Parsed("redis://hunter2@h").ToString(), "redis://***@h:6379");
}

TEST(UpstreamUrlTest, WritesItselfInNormalForm) {
  EXPECT_EQ(Parsed("REDISS://[::1]").ToString(), "rediss://[::1]:6379");
  EXPECT_EQ(Parsed("redis+unix:///a b?db=1").ToString(), "unix:///a%20b?db=1");
  EXPECT_EQ(Parsed("redis+cluster://a,b:1").ToString(), "redis+cluster://a:6379,b:1");
  EXPECT_EQ(Parsed("redis+sentinel://a/my%2fmaster/1").ToString(),
            "redis+sentinel://a:26379/my%2Fmaster/1");
}

// Any bytes give an answer; and what is understood is understood again, the same, from normal form.
TEST(UpstreamUrlTest, NormalFormIsStable) {
  harness::Random random(harness::Seed());
  constexpr std::string_view kParts[] = {"redis", "unix",  "+cluster", "+sentinel", "://", ":",
                                         "/",     "@",     "[::1]",    "h",         "%41", "%",
                                         ",",     "?db=1", "1",        "\xff"};
  int understood = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string url = "redis";
    for (uint64_t n = harness::Below(random, 10); n > 0; --n) {
      url += kParts[harness::Below(random, std::size(kParts))];
    }
    const auto parsed = ParseUpstreamUrl(url);
    if (!parsed.ok()) continue;
    ++understood;
    const std::string normal = parsed->ToString();
    const auto again = ParseUpstreamUrl(normal);
    ASSERT_TRUE(again.ok()) << url << " -> " << normal << ": " << again.status();
    EXPECT_EQ(again->ToString(), normal) << url;
    EXPECT_EQ(again->endpoints, parsed->endpoints) << url;
  }
  EXPECT_GT(understood, 50);
}

}  // namespace
}  // namespace weir
