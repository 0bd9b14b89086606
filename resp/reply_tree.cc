// Reply trees, by way of hiredis.
//
// hiredis is asked only about bytes that the frame scanner has found to be one whole reply, so that
// no announced length makes it allocate what the bytes do not hold.

#include "resp/reply_tree.h"

#include <hiredis/hiredis.h>

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "resp/frame_scanner.h"

namespace weir {
namespace {

struct FreeReader {
  void operator()(redisReader* reader) const { redisReaderFree(reader); }
};
struct FreeReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};

Reply Convert(const redisReply& from) {
  Reply to;
  switch (from.type) {
    case REDIS_REPLY_STRING:
      to.type = Reply::Type::kString;
      break;
    case REDIS_REPLY_STATUS:
      to.type = Reply::Type::kStatus;
      break;
    case REDIS_REPLY_ERROR:
      to.type = Reply::Type::kError;
      break;
    case REDIS_REPLY_INTEGER:
      to.type = Reply::Type::kInteger;
      to.integer = from.integer;
      return to;
    case REDIS_REPLY_ARRAY:
      to.type = Reply::Type::kArray;
      to.elements.reserve(from.elements);
      for (size_t i = 0; i < from.elements; ++i) to.elements.push_back(Convert(*from.element[i]));
      return to;
    default:
      return to;
  }
  to.string.assign(from.str, from.len);
  return to;
}

// Every value starts with a type byte after a CRLF or at the start; this may count more (text can
// look so) but never fewer.
size_t ValuesAtMost(std::string_view bytes) {
  size_t values = 1;
  for (size_t at = bytes.find('\n'); at != bytes.npos; at = bytes.find('\n', at + 1)) ++values;
  return values;
}

absl::Status CheckFrame(std::string_view bytes, const ReplyTreeLimits& limits) {
  if (bytes.size() > limits.bytes_max) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "a reply of ", bytes.size(), " bytes is longer than the limit of ", limits.bytes_max));
  }
  FrameScanner scanner(2);
  const FrameScanner::Result result = scanner.Scan(bytes);
  switch (result.status) {
    case ScanStatus::kError:
      return absl::InvalidArgumentError(
          absl::StrCat("not a RESP2 reply: unexpected byte at offset ", result.consumed));
    case ScanStatus::kNeedMore:
      return absl::InvalidArgumentError(
          absl::StrCat("an incomplete reply: it goes on after its ", bytes.size(), " bytes"));
    case ScanStatus::kFrame:
      break;
  }
  if (result.consumed != bytes.size()) {
    return absl::InvalidArgumentError(absl::StrCat("the reply ends at offset ", result.consumed,
                                                   " but ", bytes.size() - result.consumed,
                                                   " bytes follow"));
  }
  if (ValuesAtMost(bytes) > limits.values_max) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a reply of more than ", limits.values_max, " values"));
  }
  return absl::OkStatus();
}

}  // namespace

const Reply* Reply::Find(std::string_view key) const {
  for (size_t i = 0; i + 1 < elements.size(); i += 2) {
    if (elements[i].is_text() && elements[i].string == key) return &elements[i + 1];
  }
  return nullptr;
}

absl::StatusOr<Reply> ParseReply(std::string_view bytes, const ReplyTreeLimits& limits) {
  if (absl::Status status = CheckFrame(bytes, limits); !status.ok()) return status;
  const std::unique_ptr<redisReader, FreeReader> reader(redisReaderCreate());
  if (reader == nullptr || redisReaderFeed(reader.get(), bytes.data(), bytes.size()) != REDIS_OK) {
    return absl::ResourceExhaustedError("out of memory for a reply");
  }
  void* built = nullptr;
  if (redisReaderGetReply(reader.get(), &built) != REDIS_OK) {
    return absl::InvalidArgumentError(absl::StrCat("cannot read the reply: ", reader->errstr));
  }
  const std::unique_ptr<redisReply, FreeReply> reply(static_cast<redisReply*>(built));
  if (reply == nullptr) return absl::InternalError("hiredis takes a whole reply for half of one");
  return Convert(*reply);
}

}  // namespace weir
