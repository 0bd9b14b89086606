// Unix sockets for the fuzzer of sessions, where waiting for ever is a finding.
#ifndef WEIR_TESTS_PROXY_FUZZ_SOCKET_H_
#define WEIR_TESTS_PROXY_FUZZ_SOCKET_H_

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <string>
#include <string_view>

#include "absl/strings/escaping.h"

namespace weir::testing {

// Who waits longer than this hangs. Below libFuzzer's own 10 s, which could not say for what.
inline constexpr auto kHang = std::chrono::milliseconds(8000);

// Into so many writes, at most, is anything cut.
inline constexpr size_t kPiecesMax = 64;

// Bytes as a message can show them.
inline std::string Shown(std::string_view bytes) {
  constexpr size_t kShownMax = 2000;
  return absl::CEscape(std::string(bytes.substr(0, kShownMax)));
}

[[noreturn]] inline void Die(std::string_view what, std::string_view bytes) {
  std::fprintf(stderr, "session fuzzing: %s\n%s\n", std::string(what).c_str(),
               Shown(bytes).c_str());
  std::abort();
}

class Patience {
 public:
  // `bytes` help to see what was going on.
  void Check(std::string_view what, std::string_view bytes) const {
    if (std::chrono::steady_clock::now() > end_) Die(what, bytes);
  }

 private:
  const std::chrono::steady_clock::time_point end_ = std::chrono::steady_clock::now() + kHang;
};

inline sockaddr_un UnixAddress(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) Die("the path is too long for a socket", path);
  std::copy(path.begin(), path.end(), address.sun_path);
  return address;
}

inline int ListenOnUnix(const std::string& path) {
  const sockaddr_un address = UnixAddress(path);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(fd, SOMAXCONN) != 0) {
    Die(std::strerror(errno), path);
  }
  return fd;
}

inline int ConnectToUnix(const std::string& path) {
  const sockaddr_un address = UnixAddress(path);
  const Patience patience;
  for (;;) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return fd;
    ::close(fd);
    patience.Check("nobody listens", path);  // weir is just starting, perhaps
    ::poll(nullptr, 0, 1);
  }
}

// False: the peer is gone.
inline bool SendAll(int fd, std::string_view bytes) {
  const Patience patience;
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
      bytes.remove_prefix(static_cast<size_t>(n));
    } else if (errno == EAGAIN) {
      patience.Check("the peer does not read", bytes);
      pollfd writable = {fd, POLLOUT, 0};
      ::poll(&writable, 1, 100);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

// Whether the peer has read everything, or is gone.
inline bool IsRead(int fd) {
  int unread = 0;
  return ::ioctl(fd, SIOCOUTQ, &unread) != 0 || unread == 0;
}

// Waits for bytes to read, for a moment at most.
inline bool WaitShortly(int fd, long at_most_ns) {
  pollfd readable = {fd, POLLIN, 0};
  const timespec moment = {at_most_ns / 1'000'000'000, at_most_ns % 1'000'000'000};
  return ::ppoll(&readable, 1, &moment, nullptr) > 0;
}

inline void AwaitRead(int fd) {
  const Patience patience;
  while (!IsRead(fd)) {
    patience.Check("the peer does not read what was said", "");
    const timespec moment = {0, 20'000};
    ::nanosleep(&moment, nullptr);
  }
}

// Sends `bytes` in pieces, each when the one before was read if that is soon, then closes this
// direction, and reads until the peer closes the other. Returns what it said.
inline std::string Converse(int fd, std::string_view bytes,
                            const std::function<size_t()>& next_piece) {
  constexpr long kMoment_ns = 20'000;
  constexpr int kMomentsMax = 50;  // the peer may have paused reading
  const Patience patience;
  std::string heard;
  bool sending = true;
  size_t pieces = 0;
  for (int moments = 0;;) {
    patience.Check("the conversation does not end; heard so far:", heard);
    if (sending && (IsRead(fd) || ++moments > kMomentsMax)) {
      moments = 0;
      const size_t piece = ++pieces < kPiecesMax ? next_piece() : bytes.size();
      const ssize_t n = bytes.empty() ? 0
                                      : ::send(fd, bytes.data(), std::min(piece, bytes.size()),
                                               MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n > 0) bytes.remove_prefix(static_cast<size_t>(n));
      if (bytes.empty() || (n < 0 && errno == EPIPE)) {
        sending = false;
        ::shutdown(fd, SHUT_WR);
      }
    }
    if (!WaitShortly(fd, sending ? kMoment_ns : 100'000'000)) continue;
    char chunk[65536];
    const ssize_t n = ::recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT);
    // With bytes of ours unread, the peer's close is a reset, behind all that it said.
    if (n == 0 || (n < 0 && errno == ECONNRESET)) return heard;
    if (n > 0) heard.append(chunk, static_cast<size_t>(n));
  }
}

}  // namespace weir::testing

#endif  // WEIR_TESTS_PROXY_FUZZ_SOCKET_H_
