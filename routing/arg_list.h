// ArgList: a read-only view of one request's arguments, however they are stored.
//
// Routing reads requests from two sources: the request parser, which keeps arguments as offsets
// into the client's bytes, and lists of strings (WEIR EXPLAIN, COMMAND GETKEYS, tests). The view is
// three words, copies nothing, and costs one predictable branch for each access.
#ifndef WEIR_ROUTING_ARG_LIST_H_
#define WEIR_ROUTING_ARG_LIST_H_

#include <cstdint>
#include <cstring>
#include <string_view>

#include "absl/types/span.h"

namespace weir {

class ArgList {
 public:
  // REQUIRES: what the list is made from outlives it, unmoved and unchanged.
  ArgList(absl::Span<const std::string_view> args)  // NOLINT(google-explicit-constructor)
      : base_(nullptr), items_(args.data()), size_(static_cast<uint32_t>(args.size())) {}

  // From a parsed request: `wire` holds the bytes, `args` the `argc` pairs of offset and length.
  template <typename Request>
  requires requires(const Request& request) { request.wire.data() + request.args->offset; }
  ArgList(const Request& request)  // NOLINT(google-explicit-constructor)
      : base_(request.wire.data()), items_(request.args), size_(request.argc) {
    static_assert(sizeof(*request.args) == sizeof(Slice));
  }

  uint32_t size() const { return size_; }

  // REQUIRES: i < size().
  std::string_view operator[](uint32_t i) const {
    if (base_ == nullptr) return static_cast<const std::string_view*>(items_)[i];
    Slice slice;
    std::memcpy(&slice, static_cast<const char*>(items_) + i * sizeof(Slice), sizeof(Slice));
    return {base_ + slice.offset, slice.length};
  }

  // The arguments from `first` on. REQUIRES: first <= size().
  ArgList Tail(uint32_t first) const {
    ArgList tail = *this;
    const size_t item_bytes = base_ == nullptr ? sizeof(std::string_view) : sizeof(Slice);
    tail.items_ = static_cast<const char*>(items_) + first * item_bytes;
    tail.size_ = size_ - first;
    return tail;
  }

 private:
  struct Slice {
    uint32_t offset;
    uint32_t length;
  };

  const char* base_;  // nullptr: items_ are string_views; else slices of the bytes at base_
  const void* items_;
  uint32_t size_;
};

}  // namespace weir

#endif  // WEIR_ROUTING_ARG_LIST_H_
