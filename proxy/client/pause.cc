// CLIENT PAUSE and UNPAUSE where there are several primaries: they go to each of them, on
// connections made for that alone.
//
// A shared link may have a write on it that waits for the end of the pause, and Redis reads nothing
// behind it; so UNPAUSE would wait for what it is to end. What goes on with one node while it is
// paused, standstill.h says. With several, writes over several nodes, which are on shared links
// even then, are on those of scripts, so that nobody reads behind them.
#include <utility>

#include "proxy/backend/upstream.h"
#include "proxy/client/dispatcher.h"
#include "proxy/client/parts.h"
#include "proxy/client/pin.h"
#include "proxy/client/routes.h"
#include "proxy/worker.h"

namespace weir {

// Nothing: it is another command, wrong, or there is one primary.
std::optional<bool> Dispatcher::PausePrimaries(const Plan& plan, const Input& input) {
  const bool pauses = EffectOf(plan.entry) == PinEffect::kPause;
  if (!pauses && (plan.entry == nullptr || plan.entry->spec == nullptr ||
                  plan.entry->spec->name != "client|unpause")) {
    return std::nullopt;
  }
  Upstream& upstream = worker_.UpstreamAt(session_.upstream_);
  if (upstream.snapshot().topology->is_replicated() || input.tail != nullptr ||
      !plan.entry->spec->ArityAllows(input.parsed.argc_declared)) {
    return std::nullopt;
  }
  if (session_.subscriptions_ != nullptr) {
    if (const auto taken = WhileSubscribed(plan, input)) return taken;
  }
  if (WaitForAnswers()) return false;
  std::vector<PartPlan> parts;
  for (const NodeIndex node : upstream.map().primaries()) {
    LinkKey key = session_.group_->key();
    key.node = node;
    key.db = 0;
    key.tracker = 0;
    LinkGroup* const group = upstream.Hold(key);
    Link* const link = group->TakeForProbe();
    group->Release();
    if (link == nullptr) continue;
    parts.push_back({.node = node, .home = node, .link = link, .upstream = session_.upstream_});
  }
  if (parts.empty()) return WaitForAnyNode(plan, input);
  session_.routes_->waits_since_ms = 0;
  NoteStandstill(plan, input);
  auto task = std::make_unique<PartsTask>();
  task->merge = plan.entry->spread.merge;
  task->changes_data = true;
  task->reply_marks = input.reply_marks;
  const std::vector<PartPlan> all = parts;
  const bool taken = SendAllParts(plan, input, std::move(task), &parts);
  for (const PartPlan& part : all) part.link->Retire();
  return taken;
}

// Of a command over several nodes: on links that only such commands are on, and scripts.
bool Dispatcher::KeepsFromReaders(const CommandEntry& entry) const {
  const Standstill& standstill = worker_.UpstreamAt(session_.upstream_).standstill();
  return entry.runs_script ||
         (!entry.is_readonly && standstill.PauseLeftMs(worker_.context().NowMs()) != 0);
}

}  // namespace weir
