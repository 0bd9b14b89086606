// A listening socket: bound early, so that a wrong address stops the start; accepting late.
#include "proxy/listener.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "plugins/text.h"
#include "proxy/listen_address.h"
#include "proxy/log.h"
#include "proxy/net/address.h"

namespace weir {
namespace {

constexpr uint64_t kPauseMs = 100;

absl::Status CannotListen(std::string_view address, std::string_view why) {
  return absl::FailedPreconditionError(Concat("cannot listen on ", address, ": ", why));
}

}  // namespace

Listener::~Listener() {
  if (fd_ >= 0) ::close(fd_);
  if (!unix_path_.empty()) ::unlink(unix_path_.c_str());
}

absl::Status Listener::Open() {
  const absl::StatusOr<Address> address = ParseListenAddress(config_->address);
  if (!address.ok()) return address.status();
  fd_ = ::socket(address->family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return CannotListen(config_->address, std::strerror(errno));
  const int on = 1;
  if (address->is_unix()) {
    const std::string path = config_->address.substr(std::strlen("unix:"));
    if (absl::Status status = ClearStaleSocket(path); !status.ok()) return status;
  } else {
    ::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    // So that an old and a new process can listen side by side.
    ::setsockopt(fd_, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    if (address->family() == AF_INET6) {
      ::setsockopt(fd_, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    }
  }
  if (::bind(fd_, address->get(), address->length()) != 0) {
    return CannotListen(config_->address,
                        errno == EADDRINUSE
                            ? "something else listens there; choose another address (--listen)"
                            : std::strerror(errno));
  }
  if (address->is_unix()) {
    unix_path_ = config_->address.substr(std::strlen("unix:"));
    ::chmod(unix_path_.c_str(), static_cast<mode_t>(std::stoul(config_->unix_mode, nullptr, 8)));
  }
  if (::listen(fd_, static_cast<int>(config_->tcp_backlog)) != 0) {
    return CannotListen(config_->address, std::strerror(errno));
  }
  address_ = address->is_unix() ? config_->address : Address::LocalOf(fd_).ToString();
  return absl::OkStatus();
}

// Removes the file of a process that is gone; one that somebody answers on is an error.
absl::Status Listener::ClearStaleSocket(const std::string& path) {
  struct stat found;
  if (::lstat(path.c_str(), &found) != 0) return absl::OkStatus();
  if (!S_ISSOCK(found.st_mode)) {
    return CannotListen(config_->address, "a file that is not a socket has this path");
  }
  const auto address = Address::FromUnixPath(path);
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool answered =
      probe >= 0 && address.has_value() && ::connect(probe, address->get(), address->length()) == 0;
  if (probe >= 0) ::close(probe);
  if (answered) return CannotListen(config_->address, "another process listens there");
  ::unlink(path.c_str());
  return absl::OkStatus();
}

void Listener::Accept(uv_loop_t* loop) {
  uv_poll_init(loop, &poll_, fd_);
  uv_timer_init(loop, &pause_);
  poll_.data = pause_.data = this;
  watching_ = true;
  uv_poll_start(&poll_, UV_READABLE, [](uv_poll_t* handle, int, int) {
    static_cast<Listener*>(handle->data)->OnReadable();
  });
}

void Listener::OnReadable() {
  for (int i = 0; i < kAcceptsPerTurnMax; ++i) {
    const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      on_accept_(fd);
      continue;
    }
    if (errno == EAGAIN) return;
    if (errno == EINTR || errno == ECONNABORTED) continue;
    // Out of descriptors or memory: the connections stay in the backlog; look again soon, instead
    // of turning in circles.
    static LogSampler sampler;
    LogSampled(&sampler, LogLevel::kError, "accept failed",
               {{"address", address_}, {"cause", std::strerror(errno)}});
    uv_poll_stop(&poll_);
    uv_timer_start(
        &pause_,
        [](uv_timer_t* timer) {
          auto* listener = static_cast<Listener*>(timer->data);
          uv_poll_start(&listener->poll_, UV_READABLE, [](uv_poll_t* handle, int, int) {
            static_cast<Listener*>(handle->data)->OnReadable();
          });
        },
        kPauseMs, 0);
    return;
  }
}

void Listener::Stop() {
  if (watching_) {
    uv_close(reinterpret_cast<uv_handle_t*>(&poll_), nullptr);
    uv_close(reinterpret_cast<uv_handle_t*>(&pause_), nullptr);
    watching_ = false;
  }
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  if (!unix_path_.empty()) ::unlink(std::exchange(unix_path_, "").c_str());
}

}  // namespace weir
