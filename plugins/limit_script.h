// Limits that many weirs share: one atomic script in Redis decides on all limits of a request, by
// Redis' clock.
//
// The state of a limit is one Redis key, which goes away by itself once it says nothing any more:
//
//   gcra, token_bucket  "LEVEL TIME"           points taken and not yet returned at that time (us)
//   fixed_window        "NUMBER COUNT"         windows are cut by Redis' clock
//   sliding_window      "NUMBER BEFORE COUNT"
//   sliding_log         a sorted set of the times of all points of one period
#ifndef WEIR_PLUGINS_LIMIT_SCRIPT_H_
#define WEIR_PLUGINS_LIMIT_SCRIPT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/limit_algorithm.h"

namespace weir {

struct ScriptLimit {
  std::string key;
  LimitShape shape;  // not concurrency
  uint64_t cost = 1;
};

struct ScriptQuestion {
  std::vector<ScriptLimit> limits;  // at least one; their keys in one slot
  uint64_t wait_max_ms = 0;         // only where all are gcra or token_bucket
  uint64_t grant_max = 1;           // that many times the cost, if so much is there
  bool peek = false;                // take nothing
};

struct ScriptAnswer {
  bool allowed = false;
  uint64_t which = 0;  // the limit that the rest is about: the one that refuses, or is nearest
  int64_t remaining = 0;
  int64_t reset_us = 0;
  int64_t retry_us = -1;  // -1: allowed, or never
  uint64_t grant = 0;     // how many times the cost was taken
  uint64_t wait_us = 0;   // allowed, but only after that time
};

// The request in RESP: EVALSHA, or EVAL with the text, which Redis then knows.
std::string ScriptRequest(const ScriptQuestion& question, bool with_text);
// Whether Redis does not know the script, so that it needs its text.
inline bool IsNoScript(std::string_view reply) { return reply.starts_with("-NOSCRIPT "); }
// Nothing if the reply is an error.
std::optional<ScriptAnswer> ParseScriptAnswer(std::string_view reply);

// The Redis key of the counter called `name` for `algorithm`, in the slot of `tag_of` if that is a
// key of the user's, with or without braces.
std::string LimitKey(std::string_view tag_of, std::string_view name, LimitAlgorithm algorithm);

// A name of 32 hex digits that is always the same for this text and tells nothing of it.
std::string HashedName(std::string_view text);

}  // namespace weir

#endif  // WEIR_PLUGINS_LIMIT_SCRIPT_H_
