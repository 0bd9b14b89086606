// A connected socket on a libuv loop.
#include "proxy/net/stream.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "proxy/net/slice_queue.h"

namespace weir {
namespace {

constexpr int kVectorsMax = 64;

void OnPoll(uv_poll_t* handle, int status, int events) {
  auto* owner = static_cast<StreamOwner*>(handle->data);
  // libuv has stopped watching a socket with an error.
  if (status < 0) return owner->OnBroken();
  if ((events & UV_WRITABLE) != 0) {
    owner->OnWritable();
    if (uv_is_closing(reinterpret_cast<uv_handle_t*>(handle)) != 0) return;
  }
  if ((events & UV_DISCONNECT) != 0) return owner->OnBroken();
  if ((events & UV_READABLE) != 0) owner->OnReadable();
}

}  // namespace

int Stream::Open(uv_loop_t* loop, int fd, StreamOwner* owner) {
  const int error = uv_poll_init(loop, &poll_, fd);
  if (error != 0) {
    ::close(fd);
    return error;
  }
  poll_.data = owner;
  fd_ = fd;
  events_ = 0;
  return 0;
}

void Stream::Close() {
  if (fd_ < 0) return;
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_),
           [](uv_handle_t* handle) { static_cast<StreamOwner*>(handle->data)->OnStreamClosed(); });
  ::close(fd_);
  fd_ = -1;
  events_ = 0;
}

void Stream::Watch(int events) {
  if (events == events_ || fd_ < 0) return;
  events_ = events;
  if (events == 0) {
    uv_poll_stop(&poll_);
  } else {
    uv_poll_start(&poll_, events, OnPoll);
  }
}

ssize_t Stream::Read(char* into, size_t room) const {
  for (;;) {
    const ssize_t n = ::read(fd_, into, room);
    if (n >= 0) return n;
    if (errno != EINTR) return -errno;
  }
}

int Stream::Write(SliceQueue& queue) const {
  while (!queue.empty()) {
    iovec vectors[kVectorsMax];
    const int count = queue.Fill(vectors, kVectorsMax);
    size_t offered = 0;
    for (int i = 0; i < count; ++i) offered += vectors[i].iov_len;
    ssize_t n;
    if (count == 1) {
      n = ::send(fd_, vectors[0].iov_base, vectors[0].iov_len, MSG_NOSIGNAL);
    } else {
      msghdr message = {};
      message.msg_iov = vectors;
      message.msg_iovlen = static_cast<size_t>(count);
      n = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
    }
    if (n < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN ? 0 : -errno;
    }
    queue.Consume(static_cast<size_t>(n));
    // A short write means that the socket is full: the next one would only say EAGAIN.
    if (static_cast<size_t>(n) < offered) return 0;
  }
  return 0;
}

}  // namespace weir
