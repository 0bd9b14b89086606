// What a session keeps while it is in MONITOR.
#ifndef WEIR_PROXY_CLIENT_MONITORING_H_
#define WEIR_PROXY_CLIENT_MONITORING_H_

#include "proxy/net/slice_queue.h"
#include "proxy/upstream_index.h"

namespace weir {

struct Monitoring {
  UpstreamIndex upstream{};  // whose clients it is shown
  bool begun = false;        // it has its "OK"; until then all workers are told
  bool lost = false;         // it has missed something, or did not read: it is closed
  SliceQueue waiting;        // lines that came in the middle of a reply, for its end
};

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_MONITORING_H_
