// Reads what Redis sends to a RESP2 connection that has subscribed: messages, acknowledgements,
// PONGs and errors, each as views of its bytes.
//
// RESP2 and RESP3 write a message alike but for the first byte ('*' and '>'), so one connection in
// RESP2 serves clients of both. Such frames are flat; what is not (an invalidation for a
// client that redirects its tracking here) is measured by FrameScanner and called kOther.
#ifndef WEIR_RESP_PUBSUB_FRAME_H_
#define WEIR_RESP_PUBSUB_FRAME_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "resp/frame_scanner.h"

namespace weir {

// The three name spaces of subscriptions. A pattern and a channel of the same name are different
// things.
enum class ChannelKind : uint8_t { kChannel, kPattern, kShard };
inline constexpr size_t kChannelKinds = 3;

struct PubsubFrame {
  enum class Type : uint8_t {
    kMessage,
    kSubscribed,    // an acknowledgement
    kUnsubscribed,  // likewise
    kPong,          // to a PING, subscribed or not yet
    kError,         // the reply to the oldest command without one
    kOther,
  };
  Type type = Type::kOther;
  ChannelKind kind = ChannelKind::kChannel;
  // Of messages and acknowledgements: the channel, or the pattern that matched. A view of the data.
  std::string_view name;
  std::string_view channel;  // of a message to a pattern: where it was published; likewise
  size_t bytes = 0;          // of the whole frame; after kNeedMore the least that it will have
  // After kNeedMore: `bytes` is exact and the fields above are set, only payload is missing.
  bool headed = false;
};

// Looks at the frame that starts at the start of `data`.
[[nodiscard]] ScanStatus ReadPubsubFrame(std::string_view data, PubsubFrame* frame);

}  // namespace weir

#endif  // WEIR_RESP_PUBSUB_FRAME_H_
