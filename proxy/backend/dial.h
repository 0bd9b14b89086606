// Opens a socket to a node: resolves its name off the loop, and starts to connect.
#ifndef WEIR_PROXY_BACKEND_DIAL_H_
#define WEIR_PROXY_BACKEND_DIAL_H_

#include <uv.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "routing/topology.h"

namespace weir {

class Address;

// What errno says, as a part of a sentence: "connection refused".
std::string SystemErrorText(int error);

// One attempt after the other; dropping it forgets the one that is under way.
class Dial {
 public:
  // The non-blocking descriptor, on which the connection may still be in progress; or -1 and why
  // not. May run within Start.
  using Done = std::function<void(int fd, std::string_view cause)>;

  Dial() = default;
  ~Dial() { Forget(); }
  Dial(const Dial&) = delete;
  Dial& operator=(const Dial&) = delete;

  // `attempt` says which of a name's addresses to take, so that each gets its turn.
  void Start(uv_loop_t* loop, const Node& node, int64_t keepalive_s, unsigned attempt, Done done);
  void Forget();

 private:
  static void OnResolved(uv_getaddrinfo_t* request, int status, addrinfo* found);
  void Connect(const Address& address);

  uv_getaddrinfo_t* resolving_ = nullptr;  // owned by its callback
  Done done_;
  uint16_t port_ = 0;
  int64_t keepalive_s_ = 0;
  unsigned attempt_ = 0;
};

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_DIAL_H_
