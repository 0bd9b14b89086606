// Keeps asking a cluster's nodes who serves which slots, and makes topologies of what most of them
// say (see routing/agreement.h).
//
// Lives on the control thread's loop. A round asks all primaries that are known, or the URL's seeds
// while none is, at once; it ends as soon as more than half of them agree, or all have answered, or
// a second is over. Rounds come at topology_refresh_interval_ms with jitter, and soon after a
// worker wants one: many wishes are one round, and rounds are at least kPauseMs apart.
#ifndef WEIR_PROXY_BACKEND_TOPOLOGY_WATCH_H_
#define WEIR_PROXY_BACKEND_TOPOLOGY_WATCH_H_

#include <uv.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "proxy/backend/upstream.h"
#include "proxy/backend/watch.h"
#include "routing/agreement.h"

namespace weir {

class TopologyWatch final : public Watch {
 public:
  // All outlive it. The upstream is the control thread's own, whose snapshot the owner sets to what
  // on_topology hands it, before that returns.
  TopologyWatch(LoopContext* context, Upstream* upstream, const AddressMap* address_map,
                OnTopology on_topology, OnNode on_node, OnRound on_round);
  ~TopologyWatch() override;

  void Refresh() override;

 private:
  static constexpr uint64_t kPauseMs = 50;
  static constexpr uint64_t kUnsureMs = 250;  // until the next round where nodes disagree
  static constexpr uint64_t kRoundMs = 1000;  // who has not answered then is silent

  // One node's part in a round.
  struct Witness {
    NodeIndex node;
    ClusterAnswer answer;
    int missing = 3;  // replies to MYID, INFO and SHARDS
    bool valid = false;
  };
  struct Round {
    std::vector<std::unique_ptr<Witness>> witnesses;
    uint64_t number = 0;
    bool open = false;
    bool late = false;  // kRoundMs have passed
  };

  void OnTimer() override;
  void Begin();
  void AskNode(NodeIndex node);
  void AskOne(Witness* witness, std::initializer_list<std::string_view> args,
              std::function<void(Witness&, std::string_view)> take);
  void TakeView(Witness& witness, std::string_view reply, bool shards);
  void OnPart(uint64_t round, Witness* witness);
  bool Evaluate(bool last);
  void End(const Agreement& agreement);
  void Adopt(const Agreement& agreement);
  HostPort AddressOf(NodeIndex node) const;

  const AddressMap* const address_map_;
  Round round_;
  absl::flat_hash_set<NodeIndex> busy_;  // asked, and still to answer
  uint64_t ended_ms_ = 0;                // the last round
  bool again_ = false;                   // wanted while a round was open
  bool lost_ = false;  // the last round had no answer at all: the seeds are asked, too
};

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_TOPOLOGY_WATCH_H_
