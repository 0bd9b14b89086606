// What a session keeps while its client tracks keys on several nodes: see cluster_tracking.cc.
#ifndef WEIR_PROXY_CLIENT_CLUSTER_TRACKING_H_
#define WEIR_PROXY_CLIENT_CLUSTER_TRACKING_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "proxy/net/slice_queue.h"

namespace weir {

class Link;
struct Request;

struct ClusterTracking {
  // Of the commands that a new link must hear; more PREFIXes are refused.
  static constexpr size_t kStepBytesMax = size_t{64} << 10;

  bool on = false;      // a node has agreed, and not been told otherwise
  bool ending = false;  // the links go back at the turn's end
  bool shown = false;   // it is counted in pinned_tracking
  bool broadcast = false;
  bool optin = false;
  bool optout = false;
  bool caching = false;            // CLIENT CACHING was said, and is about the next request
  bool reset_links = false;        // what they know may differ: at the turn's end they are closed
  bool reach = false;              // BCAST: there may be a primary without a link
  uint64_t epoch = 0;              // of the map by which the client was last told what it can keep
  std::vector<std::string> steps;  // what makes a new connection track as the others do
  std::vector<Link*> links;        // one a node, and such as wait for their last replies
  // What is to be said behind the reply to a request; `behind` stands in the session's queue.
  struct Waiting {
    const Request* behind;
    SliceQueue pushes;
  };
  std::deque<Waiting> waiting;
};

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_CLUSTER_TRACKING_H_
