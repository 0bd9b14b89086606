// A command whose keys are for several upstreams: split as over several nodes (see parts.cc), where
// the replies can be merged, and refused where not.
#include <utility>

#include "plugins/text.h"
#include "proxy/backend/upstream.h"
#include "proxy/client/dispatcher.h"
#include "proxy/client/lanes.h"
#include "proxy/client/parts.h"
#include "proxy/worker.h"
#include "resp/errors.h"

namespace weir {

bool Dispatcher::SendCrossParts(const Plan& plan, const Input& input) {
  const CommandEntry& entry = *plan.entry;
  if (entry.spread.spread != Spread::kKeys || input.tail != nullptr) {
    return Refuse(&entry, CannotSplitLine(), input);
  }
  const ArgList args(input.parsed);
  const std::vector<uint16_t> by_key = session_.lanes_->choice.by_key;
  const KeySpec& keys = entry.spec->key_specs[0];
  const auto units = static_cast<uint32_t>(by_key.size());
  if (static_cast<uint32_t>(keys.index) + units * static_cast<uint32_t>(keys.key_step) !=
      args.size()) {
    return Refuse(&entry, ErrorText(RedisError::kWrongArgCount, entry.spec->name), input);
  }
  std::vector<const Topology*> topologies;
  for (size_t i = 0; i < session_.lanes_->all.size(); ++i) {
    const Upstream& upstream = worker_.UpstreamAt(static_cast<UpstreamIndex>(i));
    topologies.push_back(upstream.snapshot().topology.get());
  }
  auto task = std::make_unique<PartsTask>();
  task->merge = entry.spread.merge;
  task->changes_data = entry.is_write;
  task->reply_marks = input.reply_marks;
  task->split = MakeCrossSplit(*entry.spec, topologies, by_key, args);
  std::vector<PartPlan> parts;
  for (const SplitPart& part : task->split->parts) {
    parts.push_back({.slot = part.slot, .upstream = static_cast<UpstreamIndex>(part.upstream)});
    const InLane in(&session_, parts.back().upstream);
    if (const std::optional<bool> done = FindPartLink(plan, input, &parts.back())) return *done;
  }
  return SendAllParts(plan, input, std::move(task), &parts);
}

std::string Dispatcher::CannotSplitLine() const {
  const auto& by_key = session_.lanes_->choice.by_key;
  uint16_t other = by_key[0];
  for (const uint16_t upstream : by_key) {
    if (upstream != by_key[0]) other = upstream;
  }
  return Concat("-CROSSSLOT weir: the keys are on different upstreams, '",
                NameOf(static_cast<UpstreamIndex>(by_key[0])), "' and '",
                NameOf(static_cast<UpstreamIndex>(other)), "', and this command cannot be split");
}

// In the part's lane. Nothing: its link is found, and takes it.
std::optional<bool> Dispatcher::FindPartLink(const Plan& plan, const Input& input, PartPlan* part) {
  if (OwnLinkIsBusyElsewhere()) {
    session_.SetPause(Pause::kOrder);
    return false;
  }
  if (session_.routes_ == nullptr) {
    part->slot = kNoSlot;
    part->link = session_.group_->Shared(session_.conversation_.id, KeepsFromReaders(*plan.entry));
    if (part->link == nullptr) {
      return Refuse(plan.entry, worker_.TooManyLinksLine(session_.upstream_), input);
    }
    if (!MayUse(part->link)) return false;
    return std::nullopt;
  }
  if (!SettleRoutes()) return false;
  Upstream& upstream = worker_.UpstreamAt(session_.upstream_);
  if (upstream.reads_elsewhere() && !SettleReads(plan)) return false;
  part->node = upstream.map().PrimaryOf(static_cast<uint16_t>(part->slot));
  const bool for_script = KeepsFromReaders(*plan.entry);
  const auto done = FindRoute(plan, input, part->node, for_script, &part->link);
  if (!done.has_value()) {
    session_.routes_->scripts = for_script;
    session_.routes_->waits_since_ms = 0;
  }
  return done;
}

}  // namespace weir
