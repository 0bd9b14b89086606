// Replies that were recorded, as they are said in a client's protocol version.
//
// A script hears replies in RESP2, where each is exact but for the kind of a null, and RESP3's
// types are told apart by the command alone. So a record is in RESP2, and from it, and from the
// shape of the command's replies, either version's bytes are made again.
#ifndef WEIR_PLUGINS_IDEM_REPLY_H_
#define WEIR_PLUGINS_IDEM_REPLY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir {

// How a command's reply differs from the one that its RESP2 bytes seem to be. The value is the
// letter by which it travels with the script.
enum class IdemShape : char {
  kPlain = 'p',         // only nulls differ; in RESP2 they are those of a string
  kNullArray = 'n',     // LPOP with a count, LMPOP: in RESP2 they are those of an array
  kDouble = 'd',        // ZINCRBY, ZADD: a string is a double
  kScore = 's',         // ZPOPMIN: a member and its score
  kScores = 't',        // ZPOPMIN with a count: in RESP3 pairs, in RESP2 flat
  kKeyAndScores = 'k',  // ZMPOP: a key and pairs
  kSet = 'e',           // SPOP: an array is a set
  kMap = 'm',           // XREADGROUP: an array of pairs is a map
};
std::optional<IdemShape> IdemShapeOf(char letter);

// `recorded`, one reply in RESP2 with all nulls as "$-1", in `protocol_version`. Nothing: it is
// none of that shape.
std::optional<std::string> SayRecorded(std::string_view recorded, IdemShape shape,
                                       int protocol_version);

// The same for one that was recorded as it was, in RESP3.
std::optional<std::string> SayRecordedResp3(std::string_view recorded, IdemShape shape,
                                            int protocol_version);

}  // namespace weir

#endif  // WEIR_PLUGINS_IDEM_REPLY_H_
