// Finds out which of the servers that the URL names is the primary, by asking each for its ROLE.
//
// With discover_replicas those are asked, too, that the servers name as their replicas or their
// primary (routing/replica_discovery.h), and each is asked for its run id as well, by which one is
// known that has several addresses.
//
// Rounds come every health_check_interval_ms (or topology_refresh_interval_ms, if that is off), and
// when a worker wants one; a round ends when all have answered or kRoundMs are over. So a REPLICAOF
// by hand, or by whatever supervisor, is followed without a restart.
#ifndef WEIR_PROXY_BACKEND_REPLICA_WATCH_H_
#define WEIR_PROXY_BACKEND_REPLICA_WATCH_H_

#include <uv.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/backend/upstream.h"
#include "proxy/backend/watch.h"
#include "routing/replica_discovery.h"

namespace weir {

class ReplicaWatch final : public Watch {
 public:
  // As for SentinelWatch.
  ReplicaWatch(LoopContext* context, Upstream* upstream, const AddressMap* address_map,
               OnTopology on_topology, OnNode on_node, OnRound on_round);
  ~ReplicaWatch() override;

  void Refresh() override;

 private:
  static constexpr uint64_t kPauseMs = 20;
  static constexpr uint64_t kUnsureMs = 100;
  static constexpr uint64_t kRoundMs = 1000;

  void OnTimer() override;
  struct Member {
    uint64_t number;  // never another's, as an address may be
    DiscoveredServer said;
    bool asked = false;     // and has not answered, in this round or an earlier one
    bool answered = false;  // in this round
  };

  void Begin();
  void Ask(Member& member);
  void Ask(Member& member, std::initializer_list<std::string_view> args,
           void (ReplicaWatch::*then)(Member&, std::string_view));
  void OnRole(Member& member, std::string_view reply);
  void OnServerInfo(Member& member, std::string_view reply);
  void OnAnswered(Member& member);
  void Report(const Member& member, bool up, const std::string& cause);
  void End();
  bool SetMembers(const std::vector<HostPort>& addresses);
  Member* Find(uint64_t number);

  const AddressMap* const address_map_;
  const bool discovers_;
  std::vector<Member> members_;
  uint64_t numbers_ = 0;
  uint64_t ended_ms_ = 0;
  bool open_ = false;
  bool again_ = false;
};

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_REPLICA_WATCH_H_
