// A socket that clients connect to.
#ifndef WEIR_PROXY_LISTENER_H_
#define WEIR_PROXY_LISTENER_H_

#include <uv.h>

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "proxy/config.h"

namespace weir {

class Listener {
 public:
  // Gets each accepted, non-blocking descriptor, and owns it from then on.
  using OnAccept = std::function<void(int fd)>;

  Listener(const ListenerConfig* config, OnAccept on_accept)
      : config_(config), on_accept_(std::move(on_accept)) {}
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Binds and listens, but accepts nobody yet. The error says what the address is and what to do.
  absl::Status Open();
  void Accept(uv_loop_t* loop);
  void Stop();
  // With the port that the system chose, if it did.
  const std::string& address() const { return address_; }

 private:
  static constexpr int kAcceptsPerTurnMax = 64;
  absl::Status ClearStaleSocket(const std::string& path);
  void OnReadable();

  const ListenerConfig* const config_;
  const OnAccept on_accept_;
  std::string address_;
  std::string unix_path_;
  int fd_ = -1;
  uv_poll_t poll_;
  uv_timer_t pause_;  // after running out of descriptors
  bool watching_ = false;
};

}  // namespace weir

#endif  // WEIR_PROXY_LISTENER_H_
