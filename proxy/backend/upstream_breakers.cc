// An upstream's circuit breakers: what is done when one opens, and when its node is tried again.
#include <algorithm>
#include <utility>

#include "plugins/text.h"
#include "proxy/backend/node_probe.h"
#include "proxy/backend/upstream.h"

namespace weir {
namespace {

BreakerLimits LimitsOf(const UpstreamConfig& config) {
  return {.consecutive_failures = static_cast<uint32_t>(config.consecutive_failures),
          .base_ms = static_cast<uint64_t>(config.base_ejection_time_ms),
          .max_ms = static_cast<uint64_t>(config.max_ejection_time_ms),
          .slow_start_ms = static_cast<uint64_t>(config.slow_start_window_ms)};
}

}  // namespace

void Upstream::BreakCircuits(OnEjection on_ejection) { on_ejection_ = std::move(on_ejection); }

// Its own, if it has been here before: then it returns slowly.
void Upstream::GiveBreaker(NodeState* node) {
  if (on_ejection_ == nullptr || node->breaker != nullptr) return;
  const auto kept = breakers_kept_.find(node->address);
  if (kept == breakers_kept_.end()) {
    node->breaker = std::make_unique<CircuitBreaker>(LimitsOf(*config_));
    return;
  }
  node->breaker = std::move(kept->second);
  breakers_kept_.erase(kept);
  node->breaker->OnReachable(context_->NowMs());
}

// Nobody sends it anything now, so it is not this worker that keeps it from being sent something.
void Upstream::KeepBreaker(NodeIndex number) {
  NodeState& node = map_.node(number)->state;
  if (node.breaker == nullptr) return;
  if (std::exchange(node.ejected, false)) on_ejection_(config_->name, node.address, false, "");
  node.was_unreachable = false;
  node.breaker->OnLeft();
  if (breakers_kept_.size() >= kBreakersKeptMax) breakers_kept_.clear();
  breakers_kept_.insert_or_assign(node.address, std::move(node.breaker));
}

// Only notes it: the link is in the midst of its queue. TendBreakers does what follows.
void Upstream::OnRequestFailed(Link& link, RequestFailure what, std::string_view cause) {
  NodeState& node = map_.node(link.key().node)->state;
  if (node.breaker == nullptr || node.breaker->ejects()) return;
  uint64_t answered_ms = 0;
  for (const auto& [other, owned] : links_) {
    if (other->key().node == link.key().node) {
      answered_ms = std::max(answered_ms, other->answered_ms());
    }
  }
  const uint64_t now_ms = context_->NowMs();
  const bool ejects = what == RequestFailure::kBroken
                          ? node.breaker->OnBreak(now_ms, answered_ms)
                          : node.breaker->OnFailure(now_ms, answered_ms);
  if (!ejects) return;
  node.ejected_cause =
      Concat(config_->consecutive_failures, " requests in a row failed, the last with: ", cause);
}

void Upstream::TendBreakers() {
  if (on_ejection_ == nullptr) return;
  for (size_t i = 0; i < map_.size(); ++i) {
    const auto number = static_cast<NodeIndex>(i);
    MappedNode* node = map_.node(number);
    if (node == nullptr || node->left || node->state.breaker == nullptr) continue;
    CircuitBreaker& breaker = *node->state.breaker;
    if (breaker.ejects() && !node->state.ejected) Eject(number);
    if (breaker.TakeProbe(context_->NowMs())) Probe(number);
  }
}

// What is on its way stays so, and may still be answered; what comes next finds links on which
// nothing is sent.
void Upstream::Eject(NodeIndex number) {
  NodeState& node = map_.node(number)->state;
  node.ejected = true;
  context_->stats.ejections.Add();
  on_ejection_(config_->name, node.address, true, node.ejected_cause);
  for (const auto& [key, group] : groups_) {
    if (key.node != number) continue;
    for (Link* link : std::vector<Link*>(group->shared_)) {
      if (link != nullptr) group->SetAside(link);
    }
    for (Link* link : std::exchange(group->idle_exclusive_, {})) {
      link->CloseNow("-ERR weir: the link was idle");
    }
  }
  if (is_cluster()) UpdateReaders();
}

void Upstream::Probe(NodeIndex number) {
  LinkKey key = BaseKey();
  key.node = number;
  // Whether it can be reached is what the probe is to find out; if not, the probe's link says so.
  map_.node(number)->state.down = false;
  LinkGroup* group = Hold(key);
  ProbeNode(context_, this, group, [this, number](bool succeeded) { OnProbed(number, succeeded); });
  group->Release();
}

void Upstream::OnProbed(NodeIndex number, bool succeeded) {
  MappedNode* node = map_.node(number);
  if (node == nullptr || node->state.breaker == nullptr) return;
  node->state.breaker->OnProbe(context_->NowMs(), succeeded);
  if (node->state.breaker->ejects() || !node->state.ejected) return;
  node->state.ejected = false;
  on_ejection_(config_->name, node->state.address, false, "");
  if (is_cluster()) UpdateReaders();
}

}  // namespace weir
