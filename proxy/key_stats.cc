#include "proxy/key_stats.h"

#include <cstring>
#include <utility>

#include "routing/text.h"

namespace weir {
namespace {

// In the sketches a key's name begins with the space that it is in.
constexpr size_t kSpaceBytes = sizeof(KeySpace::upstream) + sizeof(KeySpace::db);

void MakeName(KeySpace space, std::string_view key, std::string* name) {
  name->resize(kSpaceBytes);
  std::memcpy(name->data(), &space.upstream, sizeof space.upstream);
  std::memcpy(name->data() + sizeof space.upstream, &space.db, sizeof space.db);
  *name += key.substr(0, KeyStats::kKeyBytesMax);
  if (key.size() <= KeyStats::kKeyBytesMax) return;
  *name += Concat("... (", key.size() - KeyStats::kKeyBytesMax, " more bytes)");
}

}  // namespace

KeyStats::KeyStats(size_t tracked_max, uint64_t window_ms, size_t workers) : window_ms_(window_ms) {
  for (size_t i = 0; i < workers; ++i) parts_.emplace_back(tracked_max);
}

// Begins a new window when it is time.
void KeyStats::Turn(Part& part, uint64_t now_ms) const {
  if (now_ms < part.began_ms + window_ms_) return;
  // Nobody came for so long that what is in the current one is too old, too.
  if (now_ms >= part.began_ms + 2 * window_ms_) {
    part.windows[part.current].hot.Clear();
    part.windows[part.current].big.Clear();
  }
  part.current ^= 1;
  part.windows[part.current].hot.Clear();
  part.windows[part.current].big.Clear();
  part.began_ms = now_ms;
}

void KeyStats::Count(size_t worker, KeySpace space, std::string_view key, uint64_t bytes,
                     uint64_t now_ms) {
  Part& part = parts_[worker];
  const std::lock_guard lock(part.mutex);
  Turn(part, now_ms);
  MakeName(space, key, &part.name);
  Window& window = part.windows[part.current];
  window.hot.Add(part.name, 1);
  window.big.Add(part.name, bytes);
}

std::vector<KeyStats::Entry> KeyStats::Merge(SpaceSaving Window::*sketch, size_t n,
                                             uint64_t now_ms) {
  // Copies, so that no worker waits for the merging.
  std::deque<SpaceSaving> copies;
  std::vector<const SpaceSaving*> all;
  for (Part& part : parts_) {
    const std::lock_guard lock(part.mutex);
    Turn(part, now_ms);
    for (const Window& window : part.windows) {
      all.push_back(&copies.emplace_back(window.*sketch));
    }
  }
  std::vector<Entry> entries;
  for (SpaceSaving::Heavy& heavy : SpaceSaving::Merge(all, n)) {
    Entry& entry = entries.emplace_back();
    std::memcpy(&entry.space.upstream, heavy.key.data(), sizeof entry.space.upstream);
    std::memcpy(&entry.space.db, heavy.key.data() + sizeof entry.space.upstream,
                sizeof entry.space.db);
    entry.key = heavy.key.substr(kSpaceBytes);
    entry.number = heavy.estimate;
    entry.error = heavy.error;
    entry.largest = heavy.largest;
  }
  return entries;
}

std::vector<KeyStats::Entry> KeyStats::Hot(size_t n, uint64_t now_ms) {
  return Merge(&Window::hot, n, now_ms);
}

std::vector<KeyStats::Entry> KeyStats::Big(size_t n, uint64_t now_ms) {
  return Merge(&Window::big, n, now_ms);
}

}  // namespace weir
