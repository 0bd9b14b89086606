#include "proxy/exchange_deadlines.h"

#include <sys/socket.h>

namespace weir {

ExchangeDeadlines::ExchangeDeadlines(std::chrono::milliseconds exchange_max)
    : exchange_max_(exchange_max), thread_([this] { Run(); }) {}

ExchangeDeadlines::~ExchangeDeadlines() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void ExchangeDeadlines::Begin(int fd) {
  {
    const std::lock_guard lock(mutex_);
    exchanges_.push_back({fd, Clock::now() + exchange_max_});
    if (exchanges_.size() != 1) return;  // the thread waits for an earlier one
  }
  changed_.notify_one();
}

void ExchangeDeadlines::End(int fd) {
  const std::lock_guard lock(mutex_);
  std::erase_if(exchanges_, [fd](const Exchange& exchange) { return exchange.fd == fd; });
}

void ExchangeDeadlines::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (exchanges_.empty()) {
      changed_.wait(lock);
    } else if (const Exchange next = exchanges_.front(); Clock::now() < next.deadline) {
      changed_.wait_until(lock, next.deadline);
    } else {
      exchanges_.pop_front();
      ::shutdown(next.fd, SHUT_RDWR);
    }
  }
}

}  // namespace weir
