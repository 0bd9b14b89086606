// A request of weir's own to an upstream: collects the whole reply and gives it to a function.
#ifndef WEIR_PROXY_BACKEND_CALL_H_
#define WEIR_PROXY_BACKEND_CALL_H_

#include <functional>
#include <string>
#include <string_view>

namespace weir {

class LinkGroup;
class Upstream;
struct LoopContext;

// `request` in RESP. `done` is called exactly once, from the loop and never before this returns,
// with the reply or an error line of weir's. A reply larger than 16 MiB is an error.
// `asking`: a slot's target is told to take it though the slot is only on its way there.
// `retryable`: the request changes nothing, so it may be sent again. `group` null: the upstream's
// own credentials and db, RESP2.
void CallUpstream(LoopContext* context, Upstream* upstream, LinkGroup* group, std::string request,
                  bool retryable, std::function<void(std::string_view reply)> done,
                  bool asking = false);

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_CALL_H_
