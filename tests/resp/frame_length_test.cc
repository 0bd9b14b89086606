// The short way to a frame's length, against the scanner.
#include "resp/frame_length.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "resp/frame_scanner.h"

namespace weir {
namespace {

size_t ShortLength(std::string_view data) {
  return ShortFrameBytes(data.data(), data.data() + data.size());
}

TEST(FrameLengthTest, KnowsWhatRepliesMostlyAre) {
  for (const std::string& frame :
       {std::string("+OK\r\n"), std::string("$-1\r\n"), std::string("$0\r\n\r\n"),
        "$64\r\n" + std::string(64, 'v') + "\r\n", "$999\r\n" + std::string(999, 'v') + "\r\n"}) {
    EXPECT_EQ(ShortLength(frame + ":1\r\n"), frame.size()) << frame;
    EXPECT_EQ(ShortLength(frame), frame.size()) << frame;
  }
}

// Whatever it does not know, or is not here whole, it leaves to others, and looks at no byte behind
// the end (the sanitizers would tell).
TEST(FrameLengthTest, SaysWhatTheScannerSaysOrNothing) {
  for (const std::string& frame :
       {std::string("+OK\r\n"), std::string("+OKAY\r\n"), std::string(":1\r\n"),
        std::string("$-1\r\n"), std::string("$2\r\nab\r\n"), std::string("*1\r\n:1\r\n"),
        std::string("_\r\n"), std::string("-ERR no\r\n"),
        "$1000\r\n" + std::string(1000, 'v') + "\r\n"}) {
    for (size_t bytes = 0; bytes <= frame.size(); ++bytes) {
      const std::string part(frame, 0, bytes);
      const size_t length = ShortLength(part);
      if (length != 0) {
        EXPECT_EQ(length, ScanRun(part, 1, 3).bytes) << part;
      }
      EXPECT_LE(length, bytes);
    }
  }
}

}  // namespace
}  // namespace weir
