#include "proxy/node_states.h"

#include <algorithm>

#include "plugins/text.h"

namespace weir {

bool NodeStates::Report(const std::string& upstream, const std::string& node, bool up,
                        const std::string& cause) {
  const std::lock_guard lock(mutex_);
  const auto [found, is_new] = states_.try_emplace(
      {upstream, node}, State{.upstream = upstream, .node = node, .up = up, .cause = cause});
  State& state = found->second;
  const bool changed = state.up != up;
  state.up = up;
  state.cause = up ? "" : cause;
  return is_new || changed;
}

void NodeStates::ReportEjection(const std::string& upstream, const std::string& node, bool ejected,
                                const std::string& cause) {
  const std::lock_guard lock(mutex_);
  const auto found = states_.find({upstream, node});
  if (found == states_.end()) return;  // it has left
  State& state = found->second;
  state.ejected_by = std::max(0, state.ejected_by + (ejected ? 1 : -1));
  if (ejected) {
    state.ejected_cause = cause;
  } else if (state.ejected_by == 0) {
    state.ejected_cause.clear();
  }
}

void NodeStates::Forget(const std::string& upstream, const std::string& node) {
  const std::lock_guard lock(mutex_);
  states_.erase({upstream, node});
}

std::vector<NodeStates::State> NodeStates::All() const {
  const std::lock_guard lock(mutex_);
  std::vector<State> all;
  for (const auto& [key, state] : states_) all.push_back(state);
  return all;
}

std::vector<std::string> NodeStates::NotReady(const std::vector<std::string>& upstreams) const {
  const std::vector<State> all = All();
  std::vector<std::string> lines;
  for (const std::string& upstream : upstreams) {
    const auto is_up = [&](const State& state) { return state.upstream == upstream && state.up; };
    if (std::any_of(all.begin(), all.end(), is_up)) continue;
    std::string causes;
    for (const State& state : all) {
      if (state.upstream != upstream) continue;
      causes += Concat(causes.empty() ? "" : "; ", state.node, ": ", state.cause);
    }
    lines.push_back(causes.empty()
                        ? Concat("upstream ", upstream, ": no node has answered yet")
                        : Concat("upstream ", upstream, ": no node is up (", causes, ")"));
  }
  return lines;
}

}  // namespace weir
