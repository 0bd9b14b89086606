// Requests of weir's own that follow what the nodes of a cluster say, like those of clients: sent
// again where MOVED, ASK, TRYAGAIN, CLUSTERDOWN, LOADING, READONLY and MASTERDOWN say, within the
// same bounds (routing/redirect.h).
#ifndef WEIR_PROXY_BACKEND_ROUTED_CALL_H_
#define WEIR_PROXY_BACKEND_ROUTED_CALL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "plugins/host.h"
#include "proxy/backend/call.h"
#include "proxy/backend/link_key.h"
#include "routing/redirect.h"
#include "routing/topology.h"

namespace weir {

class Upstream;
struct LoopContext;

// One worker's; single-threaded.
class RoutedCalls {
 public:
  using After = std::function<std::unique_ptr<HostTimer>(uint64_t, std::function<void()>)>;
  using Done = std::function<void(std::string_view reply)>;

  // What only some calls need to say.
  struct Options {
    std::optional<LinkKey> as;  // by whom and where; the node is found. Nothing: the upstream's own
    bool for_script = false;
    uint64_t timeouts = 1;
    std::shared_ptr<CallLink> own = nullptr;  // see CallOptions
  };

  // `context` outlives it.
  RoutedCalls(LoopContext* context, After after) : context_(context), after_(std::move(after)) {}

  // To the node of `upstream`, which outlives the call, that serves `key` ("": any). `done` is
  // called exactly once, never before this returns.
  void Start(Upstream* upstream, std::string_view key, std::string request, Done done,
             Options options);
  void Start(Upstream* upstream, std::string_view key, std::string request, Done done) {
    Start(upstream, key, std::move(request), std::move(done), Options());
  }
  // Those that wait to be sent again are answered with an error, and none waits from now on.
  void Close();

 private:
  struct Call {
    Upstream* upstream;
    std::string key;
    std::string request;
    Done done;
    Options options;
    NodeIndex node = kNoNode;  // where it was sent last, or is to be sent; kNoNode: by its key
    bool asking = false;
    RedirectHistory history{};
    std::unique_ptr<HostTimer> timer{};
  };
  using CallPtr = std::shared_ptr<Call>;

  void Send(const CallPtr& call);
  void OnReply(const CallPtr& call, std::string_view reply);
  void Wait(const CallPtr& call, uint64_t wait_ms, std::function<void(const CallPtr&)> then);

  LoopContext* const context_;
  const After after_;
  absl::flat_hash_set<CallPtr> waiting_;
  bool closed_ = false;
};

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_ROUTED_CALL_H_
