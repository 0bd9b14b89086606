// Admin HTTP: /metrics for Prometheus, /healthz and /readyz for whoever keeps weir running.
//
//   GET /metrics  every source's numbers, added up, in Prometheus' text format 0.0.4
//   GET /healthz  200 while every worker's loop turns, else 503 naming those that do not
//   GET /readyz   200 while clients can be served, else 503 with a line for each reason
//   GET /         what there is
//
// It has a thread of its own, libmicrohttpd's, so that a scrape takes nothing from a worker and a
// worker that hangs can still be told of. A connection carries one request and has its time:
// nobody holds a place that he does not use.
#ifndef WEIR_PROXY_ADMIN_H_
#define WEIR_PROXY_ADMIN_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "plugins/metrics_source.h"
#include "proxy/exchange_deadlines.h"

struct MHD_Daemon;

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

struct AdminLimits {
  unsigned connections_max = 64;            // more wait in the kernel's queue
  unsigned idle_timeout_s = 10;             // without a byte in either direction: closed
  unsigned exchange_max_s = 15;             // from the connection to the reply's end: closed
  size_t connection_bytes_max = 16 * 1024;  // a request's head and its reply's; longer: 414 or 431
  size_t body_bytes_max = 64 * 1024;        // of a request, which is thrown away; longer: closed
};

class Admin {
 public:
  static constexpr uint64_t kHeartbeatAgeMaxMs = 5000;  // older: the worker hangs

  // Listens on `address` ("127.0.0.1:9380", "[::1]:9380"; port 0: the system chooses) and answers
  // from then on. `source` outlives it. FailedPrecondition says why the address cannot be had.
  static absl::StatusOr<std::unique_ptr<Admin>> Start(std::string_view address, AdminSource* source,
                                                      const AdminLimits& limits = {});
  // Cuts off exchanges that go on; waits only for a call of the source that is in progress.
  ~Admin();
  Admin(const Admin&) = delete;
  Admin& operator=(const Admin&) = delete;

  // Where it listens: `address` with the port that the system chose.
  const std::string& address() const { return address_; }

 private:
  struct Callbacks;  // what libmicrohttpd calls

  Admin(AdminSource* source, const AdminLimits& limits)
      : source_(source), limits_(limits), deadlines_(std::chrono::seconds(limits.exchange_max_s)) {}
  absl::Status Listen(std::string_view address);
  absl::Status Serve();

  AdminSource* const source_;
  const AdminLimits limits_;
  int listen_fd_ = -1;  // until the daemon owns it
  std::string address_;
  ExchangeDeadlines deadlines_;
  MHD_Daemon* daemon_ = nullptr;  // owned
};

}  // namespace weir

#endif  // WEIR_PROXY_ADMIN_H_
