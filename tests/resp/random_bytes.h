// Random replies, random requests, and random damage to either.
#ifndef WEIR_TESTS_RESP_RANDOM_BYTES_H_
#define WEIR_TESTS_RESP_RANDOM_BYTES_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "resp/reply_writer.h"
#include "tests/resp/feed.h"
#include "tests/support/seed.h"

namespace weir::testing {

using harness::Below;
using harness::Random;

inline NextPiece RandomPieces(Random& random) {
  return [&random] { return 1 + Below(random, Below(random, 4) == 0 ? 200 : 12); };
}

// Any bytes, CR and LF more often than chance would have them.
inline std::string RandomText(Random& random, size_t bytes_max) {
  std::string text(Below(random, bytes_max + 1), '\0');
  for (char& c : text) {
    const uint64_t kind = Below(random, 8);
    c = kind == 0 ? '\r' : kind == 1 ? '\n' : static_cast<char>(Below(random, 256));
  }
  return text;
}

inline std::string RandomLine(Random& random, size_t bytes_max) {
  std::string text = RandomText(random, bytes_max);
  std::replace(text.begin(), text.end(), '\n', ' ');  // a CR alone may stay
  if (!text.empty() && text.back() == '\r') text.back() = '.';
  return text;
}

inline void AppendRandomLeaf(Random& random, int protocol_version, std::string* out) {
  ReplyWriter writer(out, protocol_version);
  switch (Below(random, protocol_version == 2 ? 6 : 12)) {
    case 0:
      out->append("+").append(RandomLine(random, 20)).append("\r\n");
      return;
    case 1:
      out->append("-").append(RandomLine(random, 20)).append("\r\n");
      return;
    case 2:
      return writer.Integer(static_cast<int64_t>(random()) >> Below(random, 64));
    case 3:
      return writer.Bulk(RandomText(random, Below(random, 10) == 0 ? 2000 : 30));
    case 4:
      out->append(Below(random, 2) == 0 ? "$-1\r\n" : "*-1\r\n");
      return;
    case 5:
      out->append("+OK\r\n");
      return;
    case 6:
      return writer.Null();
    case 7:
      return writer.Boolean(Below(random, 2) == 0);
    case 8:
      return writer.Double(static_cast<double>(random()) / 7);
    case 9:
      return writer.Verbatim("txt", RandomText(random, 30));
    case 10:
      out->append("(").append(RandomLine(random, 30)).append("\r\n");
      return;
    default: {
      const std::string text = RandomText(random, 30);
      out->append("!" + std::to_string(text.size()) + "\r\n" + text + "\r\n");
    }
  }
}

// One whole frame, nested at most `depth_max` levels.
inline void AppendRandomFrame(Random& random, int protocol_version, int depth_max,
                              std::string* out) {
  if (depth_max == 0 || Below(random, 2) == 0) {
    return AppendRandomLeaf(random, protocol_version, out);
  }
  ReplyWriter writer(out, protocol_version);
  const uint64_t length = Below(random, 5);
  uint64_t elements = length;
  switch (Below(random, protocol_version == 2 ? 1 : 5)) {
    case 0:
      writer.ArrayHeader(length);
      break;
    case 1:
      writer.SetHeader(length);
      break;
    case 2:
      writer.PushHeader(length);
      break;
    case 3:
      writer.MapHeader(length);
      elements = 2 * length;
      break;
    default:
      out->append("|" + std::to_string(length) + "\r\n");
      elements = 2 * length + 1;
  }
  for (uint64_t i = 0; i < elements; ++i) {
    AppendRandomFrame(random, protocol_version, depth_max - 1, out);
  }
}

// Changes, removes, doubles or inserts a few bytes.
inline void Damage(Random& random, std::string* bytes) {
  constexpr std::string_view kTelling("\r\n*$+-:0159%~>|_#,!=( \"'\\x\0", 27);
  const uint64_t changes = 1 + Below(random, 3);
  for (uint64_t i = 0; i < changes && !bytes->empty(); ++i) {
    const size_t at = Below(random, bytes->size());
    const char c = kTelling[Below(random, kTelling.size())];
    switch (Below(random, 5)) {
      case 0:
        bytes->erase(at, 1 + Below(random, 3));
        break;
      case 1:
        bytes->insert(at, 1, c);
        break;
      case 2:
        bytes->insert(at, bytes->substr(at, 1 + Below(random, 8)));
        break;
      default:
        (*bytes)[at] = c;
    }
  }
}

}  // namespace weir::testing

#endif  // WEIR_TESTS_RESP_RANDOM_BYTES_H_
