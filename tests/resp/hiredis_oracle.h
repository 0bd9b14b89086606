// What hiredis' reader makes of bytes: the second opinion on where RESP2 frames end.
#ifndef WEIR_TESTS_RESP_HIREDIS_ORACLE_H_
#define WEIR_TESTS_RESP_HIREDIS_ORACLE_H_

#include <hiredis/hiredis.h>

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::testing {

enum class Opinion { kFrame, kNeedMore, kError, kTooDeep };

struct HiredisResult {
  Opinion opinion = Opinion::kNeedMore;
  size_t bytes = 0;         // kFrame: of the frame
  bool well_ended = false;  // kFrame: each bulk string has its CRLF, which hiredis does not look at
};

namespace hiredis_oracle_internal {

// hiredis' own objects would reserve what an array announces; these grow with what is there.
struct Node {
  int type = REDIS_REPLY_NIL;
  long long integer = 0;
  size_t elements_announced = 0;
  std::string text;
  std::vector<std::unique_ptr<Node>> elements;
};

inline Node* Add(const redisReadTask* task) {
  auto node = std::make_unique<Node>();
  node->type = task->type;
  Node* const added = node.get();
  if (task->parent == nullptr) return node.release();
  static_cast<Node*>(task->parent->obj)->elements.push_back(std::move(node));
  return added;
}

inline redisReplyObjectFunctions* Functions() {
  static redisReplyObjectFunctions functions = {
      .createString = [](const redisReadTask* task, char* text, size_t bytes) -> void* {
        Node* const node = Add(task);
        node->text.assign(text, bytes);
        return node;
      },
      .createArray = [](const redisReadTask* task, int elements) -> void* {
        Node* const node = Add(task);
        node->elements_announced = static_cast<size_t>(elements);
        return node;
      },
      .createInteger = [](const redisReadTask* task, long long integer) -> void* {
        Node* const node = Add(task);
        node->integer = integer;
        return node;
      },
      .createNil = [](const redisReadTask* task) -> void* {
        Node* const node = Add(task);
        node->type = REDIS_REPLY_NIL;
        return node;
      },
      .freeObject = [](void* node) { delete static_cast<Node*>(node); },
  };
  return &functions;
}

// Takes `text` off the front of *bytes.
inline bool Take(std::string_view* bytes, std::string_view text) {
  if (bytes->substr(0, text.size()) != text) return false;
  bytes->remove_prefix(text.size());
  return true;
}

inline bool TakeText(std::string_view* bytes, const Node& reply) {
  return Take(bytes, reply.text) && Take(bytes, "\r\n");
}

// Takes the encoding of `reply` off the front of *bytes. RESP2 leaves no choice but in the null.
inline bool TakeEncoding(std::string_view* bytes, const Node& reply) {
  switch (reply.type) {
    case REDIS_REPLY_STATUS:
      return Take(bytes, "+") && TakeText(bytes, reply);
    case REDIS_REPLY_ERROR:
      return Take(bytes, "-") && TakeText(bytes, reply);
    case REDIS_REPLY_INTEGER:
      return Take(bytes, ":" + std::to_string(reply.integer) + "\r\n");
    case REDIS_REPLY_NIL:
      return Take(bytes, "$-1\r\n") || Take(bytes, "*-1\r\n");
    case REDIS_REPLY_STRING:
      return Take(bytes, "$" + std::to_string(reply.text.size()) + "\r\n") &&
             TakeText(bytes, reply);
    default:
      if (!Take(bytes, "*" + std::to_string(reply.elements_announced) + "\r\n")) return false;
      for (const std::unique_ptr<Node>& element : reply.elements) {
        if (!TakeEncoding(bytes, *element)) return false;
      }
      return true;
  }
}

}  // namespace hiredis_oracle_internal

// The first frame of `bytes`.
inline HiredisResult AskHiredis(std::string_view bytes) {
  namespace oracle = hiredis_oracle_internal;
  const std::unique_ptr<redisReader, decltype(&redisReaderFree)> reader(
      redisReaderCreateWithFunctions(oracle::Functions()), redisReaderFree);
  redisReaderFeed(reader.get(), bytes.data(), bytes.size());
  void* reply = nullptr;
  if (redisReaderGetReply(reader.get(), &reply) != REDIS_OK) {
    const bool too_deep = std::strstr(reader->errstr, "depth") != nullptr;
    return {.opinion = too_deep ? Opinion::kTooDeep : Opinion::kError};
  }
  if (reply == nullptr) return {.opinion = Opinion::kNeedMore};
  const std::unique_ptr<oracle::Node> owned(static_cast<oracle::Node*>(reply));
  const size_t frame_bytes = bytes.size() - (reader->len - reader->pos);
  std::string_view frame = bytes.substr(0, frame_bytes);
  const bool well_ended = oracle::TakeEncoding(&frame, *owned) && frame.empty();
  return {.opinion = Opinion::kFrame, .bytes = frame_bytes, .well_ended = well_ended};
}

}  // namespace weir::testing

#endif  // WEIR_TESTS_RESP_HIREDIS_ORACLE_H_
