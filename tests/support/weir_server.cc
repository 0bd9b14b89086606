// The program under test.
#include "tests/support/weir_server.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include "tests/support/raw_client.h"
#include "tests/support/redis_server.h"
#include "tests/support/resp.h"

namespace weir::harness {
namespace {

// Sanitizers print these when they found something; with -fno-sanitize-recover it is also fatal.
constexpr const char* kReports[] = {"ERROR: AddressSanitizer", "ERROR: LeakSanitizer",
                                    "WARNING: ThreadSanitizer", "runtime error:"};

WeirConfig For(const RedisServer& redis) {
  WeirConfig config;
  config.url = redis.url();
  return config;
}

}  // namespace

bool WeirServer::direct() { return getenv("WEIR_TEST_DIRECT") != nullptr; }

std::string WeirServer::binary() {
  const char* other = getenv("WEIR_TEST_BINARY");
  return other != nullptr ? other : WEIR_BINARY;
}

WeirServer::WeirServer(const RedisServer& redis) : WeirServer(For(redis)) {}

WeirServer::WeirServer(WeirConfig config) {
  if (direct()) {
    direct_port_ = static_cast<uint16_t>(std::stoi(config.url.substr(config.url.rfind(':') + 1)));
    return;
  }
  const std::string path = dir_.Write("weir.toml", Toml(config));
  const std::string notify_path = dir_.path() + "/notify";
  const Fd notify = BindDatagram(notify_path);
  std::vector<std::string> environment = config.environment;
  environment.push_back("NOTIFY_SOCKET=" + notify_path);
  process_ = std::make_unique<Process>(std::vector<std::string>{binary(), "--config", path},
                                       dir_.path() + "/weir.log", environment);
  if (!ToldReady(notify.get())) {
    ADD_FAILURE() << "weir did not start:\n" << process_->output() << "\nwith\n" << ReadFile(path);
  }
}

// As systemd learns it: only then do all listeners accept.
bool WeirServer::ToldReady(int notify_fd) const {
  const Deadline deadline(kPatience_ms);
  while (!deadline.over() && process_->Running()) {
    char message[4096];
    const ssize_t size =
        WaitFor(notify_fd, POLLIN, 20) ? read(notify_fd, message, sizeof message) : 0;
    if (size > 0 && std::string_view(message, static_cast<size_t>(size)).starts_with("READY=1\n")) {
      return true;
    }
  }
  return false;
}

WeirServer::~WeirServer() {
  if (!process_) return;
  Terminate();
  const std::string output = process_->output();
  for (const char* report : kReports) {
    EXPECT_EQ(output.find(report), std::string::npos) << output;
  }
  if (::testing::Test::HasFailure()) {
    ::testing::Test::RecordProperty("weir_log", output);
    fprintf(stderr, "--- what weir printed:\n%s---\n", output.c_str());
  }
}

uint16_t WeirServer::port() const { return direct() ? direct_port_ : reservation_.port(); }

int64_t WeirServer::Terminate() {
  if (!process_) return 0;
  const int64_t start_ms = NowMs();
  process_->Signal(SIGTERM);
  const std::optional<int> code = process_->Wait(kPatience_ms + 10000);
  EXPECT_TRUE(code.has_value()) << "weir still runs after SIGTERM";
  EXPECT_EQ(code.value_or(0), 0) << process_->output();
  return NowMs() - start_ms;
}

std::string WeirServer::Info(const std::string& name) {
  RawClient client(port());
  return ParseInfo(client.Text({"INFO", "weir"}))[name];
}

std::string WeirServer::Toml(const WeirConfig& config) const {
  std::string text = "workers = " + std::to_string(config.workers) + "\n" + config.top;
  text += "[[listener]]\naddress = \"" + reservation_.address() + "\"\n" + config.listener;
  text += "[upstream.default]\nurl = \"" + config.url + "\"\n" + config.upstream;
  text += "[limits]\n" + config.limits;
  text += "[commands]\n" + config.commands;
  text += "[admin]\naddress = \"" + (config.admin ? admin_reservation_.address() : "off") + "\"\n";
  return text + config.rest;
}

HttpResponse HttpGet(uint16_t port, const std::string& path) {
  HttpResponse response;
  RawClient client(port);
  if (!client.connected()) return response;
  client.Send("GET " + path + " HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n");
  const std::string all = client.ReadUntilClose();
  const size_t body = all.find("\r\n\r\n");
  if (all.compare(0, 5, "HTTP/") != 0 || body == std::string::npos) return response;
  response.status = atoi(all.c_str() + all.find(' '));
  response.body = all.substr(body + 4);
  return response;
}

}  // namespace weir::harness
