// One connected socket on a worker's loop: reads, writes and the readiness it is watched for.
//
// Bytes go by plain read and write calls on the descriptor, at the moment and into the memory that
// the owner chooses; libuv only tells when. Interest changes cost a system call each, so an owner
// tries to write first and asks for writability only when the socket is full.
#ifndef WEIR_PROXY_NET_STREAM_H_
#define WEIR_PROXY_NET_STREAM_H_

#include <sys/types.h>
#include <uv.h>

#include <cstddef>

namespace weir {

class SliceQueue;

// Who is told about a stream. Each call may close the stream.
class StreamOwner {
 public:
  virtual void OnReadable() = 0;
  virtual void OnWritable() = 0;
  // The connection failed. What arrived before may still be read, but nothing will be told again.
  virtual void OnBroken() = 0;
  // The stream was closed and its handle is no longer known to the loop: the owner may be deleted.
  virtual void OnStreamClosed() = 0;

 protected:
  ~StreamOwner() = default;
};

class Stream {
 public:
  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Takes the non-blocking descriptor `fd`. `owner` outlives the stream. Returns 0 or a negative
  // errno, in which case the descriptor was closed and OnStreamClosed is not called.
  [[nodiscard]] int Open(uv_loop_t* loop, int fd, StreamOwner* owner);
  // Closes the descriptor now and calls OnStreamClosed later, from the loop.
  void Close();
  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }

  void WatchRead(bool on) { Watch(on ? events_ | UV_READABLE : events_ & ~UV_READABLE); }
  void WatchWrite(bool on) { Watch(on ? events_ | UV_WRITABLE : events_ & ~UV_WRITABLE); }
  // Only where reading is paused: the peer's end is told as OnBroken, though more may be unread.
  void WatchHangup(bool on) { Watch(on ? events_ | UV_DISCONNECT : events_ & ~UV_DISCONNECT); }
  bool watches_read() const { return (events_ & UV_READABLE) != 0; }
  bool watches_write() const { return (events_ & UV_WRITABLE) != 0; }

  // Bytes read; 0 at the end of the stream; -EAGAIN when nothing is there; else a negative errno.
  ssize_t Read(char* into, size_t room) const;
  // Writes from the queue what the socket takes and consumes it. 0, or a negative errno other than
  // -EAGAIN. What is left stays queued.
  int Write(SliceQueue& queue) const;

 private:
  void Watch(int events);

  uv_poll_t poll_;
  int fd_ = -1;
  int events_ = 0;
};

}  // namespace weir

#endif  // WEIR_PROXY_NET_STREAM_H_
