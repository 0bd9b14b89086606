// A client's ways to the nodes of a cluster, and its requests that are on their way again.
//
// Requests of one client go to several nodes at once; Redis keeps their order on each connection,
// and a slot is served by one node, so they run in order within each slot. What could break that is
// a change of the map, or another connection to the same node. So both are barriers: what was sent
// the old way is answered before anything goes the new way.
//
// A request that a node refused, or that came back from a broken connection, is a Detour. Detours
// are sent again in the order in which they came back:
//
//   MOVED                        at once, to the node that it names, which then has the slot
//   ASK                          at once, to the node that it names, behind ASKING
//   TRYAGAIN                     after a pause, to the same node, behind ASKING if it was so before
//   CLUSTERDOWN LOADING          after a pause, to the node that has the slot by then
//   READONLY MASTERDOWN
//   came back                    likewise; the first time at once
//
// How often and how long, routing/redirect.h says; a change of the map ends all pauses. Where a
// later request of the client for the same slot has run meanwhile, and one of the two writes, the
// refused one must not run any more: its client gets the refusal.
#ifndef WEIR_PROXY_CLIENT_ROUTES_H_
#define WEIR_PROXY_CLIENT_ROUTES_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "plugins/host.h"
#include "proxy/client/deferred_multi.h"
#include "routing/redirect.h"
#include "routing/topology.h"

namespace weir {

class Link;
class LinkGroup;
class Upstream;
struct Request;

struct Route {
  LinkGroup* group = nullptr;  // held; null: not looked up yet
  Link* link = nullptr;        // where the requests in flight are
  uint32_t in_flight = 0;      // runs that are `routed`
  uint32_t run = 0;            // the last that was fanned out to it (Routes::fanned_runs)
  uint8_t branch = 0;          // its number in that run
};

struct Detour {
  Request* request;
  std::string line;          // what was said last, with its '-', without CRLF
  NodeIndex node = kNoNode;  // to go to; kNoNode: whoever has the slot
  uint64_t due_ms = 0;       // on the loop's clock; 0: at once
  bool asking = false;
  bool own = false;       // on a connection of the client's own
  bool given_up = false;  // `line` is the answer
};

struct ClusterTracking;

struct Routes {
  static constexpr uint64_t kPauseMs =
      50;  // before a node is tried again that could not be reached

  Routes();
  ~Routes();
  Routes(const Routes&) = delete;
  Routes& operator=(const Routes&) = delete;

  Route& at(NodeIndex node) {
    if (node >= by_node.size()) by_node.resize(node + size_t{1});
    return by_node[node];
  }
  // So that they are looked up again: the nodes, or what the client is, have changed.
  void ReleaseGroups();

  uint64_t epoch = 0;  // of the map by which all in flight was sent
  uint32_t away = 0;   // requests in flight that read from others than primaries
  uint64_t wrote_ms =
      0;  // when the client last sent, or heard of, what may write; on the loop's clock
  uint32_t fanned_runs = 0;  // so far
  bool scripts = false;      // what is in flight is on links for scripts
  std::vector<Route> by_node;
  std::deque<Detour> detours;
  uint64_t waits_since_ms = 0;  // the next request cannot be sent yet; 0: no such wait
  std::unique_ptr<HostTimer> timer;
  std::unique_ptr<DeferredMulti> multi;
  std::unique_ptr<ClusterTracking> tracking;  // null: the client tracks no keys
  uint64_t held_since_ns = 0;      // replies of the queue's head wait for others; 0: none do
  bool in_held_replies = false;    // of the worker
  size_t held_bytes = 0;           // of replies that wait for an earlier one's
  NodeIndex last_write = kNoNode;  // where the client last wrote: WAIT is about that
  int32_t pinned_slot = -1;        // of what the client's own connection holds; -1: not known
};

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_ROUTES_H_
