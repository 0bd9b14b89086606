#include "routing/plan.h"

#include "absl/strings/escaping.h"
#include "routing/keys.h"
#include "routing/slot.h"
#include "routing/text.h"

namespace weir {
namespace {

constexpr std::string_view kCrossSlot = "-CROSSSLOT Keys in request don't hash to the same slot";
constexpr std::string_view kCrossServer =
    "-CROSSSLOT weir: the keys are on different servers, and this command cannot be split";
constexpr std::string_view kSlotNotServed = "-CLUSTERDOWN Hash slot not served";

// Of the commands that are split only MSET has more than keys.
constexpr std::string_view kWrongArgCountOfMset =
    "-ERR wrong number of arguments for 'mset' command";

constexpr size_t kExplainedNodesMax = 16;
constexpr size_t kExplainedKeysMax = 16;
constexpr size_t kExplainedKeyBytesMax = 64;

NodeIndex FirstPrimary(const Topology& topology) {
  return topology.primaries().empty() ? kNoNode : topology.primaries().front();
}

Plan Rejected(const CommandEntry* entry, std::string_view reason) {
  return {.kind = PlanKind::kReject, .entry = entry, .reason = reason};
}

Plan PlanWithoutKeys(const CommandEntry* entry, const Topology& topology) {
  switch (entry == nullptr ? Spread::kOne : entry->spread.spread) {
    case Spread::kAllPrimaries:
    case Spread::kAllNodes:
      return {.kind = PlanKind::kBroadcast, .entry = entry, .reason = {}};
    case Spread::kScan:
      return {.kind = PlanKind::kScan, .entry = entry, .reason = {}};
    case Spread::kOne:
    case Spread::kKeys:
      break;
  }
  const NodeIndex node = FirstPrimary(topology);
  if (node == kNoNode) return Rejected(entry, kSlotNotServed);
  return {.kind = PlanKind::kSingle, .node = node, .entry = entry, .reason = {}};
}

Plan PlanForSlot(const CommandEntry* entry, const Topology& topology, uint16_t slot) {
  const NodeIndex node = topology.PrimaryOf(slot);
  if (node == kNoNode) return Rejected(entry, kSlotNotServed);
  return {.kind = PlanKind::kSingle, .node = node, .slot = slot, .entry = entry, .reason = {}};
}

// With keys of several slots.
Plan PlanForSlots(const CommandEntry& entry, const Topology& topology, const KeyPositions& keys,
                  const ArgList& args) {
  if (entry.spread.spread != Spread::kKeys) {
    return Rejected(&entry, topology.is_sharded() ? kCrossServer : kCrossSlot);
  }
  const auto units = static_cast<uint32_t>(keys.size());
  const auto step = static_cast<uint32_t>(entry.spec->key_specs[0].key_step);
  // MSET with a key that lacks its value.
  if (keys[0].index + units * step != args.size()) return Rejected(&entry, kWrongArgCountOfMset);
  return {.kind = PlanKind::kSplit, .entry = &entry, .reason = {}};
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

void ExplainKeys(const CommandSpec& spec, const Topology& topology, const ArgList& args,
                 std::vector<std::string>* lines) {
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
    slots += Concat(" ", topology.is_sharded() ? topology.SlotOf(key) : KeySlot(key));
  }
  if (keys.size() > kExplainedKeysMax) {
    line += Concat(" and ", keys.size() - kExplainedKeysMax, " more");
  }
  if (found == KeysFound::kPartial) line += " and keys that only Redis can name";
  lines->push_back(std::move(line));
  lines->push_back(std::move(slots));
}

void ExplainSpread(const Plan& plan, const Topology& topology, std::vector<std::string>* lines) {
  if (plan.kind != PlanKind::kSplit && plan.kind != PlanKind::kBroadcast) return;
  lines->push_back(Concat("spread: ", SpreadName(plan.entry->spread.spread)));
  lines->push_back(Concat("merge: ", MergeName(plan.entry->spread.merge)));
  if (plan.kind == PlanKind::kSplit) return;
  std::string nodes = "nodes:";
  const std::vector<NodeIndex>& primaries = topology.primaries();
  for (size_t i = 0; i < primaries.size() && i < kExplainedNodesMax; ++i) {
    nodes += Concat(" ", topology.node(primaries[i]).Address());
  }
  if (primaries.size() > kExplainedNodesMax) {
    nodes += Concat(" and ", primaries.size() - kExplainedNodesMax, " more");
  }
  lines->push_back(std::move(nodes));
}

std::string_view Why(const Plan& plan, const Topology& topology) {
  switch (plan.kind) {
    case PlanKind::kReject:
      return plan.reason.starts_with('-') ? plan.reason.substr(1) : plan.reason;
    case PlanKind::kSplit:
      return "its keys are served by several nodes";
    case PlanKind::kBroadcast:
      return "it concerns every node";
    case PlanKind::kScan:
      return "the nodes are scanned one after the other; the cursor says how far";
    case PlanKind::kPinned:
    case PlanKind::kLocal:
    case PlanKind::kSubscribe:
    case PlanKind::kSingle:
      break;
  }
  if (plan.entry == nullptr) {
    return "weir does not know the command, so it may leave anything on its connection";
  }
  if (plan.kind != PlanKind::kSingle || topology.is_single()) return plan.entry->why;
  if (topology.is_replicated()) return "this node is the primary";
  return plan.slot == kNoSlot ? "it has no key, so any primary will do"
                              : "this node serves the slot of its keys";
}

}  // namespace

std::string_view PlanKindName(PlanKind kind) {
  constexpr std::string_view kNames[] = {"single", "split",  "broadcast", "scan",
                                         "local",  "pinned", "subscribe", "reject"};
  return kNames[static_cast<size_t>(kind)];
}

Plan MakeUnknownPlan(const Topology& topology) {
  if (topology.is_single()) return {.kind = PlanKind::kPinned, .node = 0, .reason = {}};
  Plan plan = MakeClusterPlan(nullptr, topology, absl::Span<const std::string_view>());
  if (plan.kind == PlanKind::kSingle) plan.kind = PlanKind::kPinned;
  return plan;
}

Plan MakeUnsharedPlan(const CommandEntry& entry, const Topology& topology, const ArgList& args) {
  Plan plan;
  plan.entry = &entry;
  plan.reason = entry.error;
  switch (entry.handling) {
    case Handling::kLocal:
      plan.kind = PlanKind::kLocal;
      return plan;
    case Handling::kPinned:
      plan.kind = PlanKind::kPinned;
      break;
    case Handling::kSubscribe:
      plan.kind = PlanKind::kSubscribe;
      break;
    case Handling::kDenied:
    case Handling::kShared:
      plan.kind = PlanKind::kReject;
      return plan;
  }
  if (topology.is_single()) {
    plan.node = 0;
    return plan;
  }
  if (topology.is_replicated()) {
    plan.node = FirstPrimary(topology);
    plan.slot = 0;
    return plan;
  }
  Plan keyed = MakeClusterPlan(&entry, topology, args);
  // Each channel is subscribed to where it is.
  if (plan.kind == PlanKind::kSubscribe && keyed.slot == kNoSlot) return plan;
  if (keyed.kind == PlanKind::kReject) return keyed;
  if (keyed.slot != kNoSlot) {
    plan.node = keyed.node;
    plan.slot = keyed.slot;
  }
  return plan;
}

Plan MakeClusterPlan(const CommandEntry* entry, const Topology& topology, const ArgList& args) {
  if (topology.is_replicated()) {
    return {.kind = PlanKind::kSingle,
            .node = FirstPrimary(topology),
            .slot = 0,
            .entry = entry,
            .reason = {}};
  }
  if (entry != nullptr && entry->only_key != 0 && entry->only_key < args.size()) [[likely]] {
    return PlanForSlot(entry, topology, topology.SlotOf(args[entry->only_key]));
  }
  KeyPositions keys;
  if (entry == nullptr || FindSlotArguments(*entry->spec, args, &keys) == KeysFound::kInvalid ||
      keys.empty()) {
    return PlanWithoutKeys(entry, topology);
  }
  const uint16_t slot = topology.SlotOf(args[keys[0].index]);
  for (size_t i = 1; i < keys.size(); ++i) {
    if (topology.SlotOf(args[keys[i].index]) != slot) {
      return PlanForSlots(*entry, topology, keys, args);
    }
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
    ExplainKeys(*spec, topology, args, &lines);
  }
  ExplainSpread(plan, topology, &lines);
  if (plan.node != kNoNode) lines.push_back("node: " + topology.node(plan.node).Address());
  lines.push_back(Concat("why: ", Why(plan, topology)));
  return lines;
}

}  // namespace weir
