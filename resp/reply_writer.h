// Writes replies and requests as Redis itself would, byte for byte.

#ifndef WEIR_RESP_REPLY_WRITER_H_
#define WEIR_RESP_REPLY_WRITER_H_

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace weir {

// Appends replies to a string that the caller owns and that outlives the writer. Cheap to make:
// one for each reply is fine. What RESP2 lacks is written as Redis writes it to a RESP2 client.
class ReplyWriter {
 public:
  // `protocol_version` is 2 or 3: what the client that reads the reply speaks.
  ReplyWriter(std::string* out, int protocol_version) : out_(out), resp3_(protocol_version >= 3) {}

  void SimpleString(std::string_view text);  // "+text"; CR and LF become spaces
  void Ok() { SimpleString("OK"); }

  // "-text". As in Redis, `text` either starts with '-' and its own error code ("-WRONGTYPE ..."),
  // or has neither and gets "ERR " put before it. CR and LF at its ends are cut, others become
  // spaces.
  void Error(std::string_view text);

  void Integer(int64_t value);
  void Bulk(std::string_view bytes);
  void Null();                // RESP2: the null bulk string "$-1"
  void NullArray();           // RESP2: "*-1"; RESP3 has one null only
  void Double(double value);  // RESP2: a bulk string; %.17g as Redis prints it
  void Boolean(bool value);   // RESP2: 1 or 0
  void Verbatim(std::string_view format, std::string_view text);  // `format`: 3 bytes, "txt", "mkd"

  // The elements are written by the calls that follow: `length` of them, for a map 2 x `pairs`.
  void ArrayHeader(uint64_t length);
  void MapHeader(uint64_t pairs);    // RESP2: an array of 2 x `pairs`
  void SetHeader(uint64_t length);   // RESP2: an array
  void PushHeader(uint64_t length);  // RESP2: an array

  int protocol_version() const { return resp3_ ? 3 : 2; }

 private:
  void Header(char type, uint64_t value);
  void Text(std::string_view text);

  std::string* const out_;
  const bool resp3_;
};

// Appends the request with these arguments (the command's name first) in RESP.
void AppendRequest(std::string* out, std::span<const std::string_view> args);
void AppendRequest(std::string* out, std::initializer_list<std::string_view> args);

// Appends one argument's header and payload ("$3\r\nfoo\r\n"), after AppendRequestHeader(out,
// argc).
void AppendRequestHeader(std::string* out, uint64_t argc);
void AppendRequestArg(std::string* out, std::string_view arg);

}  // namespace weir

#endif  // WEIR_RESP_REPLY_WRITER_H_
