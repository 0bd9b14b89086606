// A client that sends exactly the bytes it is told.
#include "tests/support/raw_client.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace weir::harness {

RawClient::RawClient(uint16_t port) : fd_(ConnectTo(port)) {
  if (!fd_) ADD_FAILURE() << "cannot connect to port " << port << ": " << strerror(errno);
}

RawClient::RawClient(const std::string& unix_path) : fd_(ConnectToUnix(unix_path)) {
  if (!fd_) ADD_FAILURE() << "cannot connect to " << unix_path << ": " << strerror(errno);
}

bool RawClient::Receive() {
  // Large, so that values of hundreds of megabytes do not take the test's time.
  static thread_local std::vector<char> buffer(1 << 20);
  const ssize_t n = recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (n > 0) {
    received_.append(buffer.data(), static_cast<size_t>(n));
    return true;
  }
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  peer_closed_ = true;
  return false;
}

size_t RawClient::SendSome(std::string_view bytes) {
  const ssize_t n = send(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  return n > 0 ? static_cast<size_t>(n) : 0;
}

bool RawClient::Send(std::string_view bytes) {
  const Deadline deadline(timeout_ms_);
  while (!bytes.empty()) {
    const ssize_t n = send(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) {
      bytes.remove_prefix(static_cast<size_t>(n));
      continue;
    }
    if (errno != EAGAIN && errno != EINTR) return false;
    pollfd one{fd_.get(), static_cast<short>(POLLOUT | (peer_closed_ ? 0 : POLLIN)), 0};
    if (poll(&one, 1, deadline.left_ms()) == 0) return false;
    if ((one.revents & POLLIN) != 0) Receive();
  }
  return true;
}

bool RawClient::SendByteByByte(std::string_view bytes) {
  for (const char& byte : bytes) {
    if (!Send(std::string_view(&byte, 1))) return false;
  }
  return true;
}

std::string_view RawClient::AwaitMore(const Deadline& deadline) {
  if (peer_closed_ || !fd_) return kClosed;
  if (!WaitFor(fd_.get(), POLLIN, deadline.left_ms())) return kTimedOut;
  return Receive() ? std::string_view() : kClosed;
}

std::string RawClient::ReadFrame() {
  const Deadline deadline(timeout_ms_);
  FrameEnd end;
  while (!end.Find(received_)) {
    std::string_view trouble = end.broken() ? "(not RESP)" : AwaitMore(deadline);
    if (!trouble.empty()) return std::exchange(received_, std::string()).append(trouble);
  }
  std::string frame;
  if (end.size() == received_.size()) return std::exchange(received_, std::string());
  frame = received_.substr(0, end.size());
  received_.erase(0, end.size());
  return frame;
}

std::vector<std::string> RawClient::ReadFrames(size_t count) {
  std::vector<std::string> frames;
  const Deadline deadline(timeout_ms_);
  // The buffer is cut once at the end: cutting it for each of many frames would be quadratic.
  size_t start = 0;
  while (frames.size() < count) {
    FrameEnd end;
    while (!end.Find(std::string_view(received_).substr(start))) {
      std::string_view trouble = end.broken() ? "(not RESP)" : AwaitMore(deadline);
      if (trouble.empty()) continue;
      frames.push_back(received_.substr(start).append(trouble));
      received_.clear();
      return frames;
    }
    frames.push_back(received_.substr(start, end.size()));
    start += end.size();
  }
  received_.erase(0, start);
  return frames;
}

std::vector<std::string> RawClient::TakeFrames() {
  while (!peer_closed_ && WaitFor(fd_.get(), POLLIN, 0)) Receive();
  std::vector<std::string> frames;
  size_t start = 0;
  for (FrameEnd end; end.Find(std::string_view(received_).substr(start)); end = FrameEnd()) {
    frames.push_back(received_.substr(start, end.size()));
    start += end.size();
  }
  received_.erase(0, start);
  if (peer_closed_) frames.emplace_back(kClosed);
  return frames;
}

std::string RawClient::Command(const std::vector<std::string>& args) {
  Send(Encode(args));
  return ReadFrame();
}

std::string RawClient::Text(const std::vector<std::string>& args) {
  const std::string frame = Command(args);
  const Reply reply = ParseReply(frame);
  if (reply.type == '-') return "-" + reply.text;
  if (reply.type == 0) return frame;
  return reply.null ? "(nil)" : reply.text;
}

std::string RawClient::ReadUntilClose() {
  const Deadline deadline(timeout_ms_);
  for (;;) {
    const std::string_view trouble = AwaitMore(deadline);
    if (trouble == kClosed) return std::exchange(received_, std::string());
    if (trouble == kTimedOut) return std::exchange(received_, std::string()).append(kTimedOut);
  }
}

std::string RawClient::ReadAvailable(int timeout_ms) {
  const Deadline deadline(timeout_ms);
  while (AwaitMore(deadline).empty()) {
  }
  return std::exchange(received_, std::string());
}

bool RawClient::Discard(size_t count) {
  const Deadline deadline(timeout_ms_);
  while (count > 0) {
    const size_t n = std::min(count, received_.size());
    received_.erase(0, n);
    count -= n;
    if (count > 0 && received_.empty() && !AwaitMore(deadline).empty()) return false;
  }
  return true;
}

void RawClient::HalfClose() { shutdown(fd_.get(), SHUT_WR); }
void RawClient::Reset() { fd_.Reset(); }
void RawClient::Close() { fd_.Close(); }

}  // namespace weir::harness
