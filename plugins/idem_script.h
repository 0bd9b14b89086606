// Exactly once: one atomic script in Redis that holds a command's effect and the record of it.
//
// The record is a string in the slot, and the db, of the command's first key. It goes away by
// itself after its time to live, by Redis' clock:
//
//   32 hex digits   the fingerprint of the command and its arguments
//   '='  bytes      the reply in RESP2, with all nulls as "$-1"
//   'L'  digits     so many bytes of reply, which were too many to keep
//   'X'             a number in the reply was too large for the script
//
// The script answers one string: what happened, the tag that it was asked with, and what stands in
// the record behind the fingerprint.
#ifndef WEIR_PLUGINS_IDEM_SCRIPT_H_
#define WEIR_PLUGINS_IDEM_SCRIPT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/idem_command.h"
#include "plugins/idem_reply.h"
#include "routing/arg_list.h"

namespace weir {

// Whose token it is: the same token is another's if any of these differs, or the slot, or the db.
struct IdemScope {
  std::string_view rule;  // kIdemCommandRule: of WEIR.IDEM
  std::string_view user;
};
inline constexpr size_t kIdemCommandRule = 99;  // no rule's number

struct IdemQuestion {
  std::string record;  // IdemRecordKey()
  uint64_t ttl_ms = 0;
  uint64_t reply_bytes_max = 0;
  bool record_errors = false;
  size_t rule = kIdemCommandRule;  // at most two digits; comes back with the answer
};

enum class IdemEvent : char {
  kRan = 'F',       // now, for the first time
  kReplayed = 'R',  // earlier; this is what it answered then
  kFailed = 'E',    // now, with an error, which is not recorded
  kMismatch = 'M',  // not now: the token was used with other arguments
};
struct IdemAnswer {
  IdemEvent event = IdemEvent::kRan;
  size_t rule = 0;
  IdemShape shape = IdemShape::kPlain;
  char state = 0;         // '=', 'L' or 'X'; 0: of a mismatch
  std::string_view body;  // behind it
};

// The Redis key of the token's record, in the slot of `key`, whatever braces that has.
std::string IdemRecordKey(const IdemScope& scope, std::string_view token, std::string_view key);

// 32 hex digits for these arguments, the command's name in any case.
std::string IdemFingerprint(const ArgList& args);

// EVALSHA's arguments. REQUIRES: plan.kind == kRun.
std::vector<std::string> IdemScriptArgs(const IdemQuestion& question, const IdemPlan& plan,
                                        const ArgList& args);
// Valid for ever.
std::string_view IdemScriptText();

// Nothing: it is none of the script's, but an error of Redis' or weir's. Views into `reply`.
std::optional<IdemAnswer> ParseIdemAnswer(std::string_view reply);

}  // namespace weir

#endif  // WEIR_PLUGINS_IDEM_SCRIPT_H_
