// What weir tells the service manager (systemd's sd_notify): ready, stopping, status, still alive.
#ifndef WEIR_PROXY_SERVICE_H_
#define WEIR_PROXY_SERVICE_H_

#include <cstdint>
#include <string>

namespace weir {

// All of these do nothing where no service manager listens (NOTIFY_SOCKET is not set).
void NotifyReady(const std::string& status);   // once, when clients can connect
void NotifyStopping();                         // once, when weir drains
void NotifyStatus(const std::string& status);  // a line for `systemctl status`
void NotifyAlive();                            // the watchdog's heartbeat

// How often NotifyAlive must be called: half of what the service manager tolerates (WATCHDOG_USEC);
// 0 if it does not watch. Call it only while every worker's loop still turns.
int64_t WatchdogIntervalMs();

}  // namespace weir

#endif  // WEIR_PROXY_SERVICE_H_
