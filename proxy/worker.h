// One thread that serves clients: its loop, sessions, upstreams, plugins and counters.
//
// Nothing here is shared with other workers while requests flow. Calls from other threads come
// through Post(); what others may read at any time is in stats() and beat().
#ifndef WEIR_PROXY_WORKER_H_
#define WEIR_PROXY_WORKER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "plugins/chain.h"
#include "plugins/host.h"
#include "plugins/plugin.h"
#include "proxy/backend/routed_call.h"
#include "proxy/backend/subscribers.h"
#include "proxy/backend/upstream.h"
#include "proxy/client/held_replies.h"
#include "proxy/client/name_budget.h"
#include "proxy/config.h"
#include "proxy/loop.h"
#include "proxy/monitor_feed.h"
#include "proxy/route_book.h"
#include "proxy/upstream_index.h"
#include "resp/request_parser.h"

namespace weir {

class KeyStats;
class Server;
class ScriptCache;
class Session;
class SlowLog;
struct Conversation;

class Worker final : public Host, public Hold::Target {
 public:
  // `server` outlives it. `snapshots` has one for each upstream of the configuration, in its order.
  Worker(Server* server, int index,
         const std::vector<std::shared_ptr<const UpstreamSnapshot>>& snapshots);
  ~Worker();

  // Builds the plugins; an error names the plugin. Before Start.
  absl::Status BuildChain();
  void Start();
  // Waits for the thread, after Stop.
  void Join();

  // ---- from the control thread
  void Post(std::function<void()> call) { loop_.Post(std::move(call)); }
  void Adopt(int fd, uint64_t id, int listener);
  void SetSnapshot(int upstream, std::shared_ptr<const UpstreamSnapshot> snapshot);
  // Lets what is in flight end, at most for `timeout_ms`, then closes what is left.
  void Drain(uint64_t timeout_ms);
  // After `drained()` of all workers: ends the thread.
  void Stop();
  bool drained() const { return drained_.load(std::memory_order_relaxed); }
  const WorkerStats& stats() { return context().stats; }
  // Connections dealt to it and not yet closed.
  int64_t connections() const { return connections_.load(std::memory_order_relaxed); }
  // When its loop last turned, on the monotonic clock.
  uint64_t beat_ns() const { return beat_ns_.load(std::memory_order_relaxed); }

  // ---- for sessions and the dispatcher, on its thread
  LoopContext& context() { return loop_.context(); }
  uv_loop_t* loop() { return loop_.uv(); }
  const Config& config() const { return config_; }
  Chain& chain() { return chain_; }
  RequestParser& parser() { return parser_; }
  // Null: they are off.
  SlowLog* slow_log() { return slow_log_; }
  KeyStats* key_stats() { return key_stats_; }
  // Whether requests keep their bytes until they are answered, for these two. See asked.h.
  bool keeps_asked() const { return asked_parser_ != nullptr; }
  RequestParser& asked_parser() { return *asked_parser_; }  // REQUIRES: keeps_asked()
  // Whether consecutive requests of one command may be one: not if each one's reply is measured.
  bool joins_runs() const { return key_stats_ == nullptr; }
  // The bytes of the request in hand, and where they are; chunk null: there is none, or nobody
  // wants them.
  struct Asked {
    Chunk* chunk = nullptr;
    std::string_view wire;
  };
  Asked& asked() { return asked_; }
  // Where requests from this listener go to, unless a [[route]] or WEIR.ON says otherwise.
  UpstreamIndex HomeOf(int listener) const { return homes_[static_cast<size_t>(listener)]; }
  // Null: there is no [[route]].
  RouteBook* routes() { return routes_.get(); }
  Upstream& UpstreamAt(UpstreamIndex i) { return *upstreams_[Number(i)]; }
  Upstream& UpstreamByIndex(int i) { return *upstreams_[static_cast<size_t>(i)]; }
  // Who subscribes to what there, over all workers.
  SubscriptionCounts& CountsOf(UpstreamIndex upstream);
  Subscribers& subscribers() { return subscribers_; }
  std::string_view ListenerAddress(int listener) const {
    return config_.listeners[static_cast<size_t>(listener)].address;
  }
  size_t session_words() const { return session_words_; }
  void InitConversation(Conversation& conversation, UpstreamIndex home);
  // `home`: of the client's listener. As long as the client stays in the db that its URL names,
  // each other upstream's is the one that its own URL names.
  LinkKey KeyOf(const Conversation& conversation, UpstreamIndex upstream, UpstreamIndex home);
  ScriptCache& ScriptsOf(UpstreamIndex upstream);
  // False: this worker has given that text to ScriptsOf(upstream) before. Errs on either side.
  bool IsNewScript(UpstreamIndex upstream, std::string_view text);
  // Calls session->Resend(request) at the end of the turn.
  void ResendAtTurnEnd(Session* session, Request* request) {
    resends_.emplace_back(session, request);
  }
  void SendResends(const Session* session);
  void ForgetResends(const Session* session);
  std::string TooManyLinksLine(UpstreamIndex upstream);
  std::string TooManyPinnedLine(UpstreamIndex upstream);
  uint64_t DeadlineMs(UpstreamIndex upstream, const CommandEntry* entry);
  void NoteUnknownCommand(UpstreamIndex upstream);
  uint32_t depth_max() const { return depth_max_; }
  uint32_t depth_resume() const { return depth_max_ / 2; }
  size_t output_bytes_max() const { return output_bytes_max_; }
  size_t output_pause_bytes() const { return output_pause_bytes_; }
  size_t output_resume_bytes() const { return output_pause_bytes_ / 4; }
  // A chunk with at least `room_min` bytes of room, which other clients' bytes may share.
  ChunkRef SharedChunk(size_t room_min);

