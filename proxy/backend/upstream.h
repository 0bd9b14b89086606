// One named upstream as one worker sees it: what is known of it, and its links by key.
#ifndef WEIR_PROXY_BACKEND_UPSTREAM_H_
#define WEIR_PROXY_BACKEND_UPSTREAM_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "proxy/backend/link.h"
#include "proxy/backend/node_map.h"
#include "proxy/backend/snapshot.h"
#include "proxy/backend/standstill.h"
#include "proxy/config.h"
#include "routing/address_map.h"
#include "routing/read_policy.h"
#include "routing/redirect.h"
#include "routing/upstream_url.h"

namespace weir {

class ReplicaLags;
class Upstream;

// The links of one key. Sessions hold it by a count, so that a request finds its link without a
// look-up; it goes when no session and no link is left.
class LinkGroup {
 public:
  LinkGroup(Upstream* upstream, LinkKey key) : upstream_(upstream), key_(std::move(key)) {}

  const LinkKey& key() const { return key_; }
  // The shared link for a session with this number. Null when links_max is reached. Scripts have
  // links of their own: while one runs, Redis reads nothing more from the connection it came on, so
  // others behind it would not even hear that Redis is busy.
  Link* Shared(uint64_t session_number, bool for_script = false) {
    const size_t connections = shared_.size() / 2;
    const size_t index = session_number % connections + (for_script ? connections : 0);
    return shared_[index] != nullptr ? shared_[index] : Open(index);
  }
  // A link for one session alone, until GiveBack or its failure. Null when
  // pinned_connections_max is reached.
  Link* TakeExclusive();
  // A new one for weir's own question whether the node answers, one at a time for each node. It
  // does not wait for clients to leave room: if all of theirs hang at that node, they never do.
  // Null: the node has left.
  Link* TakeForProbe();
  // `clean`: nothing of the session is left on it, so that another may have it.
  void GiveBack(Link* link, bool clean);
  // No new requests for this shared link: the next ones get a fresh one.
  void SetAside(Link* link);

  void Hold() { ++holders_; }
  void Release();

 private:
  friend class Upstream;
  Link* Open(size_t index);

  Upstream* const upstream_;
  const LinkKey key_;
  std::vector<Link*> shared_;  // connections_per_node for commands, then as many for scripts
  // The last given back is the next taken, so those beyond what is needed reach their idle timeout.
  std::vector<Link*> idle_exclusive_;
  size_t links_ = 0;
  size_t holders_ = 0;
};

class Upstream final : public LinkOwner {
 public:
  // Told about a node's coming and going, by any worker; the receiver keeps apart what is news.
  using OnNodeState = std::function<void(const std::string& upstream, const std::string& node,
                                         bool up, const std::string& cause)>;

  // Called when a link is connected again after one had broken: the server may be another.
  using OnReconnected = std::function<void()>;

  // `context`, `config` and `standstill` outlive it.
  Upstream(LoopContext* context, const UpstreamConfig* config, int index, UpstreamUrl url,
           std::shared_ptr<const UpstreamSnapshot> snapshot, Standstill* standstill,
           OnNodeState on_node_state, OnReconnected on_reconnected = nullptr);
  ~Upstream();

  // `wanted` hears why the nodes should be asked anew which slots they serve: a redirect, a broken
  // connection. Many calls are one; see kRefreshPauseMs.
  void SetOnRefreshWanted(std::function<void(std::string_view why)> wanted) {
    on_refresh_wanted_ = std::move(wanted);
  }

  const UpstreamConfig& config() const { return *config_; }
  const UpstreamUrl& url() const { return url_; }
  int index() const { return index_; }
  const UpstreamSnapshot& snapshot() const { return *snapshot_; }
  // Requests in flight may still point into the old one, so it lives on until none can.
  void SetSnapshot(std::shared_ptr<const UpstreamSnapshot> snapshot);
  // Dbs below this were selected with success before.
  int databases_known() const { return databases_known_; }
  void LearnDatabase(int db) { databases_known_ = std::max(databases_known_, db + 1); }

