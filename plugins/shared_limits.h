// Rules of scope shared, for one worker: who asks Redis, and what is lent out in advance.
//
// Without leases each request asks, and waits held. With `lease` = N a worker takes N points at a
// time and gives them out itself until they, or `lease_ms_max`, are gone; requests that come while
// it asks wait for the same answer. Points of a lease were taken when it was, so of a rate of P a
// period no more than P + N x (workers of all weirs) can pass in any period: those lent near the
// end of one may be used in the next.
#ifndef WEIR_PLUGINS_SHARED_LIMITS_H_
#define WEIR_PLUGINS_SHARED_LIMITS_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "plugins/limit_script.h"

namespace weir {

class Host;

// Asks the script; if Redis does not know it, again with its text. `done` is called exactly once,
// never before this returns, with nothing if there is no answer, and then Redis' or weir's error.
void AskLimitScript(Host* host, int upstream, std::shared_ptr<const ScriptQuestion> question,
                    std::function<void(std::optional<ScriptAnswer>, std::string_view error)> done);

class LimitLeases {
 public:
  static constexpr size_t kLeasesMax = 65536;

  using Done = std::function<void(const std::optional<ScriptAnswer>&)>;

  explicit LimitLeases(Host* host) : host_(host) {}

  // HOT. True: a point of the lease `id` was used.
  bool Use(uint64_t id);
  // Waits for a new lease by this question; `done` hears what becomes of this one request. A grant
  // is only asked for by the first. True: it asks Redis now.
  bool Wait(uint64_t id, int upstream, ScriptQuestion question, uint64_t lease_ms_max, Done done);

  size_t size() const { return leases_.size(); }

 private:
  struct Lease {
    uint64_t left = 0;
    uint64_t until_ns = 0;
    bool asking = false;
    std::deque<Done> waiting;
  };
  void Ask(uint64_t id, int upstream, std::shared_ptr<const ScriptQuestion> question,
           uint64_t lease_ms_max);
  void ForgetOld();

  Host* const host_;
  absl::flat_hash_map<uint64_t, Lease> leases_;
};

}  // namespace weir

#endif  // WEIR_PLUGINS_SHARED_LIMITS_H_
