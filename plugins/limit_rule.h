// A rule of rate_limit, compiled: its limits, and for scope local the tables that workers share.
#ifndef WEIR_PLUGINS_LIMIT_RULE_H_
#define WEIR_PLUGINS_LIMIT_RULE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "plugins/limit_identity.h"
#include "plugins/limit_log.h"
#include "plugins/limit_table.h"
#include "plugins/rate_limit_config.h"

namespace weir {

class RequestView;

struct CompiledLimit {
  explicit CompiledLimit(const LimitSettings& settings, bool local);

  LimitSettings settings;
  LimitShape shape;
  std::vector<IdentityPart> identity;
  // Of scope local one of both, of scope shared neither.
  std::unique_ptr<LimitTable> table;
  std::unique_ptr<LimitLog> log;  // of a sliding_log

  bool local() const { return table != nullptr || log != nullptr; }
  // REQUIRES: local().
  LimitLook Look(uint64_t hash, uint64_t time) const {
    return log != nullptr ? log->Look(hash, time) : table->Look(hash, time);
  }
};

struct CompiledRule {
  explicit CompiledRule(LimitRuleSettings rule);

  // What the request costs this limit.
  uint64_t CostOf(const CompiledLimit& limit, RequestView& request) const;

  LimitRuleSettings settings;
  std::vector<CompiledLimit> limits;  // not changed any more
  std::vector<std::pair<std::string, uint64_t>> costs;
  bool by_key = false;  // for requests with a key only
};

// What all workers have in common. Outlives the plugins while requests are on their way.
class LimitRules {
 public:
  LimitRules(std::vector<LimitRuleSettings> rules, uint64_t now_ns);

  const CompiledRule& operator[](size_t i) const { return rules_[i]; }
  size_t size() const { return rules_.size(); }
  // Nanoseconds on the clock that words are in.
  uint64_t Time(uint64_t now_ns) const { return now_ns < start_ns_ ? 1 : now_ns - start_ns_ + 1; }
  uint64_t seed() const { return seed_; }

 private:
  std::vector<CompiledRule> rules_;  // not changed any more: others point into it
  const uint64_t start_ns_;
  const uint64_t seed_;
};

// Of a request, for each of its rule's limits.
struct LimitCharge {
  uint64_t hash = 0;
  uint64_t cost = 1;
  bool taken = false;
  size_t slot = 0;  // in its table, once taken; in a log, under which time
};
using LimitCharges = std::array<LimitCharge, kLimitsOfRuleMax>;

// What a rule of scope local says.
struct LocalDecision {
  bool allowed = true;
  uint64_t wait_ns = 0;  // allowed: until its turn; else until it may be tried again, or kNeverNs
  size_t which = 0;      // not allowed: the limit that refused
  uint32_t evicted = 0;
  uint32_t untracked = 0;
};

// HOT. All limits or none; `charges` has hashes and costs, and says afterwards what was taken.
LocalDecision DecideLocally(const CompiledRule& rule, uint64_t time, LimitCharges* charges);
// Gives back what was taken at that time.
void RefundLocally(const CompiledRule& rule, uint64_t time, LimitCharges* charges);

}  // namespace weir

#endif  // WEIR_PLUGINS_LIMIT_RULE_H_
