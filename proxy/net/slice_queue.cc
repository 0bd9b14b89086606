// The queue of slices that wait to be written.
#include "proxy/net/slice_queue.h"

#include <algorithm>

namespace weir {

void SliceQueue::AppendCopy(ChunkPool& pool, std::string_view bytes) {
  while (!bytes.empty()) {
    Slice& last = Last();
    Chunk* chunk = last.chunk();
    // Room behind the last slice is ours only if nobody wrote or can write there.
    const bool extend = chunk != nullptr && !last.empty() &&
                        last.data() + last.size() == chunk->tail() && chunk->references == 1 &&
                        chunk->room() > 0;
    if (!extend) {
      Append(Slice::Copy(pool, bytes));
      return;
    }
    const size_t n = std::min(bytes.size(), chunk->room());
    std::memcpy(chunk->tail(), bytes.data(), n);
    chunk->used += static_cast<uint32_t>(n);
    last.Extend(n);
    bytes_ += n;
    bytes.remove_prefix(n);
  }
}

void SliceQueue::Append(SliceQueue&& other) {
  if (other.empty()) return;
  Append(std::move(other.first_));
  for (size_t i = other.rest_head_; i < other.rest_.size(); ++i) Append(std::move(other.rest_[i]));
  other.first_ = Slice();
  other.rest_.clear();
  other.rest_head_ = 0;
  other.bytes_ = 0;
}

int SliceQueue::Fill(iovec* vectors, int max) const {
  if (first_.empty() || max == 0) return 0;
  int n = 0;
  vectors[n++] = {const_cast<char*>(first_.data()), first_.size()};
  for (size_t i = rest_head_; i < rest_.size() && n < max; ++i) {
    vectors[n++] = {const_cast<char*>(rest_[i].data()), rest_[i].size()};
  }
  return n;
}

void SliceQueue::Advance() {
  if (rest_head_ == rest_.size()) {
    first_ = Slice();
    return;
  }
  first_ = std::move(rest_[rest_head_++]);
  if (rest_head_ == rest_.size()) {
    rest_head_ = 0;
    if (rest_.capacity() > 64) {
      rest_ = std::vector<Slice>();
    } else {
      rest_.clear();
    }
  } else if (rest_head_ >= 1024 && rest_head_ * 2 >= rest_.size()) {
    rest_.erase(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(rest_head_));
    rest_head_ = 0;
  }
}

void SliceQueue::Consume(size_t n) {
  bytes_ -= n;
  while (n >= first_.size() && !first_.empty()) {
    n -= first_.size();
    Advance();
  }
  if (n > 0) first_.RemovePrefix(n);
}

void SliceQueue::Clear() {
  first_ = Slice();
  rest_ = std::vector<Slice>();
  rest_head_ = 0;
  bytes_ = 0;
}

void SliceQueue::Compact(ChunkPool& pool) {
  if (empty()) return;
  SliceQueue compacted;
  const auto move_one = [&](Slice& slice) {
    if (slice.size() * 4 < slice.chunk()->capacity) {
      compacted.AppendCopy(pool, slice.view());
    } else {
      compacted.Append(std::move(slice));
    }
  };
  move_one(first_);
  for (size_t i = rest_head_; i < rest_.size(); ++i) move_one(rest_[i]);
  *this = std::move(compacted);
}

}  // namespace weir
