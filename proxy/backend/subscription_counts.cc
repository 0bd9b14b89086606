#include "proxy/backend/subscription_counts.h"

#include <algorithm>

#include "routing/glob.h"

namespace weir {

void SubscriptionCounts::Add(ChannelKind kind, std::string_view name, SubscriptionCount more) {
  const std::lock_guard lock(mutex_);
  Names& names = names_[static_cast<size_t>(kind)];
  const auto at = names.try_emplace(std::string(name)).first;
  SubscriptionCount& count = at->second;
  count.local += more.local;
  count.held += more.held;
  count.feeds += more.feeds;
  if (count.local == 0 && count.held == 0 && count.feeds == 0) names.erase(at);
  const bool any =
      std::any_of(names_.begin(), names_.end(), [](const Names& n) { return !n.empty(); });
  any_.store(any, std::memory_order_relaxed);
}

SubscriptionCount SubscriptionCounts::Of(ChannelKind kind, std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const Names& names = names_[static_cast<size_t>(kind)];
  const auto at = names.find(name);
  return at == names.end() ? SubscriptionCount() : at->second;
}

SubscriptionCount SubscriptionCounts::Receivers(ChannelKind kind, std::string_view channel) const {
  SubscriptionCount sum = Of(kind, channel);
  if (kind == ChannelKind::kShard) return sum;
  const std::lock_guard lock(mutex_);
  for (const auto& [pattern, count] : names_[static_cast<size_t>(ChannelKind::kPattern)]) {
    if (!MatchesGlob(pattern, channel, GlobCase::kExact)) continue;
    sum.local += count.local;
    sum.held += count.held;
  }
  return sum;
}

}  // namespace weir
