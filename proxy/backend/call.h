// A request of weir's own to an upstream: collects the whole reply and gives it to a function.
#ifndef WEIR_PROXY_BACKEND_CALL_H_
#define WEIR_PROXY_BACKEND_CALL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace weir {

class Link;
class LinkGroup;
class Upstream;
struct LoopContext;

// While a call is on its way on a connection of its own, which it is.
struct CallLink {
  Link* link = nullptr;
};

struct CallOptions {
  bool retryable = false;   // it changes nothing, so it may be sent again
  bool asking = false;      // a slot's target is told to take it though it is only on its way there
  bool for_script = false;  // it goes where scripts go
  uint64_t timeouts = 1;    // so many times request_timeout_ms may pass; 0: any time
  // Not null: it goes on a connection of its own.
  std::shared_ptr<CallLink> own = nullptr;
};

// `request` in RESP. `done` is called exactly once, from the loop and never before this returns,
// with the reply or an error line of weir's. A reply larger than 16 MiB is an error.
// `group` null: the upstream's own credentials and db, RESP2.
void CallUpstream(LoopContext* context, Upstream* upstream, LinkGroup* group, std::string request,
                  CallOptions options, std::function<void(std::string_view reply)> done);
// The same, with no other option.
inline void CallUpstream(LoopContext* context, Upstream* upstream, LinkGroup* group,
                         std::string request, bool retryable,
                         std::function<void(std::string_view reply)> done) {
  CallUpstream(context, upstream, group, std::move(request), CallOptions{.retryable = retryable},
               std::move(done));
}

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_CALL_H_
