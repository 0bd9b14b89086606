// Ends HTTP exchanges that take too long, however slowly and steadily their bytes drip.
//
// libmicrohttpd closes whoever is silent, but a byte every few seconds is not silence: a client for
// each place, and nobody else is answered. So each connection has a time by which it must be over.
// It is then shut down, which the library notices as if the client had left.
#ifndef WEIR_PROXY_EXCHANGE_DEADLINES_H_
#define WEIR_PROXY_EXCHANGE_DEADLINES_H_

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace weir {

// Thread-safe. Has a thread of its own, which sleeps while there is nothing to end.
class ExchangeDeadlines {
 public:
  explicit ExchangeDeadlines(std::chrono::milliseconds exchange_max);
  ~ExchangeDeadlines();
  ExchangeDeadlines(const ExchangeDeadlines&) = delete;
  ExchangeDeadlines& operator=(const ExchangeDeadlines&) = delete;

  // An exchange begins on this socket.
  void Begin(int fd);
  // It is over. REQUIRES: the socket is not closed yet, because another may get its number then.
  void End(int fd);

 private:
  using Clock = std::chrono::steady_clock;
  struct Exchange {
    int fd;
    Clock::time_point deadline;
  };

  void Run();

  const std::chrono::milliseconds exchange_max_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Exchange> exchanges_;  // in the order of their deadlines
  bool stopping_ = false;
  std::thread thread_;  // last: it uses the rest
};

}  // namespace weir

#endif  // WEIR_PROXY_EXCHANGE_DEADLINES_H_
