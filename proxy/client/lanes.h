// A client's ways to several upstreams, where [[route]] rules or WEIR.ON send its requests.
//
// A lane is what a session keeps of one upstream: the links that fit the client, and what is in
// flight on them. The session works in one lane at a time, its `upstream_`; what that has is in the
// session itself, so that a client of a single upstream pays nothing for there being others. All
// lanes may have requests in flight at once: replies wait for their place in the session's queue,
// and each lane keeps its own requests in order. Each request says of which lane it is, and
// whatever happens to it happens in that lane (InLane).
//
// A client has at most one connection of its own, in one lane. It waits for all other lanes before
// it is taken, and while something is in flight on it, other lanes wait.
#ifndef WEIR_PROXY_CLIENT_LANES_H_
#define WEIR_PROXY_CLIENT_LANES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "proxy/client/routes.h"
#include "proxy/client/session.h"
#include "proxy/upstream_index.h"
#include "routing/route.h"

namespace weir {

class Link;
class LinkGroup;

struct Lane {
  LinkGroup* group = nullptr;  // held; null: it was never entered
  Link* flow = nullptr;
  uint32_t on_links = 0;
  uint32_t version = 0;  // of Lanes when `group` was looked up
  std::unique_ptr<Routes> routes;
};

struct Lanes {
  Lanes(UpstreamIndex of_listener, size_t upstreams) : home(of_listener), all(upstreams) {}

  const UpstreamIndex home;
  RouteRules::Set rules = 0;  // that are for this listener
  std::vector<Lane> all;  // by upstream; of the one that the session is in, only `version` counts
  uint32_t version = 0;   // grows whenever db, protocol version or credentials change
  size_t held_bytes = 0;  // of replies that wait for an earlier one's
  std::unique_ptr<DeferredMulti> multi;

  // Of the request in hand:
  bool named = false;  // by WEIR.ON: no rule is asked
  RouteChoice choice;
  std::string refusal;  // why it cannot be sent anywhere; empty: it can
};

// While it lives, the session is in another lane, or in the same.
class InLane {
 public:
  InLane(Session* session, UpstreamIndex lane) : session_(session), before_(session->upstream()) {
    if (lane != before_) [[unlikely]]
      session->Enter(lane);
  }
  ~InLane() {
    if (session_->upstream() != before_) [[unlikely]]
      session_->Enter(before_);
  }
  InLane(const InLane&) = delete;
  InLane& operator=(const InLane&) = delete;

 private:
  Session* const session_;
  const UpstreamIndex before_;
};

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_LANES_H_
