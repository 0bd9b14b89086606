// What most integration tests start with: a Redis, and a weir in front of it with its defaults; or
// the same with a second Redis beside it that is asked directly, to compare.
#ifndef WEIR_TESTS_INTEGRATION_FIXTURE_H_
#define WEIR_TESTS_INTEGRATION_FIXTURE_H_

#include <string>
#include <vector>

#include "tests/support/support.h"

namespace weir::harness {

class ThroughWeir : public ::testing::Test {
 protected:
  RedisServer redis_;
  WeirServer weir_{redis_};
};

// `direct_` is what weir must be indistinguishable from.
class BesideRedis : public ::testing::Test {
 protected:
  // Sends the same bytes to both on new connections, and expects the same bytes back up to the
  // close, which both must do by themselves.
  void ExpectSameUntilClose(const std::string& bytes) {
    RawClient direct(direct_.port());
    RawClient through(weir_.port());
    direct.set_timeout_ms(5000);
    direct.Send(bytes);
    through.Send(bytes);
    const std::string expected = direct.ReadUntilClose();
    EXPECT_EQ(Printable(through.ReadUntilClose()), Printable(expected)) << Printable(bytes);
    EXPECT_EQ(expected.find(kTimedOut), std::string::npos) << "Redis itself does not close";
  }

  // The same, reading `replies` replies and expecting that the connection goes on working.
  void ExpectSameReplies(const std::string& bytes, size_t replies) {
    RawClient direct(direct_.port());
    RawClient through(weir_.port());
    ExpectSameReplies(&direct, &through, bytes, replies);
    EXPECT_EQ(through.Text({"PING", "still here"}), "still here") << Printable(bytes);
    EXPECT_EQ(direct.Text({"PING", "still here"}), "still here") << Printable(bytes);
  }

  static void ExpectSameReplies(RawClient* direct, RawClient* through, const std::string& bytes,
                                size_t replies) {
    direct->Send(bytes);
    through->Send(bytes);
    for (size_t i = 0; i < replies; ++i) {
      EXPECT_EQ(Printable(through->ReadFrame()), Printable(direct->ReadFrame()))
          << "reply " << i << " to " << Printable(bytes);
    }
  }

  RedisServer direct_;
  RedisServer redis_;
  WeirServer weir_{redis_};
};

}  // namespace weir::harness

#endif  // WEIR_TESTS_INTEGRATION_FIXTURE_H_
