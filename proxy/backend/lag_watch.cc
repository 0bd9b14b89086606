// Rounds of INFO replication.
#include "proxy/backend/lag_watch.h"

#include <set>
#include <utility>
#include <vector>

#include "proxy/backend/call.h"
#include "resp/reply_tree.h"
#include "resp/reply_writer.h"

namespace weir {

LagWatch::LagWatch(LoopContext* context, Upstream* upstream, ReplicaLags* lags)
    : context_(context), upstream_(upstream), lags_(lags) {
  uv_timer_init(context->loop, &timer_);
  timer_.data = this;
}

void LagWatch::Start() {
  const uint64_t interval_ms = LagIntervalMs(static_cast<uint64_t>(upstream_->config().max_lag_ms));
  uv_timer_start(
      &timer_, [](uv_timer_t* timer) { static_cast<LagWatch*>(timer->data)->Round(); }, 0,
      interval_ms);
}

void LagWatch::Stop() {
  stopped_ = true;
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
}

void LagWatch::Round() {
  const Topology& topology = *upstream_->snapshot().topology;
  std::set<std::string> replicas_known;
  absl::flat_hash_set<std::string> primaries_known;
  for (const NodeIndex primary : topology.primaries()) {
    std::vector<Node> replicas;
    for (const NodeIndex replica : topology.replicas(primary)) {
      replicas.push_back(topology.node(replica));
      replicas_known.insert(replicas.back().Address());
    }
    primaries_known.insert(topology.node(primary).Address());
    if (!replicas.empty()) AskPrimary(topology.node(primary), replicas);
  }
  lags_->Keep(replicas_known);
  absl::erase_if(histories_,
                 [&](const auto& entry) { return !primaries_known.contains(entry.first); });
}

void LagWatch::AskPrimary(const Node& primary, const std::vector<Node>& replicas) {
  const uint64_t asked_ms = context_->NowMs();
  Ask(primary, [this, primary = primary.Address(), replicas,
                asked_ms](const std::optional<StreamPosition>& position) {
    if (!position.has_value()) return;
    histories_[primary].Add(asked_ms, *position);
    for (const Node& replica : replicas) AskReplica(primary, replica);
  });
}

void LagWatch::AskReplica(const std::string& primary, const Node& replica) {
  Ask(replica,
      [this, primary, replica = replica.Address()](const std::optional<StreamPosition>& position) {
        if (!position.has_value()) return;  // it says nothing, so what it has said grows old
        const auto history = histories_.find(primary);
        lags_->Set(replica, history == histories_.end() ? 0 : history->second.FreshAsOf(*position));
      });
}

void LagWatch::Ask(const Node& node, OnPosition then) {
  LinkKey key = upstream_->BaseKey();
  key.node = upstream_->map().Find(node);
  const std::string address = node.Address();
  if (key.node == kNoNode || !asked_.insert(address).second) return;
  LinkGroup* group = upstream_->Hold(key);
  std::string request;
  AppendRequest(&request, {"INFO", "replication"});
  CallUpstream(
      context_, upstream_, group, std::move(request), /*retryable=*/true,
      [this, address, then = std::move(then)](std::string_view reply) {
        asked_.erase(address);
        if (stopped_) return;
        const auto tree = ParseReply(reply);
        then(tree.ok() && tree->is_text() ? ParseStreamPosition(tree->string) : std::nullopt);
      });
  group->Release();
}

}  // namespace weir
