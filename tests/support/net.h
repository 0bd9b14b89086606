// Sockets for tests: a descriptor that closes itself, a port that stays ours, and deadlines.
#ifndef WEIR_TESTS_SUPPORT_NET_H_
#define WEIR_TESTS_SUPPORT_NET_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

namespace weir::harness {

// True in a build under a sanitizer, where everything is slower and memory means something else.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
#else
inline constexpr bool kSanitized = false;
#endif

// How long a test waits for something that must happen before it says that it did not.
inline constexpr int kPatience_ms = kSanitized ? 60000 : 20000;

// A file descriptor, closed when this dies.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() { Close(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void Close();
  // Closes with RST instead of FIN: the peer sees "connection reset".
  void Reset();

 private:
  int fd_ = -1;
};

// A loopback port that the system chose and that stays reserved for as long as this lives: a socket
// stays bound to it and never listens. Linux then gives the port to nobody else, neither to bind(0)
// nor to an outgoing connection, yet a server which sets SO_REUSEADDR (Redis and weir do) can
// listen on it, stop and listen again. While none does, connecting is refused.
class PortReservation {
 public:
  PortReservation();
  uint16_t port() const { return port_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  Fd fd_;
  uint16_t port_ = 0;
};

// Each of these answers an empty Fd on failure, with errno set.
Fd BindDatagram(const std::string& unix_path);
Fd ListenOn(uint16_t port);
Fd ConnectTo(uint16_t port);
Fd ConnectFrom(const std::string& source_address, uint16_t port);  // "127.0.0.2"
Fd ConnectToUnix(const std::string& path);

// Waits until `fd` is ready for `events` (poll's); false when the time is over.
bool WaitFor(int fd, short events, int timeout_ms);

// Calls `condition` again and again until it is true or `timeout_ms` are over; answers which.
// For what can only be asked, not waited for.
template <typename Condition>
bool Eventually(Condition condition, int timeout_ms = kPatience_ms);

class Deadline {
 public:
  explicit Deadline(int timeout_ms)
      : end_(std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms)) {}
  // Never negative.
  int left_ms() const;
  bool over() const { return left_ms() == 0; }

 private:
  std::chrono::steady_clock::time_point end_;
};

// Milliseconds of the steady clock, to measure how long something took.
int64_t NowMs();

// Raises the limit of open files to what the system allows; answers the limit in force.
uint64_t RaiseOpenFilesLimit();

void PauseMs(int ms);

template <typename Condition>
bool Eventually(Condition condition, int timeout_ms) {
  const Deadline deadline(timeout_ms);
  while (!condition()) {
    if (deadline.over()) return false;
    PauseMs(5);
  }
  return true;
}

}  // namespace weir::harness

#endif  // WEIR_TESTS_SUPPORT_NET_H_
