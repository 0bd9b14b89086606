// The taking off of a prefix, with bytes that Redis 7.0.15 has said.
#include "plugins/namespace_reply.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "resp/reply_writer.h"
#include "tests/plugins/namespace_fuzz_target.h"
#include "tests/support/corpus.h"
#include "tests/support/seed.h"

namespace weir::testing {
namespace {

constexpr std::string_view kPrefix = "acme:";
using Kind = NamespaceReply;

std::string Off(Kind kind, std::string_view reply) { return TakeOff(kind, kPrefix, reply); }

TEST(NamespaceReplyTest, Names) {
  EXPECT_EQ(Off(Kind::kNames, "*3\r\n$6\r\nacme:z\r\n$5\r\nacme:\r\n$11\r\nacme:acme:l\r\n"),
            "*3\r\n$1\r\nz\r\n$0\r\n\r\n$6\r\nacme:l\r\n");
  EXPECT_EQ(Off(Kind::kNames, "~1\r\n$6\r\nacme:z\r\n"), "~1\r\n$1\r\nz\r\n");
  EXPECT_EQ(Off(Kind::kNames, "$6\r\nacme:z\r\n"), "$1\r\nz\r\n");
  for (const std::string_view same : {"*0\r\n", "$-1\r\n", "_\r\n", "*-1\r\n", "+QUEUED\r\n"}) {
    EXPECT_EQ(Off(Kind::kNames, same), same);
  }
}

// They can only be there by a mistake of the server or of weir, which shall not show them.
TEST(NamespaceReplyTest, NamesOfOthersAreLeftOut) {
  EXPECT_EQ(Off(Kind::kNames, "*3\r\n$5\r\nacme1\r\n$6\r\nacme:z\r\n$6\r\nother:\r\n"),
            "*1\r\n$1\r\nz\r\n");
  EXPECT_EQ(Off(Kind::kNames, "$5\r\nother\r\n"), "$-1\r\n");
  EXPECT_EQ(Off(Kind::kScan, "*2\r\n$2\r\n17\r\n*1\r\n$5\r\nother\r\n"),
            "*2\r\n$2\r\n17\r\n*0\r\n");
}

TEST(NamespaceReplyTest, OneOf) {
  const std::string names = "*3\r\n$6\r\nacme:z\r\n$5\r\nother\r\n$6\r\nacme:s\r\n";
  std::set<std::string> seen;
  for (int i = 0; i < 200; ++i) seen.insert(Off(Kind::kOneOf, names));
  EXPECT_EQ(seen, (std::set<std::string>{"$1\r\nz\r\n", "$1\r\ns\r\n"}));
  for (const std::string_view none : {"*0\r\n", "*1\r\n$5\r\nother\r\n"}) {
    EXPECT_EQ(TakeOff(Kind::kOneOf, kPrefix, none, 2), "$-1\r\n");
    EXPECT_EQ(TakeOff(Kind::kOneOf, kPrefix, none, 3), "_\r\n");
  }
}

TEST(NamespaceReplyTest, CountAndScan) {
  EXPECT_EQ(Off(Kind::kCount, "*3\r\n$6\r\nacme:z\r\n$6\r\nacme:s\r\n$6\r\nacme:l\r\n"), ":3\r\n");
  EXPECT_EQ(Off(Kind::kCount, "*0\r\n"), ":0\r\n");
  EXPECT_EQ(Off(Kind::kCount, "+QUEUED\r\n"), "+QUEUED\r\n");
  EXPECT_EQ(Off(Kind::kScan, "*2\r\n$1\r\n0\r\n*2\r\n$6\r\nacme:z\r\n$6\r\nacme:s\r\n"),
            "*2\r\n$1\r\n0\r\n*2\r\n$1\r\nz\r\n$1\r\ns\r\n");
  EXPECT_EQ(Off(Kind::kScan, "-ERR invalid cursor\r\n"), "-ERR invalid cursor\r\n");
}

TEST(NamespaceReplyTest, First) {
  EXPECT_EQ(Off(Kind::kFirst, "*2\r\n$6\r\nacme:l\r\n$6\r\nacme:a\r\n"),
            "*2\r\n$1\r\nl\r\n$6\r\nacme:a\r\n");
  EXPECT_EQ(Off(Kind::kFirst, "*2\r\n$6\r\nacme:l\r\n*1\r\n$1\r\nb\r\n"),
            "*2\r\n$1\r\nl\r\n*1\r\n$1\r\nb\r\n");
  EXPECT_EQ(Off(Kind::kFirst, "*3\r\n$6\r\nacme:z\r\n$1\r\nm\r\n,1\r\n"),
            "*3\r\n$1\r\nz\r\n$1\r\nm\r\n,1\r\n");
  for (const std::string_view null : {"*-1\r\n", "_\r\n"}) EXPECT_EQ(Off(Kind::kFirst, null), null);
}

TEST(NamespaceReplyTest, Streams) {
  const std::string entries = "*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$6\r\nacme:f\r\n$1\r\nv\r\n";
  EXPECT_EQ(Off(Kind::kStreams, "*1\r\n*2\r\n$6\r\nacme:s\r\n" + entries),
            "*1\r\n*2\r\n$1\r\ns\r\n" + entries);
  EXPECT_EQ(Off(Kind::kStreams, "%2\r\n$6\r\nacme:s\r\n" + entries + "$6\r\nacme:t\r\n" + entries),
            "%2\r\n$1\r\ns\r\n" + entries + "$1\r\nt\r\n" + entries);
  for (const std::string_view null : {"*-1\r\n", "_\r\n"}) {
    EXPECT_EQ(Off(Kind::kStreams, null), null);
  }
}

TEST(NamespaceReplyTest, PairsAndTrackingInfo) {
  EXPECT_EQ(Off(Kind::kPairs, "*4\r\n$6\r\nacme:a\r\n:0\r\n$6\r\nacme:b\r\n:2\r\n"),
            "*4\r\n$1\r\na\r\n:0\r\n$1\r\nb\r\n:2\r\n");
  EXPECT_EQ(Off(Kind::kPairs, "*0\r\n"), "*0\r\n");
  EXPECT_EQ(Off(Kind::kTrackingInfo,
                "%3\r\n$5\r\nflags\r\n~2\r\n$2\r\non\r\n$5\r\nbcast\r\n$8\r\nredirect\r\n:0\r\n"
                "$8\r\nprefixes\r\n*2\r\n$5\r\nacme:\r\n$6\r\nacme:p\r\n"),
            "%3\r\n$5\r\nflags\r\n~2\r\n$2\r\non\r\n$5\r\nbcast\r\n$8\r\nredirect\r\n:0\r\n"
            "$8\r\nprefixes\r\n*2\r\n$0\r\n\r\n$1\r\np\r\n");
  EXPECT_EQ(Off(Kind::kTrackingInfo,
                "*6\r\n$5\r\nflags\r\n*1\r\n$2\r\non\r\n$8\r\nredirect\r\n:-1\r\n$8\r\nprefixes\r\n"
                "*1\r\n$6\r\nacme:p\r\n"),
            "*6\r\n$5\r\nflags\r\n*1\r\n$2\r\non\r\n$8\r\nredirect\r\n:-1\r\n$8\r\nprefixes\r\n"
            "*1\r\n$1\r\np\r\n");
}

TEST(NamespaceReplyTest, ErrorsOfEveryKind) {
  for (int i = 1; i < kNamespaceReplyKinds; ++i) {
    const auto kind = static_cast<Kind>(i);
    EXPECT_EQ(Off(kind, "-NOGROUP No such key 'acme:s' or consumer group 'acme:g'\r\n"),
              "-NOGROUP No such key 's' or consumer group 'acme:g'\r\n");
    EXPECT_EQ(Off(kind, "-NOGROUP No such consumer group 'acme:g' for key name 'acme:s'\r\n"),
              "-NOGROUP No such consumer group 'acme:g' for key name 's'\r\n");
    EXPECT_EQ(Off(kind,
                  "-NOGROUP No such key 'acme:acme:s' or consumer group 'g' in XREADGROUP with "
                  "GROUP option\r\n"),
              "-NOGROUP No such key 'acme:s' or consumer group 'g' in XREADGROUP with GROUP "
              "option\r\n");
    EXPECT_EQ(
        Off(kind, "-ERR Prefix 'acme:f' overlaps with an existing prefix 'acme:'. Prefixes\r\n"),
        "-ERR Prefix 'f' overlaps with an existing prefix ''. Prefixes\r\n");
    EXPECT_EQ(Off(kind, "-WRONGTYPE Operation acme: against\r\n"),
              "-WRONGTYPE Operation acme: against\r\n");
  }
  EXPECT_EQ(Off(Kind::kAsIs, "-ERR 'acme:x'\r\n"), "-ERR 'acme:x'\r\n");
}

TEST(NamespaceReplyTest, Exec) {
  const std::vector<Kind> kinds = {Kind::kAsIs, Kind::kNames, Kind::kCount, Kind::kErrors};
  EXPECT_EQ(TakeOffExec(kinds, kPrefix,
                        "*4\r\n$6\r\nacme:v\r\n*1\r\n$6\r\nacme:k\r\n*1\r\n$6\r\nacme:k\r\n"
                        "-NOGROUP No such key 'acme:s' or\r\n"),
            "*4\r\n$6\r\nacme:v\r\n*1\r\n$1\r\nk\r\n:1\r\n-NOGROUP No such key 's' or\r\n");
  EXPECT_EQ(TakeOffExec(kinds, kPrefix, "*-1\r\n"), "*-1\r\n");
  EXPECT_EQ(TakeOffExec(kinds, kPrefix, "_\r\n"), "_\r\n");
  EXPECT_EQ(TakeOffExec(kinds, kPrefix, "-EXECABORT Transaction discarded\r\n"),
            "-EXECABORT Transaction discarded\r\n");
  EXPECT_EQ(TakeOffExec({}, kPrefix, "*0\r\n"), "*0\r\n");
  for (const std::string_view wrong : {"*3\r\n+a\r\n+b\r\n+c\r\n", "+OK\r\n", "*4\r\n+a\r\n+b\r\n",
                                       "*4\r\n+a\r\n+b\r\n+c\r\n+d\r\n+e\r\n", ""}) {
    EXPECT_EQ(TakeOffExec(kinds, kPrefix, wrong), std::nullopt) << wrong;
  }
}

TEST(NamespaceReplyTest, Pushes) {
  const auto off = [](std::string_view push) { return TakeOffPush(kPrefix, push); };
  for (const std::string type : {"*", ">"}) {
    EXPECT_EQ(off(type + "3\r\n$9\r\nsubscribe\r\n$6\r\nacme:c\r\n:1\r\n"),
              type + "3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
    EXPECT_EQ(off(type + "3\r\n$12\r\npunsubscribe\r\n$7\r\nacme:c*\r\n:0\r\n"),
              type + "3\r\n$12\r\npunsubscribe\r\n$2\r\nc*\r\n:0\r\n");
    EXPECT_EQ(off(type + "3\r\n$7\r\nmessage\r\n$6\r\nacme:c\r\n$6\r\nacme:m\r\n"),
              type + "3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$6\r\nacme:m\r\n");
    EXPECT_EQ(off(type + "3\r\n$8\r\nsmessage\r\n$6\r\nacme:c\r\n$1\r\nm\r\n"),
              type + "3\r\n$8\r\nsmessage\r\n$1\r\nc\r\n$1\r\nm\r\n");
    EXPECT_EQ(off(type + "4\r\n$8\r\npmessage\r\n$7\r\nacme:c*\r\n$6\r\nacme:c\r\n$1\r\nm\r\n"),
              type + "4\r\n$8\r\npmessage\r\n$2\r\nc*\r\n$1\r\nc\r\n$1\r\nm\r\n");
    EXPECT_EQ(off(type + "2\r\n$10\r\ninvalidate\r\n*2\r\n$6\r\nacme:a\r\n$6\r\nacme:b\r\n"),
              type + "2\r\n$10\r\ninvalidate\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n");
  }
  EXPECT_EQ(off("*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n$6\r\nacme:a\r\n"),
            "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n$1\r\na\r\n");
  for (const std::string_view same :
       {">2\r\n$10\r\ninvalidate\r\n_\r\n", "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n",
        ">3\r\n$11\r\nunsubscribe\r\n_\r\n:0\r\n", "*2\r\n$4\r\npong\r\n$6\r\nacme:x\r\n",
        "+PONG\r\n", "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*-1\r\n"}) {
    EXPECT_EQ(off(same), same);
  }
}

TEST(NamespaceReplyTest, InfoKeepsWhatTellsOfNobody) {
  const std::string text =
      "# Server\r\nredis_version:7.0.15\r\n\r\n# Clients\r\nconnected_clients:3\r\n\r\n"
      "# Memory\r\nused_memory:1\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n\r\n"
      "# Persistence\r\nloading:0\r\nasync_loading:0\r\nrdb_changes_since_last_save:9\r\n\r\n"
      "# Stats\r\nkeyspace_hits:1\r\n\r\n# "
      "Replication\r\nrole:slave\r\nmaster_link_status:up\r\n\r\n"
      "# CPU\r\nused_cpu_sys:1\r\n\r\n# Commandstats\r\ncmdstat_get:calls=1\r\n\r\n"
      "# Errorstats\r\nerrorstat_ERR:count=1\r\n\r\n# Cluster\r\ncluster_enabled:0\r\n\r\n"
      "# Keyspace\r\ndb0:keys=3,expires=0,avg_ttl=0\r\n\r\n# search_index\r\nsearch_keys:5\r\n";
  const std::string kept =
      "# Server\r\nredis_version:7.0.15\r\n\r\n"
      "# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n\r\n"
      "# Persistence\r\nloading:0\r\nasync_loading:0\r\n\r\n"
      "# Replication\r\nrole:slave\r\nmaster_link_status:up\r\n\r\n"
      "# CPU\r\nused_cpu_sys:1\r\n\r\n# Cluster\r\ncluster_enabled:0\r\n";
  EXPECT_EQ(InfoOfNamespace(text), kept);
  EXPECT_EQ(InfoOfNamespace(kept), kept);
  EXPECT_EQ(InfoOfNamespace("# Keyspace\r\ndb0:keys=3\r\n"), "");
  std::string resp2, resp3, kept2, kept3;
  ReplyWriter(&resp2, 2).Verbatim("txt", text);
  ReplyWriter(&resp3, 3).Verbatim("txt", text);
  ReplyWriter(&kept2, 2).Verbatim("txt", kept);
  ReplyWriter(&kept3, 3).Verbatim("txt", kept);
  EXPECT_EQ(Off(Kind::kInfo, resp2), kept2);
  EXPECT_EQ(Off(Kind::kInfo, resp3), kept3);
  EXPECT_EQ(Off(Kind::kInfo, "+QUEUED\r\n"), "+QUEUED\r\n");
}

std::string RandomName(harness::Random& random) {
  static const std::string kPieces[] = {"acme:", "acme", ":", "\r\n", std::string("\0", 1),
                                        "\xff",  "*",    "k", "'",    "$5\r\n"};
  std::string name;
  for (size_t n = harness::Below(random, 6); n > 0; --n) {
    name += kPieces[harness::Below(random, std::size(kPieces))];
  }
  return name;
}

// What has been put on comes off, and nothing else does.
TEST(NamespaceReplyTest, TakesOffWhatWasPutOn) {
  harness::Random random(harness::Seed());
  for (int round = 0; round < 2000; ++round) {
    std::string with, without;
    const size_t count = harness::Below(random, 5);
    ReplyWriter on(&with, 2), off(&without, 2);
    std::string streams_with = "%" + std::to_string(count) + "\r\n", streams_without = streams_with;
    on.ArrayHeader(count), off.ArrayHeader(count);
    for (size_t i = 0; i < count; ++i) {
      const std::string name = RandomName(random);
      const std::string value = "*1\r\n$6\r\nacme:v\r\n";
      on.Bulk(std::string(kPrefix) + name), off.Bulk(name);
      ReplyWriter(&streams_with, 3).Bulk(std::string(kPrefix) + name);
      ReplyWriter(&streams_without, 3).Bulk(name);
      streams_with += value, streams_without += value;
    }
    ASSERT_EQ(Off(Kind::kNames, with), without);
    ASSERT_EQ(Off(Kind::kScan, "*2\r\n$1\r\n5\r\n" + with), "*2\r\n$1\r\n5\r\n" + without);
    ASSERT_EQ(Off(Kind::kStreams, streams_with), streams_without);
    ASSERT_EQ(TakeOffPush(kPrefix, ">2\r\n$10\r\ninvalidate\r\n" + with),
              ">2\r\n$10\r\ninvalidate\r\n" + without);
  }
}

TEST(NamespaceReplyTest, CorpusOfTheFuzzer) { ReplayCorpus("namespace_reply", FuzzNamespaceReply); }

// Each seed of the fuzzer, cut anywhere and with bytes changed.
TEST(NamespaceReplyTest, BrokenRepliesDoNoHarm) {
  harness::Random random(harness::Seed());
  const std::string seeds[] = {
      "*2\r\n$1\r\n0\r\n*2\r\n$6\r\nacme:z\r\n$6\r\nacme:s\r\n",
      "%1\r\n$6\r\nacme:s\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n",
      "*4\r\n$8\r\npmessage\r\n$7\r\nacme:c*\r\n$6\r\nacme:c\r\n$1\r\nm\r\n",
      "=30\r\ntxt:# Server\r\nredis_version:7\r\n"};
  constexpr std::string_view kBytes = "*$%~>-_:0129\r\na";
  for (int round = 0; round < 20000; ++round) {
    std::string reply = seeds[harness::Below(random, std::size(seeds))];
    reply.resize(harness::Below(random, reply.size() + 1));
    for (size_t n = harness::Below(random, 3); n > 0 && !reply.empty(); --n) {
      reply[harness::Below(random, reply.size())] = kBytes[harness::Below(random, kBytes.size())];
    }
    FuzzNamespaceReply(std::string(1, static_cast<char>(round)) + reply);
  }
}

}  // namespace
}  // namespace weir::testing
