#include "proxy/backend/dial.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "plugins/text.h"
#include "proxy/net/address.h"

namespace weir {
namespace {

int OpenSocket(const Address& address, int64_t keepalive_s) {
  const int fd = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0 || address.is_unix()) return fd;
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (keepalive_s > 0) {
    const int idle_s = static_cast<int>(keepalive_s);
    const int interval_s = std::max(1, idle_s / 3);
    ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
  }
  return fd;
}

}  // namespace

void Dial::Start(uv_loop_t* loop, const Node& node, int64_t keepalive_s, unsigned attempt,
                 Done done) {
  Forget();
  done_ = std::move(done);
  port_ = node.port;
  keepalive_s_ = keepalive_s;
  attempt_ = attempt;
  if (node.is_unix()) {
    const auto path = Address::FromUnixPath(node.host);
    return path.has_value() ? Connect(*path) : done_(-1, "the socket's path is too long");
  }
  if (const auto numeric = Address::FromNumeric(node.host, node.port)) return Connect(*numeric);
  resolving_ = new uv_getaddrinfo_t;
  resolving_->data = this;
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  const int error =
      uv_getaddrinfo(loop, resolving_, OnResolved, node.host.c_str(), nullptr, &hints);
  if (error == 0) return;
  delete std::exchange(resolving_, nullptr);
  done_(-1, Concat("cannot resolve the host: ", uv_strerror(error)));
}

void Dial::Forget() {
  if (resolving_ != nullptr) std::exchange(resolving_, nullptr)->data = nullptr;
}

void Dial::OnResolved(uv_getaddrinfo_t* request, int status, addrinfo* found) {
  auto* dial = static_cast<Dial*>(request->data);
  delete request;
  if (dial == nullptr) return uv_freeaddrinfo(found);
  dial->resolving_ = nullptr;
  if (status != 0 || found == nullptr) {
    uv_freeaddrinfo(found);
    return dial->done_(-1, Concat("cannot resolve the host: ", uv_strerror(status)));
  }
  unsigned n = 0;
  for (addrinfo* a = found; a != nullptr; a = a->ai_next) ++n;
  addrinfo* chosen = found;
  for (unsigned i = dial->attempt_ % n; i > 0; --i) chosen = chosen->ai_next;
  Address address = Address::FromSockaddr(chosen->ai_addr, chosen->ai_addrlen);
  uv_freeaddrinfo(found);
  address.set_port(dial->port_);
  dial->Connect(address);
}

void Dial::Connect(const Address& address) {
  const int fd = OpenSocket(address, keepalive_s_);
  if (fd >= 0 && (::connect(fd, address.get(), address.length()) == 0 || errno == EINPROGRESS)) {
    return done_(fd, "");
  }
  const int error = errno;
  if (fd >= 0) ::close(fd);
  done_(-1, SystemErrorText(error));
}

std::string SystemErrorText(int error) {
  std::string text = std::strerror(error);
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') text[0] = static_cast<char>(text[0] + 32);
  return text;
}

}  // namespace weir
