// The record of a token while its command runs outside of a script: a claim, with its owner.
//
// It lies where the record of idem_script.h does, and is its third form:
//
//   32 hex digits   the fingerprint of the command and its arguments
//   'C'             32 hex digits: the owner; then the time, in ms of Redis' clock, until which the
//                   claim holds if its owner does not renew it
//   '3'  bytes      the command's reply in RESP3
//   'L'  digits     so many bytes of reply, which were too many to keep
//
// One script changes it, so that each change sees who owns it: whoever lost it changes nothing. A
// claim that holds no more stays as a tombstone until the record's own end, because nobody knows
// whether its command ran. Saying the same twice does what saying it once does.
#ifndef WEIR_PLUGINS_IDEM_CLAIM_SCRIPT_H_
#define WEIR_PLUGINS_IDEM_CLAIM_SCRIPT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

enum class ClaimStep : uint8_t {
  kClaim,    // it is to be the owner's, unless it is another's or has been answered
  kRenew,    // it holds for claim_ms from now on
  kAbandon,  // it holds no more: nobody knows what has become of the command
  kRelease,  // it never was
  kStore,    // it was answered
};

struct ClaimQuestion {
  std::string record;
  std::string fingerprint;
  std::string owner;  // 32 hex digits
  uint64_t ttl_ms = 0;
  uint64_t claim_ms = 0;
  bool run_again = false;  // whether a claim that holds no more is another's to take
};

enum class ClaimEvent : char {
  kClaimed = 'C',   // of kClaim: it is the owner's
  kTaken = 'T',     // the same; somebody else had it, and may have run the command
  kWait = 'W',      // it is another's; `body`: for how many ms at least
  kUnknown = 'U',   // it was another's, of whom nothing was heard any more
  kReplay = 'R',    // it was answered; `body`: what stands behind the fingerprint
  kMismatch = 'M',  // the token was used with other arguments
  kDone = 'S',      // of the other steps: so be it
  kLost = 'L',      // it is not the owner's any more
};
struct ClaimAnswer {
  ClaimEvent event;
  std::string_view body;
};

// EVALSHA's arguments, or with the script's text EVAL's. `body`: of kStore, what stands behind the
// fingerprint from then on.
std::vector<std::string> ClaimArgs(const ClaimQuestion& question, ClaimStep step,
                                   std::string_view body, bool with_text);

// Nothing: it is an error of Redis' or weir's. Views into `reply`.
std::optional<ClaimAnswer> ParseClaimAnswer(std::string_view reply);

}  // namespace weir

#endif  // WEIR_PLUGINS_IDEM_CLAIM_SCRIPT_H_
