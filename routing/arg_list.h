// ArgList: a read-only view of one request's arguments, however they are stored.
//
// Routing reads requests from two sources: the request parser, which keeps arguments as offsets
// into the client's bytes, and lists of strings (WEIR EXPLAIN, COMMAND GETKEYS, tests). The view is
// three words, copies nothing, and costs one predictable branch for each access.
#ifndef WEIR_ROUTING_ARG_LIST_H_
#define WEIR_ROUTING_ARG_LIST_H_

#include <cstdint>
#include <string_view>

#include "absl/types/span.h"
#include "resp/request_parser.h"

namespace weir {

class ArgList {
 public:
  // REQUIRES: what the list is made from outlives it, unmoved and unchanged.
  ArgList(absl::Span<const std::string_view> args)  // NOLINT(google-explicit-constructor)
      : strings_(args.data()), size_(static_cast<uint32_t>(args.size())) {}
  ArgList(const ParsedRequest& request)  // NOLINT(google-explicit-constructor)
      : wire_(request.wire.data()), spans_(request.args), size_(request.argc) {}

  uint32_t size() const { return size_; }

  // REQUIRES: i < size().
  std::string_view operator[](uint32_t i) const {
    if (wire_ == nullptr) return strings_[i];
    return {wire_ + spans_[i].offset, spans_[i].length};
  }

  // The arguments from `first` on. REQUIRES: first <= size().
  ArgList Tail(uint32_t first) const {
    ArgList tail = *this;
    if (wire_ == nullptr) {
      tail.strings_ += first;
    } else {
      tail.spans_ += first;
    }
    tail.size_ -= first;
    return tail;
  }

 private:
  const char* wire_ = nullptr;  // nullptr: the arguments are strings_, else spans_ of these bytes
  union {
    const std::string_view* strings_;
    const ArgSpan* spans_;
  };
  uint32_t size_;
};

}  // namespace weir

#endif  // WEIR_ROUTING_ARG_LIST_H_
