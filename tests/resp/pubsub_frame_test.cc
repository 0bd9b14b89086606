// Frames of a subscribed RESP2 connection: what each is, and where it ends, however it is cut.
#include "resp/pubsub_frame.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weir {
namespace {

using Type = PubsubFrame::Type;

std::string Bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

struct Case {
  std::string bytes;
  Type type;
  ChannelKind kind;
  std::string name;
};

const std::vector<Case>& Cases() {
  static const std::vector<Case> kCases = {
      {"*3\r\n" + Bulk("message") + Bulk("c") + Bulk("hello"), Type::kMessage,
       ChannelKind::kChannel, "c"},
      {"*3\r\n" + Bulk("message") + Bulk("") + Bulk(""), Type::kMessage, ChannelKind::kChannel, ""},
      {"*3\r\n" + Bulk("message") + Bulk("a\r\nb") + Bulk("*3\r\n$7\r\n"), Type::kMessage,
       ChannelKind::kChannel, "a\r\nb"},
      {"*4\r\n" + Bulk("pmessage") + Bulk("c*") + Bulk("chan") + Bulk("hello"), Type::kMessage,
       ChannelKind::kPattern, "c*"},
      {"*3\r\n" + Bulk("smessage") + Bulk("s") + Bulk("x"), Type::kMessage, ChannelKind::kShard,
       "s"},
      {"*3\r\n" + Bulk("subscribe") + Bulk("c") + ":1\r\n", Type::kSubscribed,
       ChannelKind::kChannel, "c"},
      {"*3\r\n" + Bulk("psubscribe") + Bulk("c*") + ":12\r\n", Type::kSubscribed,
       ChannelKind::kPattern, "c*"},
      {"*3\r\n" + Bulk("ssubscribe") + Bulk("s") + ":1\r\n", Type::kSubscribed, ChannelKind::kShard,
       "s"},
      {"*3\r\n" + Bulk("unsubscribe") + Bulk("c") + ":0\r\n", Type::kUnsubscribed,
       ChannelKind::kChannel, "c"},
      {"*3\r\n" + Bulk("punsubscribe") + Bulk("c") + ":0\r\n", Type::kUnsubscribed,
       ChannelKind::kPattern, "c"},
      {"*3\r\n" + Bulk("sunsubscribe") + Bulk("c") + ":0\r\n", Type::kUnsubscribed,
       ChannelKind::kShard, "c"},
      {"*2\r\n" + Bulk("pong") + Bulk(""), Type::kPong, ChannelKind::kChannel, ""},
      {"+PONG\r\n", Type::kPong, ChannelKind::kChannel, ""},
      {"-NOPERM no\r\n", Type::kError, ChannelKind::kChannel, ""},
      {"+OK\r\n", Type::kOther, ChannelKind::kChannel, ""},
      {"*3\r\n" + Bulk("unsubscribe") + "$-1\r\n:0\r\n", Type::kOther, ChannelKind::kChannel, ""},
      // An invalidation that some client redirects here.
      {"*3\r\n" + Bulk("message") + Bulk("__redis__:invalidate") + "*2\r\n" + Bulk("k") + Bulk("l"),
       Type::kOther, ChannelKind::kChannel, ""},
      {"*3\r\n" + Bulk("nonsense") + Bulk("c") + Bulk("x"), Type::kOther, ChannelKind::kChannel,
       ""},
  };
  return kCases;
}

TEST(PubsubFrame, SaysWhatItIsAndWhereItEnds) {
  for (const Case& c : Cases()) {
    for (const std::string& behind : {std::string(), std::string("*3\r\n$7\r\nmes")}) {
      PubsubFrame frame;
      const std::string data = c.bytes + behind;
      ASSERT_EQ(ReadPubsubFrame(data, &frame), ScanStatus::kFrame) << c.bytes;
      EXPECT_EQ(frame.type, c.type) << c.bytes;
      EXPECT_EQ(frame.kind, c.kind) << c.bytes;
      EXPECT_EQ(frame.name, c.name) << c.bytes;
      EXPECT_EQ(frame.bytes, c.bytes.size()) << c.bytes;
    }
  }
}

TEST(PubsubFrame, CutAnywhereItWaitsAndNeverAsksForTooMuch) {
  for (const Case& c : Cases()) {
    for (size_t n = 0; n < c.bytes.size(); ++n) {
      PubsubFrame frame;
      ASSERT_EQ(ReadPubsubFrame(std::string_view(c.bytes).substr(0, n), &frame),
                ScanStatus::kNeedMore)
          << c.bytes << " cut at " << n;
      EXPECT_GT(frame.bytes, n) << c.bytes << " cut at " << n;
      EXPECT_LE(frame.bytes, c.bytes.size()) << c.bytes << " cut at " << n;
      if (!frame.headed) continue;
      EXPECT_EQ(frame.bytes, c.bytes.size());
      EXPECT_EQ(frame.type, c.type);
      EXPECT_EQ(frame.name, c.name);
    }
  }
}

TEST(PubsubFrame, ALargeMessageIsForeseen) {
  PubsubFrame frame;
  const std::string head = "*3\r\n" + Bulk("message") + Bulk("c") + "$1000000\r\n";
  ASSERT_EQ(ReadPubsubFrame(head, &frame), ScanStatus::kNeedMore);
  EXPECT_TRUE(frame.headed);
  EXPECT_EQ(frame.bytes, head.size() + 1000002);
  EXPECT_EQ(frame.name, "c");
}

TEST(PubsubFrame, WhatIsNoRespIsAnError) {
  for (const std::string data :
       {"x\r\n", "*3\r\n$7\r\nmessageXX", "*3\r\n$7\r\nmessage\r\n$1\r\ncXX$1\r\nm\r\n",
        "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nmXX", "*3\r\n$x\r\n"}) {
    PubsubFrame frame;
    EXPECT_EQ(ReadPubsubFrame(data, &frame), ScanStatus::kError) << data;
  }
}

}  // namespace
}  // namespace weir
