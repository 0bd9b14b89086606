// Bytes that wait to be written to one socket: a queue of slices.
#ifndef WEIR_PROXY_NET_SLICE_QUEUE_H_
#define WEIR_PROXY_NET_SLICE_QUEUE_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/net/buffer.h"

namespace weir {

class SliceQueue {
 public:
  bool empty() const { return bytes_ == 0; }
  size_t bytes() const { return bytes_; }
  size_t slices() const { return (rest_ ? rest_->size() : 0) + (first_.empty() ? 0 : 1); }

  // `bytes` must lie in `chunk`; they are shared, not copied.
  void Append(Chunk* chunk, std::string_view bytes) {
    if (bytes.empty()) return;
    bytes_ += bytes.size();
    Slice& last = Last();
    if (last.ContinuesWith(chunk, bytes)) {
      last.Extend(bytes.size());
    } else if (first_.empty()) {
      first_ = Slice(chunk, bytes);
    } else {
      Rest().slices.emplace_back(chunk, bytes);
    }
  }
  void Append(Slice slice) {
    if (slice.empty()) return;
    if (Last().ContinuesWith(slice.chunk(), slice.view())) {
      Last().Extend(slice.size());
      bytes_ += slice.size();
      return;
    }
    bytes_ += slice.size();
    if (first_.empty()) {
      first_ = std::move(slice);
    } else {
      Rest().slices.push_back(std::move(slice));
    }
  }
  // Copies `bytes` behind what is queued, into room of the last chunk where no one else can have
  // taken it, else into a chunk of the pool.
  void AppendCopy(ChunkPool& pool, std::string_view bytes);
  // Moves all of `other` to the end of this.
  void Append(SliceQueue&& other);

  // Fills up to `max` vectors from the front; returns how many.
  int Fill(iovec* vectors, int max) const;
  // The first of its slices; empty if there is none. Valid until the next call that is not const.
  const Slice& front() const { return first_; }
  // Drops `n` bytes from the front; n <= bytes().
  void Consume(size_t n);
  void Clear();

  // Copies what is left into chunks of their own where it holds on to much more memory than it has
  // bytes, so that a slow reader of 5 bytes does not keep 64 KiB alive.
  void Compact(ChunkPool& pool);

 private:
  // The slices behind the first one.
  struct Others {
    std::vector<Slice> slices;
    size_t head = 0;  // those before it were consumed; 0 when there are none
    size_t size() const { return slices.size() - head; }
  };

  bool only_first() const { return rest_ == nullptr || rest_->slices.empty(); }
  Slice& Last() { return only_first() ? first_ : rest_->slices.back(); }
  Others& Rest() {
    if (rest_ == nullptr) rest_ = std::make_unique<Others>();
    return *rest_;
  }
  void Advance();

  // Nearly always one slice: it stands here, without an allocation. The others cost a pointer until
  // there are any; then a small array is kept.
  Slice first_;
  std::unique_ptr<Others> rest_;
  size_t bytes_ = 0;
};

}  // namespace weir

#endif  // WEIR_PROXY_NET_SLICE_QUEUE_H_
