// Bytes that wait to be written to one socket: a queue of slices.
#ifndef WEIR_PROXY_NET_SLICE_QUEUE_H_
#define WEIR_PROXY_NET_SLICE_QUEUE_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/net/buffer.h"

namespace weir {

class SliceQueue {
 public:
  bool empty() const { return bytes_ == 0; }
  size_t bytes() const { return bytes_; }
  size_t slices() const { return rest_.size() - rest_head_ + (first_.empty() ? 0 : 1); }

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
      rest_.emplace_back(chunk, bytes);
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
      rest_.push_back(std::move(slice));
    }
  }
  // Copies `bytes` behind what is queued, into room of the last chunk where no one else can have
  // taken it, else into a chunk of the pool.
  void AppendCopy(ChunkPool& pool, std::string_view bytes);
  // Moves all of `other` to the end of this.
  void Append(SliceQueue&& other);

  // Fills up to `max` vectors from the front; returns how many.
  int Fill(iovec* vectors, int max) const;
  // Drops `n` bytes from the front; n <= bytes().
  void Consume(size_t n);
  void Clear();

  // Copies what is left into chunks of their own where it holds on to much more memory than it has
  // bytes, so that a slow reader of 5 bytes does not keep 64 KiB alive.
  void Compact(ChunkPool& pool);

 private:
  Slice& Last() { return rest_head_ == rest_.size() ? first_ : rest_.back(); }
  void Advance();

  // Nearly always one slice: it stands here, without an allocation.
  Slice first_;
  std::vector<Slice> rest_;
  size_t rest_head_ = 0;  // slices of rest_ before this were consumed
  size_t bytes_ = 0;
};

}  // namespace weir

#endif  // WEIR_PROXY_NET_SLICE_QUEUE_H_
