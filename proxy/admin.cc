#include "proxy/admin.h"

#include <civetweb.h>

#include <array>
#include <utility>

#include "plugins/text.h"
#include "proxy/metrics_page.h"

namespace weir {
namespace {

struct HttpAnswer {
  int status = 200;
  std::string body;
  std::string_view type = "text/plain; charset=utf-8";
};

std::string_view ReasonPhrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    default:
      return "Service Unavailable";
  }
}

HttpAnswer AnswerMetrics(AdminSource& source) {
  MetricsPage page;
  for (const auto& metrics : source.MetricsSources()) metrics->Collect(page);
  return {200, page.Text(), "text/plain; version=0.0.4; charset=utf-8"};
}

HttpAnswer AnswerHealth(AdminSource& source) {
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

HttpAnswer AnswerReadiness(AdminSource& source) {
  std::string reasons;
  for (const std::string& reason : source.NotReady()) reasons += reason + "\n";
  if (reasons.empty()) return {200, "ok\n"};
  return {503, std::move(reasons)};
}

HttpAnswer AnswerIndex(AdminSource&) {
  return {200, "weir " WEIR_VERSION
               "\n"
               "/metrics  numbers for Prometheus\n"
               "/healthz  200 while every worker's event loop turns\n"
               "/readyz   200 while clients can be served\n"};
}

struct Page {
  std::string_view path;
  HttpAnswer (*answer)(AdminSource& source);
};
constexpr Page kPages[] = {{"/", &AnswerIndex},
                           {"/metrics", &AnswerMetrics},
                           {"/healthz", &AnswerHealth},
                           {"/readyz", &AnswerReadiness}};

HttpAnswer Answer(AdminSource& source, std::string_view method, std::string_view path) {
  for (const Page& page : kPages) {
    if (page.path != path) continue;
    if (method != "GET" && method != "HEAD") return {405, "only GET and HEAD\n"};
    return page.answer(source);
  }
  return {404, "no such page; there are / /metrics /healthz /readyz\n"};
}

void Write(mg_connection* connection, const HttpAnswer& answer, bool with_body) {
  std::string bytes =
      Concat("HTTP/1.1 ", answer.status, " ", ReasonPhrase(answer.status),
             "\r\nContent-Type: ", answer.type, "\r\nContent-Length: ", answer.body.size(),
             "\r\nCache-Control: no-store\r\nConnection: close\r\n",
             answer.status == 405 ? "Allow: GET, HEAD\r\n" : "", "\r\n");
  if (with_body) bytes += answer.body;
  mg_write(connection, bytes.data(), bytes.size());
}

// civetweb would say what went wrong on stderr; what matters is in Start's status.
int SayNothing(const mg_connection*, const char*) { return 1; }

}  // namespace

absl::StatusOr<std::unique_ptr<Admin>> Admin::Start(std::string_view address, AdminSource* source) {
  const std::string listening_port(address);
  // No document root: civetweb serves no file. One request a connection keeps the threads free.
  const char* options[] = {"listening_ports",
                           listening_port.c_str(),
                           "num_threads",
                           "3",
                           "connection_queue",
                           "32",
                           "listen_backlog",
                           "64",
                           "max_request_size",
                           "8192",
                           "request_timeout_ms",
                           "5000",
                           "enable_keep_alive",
                           "no",
                           "enable_directory_listing",
                           "no",
                           "enable_auth_domain_check",
                           "no",
                           nullptr};
  mg_callbacks callbacks{};
  callbacks.begin_request = &Admin::OnHttpRequest;
  callbacks.log_message = &SayNothing;
  mg_init_library(0);  // counted; paired in the destructor
  std::unique_ptr<Admin> admin(new Admin(source));
  std::array<char, 256> text{};
  mg_init_data init{&callbacks, admin.get(), options};
  mg_error_data error{nullptr, text.data(), text.size()};
  admin->context_ = mg_start2(&init, &error);
  if (admin->context_ == nullptr) {
    const std::string message = Concat("admin HTTP cannot listen on ", address, ": ", text.data());
    return absl::UnavailableError(message);
  }
  mg_server_port port{};
  mg_get_server_ports(admin->context_, 1, &port);
  admin->address_ = Concat(address.substr(0, address.rfind(':') + 1), port.port);
  return admin;
}

Admin::~Admin() {
  if (context_ != nullptr) mg_stop(context_);
  mg_exit_library();
}

int Admin::OnHttpRequest(mg_connection* connection) {
  const mg_request_info& info = *mg_get_request_info(connection);
  auto& admin = *static_cast<Admin*>(info.user_data);
  const std::string_view method(info.request_method);
  const HttpAnswer answer = Answer(*admin.source_, method, info.local_uri);
  Write(connection, answer, method != "HEAD");
  return answer.status;  // not 0: the request was answered
}

}  // namespace weir
