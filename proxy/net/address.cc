// Socket addresses: from numbers and paths, and back to text.
#include "proxy/net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

namespace weir {

std::optional<Address> Address::FromNumeric(std::string_view host, int port) {
  const std::string text(host);
  Address result;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&result.storage_);
  if (inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    result.length_ = sizeof(sockaddr_in);
    result.set_port(port);
    return result;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&result.storage_);
  if (inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    result.length_ = sizeof(sockaddr_in6);
    result.set_port(port);
    return result;
  }
  return std::nullopt;
}

std::optional<Address> Address::FromUnixPath(std::string_view path) {
  Address result;
  auto* address = reinterpret_cast<sockaddr_un*>(&result.storage_);
  if (path.empty() || path.size() >= sizeof(address->sun_path)) return std::nullopt;
  address->sun_family = AF_UNIX;
  std::memcpy(address->sun_path, path.data(), path.size());
  result.length_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return result;
}

Address Address::FromSockaddr(const sockaddr* address, socklen_t length) {
  Address result;
  result.length_ = length;
  std::memcpy(&result.storage_, address, length);
  return result;
}

Address Address::PeerOf(int fd) {
  Address result;
  result.length_ = sizeof(result.storage_);
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&result.storage_), &result.length_) != 0) {
    return Address();
  }
  return result;
}

Address Address::LocalOf(int fd) {
  Address result;
  result.length_ = sizeof(result.storage_);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&result.storage_), &result.length_) != 0) {
    return Address();
  }
  return result;
}

void Address::set_port(int port) {
  const auto network = htons(static_cast<uint16_t>(port));
  if (family() == AF_INET) reinterpret_cast<sockaddr_in*>(&storage_)->sin_port = network;
  if (family() == AF_INET6) reinterpret_cast<sockaddr_in6*>(&storage_)->sin6_port = network;
}

std::string Address::ToString() const {
  char text[INET6_ADDRSTRLEN] = {};
  if (family() == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage_);
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
    return std::string(text) + ":" + std::to_string(ntohs(v4->sin_port));
  }
  if (family() == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&storage_);
    inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
    return "[" + std::string(text) + "]:" + std::to_string(ntohs(v6->sin6_port));
  }
  if (family() == AF_UNIX) {
    const auto* address = reinterpret_cast<const sockaddr_un*>(&storage_);
    const size_t room = length_ - offsetof(sockaddr_un, sun_path);
    return std::string(address->sun_path, strnlen(address->sun_path, room)) + ":0";
  }
  return "?:0";
}

}  // namespace weir
