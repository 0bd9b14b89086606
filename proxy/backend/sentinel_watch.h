// Finds an upstream's primary and replicas through sentinels, and follows their failovers.
//
// A round asks all sentinels that are known what they know, and believes the highest epoch among
// more than half of them (or among those that answer within kRoundMs). Whom that names must say
// itself, by ROLE, that it is the primary: a sentinel may be behind, and a server may be paused. If
// it does not, what was known stays, and another round follows soon.
//
// Rounds come at topology_refresh_interval_ms with jitter, at once when a sentinel publishes a
// change (+switch-master and the like), and when a worker wants one. Sentinels that the others name
// are asked, too, up to kSentinelsMax; one that nobody names any more is forgotten.
#ifndef WEIR_PROXY_BACKEND_SENTINEL_WATCH_H_
#define WEIR_PROXY_BACKEND_SENTINEL_WATCH_H_

#include <uv.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/backend/sentinel_peer.h"
#include "proxy/backend/watch.h"

namespace weir {

class SentinelWatch final : public Watch {
 public:
  static constexpr size_t kSentinelsMax = 64;

  // All outlive it. `upstream` is the control thread's own, of the data nodes; the callbacks are as
  // in Watch.
  SentinelWatch(LoopContext* context, Upstream* upstream, const AddressMap* address_map,
                OnTopology on_topology, OnNode on_node, OnRound on_round);
  ~SentinelWatch() override;

  void Refresh() override;
  void Stop() override;

 private:
  static constexpr uint64_t kTickMs = 50;
  static constexpr uint64_t kPauseMs = 20;    // between rounds
  static constexpr uint64_t kUnsureMs = 100;  // until the next one where nothing was believed
  static constexpr uint64_t kRoundMs = 1000;

  void OnTimer() override;
  void Begin();
  void Evaluate(bool late);
  void Confirm(const SentinelView& view);
  void OnRole(const SentinelView& view, std::string_view reply);
  void End(bool sure, std::string why);
  void LearnSentinels(const std::vector<SentinelView>& views);
  void AddPeer(HostPort address);
  void OnNews(std::string_view channel, std::string_view message);
  size_t Listening() const;

  const AddressMap* const address_map_;
  std::vector<std::unique_ptr<SentinelPeer>> peers_;
  std::optional<HostPort> expected_;  // the primary that +switch-master has named
  uint64_t epoch_ = 0;                // of what is known
  uint64_t round_ = 0;
  uint64_t began_ms_ = 0;    // the round
  uint64_t due_ms_ = 0;      // the next one; 0: only when it is wanted
  bool open_ = false;        // a round is under way
  bool confirming_ = false;  // and waits for the primary's ROLE
  bool again_ = false;       // wanted while a round was open
};

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_SENTINEL_WATCH_H_
