// Plan: what weir will do with one request, decided without doing it.
#ifndef WEIR_ROUTING_PLAN_H_
#define WEIR_ROUTING_PLAN_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "routing/arg_list.h"
#include "routing/command_class.h"
#include "routing/topology.h"

namespace weir {

enum class PlanKind : uint8_t {
  kSingle,     // to one node, `node`
  kSplit,      // its keys to several nodes: MakeSplit, MergeReplies; only with several nodes
  kBroadcast,  // to nodes by entry->spread.spread, merged by .merge; only with several nodes
  kScan,       // to one node after the other: cluster_scan.h; only with several nodes
  kLocal,      // answered by weir: entry->local
  kPinned,     // to one node, `node`, on a connection of the client's own
  kSubscribe,  // a subscription that weir holds for its clients
  kReject,     // refused with `reason`
};
std::string_view PlanKindName(PlanKind kind);  // "single"

inline constexpr int32_t kNoSlot = -1;

// A small value. Its pointers live as long as the RoutingTable that it was made from.
struct Plan {
  PlanKind kind = PlanKind::kSingle;
  // kSingle: where to. Without a slot any primary will do, and this is the first: whoever performs
  // it may take another, as long as one client's requests keep to the same. kPinned, kSubscribe:
  // where their keys or shard channels are; kNoNode: they have none and there are several nodes.
  NodeIndex node = kNoNode;
  int32_t slot = kNoSlot;               // only known with several nodes and a key
  const CommandEntry* entry = nullptr;  // nullptr: no command that weir knows
  std::string_view reason;              // kReject: the error line for ReplyWriter::Error
};

// The rare cases of MakePlan: a command that no table has, which may leave anything on its
// connection; one that is not kShared; an upstream of several nodes.
Plan MakeUnknownPlan(const Topology& topology);
Plan MakeUnsharedPlan(const CommandEntry& entry, const Topology& topology, const ArgList& args);
Plan MakeClusterPlan(const CommandEntry* entry, const Topology& topology, const ArgList& args);

// HOT. REQUIRES: args is not empty. With a single node no key is looked at.
inline Plan MakePlan(const RoutingTable& routing, const Topology& topology, const ArgList& args) {
  const CommandEntry* entry = routing.Resolve(args);
  if (entry == nullptr) [[unlikely]]
    return MakeUnknownPlan(topology);
  if (entry->handling != Handling::kShared) [[unlikely]]
    return MakeUnsharedPlan(*entry, topology, args);
  if (!topology.is_single()) [[unlikely]]
    return MakeClusterPlan(entry, topology, args);
  return {.kind = PlanKind::kSingle, .node = 0, .slot = kNoSlot, .entry = entry, .reason = {}};
}

// What WEIR EXPLAIN says of the plan that was made for these arguments: lines "plan: …", "command:
// …", "flags: …", "keys: …", "slot: …", "node: …", "why: …", those that apply. Printable whatever
// the keys.
std::vector<std::string> ExplainPlan(const Plan& plan, const Topology& topology,
                                     const ArgList& args);

}  // namespace weir

#endif  // WEIR_ROUTING_PLAN_H_
