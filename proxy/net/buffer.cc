// The chunk pool: a bounded free list in front of the allocator.
#include "proxy/net/buffer.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace weir {
namespace {
constexpr size_t kUsualCapacity = ChunkPool::kChunkBytes - sizeof(Chunk);
constexpr size_t kSmallCapacity = 1024 - sizeof(Chunk);
}  // namespace

ChunkPool::~ChunkPool() {
  while (free_ != nullptr) std::free(std::exchange(free_, free_->next_free));
}

Chunk* ChunkPool::Allocate(size_t capacity) {
  void* memory = std::malloc(sizeof(Chunk) + capacity);
  if (memory == nullptr) throw std::bad_alloc();
  Chunk* chunk = new (memory) Chunk{};
  chunk->pool = this;
  chunk->capacity = static_cast<uint32_t>(capacity);
  return chunk;
}

Chunk* ChunkPool::Lend(Chunk* chunk) {
  chunk->references = 1;
  chunk->used = 0;
  in_use_ += sizeof(Chunk) + chunk->capacity;
  bytes_in_use_->Set(in_use_);
  return chunk;
}

Chunk* ChunkPool::Take(size_t room_min) {
  if (room_min > kUsualCapacity) return Lend(Allocate(room_min));
  if (free_ == nullptr) return Lend(Allocate(kUsualCapacity));
  --free_count_;
  return Lend(std::exchange(free_, free_->next_free));
}

Chunk* ChunkPool::TakeSmall(size_t bytes) {
  return Lend(Allocate(std::max(bytes, kSmallCapacity)));
}

void ChunkPool::Return(Chunk* chunk) {
  in_use_ -= sizeof(Chunk) + chunk->capacity;
  bytes_in_use_->Set(in_use_);
  if (chunk->capacity == kUsualCapacity && free_count_ < kFreeChunksMax) {
    chunk->next_free = std::exchange(free_, chunk);
    ++free_count_;
  } else {
    std::free(chunk);
  }
}

Slice Slice::Copy(ChunkPool& pool, std::string_view bytes) {
  ChunkRef chunk(pool.TakeSmall(bytes.size()));
  std::memcpy(chunk->data(), bytes.data(), bytes.size());
  chunk->used = static_cast<uint32_t>(bytes.size());
  return Slice(chunk.get(), {chunk->data(), bytes.size()});
}

}  // namespace weir
