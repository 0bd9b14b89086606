// Which of several nodes' views of a cluster is believed.
//
// A node cut off with a minority goes on telling the old map, and one that is restarting may tell
// almost anything, so no single node is believed about a change. The rule is the cluster's own:
//
//   1. A view stands on the primaries that it says serve slots. It is *supported* by those of them
//      whose own view has the same primaries, and believed if they are more than half of those that
//      were asked. All must have been asked, in a large cluster kAskMax of them at random. Thus a
//      minority is never believed: its view still counts those whom it cannot reach, and they do
//      not support it.
//   2. If two sets of primaries are both supported by more than half of their own, the one wins
//      that more than half of all primaries that answered support: a node that was reset, and says
//      that it serves everything alone, has only itself. If there is none, the one with the higher
//      epoch (CLUSTER INFO's cluster_current_epoch), and on a tie what is known now.
//   3. While slots are moved, nodes that agree on the primaries differ on single slots. Each slot
//      is decided by itself: by the one that says it serves it itself, for the new owner is the
//      first to know; if several do, the one with the higher epoch; if none does, by most
//      supporters.
//
// When nothing is known yet, at the first start, the best supported view is taken even without a
// majority and called unsure: better a map that its nodes may refuse than none.
#ifndef WEIR_ROUTING_AGREEMENT_H_
#define WEIR_ROUTING_AGREEMENT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "routing/cluster_view.h"
#include "routing/topology.h"

namespace weir {

// One node's answer to CLUSTER MYID, CLUSTER INFO and CLUSTER SHARDS or SLOTS.
struct ClusterAnswer {
  std::string id{};  // CLUSTER MYID; "": not known, then `asked` is looked for in the view
  HostPort asked{};  // where it was asked
  ClusterInfo info{};
  ClusterView view{};
};

struct Agreement {
  enum class Result : uint8_t {
    kNone,    // nothing to believe: keep what is known; `why` says it for people
    kUnsure,  // nothing was known, and this is the best there is: ask again soon
    kAgreed,
  };
  Result result = Result::kNone;
  // kAgreed: whatever those that were asked and are silent may still say, it will be the same.
  bool certain = false;
  ClusterView view;  // kUnsure, kAgreed
  std::string why;   // "2 of 5 primaries agree", for logs and WEIR TOPOLOGY
  // Primaries that the answers name and that were not asked: once they were, more may be clear.
  std::vector<HostPort> ask_too;

  static constexpr size_t kAskMax = 32;  // as many views are enough, however large the cluster
};

// `silent`: who was asked and gave no answer. `known`: what is believed now; null at the first
// time. Linear in answers and their nodes.
Agreement Agree(absl::Span<const ClusterAnswer> answers, absl::Span<const HostPort> silent,
                const Topology* known);

// The same nodes, roles, health, zones and slots: not worth a new snapshot.
bool SameTopology(const ClusterView& view, const Topology& topology);

}  // namespace weir

#endif  // WEIR_ROUTING_AGREEMENT_H_
