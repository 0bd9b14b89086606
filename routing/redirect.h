// Redirects: what a node's refusal means for a request, and what to do next.
//
// These errors have in common that the node refused before it executed anything, so a resend does
// nothing twice: MOVED, ASK, TRYAGAIN, CLUSTERDOWN, LOADING, READONLY, MASTERDOWN. All together
// share one budget for each request, in count (`redirects_max`) and in time (`retry_budget_ms`);
// names and defaults are those of ioredis' options. https://redis.io/docs/reference/cluster-spec
#ifndef WEIR_ROUTING_REDIRECT_H_
#define WEIR_ROUTING_REDIRECT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/container/inlined_vector.h"
#include "routing/topology.h"

namespace weir {

enum class Refusal : uint8_t {
  kNone,         // any other error: the client's
  kMoved,        // the slot is another node's
  kAsk,          // this key is, for this once
  kTryAgain,     // of several keys, some have been moved: soon they all will have been
  kClusterDown,  // the slot, or the whole cluster, is not served
  kLoading,      // the node reads its data from disk
  kReadonly,     // it is a replica, most likely since a failover
  kMasterDown,   // a replica that has lost its primary and must not show old data
};
std::string_view RefusalName(Refusal refusal);  // "MOVED"

// Views into the line that it was parsed from.
struct Redirect {
  Refusal refusal = Refusal::kNone;
  // kMoved, kAsk:
  uint16_t slot = 0;
  std::string_view host;  // without brackets; empty: the host of the node that says so
  uint16_t port = 0;
};

// HOT for errors. `line` is an error reply with its '-', with or without CRLF. A MOVED or ASK that
// is malformed is kNone: the client sees it as it is. `from_script`: it answers a script or
// function, which may make up errors of its own after it has written; only the servers' own words
// count then.
Redirect ParseRedirect(std::string_view line, bool from_script);

struct RedirectLimits {
  uint32_t redirects_max = 16;        // resends of one request for all causes together
  uint32_t retry_budget_ms = 10'000;  // time that one request may wait in all, the resends apart
  uint32_t moved_ms = 0;              // waits before a resend, for each cause
  uint32_t try_again_ms = 100;
  uint32_t cluster_down_ms = 100;
  uint32_t failover_ms = 100;  // LOADING, READONLY, MASTERDOWN
};

// Each wait of one request is twice as long as the one before, up to 2^4 times the cause's.
inline constexpr uint32_t kWaitDoublingsMax = 4;

// What a request has behind it; lives with it from its first refusal on.
struct RedirectHistory {
  uint32_t resends = 0;
  uint64_t first_refused_ms = 0;  // on any clock; set with the first refusal
  uint32_t hops = 0;              // resends without a wait since the last wait
  uint32_t waits = 0;             // resends after a wait
  bool asking = false;            // the last one went with ASKING
};

struct RedirectStep {
  enum class Action : uint8_t {
    kForward,  // the error is the client's
    kResend,   // after wait_ms, with ASKING before it if `asking`
    kGiveUp,   // GiveUpLine() is the reply
  };
  enum class Where : uint8_t {
    kNamed,  // the node that the redirect names
    kSame,   // the node that refused
    kSlot,   // whoever serves the slot by then: the map is asked again
  };
  Action action = Action::kForward;
  Where where = Where::kSame;
  bool asking = false;
  bool patch_slot = false;  // MOVED: the map's slot is at the named node from now on
  bool refresh = false;     // the map may be old: find out (debounced by whoever does it)
  // At most so long: who waits for the slot's node may resend as soon as a newer map names another.
  uint32_t wait_ms = 0;
};

// Decides, and notes it in `history`. `now_ms` is on the clock of history->first_refused_ms.
//
// Circular MOVED (two nodes that each say the other serves the slot) is followed at once only
// kHopsMax times; each further hop waits, so that the budget lasts until the nodes agree.
inline constexpr uint32_t kHopsMax = 4;
RedirectStep DecideRedirect(const Redirect& redirect, const RedirectLimits& limits, uint64_t now_ms,
                            RedirectHistory* history);

// What the client hears when the budget is spent: the node's own words, as Redis has them for all
// but MOVED and ASK, which a client of one server cannot understand and which become CLUSTERDOWN.
// With its '-', without CRLF.
std::string GiveUpLine(const Redirect& redirect, std::string_view line, std::string_view node,
                       const RedirectHistory& history, uint64_t now_ms);

}  // namespace weir

#endif  // WEIR_ROUTING_REDIRECT_H_
