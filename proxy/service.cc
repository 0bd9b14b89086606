// What weir tells the service manager: the only file that includes libsystemd.
#include "proxy/service.h"

#include <systemd/sd-daemon.h>

#include <algorithm>

namespace weir {
namespace {

void Notify(const std::string& state) { sd_notify(0, state.c_str()); }

// A status is one line of the protocol: what follows a newline would be another assignment.
std::string StatusLine(std::string status) {
  std::replace(status.begin(), status.end(), '\n', ' ');
  return "STATUS=" + status;
}

}  // namespace

void NotifyReady(const std::string& status) { Notify("READY=1\n" + StatusLine(status)); }

void NotifyStopping() { Notify("STOPPING=1\nSTATUS=draining"); }

void NotifyStatus(const std::string& status) { Notify(StatusLine(status)); }

void NotifyAlive() { Notify("WATCHDOG=1"); }

int64_t WatchdogIntervalMs() {
  uint64_t tolerated_us = 0;
  if (sd_watchdog_enabled(0, &tolerated_us) <= 0) return 0;
  return std::max<int64_t>(1, static_cast<int64_t>(tolerated_us / 2000));
}

}  // namespace weir