  NameBudget& names() { return names_; }
  bool OverMemory() { return context().chunks.bytes_in_use() > memory_bytes_max_; }
  void PauseForMemory(Session* session);
  HeldReplies& held_replies() { return held_replies_; }
  void WatchSlowReader(Session* session) { slow_readers_.push_back(session); }
  void Remove(Session* session);

  // A number by which others may refer to a session's request for as long as it waits.
  uint64_t TakeTicket(Session* session, Request* request);
  void ForgetTickets(const Session* session);
  // Runs `visit` on all workers; the request's task combines what they say.
  void Gather(Session* session, Request* request,
              std::function<void(ClientTable&, std::string*)> visit);
  // Calls session->OnRedirectKnown with the number by which the node knows the own connection of
  // the client of this id; 0: there is no such client of the same upstream.
  void FindOwnConnection(Session* session, uint64_t id);
  MonitorFeed& monitors() { return monitors_; }
  Worker* Other(size_t index);
  // One of this worker's clients does not monitor this upstream any more: the other workers hear
  // it.
  void ForgetMonitor(size_t upstream);
  std::string InfoText();
  std::vector<std::string> Explain(Session& session, const std::vector<std::string_view>& args);
  // WEIR HEALTH, TOPOLOGY and UPSTREAMS; see LocalContext::report.
  std::optional<std::vector<std::string>> Report(const Session& session, LocalCommand what,
                                                 std::string_view upstream);

  // ---- Hold::Target
  void Resume(uint64_t ticket) override;
  void Answer(uint64_t ticket, std::string reply) override;

  // ---- Host
  int worker() const override { return index_; }
  uint64_t NowNs() override { return context().NowNs(); }
  int upstreams() const override { return static_cast<int>(upstreams_.size()); }
  const std::string& UpstreamName(int upstream) const override;
  std::unique_ptr<HostTimer> After(uint64_t delay_ms, std::function<void()> call) override;
  const RoutingTable& Routing(int upstream) override;
  std::vector<std::string> KeyOfEachNode(int upstream) override;
  void Call(int upstream, std::string_view key, std::string request,
            std::function<void(std::string_view reply)> done) override;
  void Log(std::string_view event, std::string_view detail) override;
  size_t TakeSessionSlot() override { return session_words_++; }
  void AddMetrics(std::shared_ptr<MetricsSource> source) override;
  std::shared_ptr<void> Share(std::string_view name,
                              const std::function<std::shared_ptr<void>()>& make) override;

 private:
  struct Ticket {
    Session* session;
    Request* request;  // null: a plugin's hold
  };
  class Table;

  void Run();
  void OnTick();
  void SweepSessions(uint64_t now_ms);
  void RelieveMemory();
  Session* FindSession(uint64_t id, UpstreamIndex home);
  void Visit(uint64_t asker, const std::function<void(ClientTable&, std::string*)>& visit,
             std::string* out);
  void FinishGather(uint64_t ticket, const std::vector<std::string>& parts);
  bool Rename(Session& session, const std::vector<std::string_view>& args,
              std::vector<std::string>* renamed);

  Server* const server_;
  const int index_;
  const Config& config_;
  std::vector<UpstreamIndex> homes_;  // by listener
  const uint32_t depth_max_;
  const size_t output_bytes_max_;
  const size_t output_pause_bytes_;
  const size_t memory_bytes_max_;
  uint64_t sweep_interval_ms_ = 1000;

  Loop loop_;
  RequestParser parser_;
  SlowLog* const slow_log_;
  KeyStats* const key_stats_;
  std::unique_ptr<RequestParser> asked_parser_;
  Asked asked_;
  std::vector<std::unique_ptr<Upstream>> upstreams_;
  std::unique_ptr<RouteBook> routes_;
  Subscribers subscribers_;
  RoutedCalls calls_;  // of plugins
  NameBudget names_;
  MonitorFeed monitors_;
  size_t session_words_ = 0;
  Chain chain_;
  uv_timer_t tick_;
  HeldReplies held_replies_;
  ChunkRef shared_chunk_;
  Session* sessions_ = nullptr;
  size_t session_count_ = 0;
  std::vector<Session*> memory_waiters_;
  std::vector<std::pair<Session*, Request*>> resends_;
  absl::flat_hash_set<size_t> seen_scripts_;  // hashes
  std::vector<Session*> slow_readers_;
  std::vector<uint64_t> unknown_reported_ms_;  // by upstream; 0: never
  absl::flat_hash_map<uint64_t, Ticket> tickets_;
  uint64_t last_ticket_ = 0;
  uint64_t next_tick_ns_ = 0;
  uint64_t last_sweep_ms_ = 0;
  uint64_t drain_until_ms_ = 0;  // 0: not draining
  std::atomic<int64_t> connections_{0};
  std::atomic<uint64_t> beat_ns_{0};
  std::atomic<bool> drained_{false};
  std::thread thread_;
};

}  // namespace weir

#endif  // WEIR_PROXY_WORKER_H_
