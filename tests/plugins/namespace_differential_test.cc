// Two tenants with random commands on one server, each compared with a server of its own: every
// reply must be the same, byte for byte, in RESP2 and RESP3.
//
// Only the putting on and taking off stand between a tenant and the server here; see the
// integration tests for weir as a whole. WEIR_TEST_SEED replays a run, WEIR_TEST_COMMANDS makes it
// longer.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "plugins/namespace_request.h"
#include "routing/text.h"
#include "tests/plugins/namespace_support.h"
#include "tests/support/command_generator.h"
#include "tests/support/support.h"

namespace weir::testing {
namespace {

using Outcome = NamespacedRequest::Outcome;

// What the generator leaves out, because weir answers it or it is new with namespaces.
constexpr std::string_view kMore[] = {"FLUSHALL",
                                      "FLUSHDB ASYNC",
                                      "FLUSHDB x",
                                      "DBSIZE",
                                      "DBSIZE x",
                                      "KEYS k*",
                                      "KEYS acme:*",
                                      "SCAN 0 COUNT",
                                      "SCAN 0 COUNT 9999 MATCH",
                                      "SCAN x",
                                      "SCAN 0 COUNT 9999 MATCH * MATCH ?",
                                      "SCAN 0 COUNT 9999 TYPE hash",
                                      "XPENDING x nogroup",
                                      "XINFO CONSUMERS x nogroup",
                                      "XREADGROUP GROUP nogroup c STREAMS x k1 > >",
                                      "XAUTOCLAIM x nogroup c 0 0",
                                      "XREADGROUP COUNT 1 GROUP STREAMS x STREAMS x >",
                                      "XGROUP SETID x nogroup 0",
                                      "GEORADIUS k1 1 2 3 m STORE k2 STORE s",
                                      "PFMERGE p",
                                      "SORT l BY k* GET # GET k* GET h->f",
                                      "SORT l BY h:*->f STORE s",
                                      "SORT_RO l BY k* GET *",
                                      "LMPOP 2 l k1 LEFT",
                                      "ZMPOP 1 z MAX",
                                      "XREAD COUNT 2 STREAMS x k1 0 0",
                                      "PUBSUB CHANNELS",
                                      "PUBSUB NUMSUB a b",
                                      "PUBSUB SHARDNUMSUB a",
                                      "OBJECT",
                                      "OBJECT NOSUCH k",
                                      "NOSUCH k1 acme:k1",
                                      "COMMAND GETKEYS GET k1",
                                      "ZUNIONSTORE d x a",
                                      "BLPOP k1",
                                      "MSET k1 1 k2",
                                      "LCS k1",
                                      "MOVE k1 99",
                                      "EVAL return(KEYS) x k1"};

class NamespaceDifferentialTest : public ::testing::TestWithParam<int> {
 protected:
  struct Side {
    explicit Side(std::string prefix, uint16_t shared, uint64_t seed)
        : tenant{.prefix = std::move(prefix), .scripts = true}, client(shared), generator(seed) {}
    Tenant tenant;
    harness::RedisServer alone;
    harness::RawClient client;
    harness::RawClient own{alone.port()};
    harness::CommandGenerator generator;
  };

  static size_t Commands() {
    const char* given = getenv("WEIR_TEST_COMMANDS");
    return given != nullptr ? strtoull(given, nullptr, 10) : 4000;
  }

  static Args Next(Side* side) {
    if (side->generator.Below(4) != 0) return side->generator.Next();
    return Words(kMore[side->generator.Below(std::size(kMore))]);
  }

  // Scripts are one for all tenants: with `scripts = true` one finds what another has loaded.
  static bool IsShared(const Args& args) {
    return EqualsIgnoreCase(args[0], "evalsha") || EqualsIgnoreCase(args[0], "script");
  }

  // False after a difference.
  static bool Step(Side* side, const Args& args) {
    if (IsShared(args)) return true;
    const NamespacedRequest asked = side->tenant.Ask(args);
    std::string got;
    if (asked.outcome == Outcome::kRefused) {
      if (asked.refusal.starts_with("-NONAMESPACE")) return true;  // as documented
      got = asked.refusal + "\r\n";
    } else {
      const std::string reply = side->client.Command(side->tenant.Sent(args, asked));
      got = TakeOff(asked.reply, side->tenant.prefix, reply);
    }
    const std::string expected = side->own.Command(args);
    const std::string one = harness::Comparable(args, got);
    const std::string two = harness::Comparable(args, expected);
    // How far one page of a scan gets depends on how many keys there are.
    const bool in_part = one == "(part of a scan)" || two == "(part of a scan)";
    if (one == two || in_part) return true;
    ADD_FAILURE() << side->tenant.prefix << " " << harness::Printable(harness::Encode(args))
                  << "\n  alone  " << harness::Printable(expected) << "\n  shared "
                  << harness::Printable(got);
    return false;
  }

  const harness::RedisServer shared_;
};

INSTANTIATE_TEST_SUITE_P(Resp, NamespaceDifferentialTest, ::testing::Values(2, 3));

TEST_P(NamespaceDifferentialTest, EachTenantSeesARedisOfItsOwn) {
  const uint64_t seed = harness::Seed();
  Side sides[] = {Side("acme:", shared_.port(), seed), Side("acme2:", shared_.port(), seed + 1)};
  // What nobody may see.
  harness::RawClient admin(shared_.port());
  for (const char* key : {"k1", "x", "other:k1", "nosort", "h:1"}) admin.Command({"SET", key, "v"});
  harness::Random random(seed);
  for (Side& side : sides) {
    if (GetParam() == 2) continue;
    side.client.Command({"HELLO", "3"});
    side.own.Command({"HELLO", "3"});
  }
  for (size_t i = 0; i < Commands(); ++i) {
    Side& side = sides[harness::Below(random, 2)];
    const Args args = Next(&side);
    ASSERT_TRUE(Step(&side, args)) << "command " << i;
  }
}

}  // namespace
}  // namespace weir::testing
