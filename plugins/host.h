// What the process lends to a plugin: clock, timers, log, its own upstream calls, session words.
#ifndef WEIR_PLUGINS_HOST_H_
#define WEIR_PLUGINS_HOST_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

class MetricsSource;
class RoutingTable;
class SessionView;

// A running timer; destroying it stops it. It may be destroyed in its own call.
class HostTimer {
 public:
  virtual ~HostTimer() = default;
};

// Whose requests those are that a plugin sends for a client: by its user and in its db, as they are
// when it is made. It may outlive the client.
class HostClient {
 public:
  virtual ~HostClient() = default;
};

// A request that was sent by Host::CallFor.
class HostCall {
 public:
  virtual ~HostCall() = default;
  // Of one that blocks: the node is told CLIENT UNBLOCK, so its reply comes soon, whatever it is.
  // Nothing happens before it was sent; who must be sure says it again.
  virtual void Unblock() = 0;
};

struct HostRequest {
  int upstream = 0;
  std::string key;  // for the node that serves it; "": any
  std::vector<std::string> args;
  bool blocks = false;     // waits for other clients: on a connection of its own, for any time
  bool is_script = false;  // takes the way of scripts; one that the node has forgotten is sent anew
  // No answer in so many times request_timeout_ms is an error. REQUIRES: not 0.
  uint64_t timeouts = 1;
};

// One a worker; outlives its plugins. All calls on that worker's thread.
class Host {
 public:
  virtual int worker() const = 0;
  virtual uint64_t NowNs() = 0;  // monotonic; the same within one loop turn
  virtual int upstreams() const = 0;
  virtual const std::string& UpstreamName(int upstream) const = 0;

  // Calls back once after `delay_ms`.
  [[nodiscard]] virtual std::unique_ptr<HostTimer> After(uint64_t delay_ms,
                                                         std::function<void()> call) = 0;
  // Sends a request of the plugin's own (RESP) to an upstream's node that serves `key` ("": any),
  // on a shared RESP2 link of the configured credentials and db. `done` gets the whole reply, or an
  // error reply of weir's; it is called exactly once, never before this returns.
  virtual void Call(int upstream, std::string_view key, std::string request,
                    std::function<void(std::string_view reply)> done) = 0;

  // For CallFor.
  virtual std::shared_ptr<const HostClient> ClientOf(SessionView& session) = 0;
  // The same as Call for a client, in RESP3: a node that does not speak it is not sent anything.
  virtual std::shared_ptr<HostCall> CallFor(const std::shared_ptr<const HostClient>& client,
                                            HostRequest request,
                                            std::function<void(std::string_view reply)> done) = 0;
  // The upstream's request_timeout_ms; 0: none.
  virtual uint64_t RequestTimeoutMs(int upstream) const = 0;

  // What weir knows of an upstream's commands. Valid until this turn of the loop ends.
  virtual const RoutingTable& Routing(int upstream) = 0;
  // Keys of which each, given to Call, reaches another node, and all together each that serves keys
  // now: "" for an upstream of one node; none while nobody is known to serve any.
  virtual std::vector<std::string> KeyOfEachNode(int upstream) = 0;

  virtual void Log(std::string_view event, std::string_view detail) = 0;

  // A number for SessionView::word; only while the chain is built.
  virtual size_t TakeSessionSlot() = 0;
  // Adds what the plugin counts to /metrics; only while the chain is built. The source is shared
  // because a scrape, on another thread, may outlast the plugin.
  virtual void AddMetrics(std::shared_ptr<MetricsSource> source) = 0;
  // What all workers have in common under this name: `make` is called by the first to ask, and the
  // others get the same. Only while the chain is built, which workers do one after the other.
  virtual std::shared_ptr<void> Share(std::string_view name,
                                      const std::function<std::shared_ptr<void>()>& make) = 0;

 protected:
  ~Host() = default;
};

}  // namespace weir

#endif  // WEIR_PLUGINS_HOST_H_
