#include "routing/plan.h"

#include "absl/strings/escaping.h"
#include "routing/keys.h"
#include "routing/slot.h"
#include "routing/text.h"

namespace weir {
namespace {

constexpr std::string_view kCrossSlot = "-CROSSSLOT Keys in request don't hash to the same slot";
constexpr std::string_view kSlotNotServed = "-CLUSTERDOWN Hash slot not served";

constexpr size_t kExplainedKeysMax = 16;
constexpr size_t kExplainedKeyBytesMax = 64;

// Any primary will do for what has no key; the first keeps a client's requests in order.
NodeIndex FirstPrimary(const Topology& topology) {
  for (size_t i = 0; i < topology.nodes().size(); ++i) {
    if (topology.nodes()[i].role == NodeRole::kPrimary) return static_cast<NodeIndex>(i);
  }
  return kNoNode;
}

Plan PlanWithoutKeys(const CommandEntry* entry, const Topology& topology) {
  const RequestPolicy policy =
      entry == nullptr ? RequestPolicy::kNone : entry->spec->request_policy;
  Plan plan;
  plan.entry = entry;
  if (policy == RequestPolicy::kAllNodes || policy == RequestPolicy::kAllShards) {
    plan.kind = PlanKind::kBroadcast;
    return plan;
  }
  plan.node = FirstPrimary(topology);
  if (plan.node == kNoNode) {
    plan.kind = PlanKind::kReject;
    plan.reason = kSlotNotServed;
  }
  return plan;
}

Plan PlanForSlot(const CommandEntry* entry, const Topology& topology, uint16_t slot) {
  Plan plan;
  plan.entry = entry;
  plan.slot = slot;
  plan.node = topology.PrimaryOf(slot);
  if (plan.node == kNoNode) {
    plan.kind = PlanKind::kReject;
    plan.reason = kSlotNotServed;
  }
  return plan;
}

// A key as a line of text can show it.
std::string Printable(std::string_view key) {
  const std::string head(key.substr(0, kExplainedKeyBytesMax));
  return absl::CEscape(head) + (key.size() > kExplainedKeyBytesMax ? "…" : "");
}

std::string FlagNames(const CommandSpec& spec) {
  std::string names;
  for (int i = 0; i < kCommandFlagCount; ++i) {
    const auto flag = static_cast<CommandFlag>(i);
    if (spec.flags.Has(flag)) names += Concat(names.empty() ? "" : " ", CommandFlagName(flag));
  }
  return names;
}

void ExplainKeys(const CommandSpec& spec, const ArgList& args, std::vector<std::string>* lines) {
  KeyPositions keys;
  const KeysFound found = FindSlotArguments(spec, args, &keys);
  if (found == KeysFound::kInvalid) {
    lines->push_back("keys: unknown, because Redis will not accept these arguments");
    return;
  }
  if (keys.empty()) return;
  std::string line = "keys:";
  std::string slots = "slot:";
  for (size_t i = 0; i < keys.size() && i < kExplainedKeysMax; ++i) {
    const std::string_view key = args[keys[i].index];
    line += Concat(" ", Printable(key));
    slots += Concat(" ", KeySlot(key));
  }
  if (keys.size() > kExplainedKeysMax) {
    line += Concat(" and ", keys.size() - kExplainedKeysMax, " more");
  }
  if (found == KeysFound::kPartial) line += " and keys that only Redis can name";
  lines->push_back(std::move(line));
  lines->push_back(std::move(slots));
}

std::string_view Why(const Plan& plan, const Topology& topology) {
  switch (plan.kind) {
    case PlanKind::kReject:
      return plan.reason.starts_with('-') ? plan.reason.substr(1) : plan.reason;
    case PlanKind::kSplit:
      return "its keys are served by several nodes";
    case PlanKind::kBroadcast:
      return "it concerns every node";
    case PlanKind::kPinned:
      return plan.entry->why;
    case PlanKind::kLocal:
    case PlanKind::kSubscribe:
    case PlanKind::kSingle:
      break;
  }
  if (plan.entry == nullptr) return "weir does not know the command, so Redis says what it is";
  if (plan.kind != PlanKind::kSingle || topology.is_single()) return plan.entry->why;
  return plan.slot == kNoSlot ? "it has no key, so any primary will do"
                              : "this node serves the slot of its keys";
}

}  // namespace

std::string_view PlanKindName(PlanKind kind) {
  constexpr std::string_view kNames[] = {"single", "split",     "broadcast", "local",
                                         "pinned", "subscribe", "reject"};
  return kNames[static_cast<size_t>(kind)];
}

Plan MakeUnsharedPlan(const CommandEntry& entry, const Topology& topology) {
  Plan plan;
  plan.entry = &entry;
  plan.reason = entry.error;
  switch (entry.handling) {
    case Handling::kLocal:
      plan.kind = PlanKind::kLocal;
      break;
    case Handling::kPinned:
      plan.kind = PlanKind::kPinned;
      if (topology.is_single()) plan.node = 0;
      break;
    case Handling::kSubscribe:
      plan.kind = PlanKind::kSubscribe;
      if (topology.is_single()) plan.node = 0;
      break;
    case Handling::kDenied:
    case Handling::kShared:
      plan.kind = PlanKind::kReject;
      break;
  }
  return plan;
}

Plan MakeClusterPlan(const CommandEntry* entry, const Topology& topology, const ArgList& args) {
  if (entry != nullptr && entry->only_key != 0 && entry->only_key < args.size()) [[likely]] {
    return PlanForSlot(entry, topology, KeySlot(args[entry->only_key]));
  }
  KeyPositions keys;
  if (entry == nullptr || FindSlotArguments(*entry->spec, args, &keys) == KeysFound::kInvalid ||
      keys.empty()) {
    return PlanWithoutKeys(entry, topology);
  }
  const uint16_t slot = KeySlot(args[keys[0].index]);
  for (size_t i = 1; i < keys.size(); ++i) {
    if (KeySlot(args[keys[i].index]) == slot) continue;
    const bool splits = entry->spec->request_policy == RequestPolicy::kMultiShard;
    Plan plan;
    plan.entry = entry;
    plan.kind = splits ? PlanKind::kSplit : PlanKind::kReject;
    if (!splits) plan.reason = kCrossSlot;
    return plan;
  }
  return PlanForSlot(entry, topology, slot);
}

std::vector<std::string> ExplainPlan(const Plan& plan, const Topology& topology,
                                     const ArgList& args) {
  std::vector<std::string> lines;
  lines.push_back(Concat("plan: ", PlanKindName(plan.kind)));
  const CommandSpec* spec = plan.entry == nullptr ? nullptr : plan.entry->spec;
  lines.push_back(Concat("command: ", spec == nullptr ? Printable(args[0]) : spec->name));
  if (spec != nullptr) {
    const std::string flags = FlagNames(*spec);
    if (!flags.empty()) lines.push_back("flags: " + flags);
    ExplainKeys(*spec, args, &lines);
  }
  if (plan.node != kNoNode) lines.push_back("node: " + topology.node(plan.node).Address());
  lines.push_back(Concat("why: ", Why(plan, topology)));
  return lines;
}

}  // namespace weir
