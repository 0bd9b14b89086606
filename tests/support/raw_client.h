// A client that sends exactly the bytes it is told and waits for replies with a deadline.
#ifndef WEIR_TESTS_SUPPORT_RAW_CLIENT_H_
#define WEIR_TESTS_SUPPORT_RAW_CLIENT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/net.h"
#include "tests/support/resp.h"

namespace weir::harness {

// What is read instead of a reply when there is none; no reply of a server looks like these.
inline constexpr std::string_view kTimedOut = "(no answer)";
inline constexpr std::string_view kClosed = "(closed)";

class RawClient {
 public:
  // Fails the test when it cannot connect.
  explicit RawClient(uint16_t port);
  explicit RawClient(const std::string& unix_path);

  bool connected() const { return static_cast<bool>(fd_); }
  int fd() const { return fd_.get(); }
  void set_timeout_ms(int timeout_ms) { timeout_ms_ = timeout_ms; }

  // Sends all of it, and meanwhile keeps what the peer sends, so that neither blocks the other.
  // False when the connection broke or the time was over before all was sent.
  bool Send(std::string_view bytes);
  // Sends as much as the socket takes at once and answers how much that was; reads nothing.
  size_t SendSome(std::string_view bytes);
  // One byte a write, each in a packet of its own.
  bool SendByteByByte(std::string_view bytes);

  // The bytes of the next reply; or those of an unfinished one followed by kTimedOut or kClosed.
  std::string ReadFrame();
  std::vector<std::string> ReadFrames(size_t count);
  // The whole replies that have come, without waiting for more. Ends with kClosed if the peer has
  // closed.
  std::vector<std::string> TakeFrames();
  // Sends one request and reads one reply.
  std::string Command(const std::vector<std::string>& args);
  // The value of a string reply, "(nil)", or the error's whole line.
  std::string Text(const std::vector<std::string>& args);
  // Everything up to the peer's close, followed by kTimedOut when it does not close in time.
  std::string ReadUntilClose();
  // What has arrived within `timeout_ms` and is not read yet, consumed; for "nothing more comes".
  std::string ReadAvailable(int timeout_ms);
  // Reads and throws away exactly `count` bytes; false when they do not come.
  bool Discard(size_t count);

  void HalfClose();  // no more requests
  void Reset();      // RST
  void Close();

 private:
  // Reads what is there into received_; false at the peer's close.
  bool Receive();
  // Waits for more; answers kTimedOut, kClosed or empty.
  std::string_view AwaitMore(const Deadline& deadline);

  Fd fd_;
  int timeout_ms_ = kPatience_ms;
  std::string received_;
  bool peer_closed_ = false;
};

}  // namespace weir::harness

#endif  // WEIR_TESTS_SUPPORT_RAW_CLIENT_H_
