// Scripts by their hash, the least recently used going first.
#include "proxy/client/script_cache.h"

#include "absl/strings/ascii.h"
#include "plugins/script_sha1.h"

namespace weir {

void ScriptCache::Remember(std::string_view text) {
  if (text.size() > bytes_max_) return;
  std::string sha1 = ScriptSha1(text);
  const std::lock_guard lock(mutex_);
  if (const auto known = by_sha1_.find(sha1); known != by_sha1_.end()) {
    scripts_.splice(scripts_.begin(), scripts_, known->second);
    return;
  }
  bytes_ += text.size();
  scripts_.push_front({sha1, std::make_shared<const std::string>(text)});
  by_sha1_.emplace(std::move(sha1), scripts_.begin());
  while (bytes_ > bytes_max_) {
    bytes_ -= scripts_.back().text->size();
    by_sha1_.erase(scripts_.back().sha1);
    scripts_.pop_back();
  }
}

std::shared_ptr<const std::string> ScriptCache::Find(std::string_view sha1_hex) {
  std::string sha1(sha1_hex);
  for (char& c : sha1) c = absl::ascii_tolower(static_cast<unsigned char>(c));
  const std::lock_guard lock(mutex_);
  const auto known = by_sha1_.find(sha1);
  if (known == by_sha1_.end()) return nullptr;
  scripts_.splice(scripts_.begin(), scripts_, known->second);
  return known->second->text;
}

void ScriptCache::Clear() {
  const std::lock_guard lock(mutex_);
  generation_.fetch_add(1, std::memory_order_relaxed);
  bytes_ = 0;
  by_sha1_.clear();
  scripts_.clear();
}

size_t ScriptCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace weir
