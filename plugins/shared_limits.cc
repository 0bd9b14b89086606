#include "plugins/shared_limits.h"

#include <algorithm>
#include <utility>

#include "plugins/host.h"

namespace weir {

void AskLimitScript(Host* host, int upstream, std::shared_ptr<const ScriptQuestion> question,
                    std::function<void(std::optional<ScriptAnswer>, std::string_view error)> done) {
  const std::string& key = question->limits[0].key;
  std::string request = ScriptRequest(*question, false);
  host->Call(upstream, key, std::move(request),
             [host, upstream, question, done = std::move(done)](std::string_view reply) {
               if (!IsNoScript(reply)) return done(ParseScriptAnswer(reply), reply);
               host->Call(
                   upstream, question->limits[0].key, ScriptRequest(*question, true),
                   [done](std::string_view second) { done(ParseScriptAnswer(second), second); });
             });
}

bool LimitLeases::Use(uint64_t id) {
  const auto found = leases_.find(id);
  if (found == leases_.end()) return false;
  Lease& lease = found->second;
  if (lease.left == 0 || lease.until_ns <= host_->NowNs()) return false;
  --lease.left;
  return true;
}

bool LimitLeases::Wait(uint64_t id, int upstream, ScriptQuestion question, uint64_t lease_ms_max,
                       Done done) {
  if (leases_.size() >= kLeasesMax && !leases_.contains(id)) {
    ForgetOld();
    if (leases_.size() >= kLeasesMax) {
      // No room for a lease: this one request asks for itself.
      question.grant_max = 1;
      AskLimitScript(host_, upstream, std::make_shared<const ScriptQuestion>(std::move(question)),
                     [done = std::move(done)](const std::optional<ScriptAnswer>& answer,
                                              std::string_view) { done(answer); });
      return true;
    }
  }
  Lease& lease = leases_[id];
  lease.waiting.push_back(std::move(done));
  if (std::exchange(lease.asking, true)) return false;
  Ask(id, upstream, std::make_shared<const ScriptQuestion>(std::move(question)), lease_ms_max);
  return true;
}

void LimitLeases::Ask(uint64_t id, int upstream, std::shared_ptr<const ScriptQuestion> question,
                      uint64_t lease_ms_max) {
  AskLimitScript(host_, upstream, question,
                 [this, id, upstream, question, lease_ms_max](
                     const std::optional<ScriptAnswer>& answer, std::string_view) {
                   Lease& lease = leases_[id];
                   lease.asking = false;
                   lease.left = answer && answer->allowed ? answer->grant : 0;
                   lease.until_ns = host_->NowNs() + lease_ms_max * 1'000'000;
                   std::deque<Done> waiting = std::move(lease.waiting);
                   lease.waiting.clear();
                   // If some got what they waited for, the others may find that more is there.
                   const bool any = lease.left != 0;
                   while (!waiting.empty() && (!any || lease.left != 0)) {
                     if (any) --lease.left;
                     const Done done = std::move(waiting.front());
                     waiting.pop_front();
                     done(answer);
                   }
                   if (waiting.empty()) return;
                   lease.waiting = std::move(waiting);
                   lease.asking = true;
                   Ask(id, upstream, question, lease_ms_max);
                 });
}

void LimitLeases::ForgetOld() {
  const uint64_t now_ns = host_->NowNs();
  absl::erase_if(leases_, [now_ns](const auto& entry) {
    return !entry.second.asking && (entry.second.left == 0 || entry.second.until_ns <= now_ns);
  });
}

}  // namespace weir
