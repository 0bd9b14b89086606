#include "plugins/limit_rule.h"

#include <algorithm>
#include <random>

#include "plugins/plugin.h"
#include "routing/command_class.h"

namespace weir {
namespace {

uint64_t RandomSeed() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

uint64_t WaitMaxNs(const CompiledRule& rule) {
  if (rule.settings.action != LimitAction::kDelay) return 0;
  return static_cast<uint64_t>(rule.settings.delay_ms_max) * 1'000'000;
}

}  // namespace

CompiledLimit::CompiledLimit(const LimitSettings& limit, bool local)
    : settings(limit),
      shape(limit.Shape()),
      identity(limit.Identity()),
      table(
          local && shape.algorithm != LimitAlgorithm::kSlidingLog
              ? std::make_unique<LimitTable>(LimitMath(shape), static_cast<size_t>(limit.keys_max))
              : nullptr),
      log(local && shape.algorithm == LimitAlgorithm::kSlidingLog
              ? std::make_unique<LimitLog>(shape, static_cast<size_t>(limit.keys_max))
              : nullptr) {}

CompiledRule::CompiledRule(LimitRuleSettings rule) : settings(std::move(rule)) {
  for (const std::string& cost : settings.costs) costs.push_back(ParseLimitCost(cost));
  limits.reserve(settings.limits.size());
  for (const LimitSettings& limit : settings.limits) {
    const CompiledLimit& made = limits.emplace_back(limit, settings.scope == LimitScope::kLocal);
    by_key = by_key || std::any_of(made.identity.begin(), made.identity.end(),
                                   [](const IdentityPart& part) { return part.of_key(); });
  }
}

uint64_t CompiledRule::CostOf(const CompiledLimit& limit, RequestView& request) const {
  switch (limit.settings.cost) {
    case LimitCost::kRequest:
      return 1;
    case LimitCost::kBytes:
      return request.bytes();
    case LimitCost::kCommand:
      break;
  }
  const CommandEntry* entry = request.entry();
  const CommandSpec* spec = entry == nullptr ? nullptr : entry->spec;
  const std::string_view name = spec == nullptr ? request.args()[0] : std::string_view(spec->name);
  for (const auto& [pattern, cost] : costs) {
    if (MatchesCommandPattern(pattern, name, spec)) return cost;
  }
  return 1;
}

LimitRules::LimitRules(std::vector<LimitRuleSettings> rules, uint64_t now_ns)
    : start_ns_(now_ns), seed_(RandomSeed()) {
  rules_.reserve(rules.size());
  for (LimitRuleSettings& rule : rules) rules_.emplace_back(std::move(rule));
}

LocalDecision DecideLocally(const CompiledRule& rule, uint64_t time, LimitCharges* charges) {
  LocalDecision decision;
  const uint64_t wait_max_ns = WaitMaxNs(rule);
  const size_t limits = rule.limits.size();
  const auto refuse = [&](size_t which, uint64_t wait_ns) {
    if (decision.allowed || wait_ns > decision.wait_ns) {
      decision.which = which;
      decision.wait_ns = wait_ns;
    }
    decision.allowed = false;
  };
  if (limits > 1) {
    // Mostly it shows here that one has no room, and nothing has to be given back.
    for (size_t i = 0; i < limits; ++i) {
      const LimitCharge& charge = (*charges)[i];
      const CompiledLimit& limit = rule.limits[i];
      const LimitTake take = limit.log != nullptr
                                 ? limit.log->Peek(charge.hash, time, charge.cost)
                                 : limit.table->Peek(charge.hash, time, charge.cost, wait_max_ns);
      if (!take.allowed) refuse(i, take.wait_ns);
    }
    if (!decision.allowed) return decision;
  }
  for (size_t i = 0; i < limits; ++i) {
    LimitCharge& charge = (*charges)[i];
    const CompiledLimit& limit = rule.limits[i];
    const LimitTable::Result result =
        limit.log != nullptr ? limit.log->Take(charge.hash, time, charge.cost)
                             : limit.table->Take(charge.hash, time, charge.cost, wait_max_ns);
    decision.evicted += result.evicted;
    decision.untracked += result.untracked;
    charge.taken = result.take.allowed && !result.untracked;
    charge.slot = result.slot;
    if (!result.take.allowed) {
      RefundLocally(rule, time, charges);
      refuse(i, result.take.wait_ns);
      return decision;
    }
    decision.wait_ns = std::max(decision.wait_ns, result.take.wait_ns);
  }
  return decision;
}

void RefundLocally(const CompiledRule& rule, uint64_t time, LimitCharges* charges) {
  for (size_t i = 0; i < rule.limits.size(); ++i) {
    LimitCharge& charge = (*charges)[i];
    if (!std::exchange(charge.taken, false)) continue;
    const CompiledLimit& limit = rule.limits[i];
    if (limit.log != nullptr) {
      limit.log->Refund(charge.hash, charge.slot, charge.cost);
    } else if (limit.shape.algorithm == LimitAlgorithm::kConcurrency) {
      limit.table->Release(charge.slot);
    } else {
      limit.table->Refund(charge.hash, time, charge.cost);
    }
  }
}

}  // namespace weir
