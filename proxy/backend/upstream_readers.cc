// Which nodes of an upstream may be read from now, by what is measured of each.
#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "proxy/backend/replica_lags.h"
#include "proxy/backend/upstream.h"

namespace weir {

// Of the newest topology's nodes, in their order; `numbers` are theirs here, kNoNode for those that
// have left.
std::vector<NodeFigures> Upstream::Measure(const std::vector<NodeIndex>& numbers,
                                           uint64_t now_ms) const {
  std::vector<uint32_t> round_trips_us(map_.size());
  for (const auto& [link, owned] : links_) {
    if (link->key().node >= round_trips_us.size() || link->round_trip_us() == 0) continue;
    uint32_t& shortest_us = round_trips_us[link->key().node];
    if (shortest_us == 0 || link->round_trip_us() < shortest_us)
      shortest_us = link->round_trip_us();
  }
  const auto lags_ms = lags_ == nullptr ? std::map<std::string, int64_t>() : lags_->LagsMs(now_ms);
  std::vector<NodeFigures> figures(numbers.size());
  for (size_t i = 0; i < numbers.size(); ++i) {
    const MappedNode* node = map_.node(numbers[i]);
    figures[i].up = node != nullptr && !node->left && node->state.unreachable_since_ms == 0;
    if (node == nullptr) continue;
    figures[i].ejected = node->state.ejected;
    figures[i].round_trip_us = round_trips_us[numbers[i]];
    const auto lag_ms = lags_ms.find(node->state.address);
    if (lag_ms != lags_ms.end()) figures[i].lag_ms = lag_ms->second;
  }
  return figures;
}

void Upstream::UpdateReaders() {
  if (!reads_elsewhere()) return;
  const Topology& topology = *snapshot_->topology;
  const uint64_t now_ms = context_->NowMs();
  std::vector<NodeIndex> numbers;
  for (const Node& node : topology.nodes()) numbers.push_back(map_.Find(node));
  const std::vector<NodeFigures> figures = Measure(numbers, now_ms);
  const ReadPolicy policy{
      .read_from = config_->read_from,
      .max_lag_ms = lags_ == nullptr ? 0 : static_cast<uint32_t>(config_->max_lag_ms),
      .zone = config_->availability_zone};
  std::vector<std::vector<NodeIndex>> readers(map_.size());
  for (size_t i = 0; i < readers.size(); ++i) readers[i] = {static_cast<NodeIndex>(i)};
  readers_until_ms_ = UINT64_MAX;
  for (const NodeIndex primary : topology.primaries()) {
    if (numbers[primary] == kNoNode) continue;
    std::vector<NodeIndex> of;
    std::vector<uint32_t> shares;
    for (const NodeIndex reader : Readers(topology, primary, policy, figures)) {
      if (numbers[reader] == kNoNode) continue;
      of.push_back(numbers[reader]);
      const CircuitBreaker* breaker = map_.node(of.back())->state.breaker.get();
      shares.push_back(breaker == nullptr ? CircuitBreaker::kShareFull : breaker->Share(now_ms));
      const Node& node = topology.node(reader);
      readers_until_ms_ =
          std::min(readers_until_ms_, ReadableUntilMs(node, policy, figures[reader], now_ms));
    }
    readers[numbers[primary]] = WithShares(std::move(of), shares);
  }
  readers_ = std::move(readers);
}

}  // namespace weir
