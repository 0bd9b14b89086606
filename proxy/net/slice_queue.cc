// The queue of slices that wait to be written.
#include "proxy/net/slice_queue.h"

#include <algorithm>

namespace weir {
namespace {

constexpr size_t kKeptSlicesMax = 64;  // of an array that is empty now

}  // namespace

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
  if (other.rest_ != nullptr) {
    for (size_t i = other.rest_->head; i < other.rest_->slices.size(); ++i) {
      Append(std::move(other.rest_->slices[i]));
    }
  }
  other.Clear();
}

int SliceQueue::Fill(iovec* vectors, int max) const {
  if (first_.empty() || max == 0) return 0;
  int n = 0;
  vectors[n++] = {const_cast<char*>(first_.data()), first_.size()};
  if (rest_ == nullptr) return n;
  for (size_t i = rest_->head; i < rest_->slices.size() && n < max; ++i) {
    vectors[n++] = {const_cast<char*>(rest_->slices[i].data()), rest_->slices[i].size()};
  }
  return n;
}

void SliceQueue::Advance() {
  if (only_first()) {
    first_ = Slice();
    return;
  }
  std::vector<Slice>& slices = rest_->slices;
  size_t& head = rest_->head;
  first_ = std::move(slices[head++]);
  if (head == slices.size()) {
    head = 0;
    slices.clear();
    if (slices.capacity() > kKeptSlicesMax) rest_.reset();
  } else if (head >= 1024 && head * 2 >= slices.size()) {
    slices.erase(slices.begin(), slices.begin() + static_cast<std::ptrdiff_t>(head));
    head = 0;
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
  rest_.reset();
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
  if (rest_ != nullptr) {
    for (size_t i = rest_->head; i < rest_->slices.size(); ++i) move_one(rest_->slices[i]);
  }
  *this = std::move(compacted);
}

}  // namespace weir
