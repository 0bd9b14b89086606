// Finds out what an upstream's server is and can do, keeps asking whether it is well, and says so.
//
// Lives on the control thread's loop. On each new connection (a server that restarts closes the old
// one) it asks HELLO, INFO and COMMAND and makes a snapshot; in between it sends PING. It asks
// again when a worker says that the server may be another: its link broke and is there again, or
// Redis does not know a command that it had. As long as that brings nothing new, it is done ever
// more rarely, because whoever knows a command's old name can say it as often as he likes.
#ifndef WEIR_PROXY_BACKEND_DISCOVERY_H_
#define WEIR_PROXY_BACKEND_DISCOVERY_H_

#include <uv.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/backend/lag_watch.h"
#include "proxy/backend/replica_lags.h"
#include "proxy/backend/snapshot.h"
#include "proxy/backend/upstream.h"
#include "proxy/backend/watch.h"
#include "routing/command_policy.h"

namespace weir {

class Discovery {
 public:
  using OnSnapshot = std::function<void(std::shared_ptr<const UpstreamSnapshot>)>;
  using OnHealth = std::function<void(const std::string& node, bool up, const std::string& cause)>;

  // All must outlive it; `on_*` are called on the loop's thread. `policy` is what the configuration
  // allows and denies, for each new table.
  Discovery(LoopContext* context, const UpstreamConfig* config, int index, UpstreamUrl url,
            const CommandPolicy* policy, std::shared_ptr<const UpstreamSnapshot> first,
            OnSnapshot on_snapshot, OnHealth on_health);
  ~Discovery();

  // Measures how far replicas are behind, into `lags`, which outlives it. Before Start(), at most
  // once, and only of several nodes.
  void MeasureLags(ReplicaLags* lags);
  void Start();
  // See above.
  void LookAgain(bool reconnected);
  // True once the server has answered or failed to, for the first time.
  bool tried() const { return tried_; }
  void Stop();
  // Of several nodes: something is wrong with what is known of who serves what.
  void Refresh();

 private:
  static constexpr uint64_t kLookMinMs = 1000;  // between two looks
  static constexpr uint64_t kLookMaxMs = 60000;

  void Ask();
  void AskAgainIn(uint64_t delay_ms);
  void OnHello(std::string_view reply);
  void OnInfo(std::string_view reply);
  void OnModules(std::string_view reply);
  void OnCommand(std::string_view reply);
  void Finish(std::shared_ptr<const RoutingTable> routing);
  void Fail(std::string_view reply);
  void Ping();
  void OnPing(std::string_view reply);
  void Again(bool connected);
  NodeIndex Asked() const { return upstream_.map().Steady(attempt_); }
  void ReportHealth(bool up, const std::string& cause);
  void OnTopology(std::shared_ptr<const Topology> topology);
  void OnRound(const std::string& why);
  std::unique_ptr<Watch> MakeWatch();
  void Post();
  void Send(std::initializer_list<std::string_view> args,
            void (Discovery::*then)(std::string_view));

  LoopContext* const context_;
  const UpstreamConfig* const config_;
  const CommandPolicy* const policy_;
  const OnSnapshot on_snapshot_;
  const OnHealth on_health_;
  std::shared_ptr<const UpstreamSnapshot> known_;
  Standstill standstill_;  // of its own links, which nobody shares
  Upstream upstream_;
  std::unique_ptr<Watch> watch_;         // null: a single node
  std::unique_ptr<LagWatch> lag_watch_;  // null: any lag will do
  uint64_t attempt_ = 0;                 // which node is asked
  bool answered_ = false;                // HELLO, INFO and COMMAND, once at least
  ServerFacts facts_;
  uv_timer_t timer_;
  bool tried_ = false;
  bool stopped_ = false;
  uint64_t connections_seen_ = 0;  // OnLinkConnected, as of the last Ask
  bool no_node_ = false;           // Ask() had nobody to ask
  bool busy_ = false;              // a question is under way
  bool ask_again_ = false;         // it was too busy to say all about itself, or may have changed
  uint64_t ask_again_at_ms_ = 0;   // not before
  uint64_t asked_ms_ = 0;          // when all was last known
  uint64_t look_pause_ms_ = kLookMinMs;
  std::string command_reply_;  // from which known_->routing was made; empty: built in
};

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_DISCOVERY_H_
