// The scripts that clients have given to an upstream, so that EVALSHA works on after a restart.
//
// Redis forgets scripts when it restarts or fails over, and a client that has cached the hash gets
// NOSCRIPT. Where weir has seen the text (in EVAL or SCRIPT LOAD), it sends the text again and the
// client never knows. SCRIPT FLUSH forgets them here, too.
//
// One for each upstream, shared by all workers.
#ifndef WEIR_PROXY_CLIENT_SCRIPT_CACHE_H_
#define WEIR_PROXY_CLIENT_SCRIPT_CACHE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"

namespace weir {

// Whether the node does not know the script. Another error of this name comes from a script, which
// has run then.
inline bool SaysScriptIsUnknown(std::string_view reply) {
  return reply.starts_with("-NOSCRIPT No matching script.");
}

class ScriptCache {
 public:
  // Texts take at most this together, those used least recently going first; 0: none is kept.
  explicit ScriptCache(size_t bytes_max) : bytes_max_(bytes_max) {}

  // From any thread.
  void Remember(std::string_view text);
  // The text with this SHA-1 in hex, in any case; null: not known.
  std::shared_ptr<const std::string> Find(std::string_view sha1_hex);
  void Clear();
  size_t bytes() const;
  // Changes with each Clear().
  uint64_t generation() const { return generation_.load(std::memory_order_relaxed); }

 private:
  struct Script {
    std::string sha1;
    std::shared_ptr<const std::string> text;
  };

  const size_t bytes_max_;
  std::atomic<uint64_t> generation_{0};
  mutable std::mutex mutex_;
  size_t bytes_ = 0;
  std::list<Script> scripts_;  // the most recently used first
  absl::flat_hash_map<std::string, std::list<Script>::iterator> by_sha1_;
};

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_SCRIPT_CACHE_H_
