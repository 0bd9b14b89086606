// A weir with a saboteur between it and Redis, and what must hold whatever the saboteur does.
#ifndef WEIR_TESTS_FAULTS_FAULT_FIXTURE_H_
#define WEIR_TESTS_FAULTS_FAULT_FIXTURE_H_

#include <string>
#include <vector>

#include "tests/support/support.h"

namespace weir::harness {

class FaultTest : public ::testing::Test {
 protected:
  static WeirConfig Config(const std::string& url) {
    WeirConfig config;
    config.url = url;
    config.workers = 1;
    // No health checks: each byte on the link is one that the test knows of.
    config.upstream =
        "reconnect_min_ms = 1\nreconnect_max_ms = 20\nhealth_check_interval_ms = 0\n"
        "offline_queue_age_max_ms = 5000\n";
    return config;
  }

  bool IsUnknown(const std::string& reply) const {
    return reply.starts_with("-UNKNOWN weir: the connection to " + saboteur_.address() +
                             " broke after the command was sent; it may or may not have run");
  }

  // The client's link works: a unique value goes there and back. That the last connection broke
  // may not be known yet, and cost a write.
  void ExpectExact(RawClient* client) {
    const std::string value = "exact" + std::to_string(++serial_);
    std::string reply;
    ASSERT_TRUE(Eventually([&] {
      reply = client->Command({"SET", "exact", value});
      return !IsUnknown(reply);
    }));
    ASSERT_EQ(reply, "+OK\r\n");
    ASSERT_EQ(client->Command({"GET", "exact"}), Bulk(value));
  }

  // One exchange of reads, writes and local commands whose replies are all different, while
  // something happens to the link. A write must be answered right or with the error that says that
  // its fate is unknown. So must a read with a write of the same client behind it, because repeated
  // it would see what that write may have done; all other reads must be answered right. Nothing may
  // be answered late or in another's place.
  void Exchange(RawClient* client) {
    const std::string tag = std::to_string(++serial_);
    client->Send(Encode({"SET", "w" + tag, "value" + tag}) + Encode({"GET", "fixed"}) +
                 Encode({"INCR", "counter"}) + Encode({"ECHO", "local" + tag}) +
                 Encode({"GETRANGE", "fixed", "0", "3"}) + Encode({"APPEND", "log", "."}) +
                 Encode({"STRLEN", "fixed"}));
    const std::vector<std::string> replies = client->ReadFrames(7);
    ASSERT_EQ(replies.size(), 7u) << Printable(replies.empty() ? "" : replies.back());
    ExpectRightOrUnknown(replies[0], "+OK\r\n");
    ExpectRightOrUnknown(replies[1], Bulk(kFixed));
    ExpectCounter(replies[2]);
    EXPECT_EQ(replies[3], Bulk("local" + tag));
    ExpectRightOrUnknown(replies[4], Bulk(std::string(kFixed).substr(0, 4)));
    EXPECT_TRUE(replies[5][0] == ':' || IsUnknown(replies[5])) << Printable(replies[5]);
    EXPECT_EQ(replies[6], ":" + std::to_string(std::string(kFixed).size()) + "\r\n");
  }

  void ExpectRightOrUnknown(const std::string& reply, const std::string& right) const {
    EXPECT_TRUE(reply == right || IsUnknown(reply))
        << Printable(reply) << " for " << Printable(right);
  }

  // INCR's replies grow; each that was not answered with a number may have run or not.
  void ExpectCounter(const std::string& reply) {
    if (IsUnknown(reply)) {
      ++unknown_;
      return;
    }
    ASSERT_EQ(reply[0], ':') << Printable(reply);
    const int64_t n = std::stoll(reply.substr(1));
    ++counted_;
    EXPECT_GT(n, last_count_);
    EXPECT_GE(n, counted_);
    EXPECT_LE(n, counted_ + unknown_) << "one ran twice";
    last_count_ = n;
  }

  void SetUp() override {
    RawClient direct(redis_.port());
    ASSERT_EQ(direct.Text({"SET", "fixed", kFixed}), "OK");
  }

  void TearDown() override {
    if (counted_ + unknown_ == 0) return;
    RawClient direct(redis_.port());
    const int64_t ran = std::stoll(direct.Text({"GET", "counter"}));
    EXPECT_GE(ran, counted_);
    EXPECT_LE(ran, counted_ + unknown_) << "an INCR ran twice";
  }

  static constexpr const char* kFixed = "the fixed value";
  int64_t serial_ = 0;
  int64_t counted_ = 0;  // INCRs that were answered with their result
  int64_t unknown_ = 0;  // INCRs whose fate was said to be unknown
  int64_t last_count_ = 0;

  RedisServer redis_;
  Saboteur saboteur_{redis_.port()};
  WeirServer weir_{Config(saboteur_.url())};
};

}  // namespace weir::harness

#endif  // WEIR_TESTS_FAULTS_FAULT_FIXTURE_H_
