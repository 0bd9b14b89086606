// Ketama: which of several independent servers a key belongs to, alike with twemproxy's.
//
// Each server has about 160 points on a circle of 32-bit numbers, made by MD5 from its name; a key
// belongs to the server of the first point at or after its hash. A server more or less moves only
// its own share of the keys. The method is Richard Jones' libketama (last.fm, 2007). Names,
// weights, rounding and the hash of keys (FNV-1a in 32-bit arithmetic) are as twemproxy has them
// (distribution: ketama, hash: fnv1a_64), so that weir finds what is stored there already.
#ifndef WEIR_ROUTING_KETAMA_H_
#define WEIR_ROUTING_KETAMA_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"

namespace weir {

// Immutable once made; shared by threads without locks.
class Ketama {
 public:
  struct Server {
    std::string name;  // as twemproxy names it: KetamaName, unless it was given another
    uint32_t weight = 1;
  };
  // `hash_tag`: two characters such as "{}"; keys that have some text between them are placed by
  // that text. Empty: none. REQUIRES: at least one server, 65535 at most.
  Ketama(absl::Span<const Server> servers, std::string_view hash_tag);

  // HOT. The server's place in the list that this was made from.
  uint16_t ServerOf(std::string_view key) const;

 private:
  struct Point {
    uint32_t value;
    uint16_t server;
  };

  std::vector<Point> points_;  // by value
  std::string hash_tag_;
  bool alone_;
};

// "host:port", but the host alone for port 11211, memcached's.
std::string KetamaName(std::string_view host, uint16_t port);

}  // namespace weir

#endif  // WEIR_ROUTING_KETAMA_H_