  Standstill& standstill() { return *standstill_; }

  // The group with this key, held for the caller once.
  LinkGroup* Hold(const LinkKey& key);
  LinkKey BaseKey() const;

  // ---- several nodes
  // "FROM=TO", for all that redirects say. REQUIRES: it is well-formed.
  void AddAddressMapping(std::string_view mapping);
  // Whether reads may go to other nodes than the primary of their slot; then a node for them, the
  // same for the same number while nothing changes. `primary` itself, if it is to be; kNoNode: no
  // node may be read.
  bool reads_elsewhere() const { return config_->read_from != ReadFrom::kPrimary; }
  NodeIndex ReaderOf(NodeIndex primary, uint64_t number) {
    if (context_->NowMs() >= readers_until_ms_) [[unlikely]]
      UpdateReaders();
    if (primary >= readers_.size()) return primary;
    const std::vector<NodeIndex>& readers = readers_[primary];
    return readers.empty() ? kNoNode : readers[number % readers.size()];
  }
  // Looks anew at who can be read from: a few times a second.
  void UpdateReaders();
  // How far its replicas are behind is measured there; it outlives this.
  void SetReplicaLags(const ReplicaLags* lags) { lags_ = lags; }

  // Each node gets a circuit breaker (routing/circuit_breaker.h), and `on_ejection` hears when it
  // opens and when it is closed again. Before any link is made.
  using OnEjection = std::function<void(const std::string& upstream, const std::string& node,
                                        bool ejected, const std::string& cause)>;
  void BreakCircuits(OnEjection on_ejection);
  // Does what they say; a few times a second.
  void TendBreakers();

  // More nodes than one, or maybe so: a cluster, a primary with replicas, sharded servers.
  bool is_cluster() const {
    return url_.kind != UpstreamKind::kSingle || url_.endpoints.size() > 1 ||
           config_->discover_replicas;
  }
  // Of a primary with replicas: each new link has the node say first that it is the primary.
  void ConfirmPrimaries() { confirms_primaries_ = true; }
  // The node has said that it is a replica, or is doubted for another reason: its links are closed
  // with the next CloseDoubted().
  void Doubt(NodeIndex node) { doubted_.push_back(node); }
  void CloseDoubted();
  const NodeMap& map() const { return map_; }
  const AddressMap& address_map() const { return address_map_; }
  // Where published messages are heard and said: of a cluster one of the primaries, the same in
  // all workers and processes for the same turn, and for as long as it stays; else the one that has
  // what has no key. kNoNode: there is none.
  NodeIndex MessageNode(uint32_t turn);
  // The node that a redirect names, which `said_by` sent. kNoNode: there is no room for one more.
  NodeIndex NodeOf(const Redirect& redirect, NodeIndex said_by);
  // The number of a node that is known from elsewhere; see NodeMap.
  NodeIndex FindOrAdd(const Node& address) { return map_.FindOrAdd(address); }
  // The node serves the slot from now on.
  void Patch(uint16_t slot, NodeIndex node) {
    if (map_.Patch(slot, node)) TellTrackers();
  }
  void WantRefresh(std::string_view why);
  // "127.0.0.1:6379"; "" if nobody has that number.
  std::string NodeAddress(NodeIndex i) const;

  // ---- clients that track keys on several nodes (see proxy/client/cluster_tracking.cc)
  // Links with `client` as their key's tracker can be made from now on: one a node, for all of its
  // requests, which `owner` holds, and which counts in pinned_connections_max. Whenever other nodes
  // serve some slots, `owner` hears of it.
  void AddTracker(uint64_t client, RequestOwner* owner) { trackers_[client] = owner; }
  // No more are made. Those that are there are the owner's to close.
  void RemoveTracker(uint64_t client) { trackers_.erase(client); }

