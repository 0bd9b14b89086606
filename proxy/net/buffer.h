// Reference-counted chunks of memory, slices of them, and the pool that a worker takes them from.
//
//   Chunk  [ used .................. | free .......... ]
//            ^ slice    ^ slice        ^ the next read goes here
//
// A read goes behind what is already in the chunk, so what several peers sent in one loop turn lies
// side by side, and a slice that continues the one before it just makes that one longer. No byte is
// copied between the socket it was read from and the one it is written to.
//
// All of it belongs to one worker's thread: counts are not atomic.
#ifndef WEIR_PROXY_NET_BUFFER_H_
#define WEIR_PROXY_NET_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "proxy/stats.h"

namespace weir {

class ChunkPool;

struct Chunk {
  ChunkPool* pool;
  uint32_t references;
  uint32_t capacity;  // bytes that data() can hold
  uint32_t used;      // bytes of it that were handed out
  Chunk* next_free;

  char* data() { return reinterpret_cast<char*>(this + 1); }
  char* tail() { return data() + used; }
  size_t room() const { return capacity - used; }
};

// Makes chunks and keeps a bounded number of the usual size for reuse.
class ChunkPool {
 public:
  static constexpr size_t kChunkBytes = 64 * 1024;  // the usual size, header included
  static constexpr size_t kFreeChunksMax = 64;

  explicit ChunkPool(Gauge* bytes_in_use) : bytes_in_use_(bytes_in_use) {}
  ~ChunkPool();
  ChunkPool(const ChunkPool&) = delete;
  ChunkPool& operator=(const ChunkPool&) = delete;

  // A chunk with one reference and at least `room_min` bytes of room: the usual size, or an exact
  // larger one.
  Chunk* Take(size_t room_min = 0);
  // A chunk with one reference and little more than `bytes` of room, for what may wait long.
  Chunk* TakeSmall(size_t bytes);
  // Gives a chunk back whose last reference went; only Slice and ChunkRef call this.
  void Return(Chunk* chunk);

  size_t bytes_in_use() const { return in_use_; }

 private:
  Chunk* Allocate(size_t capacity);
  Chunk* Lend(Chunk* chunk);

  Chunk* free_ = nullptr;
  size_t free_count_ = 0;
  size_t in_use_ = 0;
  Gauge* bytes_in_use_;
};

// One reference to a chunk.
class ChunkRef {
 public:
  ChunkRef() = default;
  explicit ChunkRef(Chunk* adopted) : chunk_(adopted) {}
  static ChunkRef Share(Chunk* chunk) {
    ++chunk->references;
    return ChunkRef(chunk);
  }
  ChunkRef(ChunkRef&& other) noexcept : chunk_(std::exchange(other.chunk_, nullptr)) {}
  ChunkRef& operator=(ChunkRef&& other) noexcept {
    if (this != &other) {
      Reset();
      chunk_ = std::exchange(other.chunk_, nullptr);
    }
    return *this;
  }
  ~ChunkRef() { Reset(); }

  // Mostly there is nothing to let go of, which is not worth a call.
  [[gnu::always_inline]] void Reset() {
    if (chunk_ != nullptr) LetGo(std::exchange(chunk_, nullptr));
  }
  Chunk* get() const { return chunk_; }
  Chunk* operator->() const { return chunk_; }
  explicit operator bool() const { return chunk_ != nullptr; }

 private:
  static void LetGo(Chunk* chunk) {
    if (--chunk->references == 0) chunk->pool->Return(chunk);
  }

  Chunk* chunk_ = nullptr;
};

// Some bytes of a chunk, which live as long as the slice does. Movable; Share() makes another.
class Slice {
 public:
  Slice() = default;
  // `bytes` must lie in `chunk`.
  Slice(Chunk* chunk, std::string_view bytes)
      : chunk_(ChunkRef::Share(chunk)), data_(bytes.data()), size_(bytes.size()) {}
  Slice(Slice&&) noexcept = default;
  Slice& operator=(Slice&&) noexcept = default;

  // A slice with a copy of `bytes` in a chunk of its own.
  static Slice Copy(ChunkPool& pool, std::string_view bytes);

  Slice Share() const { return chunk_ ? Slice(chunk_.get(), view()) : Slice(); }
  std::string_view view() const { return {data_, size_}; }
  const char* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  Chunk* chunk() const { return chunk_.get(); }

  void RemovePrefix(size_t n) {
    data_ += n;
    size_ -= n;
  }
  // True when `bytes` of `chunk` stand right behind this slice; Extend then takes them in.
  bool ContinuesWith(const Chunk* chunk, std::string_view bytes) const {
    return chunk_.get() == chunk && size_ != 0 && data_ + size_ == bytes.data();
  }
  void Extend(size_t n) { size_ += n; }

 private:
  ChunkRef chunk_;
  const char* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace weir

#endif  // WEIR_PROXY_NET_BUFFER_H_
