// The addresses that weir listens on, as text: "127.0.0.1:6380", "[::1]:6380", "unix:/run/w.sock".
#ifndef WEIR_PROXY_LISTEN_ADDRESS_H_
#define WEIR_PROXY_LISTEN_ADDRESS_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "proxy/net/address.h"

namespace weir {

// Port 0 is taken: the system then chooses one. Hosts are numbers, so that no name service decides
// where weir can be reached. InvalidArgument says what was expected and repeats the text.
absl::StatusOr<Address> ParseListenAddress(std::string_view text);

// The same for admin HTTP, which is TCP only.
absl::StatusOr<Address> ParseTcpAddress(std::string_view text);

// Whether the system chooses the port, so that two such listeners are not the same.
bool ListensOnAnyPort(std::string_view text);

}  // namespace weir

#endif  // WEIR_PROXY_LISTEN_ADDRESS_H_
