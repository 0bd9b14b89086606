// What is fuzzed of namespaces: the taking off of a prefix from replies of any bytes.
#ifndef WEIR_TESTS_PLUGINS_NAMESPACE_FUZZ_TARGET_H_
#define WEIR_TESTS_PLUGINS_NAMESPACE_FUZZ_TARGET_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "plugins/namespace_reply.h"
#include "resp/frame_scanner.h"
#include "tests/support/fuzz_check.h"

namespace weir::testing {

inline constexpr int kNamespaceReplyKinds = static_cast<int>(NamespaceReply::kPush) + 1;

inline bool IsOneFrame(std::string_view bytes) {
  FrameScanner scanner(3);
  const FrameScanner::Result result = scanner.Scan(bytes);
  return result.status == ScanStatus::kFrame && result.consumed == bytes.size();
}

// The first byte chooses the kind; the rest is the reply, whole or not. What goes in as one frame
// comes out as one, and nothing comes out much longer than it went in.
inline void FuzzNamespaceReply(std::string_view input) {
  if (input.empty()) return;
  const auto kind =
      static_cast<NamespaceReply>(static_cast<uint8_t>(input[0]) % kNamespaceReplyKinds);
  const std::string_view reply = input.substr(1);
  const bool whole = IsOneFrame(reply);
  const std::string_view prefix = "a:";
  const std::string once = TakeOff(kind, prefix, reply);
  WEIR_FUZZ_CHECK(!whole || IsOneFrame(once));
  WEIR_FUZZ_CHECK(once.size() <= reply.size() + 32);
  if (kind == NamespaceReply::kAsIs) WEIR_FUZZ_CHECK(once == reply);
  const std::string push = TakeOffPush(prefix, reply);
  WEIR_FUZZ_CHECK(!whole || IsOneFrame(push));
  const std::array<NamespaceReply, 2> kinds = {kind, NamespaceReply::kNames};
  const auto exec = TakeOffExec(kinds, prefix, reply);
  WEIR_FUZZ_CHECK(!whole || !exec.has_value() || IsOneFrame(*exec));
}

}  // namespace weir::testing

#endif  // WEIR_TESTS_PLUGINS_NAMESPACE_FUZZ_TARGET_H_
