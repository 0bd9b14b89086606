// What must be equal for two clients to share a link.
#ifndef WEIR_PROXY_BACKEND_LINK_KEY_H_
#define WEIR_PROXY_BACKEND_LINK_KEY_H_

#include <cstdint>
#include <string>
#include <utility>

#include "routing/topology.h"

namespace weir {

struct LinkKey {
  NodeIndex node = 0;
  uint8_t protocol_version = 2;
  int32_t db = 0;
  std::string user;  // both empty: no AUTH is sent
  std::string password;
  bool client_credentials =
      false;  // they are a client's own (passthrough), not the configuration's

  bool no_touch = false;  // what it reads is not used more lately by that (CLIENT NO-TOUCH)
  uint64_t tracker = 0;  // the one client that may use it, because it tracks keys on several nodes;
                         // 0: any may

  bool operator==(const LinkKey&) const = default;
  // The same but perhaps for the node.
  bool SameClient(const LinkKey& other) const {
    return protocol_version == other.protocol_version && db == other.db && user == other.user &&
           password == other.password && client_credentials == other.client_credentials;
  }

  template <typename H>
  friend H AbslHashValue(H h, const LinkKey& k) {
    return H::combine(std::move(h), k.node, k.protocol_version, k.db, k.user, k.password,
                      k.client_credentials, k.no_touch, k.tracker);
  }
};

}  // namespace weir

#endif  // WEIR_PROXY_BACKEND_LINK_KEY_H_
