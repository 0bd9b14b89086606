#include "plugins/limit_table.h"

#include <sys/mman.h>

#include <atomic>
#include <bit>
#include <new>

namespace weir {
namespace {

// Both words of a slot at once.
using Wide __attribute__((may_alias)) = unsigned __int128;

uint64_t Load(const uint64_t& word, std::memory_order order) {
  // The table's memory is never const.
  return std::atomic_ref<uint64_t>(const_cast<uint64_t&>(word)).load(order);
}

// A hash of 0 stands for a free slot.
uint64_t NotZero(uint64_t hash) { return hash == 0 ? 1 : hash; }

}  // namespace

void LimitTable::Unmap::operator()(Bucket* buckets) const { ::munmap(buckets, bytes); }

LimitTable::LimitTable(const LimitMath& math, size_t keys_max) : math_(math) {
  // At three quarters full, three full buckets for one key are very rare.
  const size_t slots = std::bit_ceil(keys_max + keys_max / 3 + 2 * kSlots);
  bucket_mask_ = slots / kSlots - 1;
  // Fresh pages of the system are zero, and not there until they are written to.
  void* const memory =
      ::mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  buckets_ = std::unique_ptr<Bucket[], Unmap>(static_cast<Bucket*>(memory), Unmap{bytes()});
}

LimitTable::Slot LimitTable::Read(const Slot& slot) {
  const uint64_t hash = Load(slot.hash, std::memory_order_acquire);
  return {hash, Load(slot.word, std::memory_order_acquire)};
}

bool LimitTable::Swap(Slot* slot, const Slot& from, const Slot& to) {
  auto* const both = reinterpret_cast<Wide*>(slot);
#if defined(__x86_64__)
  // Inline with -mcx16; the builtin below would be a call.
  return __sync_bool_compare_and_swap(both, std::bit_cast<Wide>(from), std::bit_cast<Wide>(to));
#else
  auto expected = std::bit_cast<Wide>(from);
  return __atomic_compare_exchange_n(both, &expected, std::bit_cast<Wide>(to), false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
#endif
}

LimitTable::Slot* LimitTable::Find(uint64_t hash) const {
  for (int choice = 0; choice < kChoices; ++choice) {
    for (Slot& slot : BucketOf(hash, choice).slots) {
      if (Load(slot.hash, std::memory_order_relaxed) == hash) return &slot;
    }
  }
  return nullptr;
}

LimitTable::Slot* LimitTable::FindRoom(uint64_t hash, uint64_t now_ns, bool forget, Slot* found,
                                       bool* evicts) const {
  Slot* best = nullptr;
  int best_room = 0;
  Slot* least = nullptr;
  Slot least_found = {};
  uint64_t least_debt = UINT64_MAX;
  for (int choice = 0; choice < kChoices; ++choice) {
    Slot* first = nullptr;
    Slot first_found = {};
    int room = 0;
    for (Slot& slot : BucketOf(hash, choice).slots) {
      const Slot seen = Read(slot);
      const uint64_t debt = seen.hash == 0 ? 0 : math_.Debt(seen.word, now_ns);
      if (debt == 0) {
        if (room++ == 0) {
          first = &slot;
          first_found = seen;
        }
      } else if (debt < least_debt) {
        least = &slot;
        least_found = seen;
        least_debt = debt;
      }
    }
    if (room > best_room) {
      best = first;
      *found = first_found;
      best_room = room;
    }
  }
  *evicts = best == nullptr;
  if (best != nullptr || !forget) return best;
  *found = least_found;
  return least;
}

LimitTable::Result LimitTable::Take(uint64_t hash, uint64_t now_ns, uint64_t cost,
                                    uint64_t wait_max_ns) {
  hash = NotZero(hash);
  const bool forget = math_.shape().algorithm != LimitAlgorithm::kConcurrency;
  for (;;) {
    Result result;
    Slot seen = {hash, 0};
    Slot* slot = Find(hash);
    if (slot != nullptr) [[likely]] {
      seen.word = Load(slot->word, std::memory_order_acquire);
      result.take = math_.Take(seen.word, now_ns, cost, wait_max_ns);
      if (!result.take.allowed) {
        // The word may be that of a key which took the slot just now.
        if (Load(slot->hash, std::memory_order_acquire) == hash) return result;
        continue;
      }
    } else {
      result.take = math_.Take(0, now_ns, cost, wait_max_ns);
      if (!result.take.allowed) return result;
      slot = FindRoom(hash, now_ns, forget, &seen, &result.evicted);
      if (slot == nullptr) {
        result.evicted = false;
        result.untracked = true;
        return result;
      }
    }
    if (Swap(slot, seen, {hash, result.take.word})) {
      result.slot = static_cast<size_t>(slot - buckets_[0].slots);
      return result;
    }
  }
}

LimitTake LimitTable::Peek(uint64_t hash, uint64_t now_ns, uint64_t cost,
                           uint64_t wait_max_ns) const {
  const Slot* slot = Find(NotZero(hash));
  const uint64_t word = slot == nullptr ? 0 : Load(slot->word, std::memory_order_acquire);
  return math_.Take(word, now_ns, cost, wait_max_ns);
}

void LimitTable::Refund(uint64_t hash, uint64_t taken_ns, uint64_t cost) {
  hash = NotZero(hash);
  for (;;) {
    Slot* slot = Find(hash);
    if (slot == nullptr) return;
    const Slot seen = Read(*slot);
    if (seen.hash != hash) continue;
    if (Swap(slot, seen, {hash, math_.Refund(seen.word, taken_ns, cost)})) return;
  }
}

void LimitTable::Release(size_t slot) {
  Slot& place = buckets_[slot / kSlots].slots[slot % kSlots];
  for (;;) {
    // Nobody else gets the slot while somebody is counted there.
    const Slot seen = Read(place);
    if (Swap(&place, seen, {seen.hash, math_.Refund(seen.word, 0, 1)})) return;
  }
}

LimitLook LimitTable::Look(uint64_t hash, uint64_t now_ns) const {
  const Slot* slot = Find(NotZero(hash));
  return math_.Look(slot == nullptr ? 0 : Load(slot->word, std::memory_order_acquire), now_ns);
}

size_t LimitTable::CountKeys(uint64_t now_ns) const {
  size_t keys = 0;
  for (size_t i = 0; i <= bucket_mask_; ++i) {
    for (const Slot& slot : buckets_[i].slots) {
      const Slot seen = Read(slot);
      if (seen.hash != 0 && !math_.IsFresh(seen.word, now_ns)) ++keys;
    }
  }
  return keys;
}

}  // namespace weir
