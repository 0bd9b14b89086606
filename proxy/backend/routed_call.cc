// Calls of weir's own to the nodes of a cluster.
#include "proxy/backend/routed_call.h"

#include <utility>

#include "plugins/text.h"
#include "proxy/backend/call.h"
#include "proxy/backend/upstream.h"

namespace weir {
namespace {

constexpr std::string_view kNotServed = "-CLUSTERDOWN Hash slot not served\r\n";
constexpr std::string_view kShuttingDown = "-DOWN weir: shutting down\r\n";

RedirectLimits LimitsOf(const UpstreamConfig& config) {
  RedirectLimits limits;
  limits.redirects_max = static_cast<uint32_t>(config.redirects_max);
  limits.retry_budget_ms = static_cast<uint32_t>(config.retry_budget_ms);
  return limits;
}

}  // namespace

void RoutedCalls::Start(Upstream* upstream, std::string_view key, std::string request, Done done,
                        Options options) {
  Send(std::make_shared<Call>(Call{.upstream = upstream,
                                   .key = std::string(key),
                                   .request = std::move(request),
                                   .done = std::move(done),
                                   .options = std::move(options)}));
}

void RoutedCalls::Send(const CallPtr& call) {
  Upstream& upstream = *call->upstream;
  LinkKey at = upstream.BaseKey();
  if (call->options.as.has_value()) {
    const NodeIndex any = at.node;
    at = *call->options.as;
    at.node = any;
  }
  if (call->node != kNoNode) {
    at.node = call->node;
  } else if (upstream.is_cluster() && !call->key.empty()) {
    at.node = upstream.map().PrimaryOf(upstream.snapshot().topology->SlotOf(call->key));
  }
  if (at.node == kNoNode) {
    // Not at once: whoever asks does not expect the answer yet.
    return Wait(call, 0, [this](const CallPtr& waited) { OnReply(waited, kNotServed); });
  }
  call->node = at.node;
  LinkGroup* group = upstream.Hold(at);
  CallUpstream(context_, &upstream, group, call->request,
               CallOptions{.asking = call->asking,
                           .for_script = call->options.for_script,
                           .timeouts = call->options.timeouts,
                           .own = call->options.own},
               [this, call](std::string_view reply) { OnReply(call, reply); });
  group->Release();
}

void RoutedCalls::OnReply(const CallPtr& call, std::string_view reply) {
  Upstream& upstream = *call->upstream;
  const Redirect redirect =
      upstream.is_cluster() ? ParseRedirect(reply, /*from_script=*/true) : Redirect();
  if (redirect.refusal == Refusal::kNone || closed_) return call->done(reply);
  const uint64_t now_ms = context_->NowMs();
  const RedirectStep step =
      DecideRedirect(redirect, LimitsOf(upstream.config()), now_ms, &call->history);
  if (step.refresh) upstream.WantRefresh(reply.substr(0, reply.find('\r')));
  if (step.action != RedirectStep::Action::kResend) {
    const std::string line =
        GiveUpLine(redirect, reply, upstream.NodeAddress(call->node), call->history, now_ms);
    return call->done(Concat(line, "\r\n"));
  }
  const NodeIndex from = std::exchange(call->node, kNoNode);
  if (step.where == RedirectStep::Where::kNamed) {
    call->node = upstream.NodeOf(redirect, from);
    if (step.patch_slot && call->node != kNoNode) upstream.Patch(redirect.slot, call->node);
  } else if (step.where == RedirectStep::Where::kSame) {
    call->node = from;
  }
  call->asking = step.asking;
  context_->stats.requests_redirected.Add();
  if (step.wait_ms == 0) return Send(call);
  Wait(call, step.wait_ms, [this](const CallPtr& waited) { Send(waited); });
}

void RoutedCalls::Wait(const CallPtr& call, uint64_t wait_ms,
                       std::function<void(const CallPtr&)> then) {
  waiting_.insert(call);
  call->timer = after_(wait_ms, [this, call, then = std::move(then)] {
    waiting_.erase(call);
    then(call);
  });
}

void RoutedCalls::Close() {
  closed_ = true;
  for (const CallPtr& call : std::exchange(waiting_, {})) {
    call->timer.reset();
    call->done(kShuttingDown);
  }
}

}  // namespace weir
