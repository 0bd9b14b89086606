#include "plugins/limit_log.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace weir {

void LimitLog::Unmap::operator()(uint64_t* times) const { ::munmap(times, bytes); }

// Hashes do not fall evenly into stripes: each has a third more than its share, and a few.
LimitLog::LimitLog(const LimitShape& shape, size_t keys_max)
    : points_(shape.points),
      period_ns_(shape.period_ms * 1'000'000),
      entries_max_(keys_max / kStripes + keys_max / kStripes / 3 + 8) {
  const size_t bytes = entries_max_ * points_ * sizeof(uint64_t);
  for (Stripe& stripe : stripes_) {
    // Pages are not there until they are written to.
    void* const memory =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    stripe.times = std::unique_ptr<uint64_t[], Unmap>(static_cast<uint64_t*>(memory), Unmap{bytes});
  }
}

// The i-th time of the entry, the oldest being the first.
uint64_t& LimitLog::TimeAt(Stripe& stripe, uint32_t entry, uint64_t i) const {
  const uint64_t at = stripe.entries[entry].begin + i;
  return stripe.times[entry * points_ + (at < points_ ? at : at - points_)];
}

void LimitLog::DropOld(Stripe& stripe, uint32_t entry, uint64_t now_ns) const {
  Entry& of = stripe.entries[entry];
  while (of.count != 0 && TimeAt(stripe, entry, 0) + period_ns_ <= now_ns) {
    of.begin = of.begin + 1 == points_ ? 0 : of.begin + 1;
    --of.count;
  }
}

// The key's entry without what is too old; null: it has none.
const uint32_t* LimitLog::Find(Stripe& stripe, uint64_t hash, uint64_t now_ns) const {
  const auto found = stripe.index.find(hash);
  if (found == stripe.index.end()) return nullptr;
  DropOld(stripe, found->second, now_ns);
  return &found->second;
}

LimitTake LimitLog::Decide(Stripe& stripe, const uint32_t* entry, uint64_t now_ns,
                           uint64_t cost) const {
  if (cost > points_) return {false, 0, kNeverNs};
  const uint64_t count = entry == nullptr ? 0 : stripe.entries[*entry].count;
  if (count + cost <= points_) return {true, 0, 0};
  // So many must grow old first.
  const uint64_t last = TimeAt(stripe, *entry, count + cost - points_ - 1);
  return {false, 0, last + period_ns_ - now_ns};
}

uint32_t LimitLog::MakeEntry(Stripe& stripe, uint64_t hash, uint64_t now_ns, bool* evicted) const {
  uint32_t at = static_cast<uint32_t>(stripe.entries.size());
  if (at < entries_max_) {
    stripe.entries.emplace_back();
  } else {
    for (size_t i = 0; i < std::min(kLooked, entries_max_); ++i) {
      stripe.hand = stripe.hand + 1 == entries_max_ ? 0 : stripe.hand + 1;
      DropOld(stripe, stripe.hand, now_ns);
      const uint32_t least = i == 0 ? UINT32_MAX : stripe.entries[at].count;
      if (stripe.entries[stripe.hand].count < least) at = stripe.hand;
      if (stripe.entries[at].count == 0) break;
    }
    *evicted = stripe.entries[at].count != 0;
    stripe.index.erase(stripe.entries[at].hash);
  }
  stripe.entries[at] = {.hash = hash};
  stripe.index[hash] = at;
  return at;
}

LimitTable::Result LimitLog::Take(uint64_t hash, uint64_t now_ns, uint64_t cost) {
  Stripe& stripe = StripeOf(hash);
  const std::lock_guard lock(stripe.mutex);
  const uint32_t* const found = Find(stripe, hash, now_ns);
  LimitTable::Result result;
  result.take = Decide(stripe, found, now_ns, cost);
  result.slot = now_ns;
  if (!result.take.allowed || cost == 0) return result;
  const uint32_t entry =
      found != nullptr ? *found : MakeEntry(stripe, hash, now_ns, &result.evicted);
  Entry& of = stripe.entries[entry];
  // In order, also for a thread whose clock is a little behind.
  if (of.count != 0) result.slot = std::max(now_ns, TimeAt(stripe, entry, of.count - 1));
  for (uint64_t i = 0; i < cost; ++i) TimeAt(stripe, entry, of.count++) = result.slot;
  return result;
}

LimitTake LimitLog::Peek(uint64_t hash, uint64_t now_ns, uint64_t cost) {
  Stripe& stripe = StripeOf(hash);
  const std::lock_guard lock(stripe.mutex);
  return Decide(stripe, Find(stripe, hash, now_ns), now_ns, cost);
}

void LimitLog::Refund(uint64_t hash, uint64_t taken_at, uint64_t cost) {
  Stripe& stripe = StripeOf(hash);
  const std::lock_guard lock(stripe.mutex);
  const auto found = stripe.index.find(hash);
  if (found == stripe.index.end()) return;
  const uint32_t entry = found->second;
  Entry& of = stripe.entries[entry];
  // Mostly they are the last.
  uint32_t end = of.count;
  while (end != 0 && TimeAt(stripe, entry, end - 1) > taken_at) --end;
  uint32_t begin = end;
  while (begin != 0 && end - begin < cost && TimeAt(stripe, entry, begin - 1) == taken_at) --begin;
  for (uint32_t i = end; i < of.count; ++i) {
    TimeAt(stripe, entry, begin + i - end) = TimeAt(stripe, entry, i);
  }
  of.count -= end - begin;
}

LimitLook LimitLog::Look(uint64_t hash, uint64_t now_ns) {
  Stripe& stripe = StripeOf(hash);
  const std::lock_guard lock(stripe.mutex);
  const uint32_t* const entry = Find(stripe, hash, now_ns);
  const uint32_t count = entry == nullptr ? 0 : stripe.entries[*entry].count;
  if (count == 0) return {points_, 0};
  return {points_ - count, TimeAt(stripe, *entry, count - 1) + period_ns_ - now_ns};
}

size_t LimitLog::CountKeys() {
  size_t keys = 0;
  for (Stripe& stripe : stripes_) {
    const std::lock_guard lock(stripe.mutex);
    keys += stripe.index.size();
  }
  return keys;
}

}  // namespace weir
