// What the names that a worker's clients chose for themselves may take together.
//
// A name (CLIENT SETNAME, CLIENT SETINFO, HELLO … SETNAME) may be as long as a request, and is kept
// as long as its client. Without a bound, ten thousand clients could fill the memory with them.
#ifndef WEIR_PROXY_CLIENT_NAME_BUDGET_H_
#define WEIR_PROXY_CLIENT_NAME_BUDGET_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "plugins/text.h"
#include "proxy/stats.h"

namespace weir {

class NameBudget {
 public:
  // `stats` outlives it.
  NameBudget(uint64_t bytes_max, WorkerStats* stats) : bytes_max_(bytes_max), stats_(*stats) {}

  // Whether a name of `after` bytes may take the place of one of `before`. A shorter one always
  // may.
  bool Allows(size_t before, size_t after) const {
    return after <= before || bytes_ + (after - before) <= bytes_max_;
  }
  // The error for the client whose name was not allowed, without "ERR". Counts it.
  std::string Refusal() {
    stats_.client_names_refused.Add();
    return Concat("weir: the names of this worker's clients have reached client_names_bytes_max = ",
                  bytes_max_, " bytes; raise it, or use shorter names");
  }
  // A client's names have grown or shrunk.
  void Note(size_t before, size_t after) {
    if (before == after) return;
    bytes_ = bytes_ - before + after;
    stats_.client_name_bytes.Set(bytes_);
  }

 private:
  const uint64_t bytes_max_;
  uint64_t bytes_ = 0;
  WorkerStats& stats_;
};

}  // namespace weir

#endif  // WEIR_PROXY_CLIENT_NAME_BUDGET_H_
