// Finds out which of the servers that the URL names is the primary, by asking each for its ROLE.
//
// Rounds come every health_check_interval_ms (or topology_refresh_interval_ms, if that is off), and
// when a worker wants one; a round ends when all have answered or kRoundMs are over. So a REPLICAOF
// by hand, or by whatever supervisor, is followed without a restart.
#ifndef WEIR_PROXY_BACKEND_REPLICA_WATCH_H_
#define WEIR_PROXY_BACKEND_REPLICA_WATCH_H_

#include <uv.h>

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "proxy/backend/upstream.h"
#include "proxy/backend/watch.h"
#include "routing/replica_set.h"

namespace weir {

class ReplicaWatch final : public Watch {
 public:
  // As for SentinelWatch.
  ReplicaWatch(LoopContext* context, Upstream* upstream, OnTopology on_topology, OnNode on_node,
               OnRound on_round);
  ~ReplicaWatch() override;

  void Refresh() override;

 private:
  static constexpr uint64_t kPauseMs = 20;
  static constexpr uint64_t kUnsureMs = 100;
  static constexpr uint64_t kRoundMs = 1000;

  void OnTimer() override;
  void Begin();
  void Ask(size_t member);
  void OnRole(size_t member, std::string_view reply);
  void End();

  std::vector<ReplicaSetMember> members_;  // what each said in this round
  std::vector<bool> asked_;                // and has not answered, in this round or an earlier one
  std::vector<bool> answered_;             // in this round
  uint64_t round_ = 0;
  uint64_t ended_ms_ = 0;
  bool open_ = false;
  bool again_ = false;
};

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_REPLICA_WATCH_H_
