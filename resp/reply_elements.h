// An aggregate reply cut into its elements, so that some can be exchanged and others added.
#ifndef WEIR_RESP_REPLY_ELEMENTS_H_
#define WEIR_RESP_REPLY_ELEMENTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

// "*3\r\n" and the like: the first line of an array, set or map.
struct AggregateHeader {
  char type = 0;       // '*', '~' or '%'
  uint64_t count = 0;  // as written: of a map, its pairs
  size_t bytes = 0;    // of the line, CRLF included
};

// nullopt if the reply is none of these, or null.
std::optional<AggregateHeader> ReadAggregateHeader(std::string_view reply);

// The elements of a whole reply, of a map its keys and values in turn; views into `reply`. nullopt
// if it is no aggregate. `protocol_version` is the one it was written in.
std::optional<std::vector<std::string_view>> CutElements(std::string_view reply,
                                                         int protocol_version);

// The reply with `added` behind its elements: `count` more, of a map (type '%') that many pairs.
std::string AppendElements(std::string_view reply, const AggregateHeader& header, uint64_t count,
                           std::string_view added);

// The text of a bulk or simple string element.
std::string_view StringOf(std::string_view element);

}  // namespace weir

#endif  // WEIR_RESP_REPLY_ELEMENTS_H_
