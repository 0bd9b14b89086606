// Commands that no script can wrap (blocking ones, scripts, functions), run under a claim.
//
//   claim --mine--> run --answered--> store --> the client hears the reply
//     | ^            |  \--error that is not recorded--> release --> the client hears the error
//     | |            |  \--nobody knows--> abandon --> -IDEMUNKNOWN, or run again if that is
//     allowed | |            '--every third of claim_ms--> renew | '--another's: again in a moment,
//     until wait_ms are over: -IDEMTIMEOUT
//     |--it was answered--> the client hears that reply
//     |--other arguments--> -IDEMMISMATCH
//     '--its owner died--> -IDEMUNKNOWN, or mine if that is allowed
//
// The client's request is held meanwhile. If the client leaves, the command still ends, and its
// reply is stored: the repeat gets it. One that blocks is unblocked then; if nothing came of it, it
// never was. Who lost a claim to another stores nothing, and says nothing of its own reply.
#ifndef WEIR_PLUGINS_IDEM_CLAIM_H_
#define WEIR_PLUGINS_IDEM_CLAIM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "plugins/idem_claim_script.h"
#include "plugins/idem_reply.h"
#include "plugins/idempotency_counts.h"
#include "plugins/plugin.h"

namespace weir {

class Claim;
class Host;

// What is to be run, and how.
struct ClaimTask {
  ClaimQuestion question;  // all but the owner
  uint64_t wait_ms = 0;    // for another's claim
  uint64_t reply_bytes_max = 0;
  bool record_errors = false;
  bool blocks = false;
  bool is_script = false;
  IdemShape shape = IdemShape::kPlain;
  std::string key;  // of the command, for the node that serves it; "": it has none
  std::vector<std::string> args;
};

// One worker's.
class IdemClaims {
 public:
  // `host` outlives it. What is on its way when it goes is not heard of any more: such claims end
  // by themselves.
  explicit IdemClaims(Host* host);
  ~IdemClaims();

  // Holds the request, and answers it in the end. `rule` outlives it.
  void Run(ClaimTask task, IdemRuleCounts* rule, RequestView& request);
  // How many are on their way.
  size_t running() const { return running_.size(); }

 private:
  friend class Claim;

  Host* const host_;
  const std::string seed_;
  uint64_t number_ = 0;
  absl::flat_hash_set<std::shared_ptr<Claim>> running_;
};

// What an error reply says of a command that was sent.
enum class CommandFate : uint8_t {
  kAnswered,  // the node's own reply: all that it is going to say
  kNotRun,    // it was never sent
  kUnknown,   // it was sent, and nothing was heard
};
CommandFate FateOf(std::string_view reply);

}  // namespace weir

#endif  // WEIR_PLUGINS_IDEM_CLAIM_H_
