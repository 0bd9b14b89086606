// Admin HTTP: /metrics for Prometheus, /healthz and /readyz for whoever keeps weir running.
//
//   GET /metrics  every source's numbers, added up, in Prometheus' text format 0.0.4
//   GET /healthz  200 while every worker's loop turns, else 503 naming those that do not
//   GET /readyz   200 while clients can be served, else 503 with a line for each reason
//   GET /         what there is
//
// It has a thread of its own, so that a scrape takes nothing from a worker and a worker that hangs
// can still be told of.
#ifndef WEIR_PROXY_ADMIN_H_
#define WEIR_PROXY_ADMIN_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "plugins/metrics_source.h"
#include "proxy/http_server.h"

namespace weir {

// What the process tells its admin HTTP. All of it is called on the admin thread.
class AdminSource {
 public:
  // For each worker by its index, how long ago its loop last said that it turns.
  virtual std::vector<uint64_t> HeartbeatAgesMs() = 0;
  // Why clients should be sent elsewhere, a line each ("draining", "upstream default: no node is
  // up"); empty: weir is ready. NodeStates::NotReady says it of upstreams.
  virtual std::vector<std::string> NotReady() = 0;
  // Everything that counts, in any order. ProcessMetrics is one of them.
  virtual std::vector<std::shared_ptr<const MetricsSource>> MetricsSources() = 0;

 protected:
  ~AdminSource() = default;
};

class Admin {
 public:
  static constexpr uint64_t kHeartbeatAgeMaxMs = 5000;  // older: the worker hangs

  // Listens on `address` ("127.0.0.1:9380", "[::1]:9380"; port 0: the system chooses) and answers
  // from then on. `source` outlives it. FailedPrecondition says why the address cannot be had.
  static absl::StatusOr<std::unique_ptr<Admin>> Start(std::string_view address,
                                                      AdminSource* source);
  // Stops at once, but for a call of the source that is in progress.
  ~Admin() = default;

  // Where it listens: `address` with the port that the system chose.
  const std::string& address() const { return server_->address(); }

 private:
  explicit Admin(std::unique_ptr<HttpServer> server) : server_(std::move(server)) {}

  const std::unique_ptr<HttpServer> server_;
};

}  // namespace weir

#endif  // WEIR_PROXY_ADMIN_H_
