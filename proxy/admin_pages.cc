#include "proxy/admin_pages.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "plugins/text.h"
#include "proxy/admin.h"
#include "proxy/metrics_page.h"

namespace weir {
namespace {

AdminReply AnswerMetrics(AdminSource& source) {
  MetricsPage page;
  for (const auto& metrics : source.MetricsSources()) metrics->Collect(page);
  return {200, page.Text(), "text/plain; version=0.0.4; charset=utf-8"};
}

AdminReply AnswerHealth(AdminSource& source) {
  std::string faults;
  const std::vector<uint64_t> ages_ms = source.HeartbeatAgesMs();
  for (size_t worker = 0; worker < ages_ms.size(); ++worker) {
    if (ages_ms[worker] <= Admin::kHeartbeatAgeMaxMs) continue;
    faults +=
        Concat("worker ", worker, ": its event loop has not turned for ", ages_ms[worker], " ms\n");
  }
  if (faults.empty()) return {200, "ok\n"};
  return {503, std::move(faults)};
}

AdminReply AnswerReadiness(AdminSource& source) {
  std::string reasons;
  for (const std::string& reason : source.NotReady()) reasons += reason + "\n";
  if (reasons.empty()) return {200, "ok\n"};
  return {503, std::move(reasons)};
}

AdminReply AnswerIndex(AdminSource&) {
  return {200, "weir " WEIR_VERSION
               "\n"
               "/metrics  numbers for Prometheus\n"
               "/healthz  200 while every worker's event loop turns\n"
               "/readyz   200 while clients can be served\n"};
}

struct Page {
  std::string_view path;
  AdminReply (*answer)(AdminSource& source);
};
constexpr Page kPages[] = {{"/", &AnswerIndex},
                           {"/metrics", &AnswerMetrics},
                           {"/healthz", &AnswerHealth},
                           {"/readyz", &AnswerReadiness}};

}  // namespace

AdminReply AnswerAdmin(AdminSource& source, std::string_view method, std::string_view path) {
  for (const Page& page : kPages) {
    if (page.path != path) continue;
    if (method == "GET" || method == "HEAD") return page.answer(source);
    return {.status = 405, .body = "only GET and HEAD\n", .allow = "GET, HEAD"};
  }
  return {404, "no such page; there are / /metrics /healthz /readyz\n"};
}

}  // namespace weir
