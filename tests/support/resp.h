// Just enough RESP to talk to a server and to know where its replies end, written for the tests
// alone: an oracle that shared code with what it judges would share its mistakes.
#ifndef WEIR_TESTS_SUPPORT_RESP_H_
#define WEIR_TESTS_SUPPORT_RESP_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace weir::harness {

// A request as clients send it: an array of bulk strings.
std::string Encode(const std::vector<std::string>& args);
std::string Bulk(std::string_view text);

// Finds the end of one frame, RESP2 or RESP3, in bytes that arrive bit by bit. Looks at each byte
// once. Attributes belong to the value that follows them.
class FrameEnd {
 public:
  // Looks at `data` from where the last call stopped (always the same bytes, with more behind).
  // True when a frame ends at data[size()).
  bool Find(std::string_view data);
  size_t size() const { return position_; }
  // The bytes are no RESP.
  bool broken() const { return broken_; }

 private:
  bool Header(std::string_view line);

  uint64_t elements_left_ = 1;
  size_t position_ = 0;
  bool broken_ = false;
};

// Takes the first whole request off `data` and answers its arguments; empty when none is whole.
// Understands arrays of bulk strings only, which is all that weir sends.
std::vector<std::string> TakeRequest(std::string* data);

// A reply as a tree, to look at its meaning. Type is the byte it was announced by.
struct Reply {
  char type = 0;
  bool null = false;
  std::string text;             // of a string, an error (without '-'), a number as it was written
  std::vector<Reply> elements;  // a map's keys and values alternate

  // Of a map, or of an array that stands for one: the value at `key`, or a reply of type 0.
  const Reply& at(std::string_view key) const;
};
Reply ParseReply(std::string_view frame);

// "# Section" and "name:value" lines, as INFO writes them, as a map of name to value.
std::map<std::string, std::string> ParseInfo(std::string_view text);

// Quotes what is not printable, and cuts what is long, so that a failure can be read.
std::string Printable(std::string_view bytes, size_t length_max = 400);

}  // namespace weir::harness

#endif  // WEIR_TESTS_SUPPORT_RESP_H_