  size_t links() const { return links_.size(); }
  size_t own_links() const { return own_links_; }
  uint64_t requests_in_flight() const;
  // Connections ever established: a change means that the server may be another.
  uint64_t connections_made() const { return connections_made_; }
  void ForEachLink(const std::function<void(const Link&)>& visit) const;

  // Sets shared links aside that a script keeps waiting, so that no more requests get behind it.
  void RelieveBusyLinks();
  // Closes links that nobody used for idle_link_timeout_ms.
  void CloseIdle();
  // Closes all links; their handles leave the loop a little later.
  void Close();

 private:
  friend class LinkGroup;
  void OnLinkConnected(Link& link) override;
  void OnLinkFailed(Link& link, std::string_view cause) override;
  void OnLinkClosed(Link& link) override;
  void OnRequestFailed(Link& link, RequestFailure what, std::string_view cause) override;
  std::vector<NodeFigures> Measure(const std::vector<NodeIndex>& numbers, uint64_t now_ms) const;
  void GiveBreaker(NodeState* node);
  void KeepBreaker(NodeIndex node);
  void Eject(NodeIndex node);
  void Probe(NodeIndex node);
  void OnProbed(NodeIndex node, bool succeeded);
  bool HasRoomFor(bool own);
  Link* MakeLink(LinkGroup* group, bool own);
  void AbandonLinksTo(NodeIndex node, std::string_view cause);
  bool CloseAnIdleOwnLink();
  void TellTrackers();
  static constexpr uint64_t kBusyMs = 50;
  static constexpr uint64_t kRefreshPauseMs = 20;
  static constexpr size_t kBusyLinksMax = 8;
  // At the bound all are forgotten: such nodes return as if they were new.
  static constexpr size_t kBreakersKeptMax = NodeMap::kNodesMax;
  void Forget(LinkGroup* group, const Link* link);
  void EraseIfUnused(LinkGroup* group);

  LoopContext* const context_;
  const UpstreamConfig* const config_;
  const int index_;
  const UpstreamUrl url_;
  std::shared_ptr<const UpstreamSnapshot> snapshot_;
  std::vector<std::shared_ptr<const UpstreamSnapshot>> old_snapshots_;
  Standstill* const standstill_;
  const OnNodeState on_node_state_;
  const OnReconnected on_reconnected_;
  OnEjection on_ejection_;  // null: no circuit breakers
  // Of nodes that have left or are taken for dead, by address: they may be back.
  absl::flat_hash_map<std::string, std::unique_ptr<CircuitBreaker>> breakers_kept_;
  bool confirms_primaries_ = false;
  std::vector<NodeIndex> doubted_;
  std::vector<std::vector<NodeIndex>> readers_;  // by primary; those that are none read themselves
  uint64_t readers_until_ms_ = UINT64_MAX;       // then one of them may have come to lag too much
  const ReplicaLags* lags_ = nullptr;            // null: any lag will do
  std::function<void(std::string_view)> on_refresh_wanted_;
  uint64_t refresh_wanted_ms_ = 0;  // when it was last called
  NodeMap map_;
  AddressMap address_map_;
  // The last answer of MessageNode, and what it holds for.
  NodeIndex message_node_ = kNoNode;
  uint32_t message_turn_ = 0;
  uint64_t message_epoch_ = 0;
  absl::flat_hash_map<LinkKey, std::unique_ptr<LinkGroup>> groups_;
  absl::flat_hash_map<Link*, std::unique_ptr<Link>> links_;
  absl::flat_hash_map<uint64_t, RequestOwner*> trackers_;
  std::vector<const Link*> busy_links_;  // that were set aside
  size_t own_links_ = 0;  // of links_, those for one client at a time, idle ones included
  int databases_known_ = 1;
  uint64_t connections_made_ = 0;
  bool broke_ = false;  // a link did, and none was connected since
};

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_UPSTREAM_H_
