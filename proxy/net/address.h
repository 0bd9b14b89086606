// A socket address that is ready to use: IPv4, IPv6 or a Unix path.
#ifndef WEIR_PROXY_NET_ADDRESS_H_
#define WEIR_PROXY_NET_ADDRESS_H_

#include <sys/socket.h>

#include <optional>
#include <string>
#include <string_view>

namespace weir {

class Address {
 public:
  // A numeric IPv4 or IPv6 host (no brackets); nothing if `host` is a name, which needs a resolver.
  static std::optional<Address> FromNumeric(std::string_view host, int port);
  // Nothing if the path is longer than the kernel takes (107 bytes).
  static std::optional<Address> FromUnixPath(std::string_view path);
  static Address FromSockaddr(const sockaddr* address, socklen_t length);
  // The two ends of a connected socket, as Redis prints them in CLIENT LIST.
  static Address PeerOf(int fd);
  static Address LocalOf(int fd);

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t length() const { return length_; }
  int family() const { return storage_.ss_family; }
  bool is_unix() const { return storage_.ss_family == AF_UNIX; }
  void set_port(int port);
  // "127.0.0.1:6380", "[::1]:6380" or "/path:0", as CLIENT LIST shows it; "?:0" if unknown.
  std::string ToString() const;

 private:
  sockaddr_storage storage_ = {};
  socklen_t length_ = 0;
};

}  // namespace weir

#endif  // WEIR_PROXY_NET_ADDRESS_H_
