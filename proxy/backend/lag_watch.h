// Measures how far the replicas of one upstream are behind their primaries: see
// routing/replica_lag.h.
//
// Lives on the control thread's loop, only where max_lag_ms is set and reads may go to replicas.
// Every LagIntervalMs each primary is asked INFO replication, and when it has answered, its
// replicas are: so what a replica has applied by then is compared with what had been written a
// round trip before. Who has not answered is not asked again, and grows old meanwhile: a replica
// that hangs, or a primary that does, ends up too far behind without anything more being done.
#ifndef WEIR_PROXY_BACKEND_LAG_WATCH_H_
#define WEIR_PROXY_BACKEND_LAG_WATCH_H_

#include <uv.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "proxy/backend/replica_lags.h"
#include "proxy/backend/upstream.h"
#include "routing/replica_lag.h"

namespace weir {

class LagWatch {
 public:
  // All outlive it. `upstream` is the control thread's own, with the newest snapshot always.
  LagWatch(LoopContext* context, Upstream* upstream, ReplicaLags* lags);

  void Start();
  // No more questions; the timer leaves the loop a little later, and what was asked is still
  // answered until the upstream is closed: it must live until then.
  void Stop();

 private:
  using OnPosition = std::function<void(const std::optional<StreamPosition>& position)>;

  void Round();
  void AskPrimary(const Node& primary, const std::vector<Node>& replicas);
  void AskReplica(const std::string& primary, const Node& replica);
  void Ask(const Node& node, OnPosition then);

  LoopContext* const context_;
  Upstream* const upstream_;
  ReplicaLags* const lags_;
  absl::flat_hash_map<std::string, StreamHistory> histories_;  // by the primary's address
  absl::flat_hash_set<std::string> asked_;  // the addresses of those that are to answer
  uv_timer_t timer_;
  bool stopped_ = false;
};

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_LAG_WATCH_H_
