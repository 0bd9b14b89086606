// A whole reply as a small tree of values, for the replies that weir reads for their meaning.
//
// hiredis' reader builds it, so only RESP2 can be read, on links that speak it. Nothing on the hot
// path comes here: what is passed through is framed by resp/frame_scanner.h and never looked into.

#ifndef WEIR_RESP_REPLY_TREE_H_
#define WEIR_RESP_REPLY_TREE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace weir {

// One value. Owns all that is below it.
struct Reply {
  enum class Type : uint8_t {
    kNil,      // the null bulk string or the null array
    kStatus,   // a simple string, in `string`
    kError,    // an error without its '-', in `string`
    kInteger,  // in `integer`
    kString,   // a bulk string, in `string`
    kArray,    // in `elements`
  };

  Type type = Type::kNil;
  int64_t integer = 0;
  std::string string;
  std::vector<Reply> elements;

  bool is(Type wanted) const { return type == wanted; }
  bool is_text() const { return type == Type::kString || type == Type::kStatus; }

  // For an array that is a map in RESP3 ("key", value, "key", value, ...): the value that follows
  // this key, or nullptr. Owned by this reply.
  const Reply* Find(std::string_view key) const;
};

struct ReplyTreeLimits {
  size_t bytes_max = size_t{64} << 20;
  size_t values_max = 1 << 20;  // each takes about 70 bytes and its text
};

// hiredis follows no more levels of arrays than this.
inline constexpr int kReplyDepthMax = 8;

// Reads `bytes`, which must be exactly one reply. InvalidArgument if they are not RESP2,
// incomplete, too deep, or followed by more; ResourceExhausted if they exceed the limits (looked at
// before anything is built). The message says which, and where.
absl::StatusOr<Reply> ParseReply(std::string_view bytes, const ReplyTreeLimits& limits = {});

}  // namespace weir

#endif  // WEIR_RESP_REPLY_TREE_H_
