#include "routing/redirect.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "routing/address_map.h"
#include "routing/slot.h"
#include "routing/text.h"

namespace weir {
namespace {

struct Code {
  std::string_view word;  // with the '-' before it and what must follow
  Refusal refusal;
  // What Redis and Valkey say behind the word. A script may make up an error with the same word.
  std::string_view words;
};
constexpr Code kCodes[] = {
    {"-MOVED ", Refusal::kMoved, ""},
    {"-ASK ", Refusal::kAsk, ""},
    {"-TRYAGAIN ", Refusal::kTryAgain, "Multiple keys request during rehashing of slot"},
    {"-CLUSTERDOWN ", Refusal::kClusterDown, "The cluster is down"},
    {"-CLUSTERDOWN ", Refusal::kClusterDown, "Hash slot not served"},
    {"-LOADING ", Refusal::kLoading, "Redis is loading the dataset in memory"},
    {"-LOADING ", Refusal::kLoading, "Valkey is loading the dataset in memory"},
    {"-READONLY ", Refusal::kReadonly, "You can't write against a read only replica"},
    {"-MASTERDOWN ", Refusal::kMasterDown, "Link with MASTER is down"},
};

// " 3999 127.0.0.1:6381" without its first blank.
bool ParseTarget(std::string_view text, Redirect* redirect) {
  text = text.substr(0, text.find_first_of("\r\n"));
  const size_t blank = text.find(' ');
  if (blank == std::string_view::npos) return false;
  const char* const slot_end = text.data() + blank;
  const auto slot = std::from_chars(text.data(), slot_end, redirect->slot);
  if (slot.ec != std::errc() || slot.ptr != slot_end || redirect->slot >= kSlotCount) return false;
  const std::string_view target = text.substr(blank + 1);
  const size_t colon = target.rfind(':');
  if (colon == std::string_view::npos) return false;
  const char* const end = target.data() + target.size();
  const auto port = std::from_chars(target.data() + colon + 1, end, redirect->port);
  if (port.ec != std::errc() || port.ptr != end || redirect->port == 0) return false;
  redirect->host = target.substr(0, colon);
  if (redirect->host.starts_with('[') && redirect->host.ends_with(']')) {
    redirect->host = redirect->host.substr(1, redirect->host.size() - 2);
  }
  return true;
}

uint32_t BaseWaitMs(Refusal refusal, const RedirectLimits& limits) {
  switch (refusal) {
    case Refusal::kMoved:
    case Refusal::kAsk:
      return limits.moved_ms;
    case Refusal::kTryAgain:
      return limits.try_again_ms;
    case Refusal::kClusterDown:
      return limits.cluster_down_ms;
    default:
      return limits.failover_ms;
  }
}

// What is to be done if the budget allows it; wait_ms is still the shortest for its cause.
RedirectStep Follow(const Redirect& redirect, const RedirectLimits& limits,
                    const RedirectHistory& history) {
  using Where = RedirectStep::Where;
  RedirectStep step;
  step.action = RedirectStep::Action::kResend;
  step.wait_ms = BaseWaitMs(redirect.refusal, limits);
  step.refresh = redirect.refusal != Refusal::kAsk && redirect.refusal != Refusal::kTryAgain;
  if (redirect.refusal == Refusal::kTryAgain) {
    step.where = Where::kSame;
    step.asking = history.asking;
    return step;
  }
  const bool names = redirect.refusal == Refusal::kMoved || redirect.refusal == Refusal::kAsk;
  // Its hostname was never set.
  const bool names_nobody = names && redirect.host == "?";
  if (!names || names_nobody) {
    step.where = Where::kSlot;
    step.refresh = true;
    if (names_nobody) step.wait_ms = std::max(step.wait_ms, limits.cluster_down_ms);
    return step;
  }
  step.where = Where::kNamed;
  step.asking = redirect.refusal == Refusal::kAsk;
  step.patch_slot = redirect.refusal == Refusal::kMoved;
  if (history.hops >= kHopsMax) {
    step.wait_ms = std::max(step.wait_ms, limits.cluster_down_ms);
    step.refresh = true;
  }
  return step;
}

}  // namespace

std::string_view RefusalName(Refusal refusal) {
  constexpr std::string_view kNames[] = {
      "", "MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "LOADING", "READONLY", "MASTERDOWN"};
  return kNames[static_cast<size_t>(refusal)];
}

Redirect ParseRedirect(std::string_view line, bool from_script) {
  Redirect redirect;
  for (const Code& code : kCodes) {
    if (!line.starts_with(code.word)) continue;
    const std::string_view rest = line.substr(code.word.size());
    if (from_script && !rest.starts_with(code.words)) continue;
    const bool names = code.refusal == Refusal::kMoved || code.refusal == Refusal::kAsk;
    if (names && !ParseTarget(rest, &redirect)) return {};
    redirect.refusal = code.refusal;
    return redirect;
  }
  return redirect;
}

RedirectStep DecideRedirect(const Redirect& redirect, const RedirectLimits& limits, uint64_t now_ms,
                            RedirectHistory* history) {
  RedirectStep step;
  if (redirect.refusal == Refusal::kNone) return step;
  if (history->resends == 0) history->first_refused_ms = now_ms;
  step = Follow(redirect, limits, *history);
  if (step.wait_ms != 0) step.wait_ms <<= std::min(history->waits, kWaitDoublingsMax);
  const uint64_t elapsed_ms = now_ms - history->first_refused_ms;
  if (history->resends >= limits.redirects_max ||
      elapsed_ms + step.wait_ms > limits.retry_budget_ms) {
    step.action = RedirectStep::Action::kGiveUp;
    return step;
  }
  ++history->resends;
  history->asking = step.asking;
  if (step.wait_ms == 0) {
    ++history->hops;
  } else {
    history->hops = 0;
    ++history->waits;
  }
  return step;
}

std::string GiveUpLine(const Redirect& redirect, std::string_view line, std::string_view node,
                       const RedirectHistory& history, uint64_t now_ms) {
  if (redirect.refusal != Refusal::kMoved && redirect.refusal != Refusal::kAsk) {
    return std::string(line.substr(0, line.find_first_of("\r\n")));
  }
  return Concat("-CLUSTERDOWN weir: slot ", redirect.slot, ": after ", history.resends,
                " redirects in ", now_ms - history.first_refused_ms, " ms ", node, " still says ",
                RefusalName(redirect.refusal), " to ", AddressText(redirect.host, redirect.port),
                ": the nodes do not agree on who serves it");
}

}  // namespace weir
