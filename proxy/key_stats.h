// Which keys are asked for most and which move most bytes: WEIR HOTKEYS and WEIR BIGKEYS.
//
// Each worker counts in sketches of its own (plugins/space_saving.h), for a window of time and the
// one before it, so what is told is of the last window_s to 2 window_s. Who asks merges them all.
// A worker's lock is only ever waited for while somebody asks.
#ifndef WEIR_PROXY_KEY_STATS_H_
#define WEIR_PROXY_KEY_STATS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/space_saving.h"

namespace weir {

// Keys of the same name on another upstream or in another db are other keys.
struct KeySpace {
  size_t upstream = 0;  // index
  int db = 0;
};

class KeyStats {
 public:
  // A longer key is known by so many of its bytes and its length.
  static constexpr size_t kKeyBytesMax = 128;

  struct Entry {
    std::string key;
    KeySpace space;
    uint64_t number = 0;  // of requests, or of bytes; at most `error` too many
    uint64_t error = 0;
    uint64_t largest = 0;  // of the bytes of one request and its reply
  };

  KeyStats(size_t tracked_max, uint64_t window_ms, size_t workers);

  // The worker's own thread; `now_ms` on any clock that all workers share. `bytes`: of the request
  // and its reply.
  void Count(size_t worker, KeySpace space, std::string_view key, uint64_t bytes, uint64_t now_ms);

  // Any thread: the first `n`, the one with the highest number first.
  std::vector<Entry> Hot(size_t n, uint64_t now_ms);
  std::vector<Entry> Big(size_t n, uint64_t now_ms);

 private:
  struct Window {
    explicit Window(size_t tracked_max) : hot(tracked_max), big(tracked_max) {}
    SpaceSaving hot;
    SpaceSaving big;
  };
  struct Part {
    explicit Part(size_t tracked_max) : windows{Window(tracked_max), Window(tracked_max)} {}
    std::mutex mutex;
    std::array<Window, 2> windows;
    size_t current = 0;
    uint64_t began_ms = 0;  // the current one
    std::string name;       // scratch
  };

  void Turn(Part& part, uint64_t now_ms) const;
  std::vector<Entry> Merge(SpaceSaving Window::*sketch, size_t n, uint64_t now_ms);

  const uint64_t window_ms_;
  std::deque<Part> parts_;  // by worker
};

}  // namespace weir

#endif  // WEIR_PROXY_KEY_STATS_H_
